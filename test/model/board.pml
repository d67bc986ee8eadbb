/*
 * board.pml
 *		The board's protocols as one model: what the heap shows, what the board
 *		believes, and the moments in between.
 *
 * Design rules 1 (the board changes after commit), 2 (frontier and refill),
 * 4 (claim) and 5 (waiting) meet in every claim, so they are modelled together.
 * A commit is two steps (the row becomes visible, later its callback runs), as
 * is a rollback; a claim is three (pop and note a pending lease, read the row,
 * settle the lease); a refill reads row by row.  Everything under the board's
 * lock is one atomic step.  README.md maps the steps to the C functions; the
 * script `run' lists the configurations and the mutations (-DMUT_...), each of
 * which breaks one rule and must be caught.
 *
 * Keys: row r in slot s sorts at s * NR + r + 1, so a key names its row, as a
 * real key does by ending in the instance's id.
 */
#ifndef NR
#define NR		2				/* rows */
#endif
#ifndef NS
#define NS		2				/* slots a row may move between */
#endif
#ifndef CAP
#define CAP		1				/* entries of the ready set */
#endif
#ifndef VMAX
#define VMAX	2				/* no row is moved beyond this visit */
#endif
#ifndef ROWS0
#define ROWS0	1				/* rows that exist, ready, at the start */
#endif
#ifndef FRONTIER0
#define FRONTIER0	0			/* nothing known yet */
#endif

#define KMAX	(NR * NS)
#define INF		(KMAX + 1)		/* as a frontier: all is in the set */
#define ROW(k)	(((k) - 1) % NR)
#define NP		4				/* sessions, at most */
/* The nx-th transaction of a session from the last: names its claim. */
#define TOKEN	(me + NP * nx)
#define NOBODY	255
#define SCHED	254

/* The heap: the committed version of each row, and at most one uncommitted. */
byte		c_visit[NR];		/* 0: no such row */
bool		c_ready[NR];
byte		c_key[NR];
byte		c_attempt[NR];		/* attempts of this visit that are over */
byte		u_by[NR] = NOBODY;	/* who wrote, and so locks, the row */
byte		u_visit[NR];
bool		u_ready[NR];
byte		u_key[NR];

/* The board: one ready set, by key the visit of the entry (0: no entry). */
byte		set[KMAX + 1];
byte		set_used;
byte		frontier = FRONTIER0;
byte		refiller = NOBODY;

#ifndef LEASES
#define LEASES	NR				/* places of the lease table */
#endif
#define FREE	0
#define PENDING	1				/* noted, row not read yet */
#define HELD	2
byte		l_state[NR];
byte		leases_used;
byte		l_visit[NR];
byte		l_by[NR];			/* the claim; once held, the board knows the attempt only */
byte		l_attempt[NR];
bool		l_expiring[NR];		/* the scheduler takes it back */
bool		l_wanted[NR];		/* another claimer met it while it was pending */

/* The set has or may get something for another waiter. */
#define MORE	(set_used > 0 || frontier < INF || refiller != NOBODY)

#define AWAY	0
#define QUEUED	1
#define WOKEN	2
byte		waiter[NP];

/* Ghost: which visit of which row a session believes it may work on. */
byte		ack_row[NP] = NOBODY;
byte		ack_visit[NP];

byte		t, q;				/* scratch, 0 between atomic steps */

inline set_evict_behind(limit)
{
	t = KMAX;
	do
	:: t > limit ->
		if
		:: set[t] != 0 -> set[t] = 0; set_used--
		:: else
		fi;
		t--
	:: else -> break
	od;
	t = 0
}

/* What sorts at or behind key is no longer all in the set. */
inline frontier_lower(key)
{
	if
	:: key <= frontier -> frontier = key - 1
	:: else
	fi
}

