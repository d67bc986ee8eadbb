/*-------------------------------------------------------------------------
 *
 * breaker.c
 *	  Circuit breakers on the board, one for each machine that declares one.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "breaker.h"

#include "utils/timestamp.h"
#include "waiter.h"

/* ------------------------------------------------------------------ places */

/* Hashed as a block of bytes, so it is zero to its end. */
static void
set_name(char *to, const char *machine)
{
	memset(to, 0, DFSMR_NAME_MAX + 1);
	strlcpy(to, machine, DFSMR_NAME_MAX + 1);
}

static void
begin_period(Board *board, MachineBreaker *breaker)
{
	if (++board->breaker_period == 0)
		board->breaker_period = 1;
	breaker->period = board->breaker_period;
}

int
breaker_find(Board *board, const char *machine)
{
	char		name[DFSMR_NAME_MAX + 1];
	BreakerIndexEntry *entry;

	set_name(name, machine);
	entry = hash_search(board->breaker_index, name, HASH_FIND, NULL);
	return entry != NULL ? entry->place : -1;
}

static void
vacate(Board *board, MachineBreaker *breaker)
{
	hash_search(board->breaker_index, breaker->machine, HASH_REMOVE, NULL);
	breaker->used = false;
	breaker->period = 0;
}

/* A place for another breaker: free, or made so; -1 when all are open. */
static int
find_room(Board *board)
{
	int			oldest = -1;

	for (int i = 0; i < board->nbreakers_used; i++)
	{
		MachineBreaker *breaker = &board->breakers[i];

		if (!breaker->used)
			return i;
		if (!breaker->rule.open &&
			(oldest < 0 || breaker->last_used < board->breakers[oldest].last_used))
			oldest = i;
	}
	if (board->nbreakers_used < dfsmr_max_breakers)
		return board->nbreakers_used++;
	if (oldest >= 0)
		vacate(board, &board->breakers[oldest]);
	return oldest;
}

static int
make(Board *board, const char *machine, int version, const Breaker *limits, TimestampTz now)
{
	int			place = find_room(board);
	MachineBreaker *breaker;
	BreakerIndexEntry *entry;

	if (place < 0)
	{
		board->breakers_full = true;
		return -1;
	}
	breaker = &board->breakers[place];
	memset(breaker, 0, sizeof(*breaker));
	set_name(breaker->machine, machine);
	entry = hash_search(board->breaker_index, breaker->machine, HASH_ENTER_NULL, NULL);
	if (entry == NULL)
		return -1;
	entry->place = place;
	breaker->used = true;
	breaker->version = version;
	begin_period(board, breaker);
	breaker_rule_init(&breaker->rule, limits, now);
	return place;
}

static bool
same_limits(const Breaker *a, const Breaker *b)
{
	return a->window == b->window && a->min_attempts == b->min_attempts &&
		a->max_retry_ratio == b->max_retry_ratio && a->probe_rate == b->probe_rate;
}

int
breaker_attach(Board *board, const char *machine, int version, const Breaker *limits,
			   TimestampTz now)
{
	int			place = breaker_find(board, machine);
	MachineBreaker *breaker;

	if (place < 0)
		place = make(board, machine, version, limits, now);
	if (place < 0)
		return -1;
	breaker = &board->breakers[place];
	if (breaker->version < version)
	{
		breaker->version = version;
		if (!same_limits(&breaker->rule.limits, limits))
		{
			breaker_rule_restart(&breaker->rule, limits, now);
			begin_period(board, breaker);
		}
	}
	breaker->last_used = ++board->use_counter;
	return place;
}

void
breaker_forget_all(Board *board)
{
	for (int i = 0; i < board->nbreakers_used; i++)
	{
		if (board->breakers[i].used)
			vacate(board, &board->breakers[i]);
	}
	board->nbreakers_used = 0;
	board->breakers_recalled = board->breakers_full = false;
	board->breakers_follow = 0;
	board->nbreaker_events = board->breaker_events_out = 0;
}

void
breaker_clock_set_back(Board *board, TimestampTz now)
{
	for (int i = 0; i < board->nbreakers_used; i++)
	{
		MachineBreaker *breaker = &board->breakers[i];

		if (!breaker->used)
			continue;
		breaker_rule_restart(&breaker->rule, &breaker->rule.limits, now);
		breaker->rule.since = Min(breaker->rule.since, now);
		breaker->closed_at = Min(breaker->closed_at, now);
		begin_period(board, breaker);
	}
}

/* ------------------------------------------------------------------ events */

