/*-------------------------------------------------------------------------
 *
 * board_internal.h
 *	  The structures of the board, for the files that work on them.
 *
 * Lock order: the directory lock (which board belongs to which database), then
 * the lock of one board.  A board's lock guards all of its fields but those
 * marked atomic; it is held for a few hundred instructions, and beneath it
 * there is no catalog access, no allocation and no error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_BOARD_INTERNAL_H
#define DFSMR_BOARD_INTERNAL_H

#include "board.h"
#include "breaker_rule.h"
#include "machine.h"
#include "ordered_set.h"
#include "port/atomics.h"
#include "sketch.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"

#define CLIENT_MAX 63

/* Which node of which machine, over all versions. */
typedef struct NodeName
{
	char		machine[DFSMR_NAME_MAX + 1];
	char		node[DFSMR_NAME_MAX + 1];
} NodeName;

/*
 * For hash tables whose keys are names, padded with zeroes to DFSMR_NAME_MAX + 1
 * bytes each, and perhaps something more: names are short, so hashing what they
 * are padded with would be most of the work.
 */
extern uint32 name_hash(const void *key, Size size);

#define FIRSTS 0				/* ready for their first attempt */
#define RETRIES 1

/* The ready sets of one node. */
typedef struct NodeSet
{
	NodeName	name;
	bool		used;
	uint16		generation;		/* tells a slot from its earlier life */
	uint64		last_used;		/* for making room */
	OrderedSet	ready[2];		/* FIRSTS, RETRIES */
} NodeSet;

/* How the breaker of a machine took note of a claim (breaker.h). */
typedef struct BreakerTicket
{
	TimestampTz at;				/* counted then, or its token taken */
	uint32		period;			/* 0: there is no breaker */
	int			place;
	bool		retry;
	bool		backlog;		/* a retry that was ready before the breaker closed */
	bool		probe;
	bool		counted;
} BreakerTicket;

/* What became of it. */
typedef enum TicketEnd
{
	TICKET_VOID,				/* no delivery after all: rolled back, relinquished */
	TICKET_SUCCEEDED,			/* a probe ... */
	TICKET_FAILED
} TicketEnd;

/* The breaker of one machine. */
typedef struct MachineBreaker
{
	char		machine[DFSMR_NAME_MAX + 1];
	bool		used;
	int			version;		/* whose limits these are */
	uint32		period;			/* never 0 while used, no two have the same */
	uint64		last_used;		/* for making room */
	bool		moved;			/* opened or closed since it is here */
	bool		wanted;			/* somebody wanted a retry and got none */
	TimestampTz closed_at;		/* when it closed last; 0: not since it is here */
	BreakerRule rule;
} MachineBreaker;

/* An opening or closing that is not in the changelog yet. */
typedef struct BreakerEvent
{
	char		machine[DFSMR_NAME_MAX + 1];
	uint64		number;			/* in their order */
	int			version;
	bool		open;
	bool		undeclared;		/* closed by a version without a breaker */
	int			of;				/* opened: deliveries; closed: probes */
	int			bad;			/* ... that were retries; that failed */
	int64		window;
} BreakerEvent;

/*
 * It takes ten probes to close one, so there are few; should nobody run the
 * scheduler, the oldest go.
 */
#define MAX_BREAKER_EVENTS 64

/* An entry of breaker_index: the machine's name, and the place. */
typedef struct BreakerIndexEntry
{
	char		machine[DFSMR_NAME_MAX + 1];
	int			place;
} BreakerIndexEntry;

/* A place among the durations of nodes; void once another node has it. */
typedef struct DurationsRef
{
	int			slot;			/* -1: none */
	uint32		generation;
} DurationsRef;

/* The answer to a question that every claim asks. */
typedef struct QuantileMemo
{
	double		percent;		/* 0: nothing was asked */
	int64		quantile;
	int64		count;			/* samples in the window, then */
	uint64		samples;		/* samples ever, then */
} QuantileMemo;

/* How long the work of one node takes; about 4.6 kB. */
typedef struct NodeDurations
{
	NodeName	name;
	uint32		generation;		/* tells a slot from its earlier life */
	bool		loaded;			/* what was saved is in the sketch */
	uint64		last_used;		/* for making room */
	uint64		samples;		/* counted here since it is on the board */
	uint64		saved;			/* ... of which so many are saved */
	QuantileMemo memo;
	Sketch		sketch;
} NodeDurations;