/* Put an entry in unless it sorts behind the frontier. */
inline set_offer(key, visit)
{
	if
	:: key <= frontier ->
		if
		:: set[key] == 0 -> set_used++; set[key] = visit
#ifndef MUT_DEDUP_KEEPS_OLD
		:: set[key] != 0 && set[key] < visit -> set[key] = visit
#endif
		:: else
		fi;
		if
		:: set_used > CAP ->
			t = KMAX;
			do
			:: set[t] == 0 -> t--
			:: else -> break
			od;
			set[t] = 0;
			set_used--;
#ifndef MUT_EVICT_KEEPS_FRONTIER
			frontier_lower(t);
#endif
			t = 0
		:: else
		fi
	:: else
	fi
}

/* The form of a very large transaction: only draws the frontier back. */
inline set_draw_back(key)
{
#ifdef MUT_DRAW_BACK_NOT_IN_REFILL
	if
	:: refiller == NOBODY -> frontier_lower(key)
	:: else
	fi;
#else
	frontier_lower(key);
#endif
	set_evict_behind(frontier)
}

#ifdef COARSE
#define OFFER(key, visit)	set_draw_back(key)
#else
#define OFFER(key, visit)	set_offer(key, visit)
#endif

inline wake_one()
{
	if
	:: waiter[0] == QUEUED -> waiter[0] = WOKEN
	:: waiter[1] == QUEUED -> waiter[1] = WOKEN
	:: waiter[2] == QUEUED -> waiter[2] = WOKEN
	:: waiter[3] == QUEUED -> waiter[3] = WOKEN
	:: else
	fi
}

inline wake_all()
{
	q = 0;
	do
	:: q < NP ->
		if
		:: waiter[q] == QUEUED -> waiter[q] = WOKEN
		:: else
		fi;
		q++
	:: else -> break
	od;
	q = 0
}

/*
 * Forget a lease.  Nobody may take away another's lease on a visit that is
 * not over; the claimer would act on it, or its hint would be gone.
 */
inline lease_drop(r, who)
{
	assert(l_by[r] == who || l_visit[r] < c_visit[r]);
	l_state[r] = FREE;
	leases_used--;
#ifndef MUT_FULL_TABLE_SLEEPS_ON
	if
	:: leases_used == LEASES - 1 && LEASES < NR -> wake_one()
	:: else
	fi;
#endif
	l_visit[r] = 0;
	l_by[r] = 0;
	l_attempt[r] = 0;
	l_expiring[r] = 0;
	l_wanted[r] = 0
}

#define LEASE_IS(r, visit, who) \
	(l_state[r] != FREE && l_visit[r] == (visit) && l_by[r] == (who))
#define LEASE_OF(r, visit, attempt) \
	(l_state[r] == HELD && l_visit[r] == (visit) && l_attempt[r] == (attempt))

/*
 * A claim that rolls back leaves a lease that is being taken back to the
 * scheduler, which offers the row again: a new claim would get the same number
 * of attempt, and the scheduler would take that one back.
 */
#ifdef MUT_ABORT_DROPS_EXPIRING
#define KEPT(r)	false
#else
#define KEPT(r)	l_expiring[r]
#endif

/* Ghost: the work of every session on this row is over. */
inline ack_over(r)
{
	q = 0;
	do
	:: q < NP ->
		if
		:: ack_row[q] == r -> ack_row[q] = NOBODY; ack_visit[q] = 0
		:: else
		fi;
		q++
	:: else -> break
	od;
	q = 0
}

/* Ghost: two sessions never work on one visit at a time. */
inline ack_begin(r, visit)
{
	q = 0;
	do
	:: q < NP ->
		assert(q == me || ack_row[q] != r || ack_visit[q] != visit);
		q++
	:: else -> break
	od;
	q = 0;
	ack_row[me] = r;
	ack_visit[me] = visit
}

#define MAY_WRITE(r) \
	(u_by[r] == NOBODY && c_visit[r] < VMAX && (c_visit[r] == 0 || c_ready[r]))