/* It has opened or closed: the scheduler writes that down. */
static BreakerEvent *
add_event(Board *board, MachineBreaker *breaker)
{
	BreakerEvent *event;

	if (board->nbreaker_events == MAX_BREAKER_EVENTS)
		memmove(board->breaker_events, board->breaker_events + 1,
				--board->nbreaker_events * sizeof(BreakerEvent));
	event = &board->breaker_events[board->nbreaker_events++];
	memset(event, 0, sizeof(*event));
	memcpy(event->machine, breaker->machine, sizeof(event->machine));
	event->number = ++board->breaker_event_number;
	event->version = breaker->version;
	event->open = breaker->rule.open;
	breaker->moved = true;
	board_wake_scheduler(board);
	return event;
}

int
breaker_take_events(Board *board, BreakerEvent *events, int max)
{
	int			n = board->breaker_events_out == 0 ? Min(board->nbreaker_events, max) : 0;

	if (n == 0)
		return 0;
	board->breaker_events_out = n;
	memcpy(events, board->breaker_events, n * sizeof(BreakerEvent));
	board->nbreaker_events -= n;
	memmove(board->breaker_events, board->breaker_events + n,
			board->nbreaker_events * sizeof(BreakerEvent));
	return n;
}

void
breaker_event_done(Board *board)
{
	/* The board may have been emptied meanwhile. */
	if (board->breaker_events_out > 0 && --board->breaker_events_out == 0 &&
		board->nbreaker_events > 0)
		board_wake_scheduler(board);
}

void
breaker_put_back_event(Board *board, const BreakerEvent *event)
{
	int			i = 0;

	while (i < board->nbreaker_events && board->breaker_events[i].number < event->number)
		i++;
	if (board->nbreaker_events == MAX_BREAKER_EVENTS)
	{
		/* The oldest has to go, which may be this one. */
		if (i == 0)
		{
			breaker_event_done(board);
			return;
		}
		i--;
		memmove(board->breaker_events, board->breaker_events + 1, i * sizeof(BreakerEvent));
	}
	else
		memmove(board->breaker_events + i + 1, board->breaker_events + i,
				(board->nbreaker_events++ - i) * sizeof(BreakerEvent));
	board->breaker_events[i] = *event;
	breaker_event_done(board);
}

/* ----------------------------------------------------- opening and closing */

static void
after_closing(Board *board, MachineBreaker *breaker)
{
	begin_period(board, breaker);
	breaker->closed_at = breaker->rule.since;
	breaker->wanted = false;
	/* All retries may go out. */
	waiter_wake_all(board);
}

void
breaker_detach(Board *board, const char *machine, int version)
{
	int			place = breaker_find(board, machine);
	MachineBreaker *breaker = place >= 0 ? &board->breakers[place] : NULL;

	if (breaker == NULL || breaker->version >= version)
		return;
	if (breaker->rule.open)
	{
		breaker->version = version;
		breaker->rule.open = false;
		add_event(board, breaker)->undeclared = true;
		after_closing(board, breaker);
	}
	vacate(board, breaker);
}

void
breaker_reopen(Board *board, int place, TimestampTz since, TimestampTz now)
{
	MachineBreaker *breaker = &board->breakers[place];

	/* Unless it has made up its mind already. */
	if (breaker->moved)
		return;
	breaker->moved = true;
	breaker_rule_open(&breaker->rule, now);
	breaker->rule.since = Min(since, now);
}

/* ------------------------------------------------------------------ claims */

/* The breaker that the ticket is of, or NULL: its period is over. */
static MachineBreaker *
breaker_of(Board *board, const BreakerTicket *ticket)
{
	MachineBreaker *breaker;

	if (ticket->period == 0)
		return NULL;
	breaker = &board->breakers[ticket->place];
	return breaker->period == ticket->period ? breaker : NULL;
}

/* Somebody would take a retry; the scheduler wakes a waiter for it in time. */
static void
want(Board *board, MachineBreaker *breaker)
{
	if (breaker->wanted)
		return;
	breaker->wanted = true;
	board_wake_scheduler(board);
}

/*
 * What waited while the breaker was open failed before it closed, and says
 * nothing about how things are now.  If that counted, the backlog of an outage
 * would open the breaker again as soon as min_attempts of it have been handed
 * out, however well they do.
 */
static bool
counts_as_retry(const BreakerTicket *ticket)
{
	return ticket->retry && !ticket->backlog;
}

bool
breaker_admits(Board *board, int place, TimestampTz now)
{
	MachineBreaker *breaker = &board->breakers[place];

	if (breaker_rule_admits(&breaker->rule, now))
		return true;
	want(board, breaker);
	return false;
}