/* A claim that lost its lease before it was completed. */
typedef struct LostClaim
{
	pg_uuid_t	instance;
	int32		visit;
	int32		attempt;		/* 0: none is here */
	TimestampTz claimed_at;
	DurationsRef durations;
	int			next;			/* in the chain of its hash bucket, or -1 */
	uint32		client_hash;	/* of its client's name */
} LostClaim;

/* The latest of them: a ring, found by instance; see lost_claim.h. */
typedef struct LostClaims
{
	int			capacity;
	int			oldest;
	LostClaim  *claims;
	int		   *chains;			/* by hash: the first claim, or -1 */
} LostClaims;

/* The name of a client that holds leases. */
typedef struct KnownClient
{
	int			holders;		/* how many refer to it; 0: free */
	int			next;			/* in the chain of its hash bucket, or of free ones; -1 */
	uint32		hash;
	char		name[CLIENT_MAX + 1];
} KnownClient;

/* All of them, found by name or place; see client_name.h. */
typedef struct ClientNames
{
	int			capacity;
	int			used;
	int			free;			/* the first free one, or -1 */
	KnownClient *clients;
	int		   *chains;			/* by hash: the first client, or -1 */
} ClientNames;

/* How far a claim at most once has come into its row; see claim_writer.h. */
typedef enum ClaimWrite
{
	CLAIM_WRITE_NONE,
	CLAIM_WRITE_WANTED,			/* queued for the scheduler */
	CLAIM_WRITE_RUNNING,		/* its transaction is under way */
	CLAIM_WRITE_DONE,			/* committed: it may be handed out */
	CLAIM_WRITE_FAILED,			/* not written: the row is to be looked at again */
	CLAIM_UNDO_WANTED,			/* written for a call that is gone: queued to be undone */
	CLAIM_UNDO_RUNNING
} ClaimWrite;

/* Who works on what.  There may be very many: what is known of them lies close. */
typedef struct Lease
{
	pg_uuid_t	instance;		/* hash key */
	int32		visit;
	int32		attempt;		/* 0 while pending, unless it is to be written */
	int32		deliveries;
	int32		node;			/* slot of the node set the hint came from, */
	uint16		node_generation;	/* ... and its generation */
	ItemPointerData tid;
	DurationsRef durations;		/* of its node */
	int			client;			/* its place among the names of clients */
	int			heap_index;		/* place in expiry, -1 while pending */
	TimestampTz claimed_at;
	TimestampTz check_at;		/* heap key: expires_at, or later after a failed try;
								 * while pending, when the claim is to be written */
	union
	{
		struct					/* while pending */
		{
			struct Lease *write_prev;	/* queue of writes that are wanted */
			struct Lease *write_next;
			int			owner;	/* pgprocno of who looks at the row; -1: gone */
		};
		struct					/* once it holds */
		{
			TimestampTz expires_at;
			TimestampTz cutoff; /* no heartbeat renews beyond; DT_NOEND: none */
			int64		renewal;	/* what a heartbeat adds */
		};
	};
	BreakerTicket ticket;		/* once it holds */
	uint8		write;			/* ClaimWrite: at most once, while pending */
	bool		pending;		/* taken, but the row has not been looked at yet */
	bool		wanted;			/* ... and somebody else's hint was dropped for it */
	bool		expiring;		/* the scheduler is taking it back */
	bool		in_row;			/* at most once: the row says who holds it, this only
								 * how long he is believed to live */
	bool		counted;		/* its duration is counted, or cannot be known */
} Lease;

/* A lease as it was under the lock, with the client's name. */
typedef struct LeaseCopy
{
	Lease		lease;
	char		client[CLIENT_MAX + 1];
} LeaseCopy;

/* One call of ready() that waits. */
typedef struct Waiter
{
	NodeName	filter;			/* empty strings match all */
	bool		used;
	bool		woken;
	int			procno;
	int			woken_for;		/* slot of the node set that woke it, or -1, */
	uint16		woken_generation;	/* ... and its generation */
	int			prev;			/* queue of those not woken, in order of arrival */
	int			next;
} Waiter;

/* An entry that could not be worked on now: its row is locked, or bad. */
typedef struct Postponed
{
	SetEntry	entry;
	TimestampTz retry_at;
	int			tries;
} Postponed;

#define MAX_POSTPONED 64

struct Board
{
	/* identity; guarded by the directory lock */
	Oid			database;
	Oid			extension;
	pg_uuid_t	installation;

	LWLock	   *lock;