/*
 * A session: nx transactions, each with at most one write (a start, or a move
 * to another slot or to the end, by whoever) and one ready(), in any order,
 * committed or rolled back.  With `waits', ready() waits until it got
 * something.  A mortal session may die or be cancelled at every step of it.
 */
proctype Session(byte me; byte nx; bool writes; bool asks; bool waits; bool mortal; bool aborts)
{
	byte		k, v;			/* the hint of the claim */
	byte		claim;			/* its state in this transaction */
	bool		asked, wrote, ok;
	byte		w = NOBODY;		/* the row written, and its before-image */
	byte		bk, bv;
	byte		attempt;
	byte		oldf, pos, n, b0, b1, v0, v1;
	byte		r;
	bool		dying;

begin:
	atomic {
		asked = 0; wrote = 0; claim = FREE; k = 0; v = 0; attempt = 0; w = NOBODY; bk = 0; bv = 0;
		if
		:: nx == 0 || dying -> goto done
		:: else -> nx--
		fi
	};

body:
	if
	:: writes && !wrote ->
		wrote = 1;
		goto write
	:: asks && !asked ->
		asked = 1;
		goto enqueue
#ifdef SUB
	:: claim == HELD && aborts -> goto abort_claim
	:: w != NOBODY && aborts -> goto abort_write
#endif
	:: wrote || asked -> goto commit
	:: (w != NOBODY || claim == HELD) && aborts -> goto abort
	fi;

write:
	atomic {
		if
		:: MAY_WRITE(0) -> r = 0
#if NR > 1
		:: MAY_WRITE(1) -> r = 1
#endif
#if NR > 2
		:: MAY_WRITE(2) -> r = 2
#endif
		:: else -> goto body
		fi;
		w = r;
		bv = c_visit[r];
		if
		:: bv != 0 -> bk = c_key[r]
		:: else
		fi;
		u_by[r] = me;
		u_visit[r] = bv + 1;
		if
		:: u_ready[r] = 1; u_key[r] = r + 1
#if NS > 1
		:: u_ready[r] = 1; u_key[r] = NR + r + 1
#endif
		:: bv != 0 -> u_ready[r] = 0; u_key[r] = 0
		fi;
		r = 0
	};
#ifdef SUB2
	/*
	 * Perhaps write the row again, in a subtransaction that rolls back.  Its
	 * before-image is the transaction's own, which nobody could claim.
	 */
	if
	:: aborts && u_ready[w] ->
#ifdef MUT_OWN_BEFORE_IMAGE
		atomic { OFFER(u_key[w], u_visit[w]); wake_one() }
#endif
		skip
	:: skip
	fi;
#endif
	goto body;

	/* ready() */
enqueue:
	if
	:: waits -> waiter[me] = QUEUED
	:: else
	fi;

look:
	atomic {
		pos = 1;
		do
		:: pos > KMAX -> break
		:: pos <= KMAX && set[pos] == 0 -> pos++
		:: pos <= KMAX && set[pos] != 0 ->
			r = ROW(pos);
			if
			:: l_state[r] == FREE && leases_used == LEASES -> pos = KMAX + 1
			:: l_state[r] == FREE && leases_used < LEASES || l_state[r] != FREE && set[pos] > l_visit[r] ->
				if
				:: l_state[r] != FREE -> lease_drop(r, NOBODY)
				:: else
				fi;
				k = pos; v = set[pos];
				l_state[r] = PENDING; leases_used++; l_visit[r] = v; l_by[r] = TOKEN;
				set[pos] = 0; set_used--;
				break
#ifdef MUT_PENDING_LEFT_IN_PLACE
			:: l_state[r] == PENDING && set[pos] == l_visit[r] ->
				pos++			/* left in place */
			:: l_state[r] != FREE && (set[pos] < l_visit[r] || l_state[r] == HELD && set[pos] == l_visit[r]) ->
#else
			:: l_state[r] != FREE && set[pos] <= l_visit[r] ->
#ifndef MUT_PENDING_DROPS_HINT
				if
				:: l_state[r] == PENDING && set[pos] == l_visit[r] -> l_wanted[r] = 1
				:: else
				fi;
#endif
#endif
				set[pos] = 0; set_used--;
				pos++
			fi
		od;
		pos = 0; r = 0;
		if
		:: k != 0 -> goto verify
		:: k == 0 && set_used == 0 && frontier < INF && refiller == NOBODY -> 
			oldf = frontier;
#ifndef MUT_FRONTIER_AFTER_SCAN
			frontier = INF;
#endif
			refiller = me;
			pos = oldf + 1;
			goto refill
#ifndef MUT_REFILL_NOT_AWAITED
		:: k == 0 && set_used == 0 && refiller != NOBODY -> goto await
#endif
		:: else -> goto nothing
		fi
	};

await:
	/* Another session refills the set. */
	if
	:: refiller == NOBODY -> goto look
	:: mortal -> dying = 1; goto leave
	fi;

refill:
	do
	:: pos > KMAX || n == CAP -> break
	:: pos <= KMAX && n < CAP ->
		atomic {
			r = ROW(pos);
			if
			:: c_visit[r] != 0 && c_ready[r] && c_key[r] == pos && u_by[r] != me &&
#ifdef MUT_SKIP_ANY_LEASE
			   l_state[r] == FREE ->
#else
#ifdef MUT_SKIP_PENDING
			   !(l_state[r] != FREE && l_visit[r] >= c_visit[r]) ->
#else
			   !(l_state[r] == HELD && l_visit[r] >= c_visit[r]) ->
#endif
#endif
				if
				:: n == 0 -> b0 = pos; v0 = c_visit[r]
				:: else -> b1 = pos; v1 = c_visit[r]
				fi;
				n++
			:: else
			fi;
			pos++; r = 0
		}
	:: mortal ->
		atomic {
			refiller = NOBODY;
#ifdef MUT_DEAD_REFILLER_FORGETS_EVICTION
			frontier = oldf;
#else
#ifndef MUT_DEAD_REFILLER_KEEPS_FRONTIER
			frontier_lower(oldf + 1);
#endif
#endif
			set_evict_behind(frontier);
			oldf = 0; pos = 0; n = 0; b0 = 0; b1 = 0; v0 = 0; v1 = 0;
			dying = 1;
			goto leave
		}
	od;
	atomic {
#ifdef MUT_FRONTIER_AFTER_SCAN
		frontier = INF;
#endif
		if
		:: b0 != 0 -> set_offer(b0, v0)
		:: else
		fi;
		if
		:: b1 != 0 -> set_offer(b1, v1)
		:: else
		fi;
		refiller = NOBODY;
#ifdef MUT_REFILL_FORGETS_EVICTION
		frontier = INF;
#endif
		if
		:: n == CAP -> frontier_lower(pos)
		:: else
		fi;
		set_evict_behind(frontier);
		oldf = 0; pos = 0; n = 0; b0 = 0; b1 = 0; v0 = 0; v1 = 0;
		goto look
	};

verify:
	/* Read the row's latest committed state. */
	atomic {
		r = ROW(k);
		if
		:: u_by[r] == me -> ok = 0
		:: else -> ok = (c_visit[r] == v && c_ready[r]); attempt = c_attempt[r] + 1
		fi;
		r = 0
	};
	if
	:: atomic {
		r = ROW(k);
		if
		:: ok && LEASE_IS(r, v, TOKEN) && l_state[r] == PENDING ->
			l_state[r] = HELD;
			l_wanted[r] = 0;
			l_attempt[r] = attempt;
			claim = HELD;
			ack_begin(r, v);
			r = 0; ok = 0;
			goto leave
		:: !ok && LEASE_IS(r, v, TOKEN) ->
			if
			:: l_wanted[r] -> lease_drop(r, TOKEN); set_offer(k, v); wake_one()
			:: else ->
				lease_drop(r, TOKEN);
				if
				:: set_used > 0 -> wake_one()
				:: else
				fi
			fi
		:: else
		fi;
		r = 0; ok = 0; k = 0; v = 0; attempt = 0;
		goto look
	   }
	:: mortal -> ok = 0; dying = 1; claim = PENDING; goto leave
	fi;

nothing:
	if
	:: !waits -> goto leave
	:: else
	fi;
	/* Sleep: here, and only here, a session may stay for ever. */
end_sleep:
	if
	:: atomic { waits && waiter[me] == WOKEN -> waiter[me] = QUEUED; goto look }
	:: mortal -> dying = 1; goto leave
	fi;

leave:
	/*
	 * A wake-up that nobody looked after goes to the next.  So does what one
	 * that got its task leaves: it may have taken another than it was woken for.
	 */
	atomic {
		if
#ifndef MUT_NO_PASS_ON
		:: waiter[me] == WOKEN && claim != HELD && MORE ->
			waiter[me] = AWAY;
			wake_one()
#endif
#ifndef MUT_NO_PASS_ON_SUCCESS
		:: waiter[me] != AWAY && claim == HELD && MORE ->
			waiter[me] = AWAY;
			wake_one()
#endif
		:: else ->
			waiter[me] = AWAY
		fi
	};
	if
	:: dying -> goto abort
	:: else -> goto body
	fi;

commit:
#ifdef MUT_CALLBACK_BEFORE_COMMIT
	atomic {
		if
		:: w != NOBODY && u_ready[w] -> OFFER(u_key[w], u_visit[w]); wake_one()
		:: else
		fi
	};
#endif
	if
	:: w == NOBODY -> goto begin
#ifdef PREPARE
	:: w != NOBODY -> goto prepared
#endif
	:: w != NOBODY
	fi;
	atomic {
		/* visible */
		c_visit[w] = u_visit[w]; c_ready[w] = u_ready[w]; c_key[w] = u_key[w]; c_attempt[w] = 0;
		bv = u_visit[w]; bk = u_key[w];
		u_by[w] = NOBODY; u_visit[w] = 0; u_ready[w] = 0; u_key[w] = 0;
		ack_over(w)
	};
	atomic {
		/* callback */
		if
		:: l_state[w] != FREE &&
#ifdef MUT_CALLBACK_DROPS_ANY_LEASE
		   true ->
#else
		   l_visit[w] < bv ->
#endif
			lease_drop(w, NOBODY)
		:: else
		fi;
#ifndef MUT_CALLBACK_BEFORE_COMMIT
		if
		:: bk != 0 ->
			OFFER(bk, bv);
#ifndef MUT_NO_WAKE_AT_COMMIT
			wake_one()
#endif
		:: else
		fi;
#endif
		goto begin
	};

#ifdef PREPARE
	/*
	 * PREPARE TRANSACTION forgets the notes; the row stays locked.  Whoever ends
	 * it knows nothing of the row: afterwards the set forgets what it knows.
	 */
prepared:
	atomic {
		if
		:: c_visit[w] = u_visit[w]; c_ready[w] = u_ready[w]; c_key[w] = u_key[w];
		   c_attempt[w] = 0;
		   ack_over(w)
		:: skip
		fi;
		u_by[w] = NOBODY; u_visit[w] = 0; u_ready[w] = 0; u_key[w] = 0
	};
	atomic {
#ifndef MUT_PREPARED_UNSEEN
		set_draw_back(1);
		wake_all();
#endif
		goto begin
	};
#endif

abort_claim:
	/* roll back to a savepoint between the write and ready() */
	atomic { ack_row[me] = NOBODY; ack_visit[me] = 0 };
	atomic {
		r = ROW(k);
		if
		:: LEASE_OF(r, v, attempt) && !KEPT(r) -> lease_drop(r, TOKEN); OFFER(k, v); wake_one()
		:: else
		fi;
		r = 0; k = 0; v = 0; claim = FREE;
		goto body
	};

abort_write:
	atomic { u_by[w] = NOBODY; u_visit[w] = 0; u_ready[w] = 0; u_key[w] = 0 };
	atomic {
#ifndef MUT_NO_BEFORE_IMAGE
		if
		:: bk != 0 -> OFFER(bk, bv); wake_one()
		:: else
		fi;
#endif
		w = NOBODY; bk = 0; bv = 0;
		goto body
	};

abort:
	/* the heap forgets */
	atomic {
		if
		:: w != NOBODY -> u_by[w] = NOBODY; u_visit[w] = 0; u_ready[w] = 0; u_key[w] = 0
		:: else
		fi;
		if
		:: claim == HELD -> ack_row[me] = NOBODY; ack_visit[me] = 0
		:: else
		fi
	};
	/* the board is told */
	atomic {
#ifndef MUT_NO_BEFORE_IMAGE
		if
		:: w != NOBODY && bk != 0 -> OFFER(bk, bv); wake_one()
		:: else
		fi;
#endif
		if
		:: claim != FREE ->
			r = ROW(k);
			if
#ifdef MUT_DROP_UNFENCED
			:: l_state[r] != FREE ->
#else
#ifdef MUT_DROP_WITHOUT_ATTEMPT
			:: l_state[r] != FREE && l_visit[r] == v ->
#else
			:: (claim == HELD && LEASE_OF(r, v, attempt) && !KEPT(r)) ||
			   (claim == PENDING && LEASE_IS(r, v, TOKEN)) ->
#endif
#endif
				lease_drop(r, TOKEN);
#ifndef MUT_ABORT_KEEPS_HINT
				OFFER(k, v);
				wake_one()
#endif
			:: else
			fi;
			r = 0
		:: else
		fi;
		goto begin
	};

done:
	skip
}