void
breaker_pop(Board *board, int place, bool retry, TimestampTz ready_at, TimestampTz now,
			BreakerTicket *ticket)
{
	MachineBreaker *breaker = &board->breakers[place];

	ticket->at = now;
	ticket->period = breaker->period;
	ticket->place = place;
	ticket->retry = retry;
	ticket->backlog = retry && ready_at <= breaker->closed_at;
	ticket->counted = false;
	ticket->probe = retry && breaker->rule.open;
	if (ticket->probe)
	{
		breaker_rule_take_token(&breaker->rule, now);
		/* There may be more retries, and others who wait for them. */
		want(board, breaker);
	}
}

bool
breaker_deliver(Board *board, BreakerTicket *ticket, TimestampTz now)
{
	MachineBreaker *breaker = breaker_of(board, ticket);

	if (breaker == NULL)
	{
		memset(ticket, 0, sizeof(*ticket));
		return true;
	}
	if (ticket->retry && !ticket->probe && breaker->rule.open)
	{
		want(board, breaker);
		return false;
	}
	/* A probe keeps the time at which it took its token. */
	if (!ticket->probe)
		ticket->at = now;
	ticket->counted = true;
	if (breaker_rule_count(&breaker->rule, ticket->at, counts_as_retry(ticket)))
	{
		BreakerEvent *event = add_event(board, breaker);

		event->of = breaker->rule.deliveries;
		event->bad = breaker->rule.retries;
		event->window = breaker->rule.limits.window;
	}
	return true;
}

void
breaker_settle(Board *board, const BreakerTicket *ticket, TicketEnd end)
{
	MachineBreaker *breaker = breaker_of(board, ticket);
	int			succeeded;
	int			failed;

	if (breaker == NULL)
		return;
	if (end == TICKET_VOID)
	{
		if (ticket->counted)
			breaker_rule_discount(&breaker->rule, ticket->at, counts_as_retry(ticket));
		if (ticket->probe)
			breaker_rule_return_token(&breaker->rule, ticket->at);
	}
	else if (ticket->probe &&
			 breaker_rule_probe_ended(&breaker->rule, board_now(board),
									  end == TICKET_SUCCEEDED, &succeeded, &failed))
	{
		BreakerEvent *event = add_event(board, breaker);

		event->of = succeeded + failed;
		event->bad = failed;
		after_closing(board, breaker);
	}
}

/* ----------------------------------------------------------------- waiters */

TimestampTz
breaker_next_wake(Board *board, TimestampTz now)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < board->nbreakers_used; i++)
	{
		MachineBreaker *breaker = &board->breakers[i];

		if (breaker->used && breaker->wanted)
			next = Min(next, breaker_rule_next_token(&breaker->rule, now));
	}
	return next;
}

/*
 * Wake a waiter for a retry of the machine: for the first one in order that
 * anybody waits for, and if there is none of those that are known, for a node
 * of which not all are known.
 */
static void
wake_one(Board *board, const MachineBreaker *breaker)
{
	EntryKey	after = KEY_LOWEST;

	for (;;)
	{
		const NodeName *name = NULL;
		EntryKey	best = KEY_HIGHEST;

		for (int i = 0; i < board->nnodes_used; i++)
		{
			NodeSet    *set = &board->nodes[i];
			SetEntry   *head = ordered_set_get(&set->ready[RETRIES], 0);

			if (head != NULL && set->used &&
				entry_key_compare(&head->key, &after) > 0 &&
				entry_key_compare(&head->key, &best) < 0 &&
				strcmp(set->name.machine, breaker->machine) == 0)
			{
				name = &set->name;
				best = head->key;
			}
		}
		if (name == NULL)
			break;
		if (waiter_wake(board, name, 1) > 0)
			return;
		after = best;
	}
	for (int i = 0; i < board->nnodes_used; i++)
	{
		NodeSet    *set = &board->nodes[i];

		if (set->used && ordered_set_needs_refill(&set->ready[RETRIES]) &&
			strcmp(set->name.machine, breaker->machine) == 0 &&
			waiter_wake(board, &set->name, 1) > 0)
			return;
	}
}

void
breaker_wake(Board *board, TimestampTz now)
{
	for (int i = 0; i < board->nbreakers_used; i++)
	{
		MachineBreaker *breaker = &board->breakers[i];

		if (breaker->used && breaker->wanted && breaker_rule_admits(&breaker->rule, now))
		{
			breaker->wanted = false;
			wake_one(board, breaker);
		}
	}
}
