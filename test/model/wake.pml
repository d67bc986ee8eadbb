/*
 * wake.pml
 *		How the scheduler goes to sleep, and who wakes it.
 *
 * Two things may come up while it looks around: changes are announced
 * (board_announce_changes, board_await_changes), and something becomes due
 * sooner than it means to sleep (board_due_at, board_sleep_until).  Neither may
 * find it asleep for ever, and announcing to a scheduler that is awake, or
 * paces itself, costs no latch.  What waits for a lock may reset the latch, so
 * a step does that here.
 *
 * Every atomic operation of the C code is one step; those with a full barrier
 * are what they seem to be.  What is due is read under the board's lock, and
 * written under it before board_due_at() is called.
 */
#define COMMITTERS	2
#define CLAIMERS	2
#define NEVER		9

byte		announced;			/* changes_announced */
bool		awaits;				/* awaits_changes */
byte		sleeps_until = NEVER;
bool		latch;
byte		due = NEVER;		/* the first thing on the board that is due */

byte		published;			/* changes that some window had */
byte		planned;			/* it sleeps until then, if nobody wakes it */
bool		asleep;

active [COMMITTERS] proctype Committer()
{
	announced++;
	if
	:: awaits ->
		if
		:: atomic { awaits -> awaits = false };
#ifndef MUT_NO_LATCH
			latch = true
#endif
		:: else
		fi
	:: else
	fi
}

active [CLAIMERS] proctype Claimer()
{
	byte		at = _pid - COMMITTERS + 1;

#ifdef MUT_WAKE_BEFORE_INSERT
	if
	:: at < sleeps_until -> latch = true
	:: else
	fi;
	atomic { due = (at < due -> at : due) }
#else
	atomic { due = (at < due -> at : due) };
	if
	:: at < sleeps_until -> latch = true
	:: else
	fi
#endif
}

active proctype Scheduler()
{
	byte		seen = 255;
	bool		sleep;

	do
	::	/* the steps: one may wait for a lock, which resets the latch */
		if
		:: seen != announced ->
#ifdef MUT_SEEN_AFTER_WINDOW
			published = announced;
			seen = announced
#else
			seen = announced;
			published = announced
#endif
		:: else
		fi;
		if
		:: due < NEVER -> due = NEVER	/* its time has come */
		:: true
		fi;
		latch = false;

		/* how long to sleep */
#ifndef MUT_DECIDED_BEFORE_LOOKING
		sleeps_until = NEVER;
#endif
		sleep = true;
#ifdef MUT_LOOK_BEFORE_AWAIT
		sleep = (announced == seen);
		awaits = true;
#else
		awaits = true;
		if
		:: announced != seen -> awaits = false; sleep = false
		:: else
		fi;
#endif
		planned = due;
		sleeps_until = planned;
		if
		:: sleep ->
			asleep = true;
end_sleep:	latch;
			asleep = false
		:: else
		fi;
		latch = false
	od
}

/* When nothing moves any more, it sleeps on nothing that it should know. */
active proctype Observer()
{
	timeout;
	assert(asleep && published == announced && planned == due)
}