#ifdef EXPIRE
/*
 * The scheduler takes a lease that ran out back: the same visit, one attempt
 * more, offered at once or after a pause.  Becoming due is nobody's commit.
 */
proctype Scheduler(byte runs)
{
	byte		r, v, by, attempt, k;
	bool		later;

	do
	:: runs == 0 -> break
	:: runs > 0 ->
		atomic {
			if
			:: l_state[0] == HELD && !l_expiring[0] -> r = 0
#if NR > 1
			:: l_state[1] == HELD && !l_expiring[1] -> r = 1
#endif
			:: timeout -> break
			fi;
			runs--;
			v = l_visit[r]; by = l_by[r]; attempt = l_attempt[r];
			l_expiring[r] = 1
		};
		atomic {
			if
			:: c_visit[r] != v || c_attempt[r] >= attempt ->
				/* its commit is visible, and its callback under way */
				if
				:: LEASE_OF(r, v, attempt) -> lease_drop(r, by)
				:: else
				fi;
				goto next
			:: c_visit[r] == v && c_attempt[r] < attempt && u_by[r] != NOBODY ->
				/* locked: the scheduler waits for nobody */
				if
				:: LEASE_OF(r, v, attempt) -> l_expiring[r] = 0
				:: else
				fi;
				goto next
			:: else -> u_by[r] = SCHED
			fi
		};
#ifdef SCHED_ABORTS
		if
		:: skip
		:: atomic { u_by[r] = NOBODY };
		   atomic {
			/* its notes are undone: the lease goes on, the image from before is offered */
			if
#ifdef MUT_SCHED_ABORT_DROPS_LEASE
			:: LEASE_OF(r, v, attempt) -> lease_drop(r, by)
#else
#ifndef MUT_SCHED_ABORT_KEEPS_MARK
			:: LEASE_OF(r, v, attempt) -> l_expiring[r] = 0
#endif
#endif
			:: else
			fi;
			OFFER(c_key[r], v);
			wake_one();
			goto next
		   }
		fi;
#endif
		atomic {
			/* visible */
			u_by[r] = NOBODY;
			k = (NS - 1) * NR + r + 1;
			c_key[r] = k; c_attempt[r] = attempt;
			if
			:: later = 0
			:: later = 1; c_ready[r] = 0
			fi;
			if
			:: ack_row[by % NP] == r && ack_visit[by % NP] == v -> ack_row[by % NP] = NOBODY; ack_visit[by % NP] = 0
			:: else
			fi
		};
		atomic {
			/* callback */
			if
#ifdef MUT_DROP_WITHOUT_ATTEMPT
			:: l_state[r] != FREE && l_visit[r] == v ->
#else
			:: LEASE_OF(r, v, attempt) ->
#endif
				lease_drop(r, by)
			:: else
			fi;
			if
			:: !later -> OFFER(k, v); wake_one()
			:: else
			fi
		};
		if
		:: later ->
			/* time passes, then the delayed task moves to the ready set */
			atomic {
				if
				:: c_visit[r] == v -> c_ready[r] = 1
				:: else
				fi
			};
			atomic { OFFER(k, v); wake_one() }
		:: else
		fi;
next:
		atomic { later = 0; k = 0; v = 0; by = 0; attempt = 0; r = 0 }
	od
}
#endif