	/* atomic: the scheduler's pgprocno, or -1 */
	pg_atomic_uint32 scheduler;
	/* atomic: how often it was asked to wake; see board_wake_requests() */
	pg_atomic_uint64 wake_requests;
	/* atomic: the scheduler sleeps until then; see board_due_at() */
	pg_atomic_uint64 sleeps_until;
	/* atomic: how often changes were announced, and whether the scheduler waits for it */
	pg_atomic_uint64 changes_announced;
	pg_atomic_uint32 awaits_changes;
	/* atomic: raised whenever a definition or a pause changes */
	pg_atomic_uint64 definition_counter;

	/* atomic, both int64: the clock; see board_now() */
	pg_atomic_uint64 clock_lead;	/* of the wall clock before the monotonic one, at most */
	pg_atomic_uint64 clock_offset;	/* injected by tick(now) */

	/*
	 * Every task whose ready_at is not later is treated as due: it belongs
	 * into a ready set, not into the delayed one.  Never goes back.
	 */
	TimestampTz due_until;
	/* nothing is fired before: rows arrived that no call wrote */
	TimestampTz quiet_until;

	OrderedSet	timers;			/* timer nodes, and parked ones with a timeout */
	OrderedSet	delayed;		/* tasks that become due later */
	Postponed	postponed[MAX_POSTPONED];
	int			npostponed;
	bool		postponed_lost; /* there was no room: look at all again */
	TimestampTz postponed_retry;	/* ... but not before */

	HTAB	   *node_index;		/* NodeName -> slot */
	NodeSet    *nodes;
	int			nnodes_used;
	uint64		use_counter;

	HTAB	   *leases;
	Lease	  **expiry;			/* binary heap by check_at */
	int			nexpiry;
	int			npending;
	Lease	   *write_first;	/* claims to be written by the scheduler */
	Lease	   *write_last;
	bool		leases_full;	/* somebody found no lease free */
	TimestampTz leases_full_logged; /* when that was said last */

	HTAB	   *breaker_index;	/* machine -> place */
	MachineBreaker *breakers;
	int			nbreakers_used; /* places beyond were never taken */
	uint32		breaker_period; /* the last one given out */
	bool		breakers_recalled;	/* those that were open before a restart */
	bool		breakers_full;	/* some machine does without */
	uint64		breakers_follow;	/* definition counter up to which they do */
	BreakerEvent breaker_events[MAX_BREAKER_EVENTS];
	int			nbreaker_events;
	int			breaker_events_out; /* taken by somebody who writes them */
	uint64		breaker_event_number;
	HTAB	   *durations_index;	/* NodeName -> slot */
	NodeDurations *durations;
	int			ndurations;
	uint64		samples;		/* durations counted, of all nodes */
	LostClaims	lost_claims;
	ClientNames clients;

	Waiter	   *waiters;
	int			waiter_free;	/* list through next */
	int			waiter_first;
	int			waiter_last;
	int			nwaiters;

	/* somebody waits here for a refill to end */
	ConditionVariable refilled;

	TransactionId *prepared;	/* prepared transactions to watch */
	int			nprepared;
	bool		prepared_overflow;

	/* counters for the view status */
	uint64		claims;
	uint64		stale_hints;
	uint64		wakeups;
	uint64		resets;
	uint64		repairs;
	uint64		audits;
};

/* board.c */
extern void board_reset_sets(Board *board);
extern void board_empty(Board *board);
extern Board *board_slot(int i);

/* The board of this identity, in a free slot if need be; NULL: none is free. */
extern Board *board_claim_slot(Oid database, Oid extension, const pg_uuid_t *installation);
extern void board_raise_definition_counter(Board *board);

/* prepared.c: has one ended of which the board has not heard yet? */
extern bool board_prepared_unheard(Board *board);

/*
 * Move tasks that have become due by now into their ready sets and wake
 * waiters for them.  When more is due than the delayed set knows of, all
 * ready sets forget what they know instead and refill from the heap.  Lock held.
 */
extern void board_promote(Board *board, TimestampTz now);

/* The moment at which the next delayed task is due, as far as known. */
extern TimestampTz board_next_delayed(Board *board);

/* node_set.c; lock held */
extern int	node_set_find(Board *board, const NodeName *name);
extern int	node_set_get(Board *board, const NodeName *name);
extern void node_set_touch(Board *board, int slot);

/* Offer a ready task: insert it if it sorts before the frontier. */
extern InsertResult node_set_offer(Board *board, const NodeName *name, bool retry,
								   const SetEntry *entry);

extern void node_name_set(NodeName *name, const char *machine, const char *node);

#endif							/* DFSMR_BOARD_INTERNAL_H */