#define HINTED(r) \
	(set[(r) + 1] == c_visit[r] || NS > 1 && set[NR + (r) + 1] == c_visit[r])
#define OPEN(r) \
	(c_visit[r] != 0 && c_ready[r] && !(l_state[r] == HELD && l_visit[r] == c_visit[r]))

/* When nothing moves any more, nothing may be lost and nobody may oversleep. */
proctype Monitor()
{
	byte		r;
	byte		s;

	timeout ->
	atomic {
		assert(refiller == NOBODY);
		r = 0;
		do
		:: r < NR ->
			assert(u_by[r] == NOBODY);
			assert(l_state[r] != PENDING && !l_expiring[r]);
#ifndef PREPARE
			/* (What a prepared transaction ended is dropped when it runs out.) */
			assert(l_state[r] == FREE || l_visit[r] == c_visit[r]);
#endif
			assert(!OPEN(r) || c_key[r] > frontier || HINTED(r));
			if
			:: OPEN(r) && leases_used < LEASES ->
				s = 0;
				do
				:: s < NP -> assert(waiter[s] != QUEUED); s++
				:: else -> break
				od
			:: else
			fi;
			r++
		:: else -> break
		od
	}
}

#ifndef N0
#define N0		1
#endif
#ifndef N1
#define N1		1
#endif
#ifndef N2
#define N2		1
#endif
#ifndef N3
#define N3		1
#endif
#define PLAIN(me, nx)	run Session(me, nx, 1, 1, 0, 0, 1)
#define ASKER(me, nx)	run Session(me, nx, 0, 1, 0, 0, 1)
#define MORTAL(me, nx)	run Session(me, nx, 0, 1, 0, 1, 1)
#define STARTER(me, nx)	run Session(me, nx, 1, 0, 0, 0, 0)
#define MOVER(me, nx)	run Session(me, nx, 1, 0, 0, 0, 1)
#define WAITER(me, nx)	run Session(me, nx, 0, 1, 1, 0, 0)
#define MORTAL_WAITER(me, nx)	run Session(me, nx, 0, 1, 1, 1, 1)

init
{
	atomic {
		t = 0;
		do
		:: t < ROWS0 -> c_visit[t] = 1; c_ready[t] = 1; c_key[t] = t + 1;
			if
			:: FRONTIER0 >= t + 1 -> set[t + 1] = 1; set_used++
			:: else
			fi;
			t++
		:: else -> break
		od;
		t = 0;
		run Monitor();
		S0(0, N0)
#ifdef S1
		; S1(1, N1)
#endif
#ifdef S2
		; S2(2, N2)
#endif
#ifdef S3
		; S3(3, N3)
#endif
#ifdef EXPIRE
		; run Scheduler(EXPIRE)
#endif
	}
}
