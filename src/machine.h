/*-------------------------------------------------------------------------
 *
 * machine.h
 *	  The compiled machine: what a definition means, ready for look-ups.
 *
 * Pure data and pure functions: nothing here knows the server, so that the
 * reader and the checker can be tested and fuzzed alone.  A machine and all
 * that hangs on it live in one Arena and are immutable once built.
 *
 * Durations are microseconds.  Nodes and edges are named by their index in
 * the arrays below; -1 stands for "none".
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_MACHINE_H
#define DFSMR_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* The longest identifier, in bytes, without the terminating zero. */
#define DFSMR_NAME_MAX 63

/* The final system node that an aborted instance ends in: in no definition. */
#define DFSMR_NODE_ABORTED "dfsmr.aborted"

/* The transition of a lease that ran out and is offered again. */
#define DFSMR_TRANSITION_TIMEOUT "dfsmr.timeout"

/* Of the past durations of a task node that declares no other timeout. */
#define DEFAULT_PERCENTILE 95.0

typedef enum NodeKind
{
	NODE_TASK = 't',			/* a worker claims it */
	NODE_TIMER = 'd',			/* "delay": fires by itself */
	NODE_PARKED = 'p',			/* "await: signal": moved from outside */
	NODE_FINAL = 'f'
} NodeKind;

typedef enum Outcome
{
	OUTCOME_SUCCESS,
	OUTCOME_FAILURE
} Outcome;

/* When start() may use the key of an earlier instance again. */
typedef enum KeyReuse
{
	KEY_REUSE_FINISHED,			/* once that one is finished (the default) */
	KEY_REUSE_FAILED,			/* once it has finished with a failure */
	KEY_REUSE_NEVER
} KeyReuse;

/*
 * A pause that may grow: base * backoff^n, at most max, where n counts the
 * earlier visits of the node.  "full" jitter draws from [0, that].
 */
typedef struct Delay
{
	int64_t		base;
	double		backoff;		/* >= 1 */
	int64_t		max;			/* INT64_MAX when unlimited */
	bool		full_jitter;
} Delay;

/*
 * When retries are held back, so that they do not bury what is failing: once
 * they are more than this part of the deliveries in the window.
 */
typedef struct Breaker
{
	int64_t		window;
	int			min_attempts;	/* deliveries below which nothing is judged */
	double		max_retry_ratio;
	double		probe_rate;		/* retries a second that an open one lets through */
} Breaker;

typedef struct MachineEdge
{
	const char *transition;
	int			target;			/* index of a node */
	bool		has_delay;
	Delay		delay;			/* replaces the target's own */
	bool		reset;			/* forget visit counts and backoff */
} MachineEdge;

typedef struct MachineNode
{
	const char *name;
	NodeKind	kind;
	Outcome		outcome;		/* of a final node */
	int			priority;

	/*
	 * How long a lease holds, or how long a parked node waits.  A task node
	 * with timeout -1 goes by the percentile of its past durations, within
	 * timeout_min and timeout_max; a parked one waits for ever.
	 */
	int64_t		timeout;		/* fixed, or -1 */
	double		percentile;		/* in (0, 100]; of no meaning beside a timeout */
	int64_t		timeout_min;	/* -1 when none is declared */
	int64_t		timeout_max;	/* -1 when none is declared */
	int64_t		heartbeat;		/* -1 when none is declared */
	int			on_timeout;		/* edge, or -1 */

	/*
	 * Never offered again by itself.  Either timeout is 0, and the lease holds
	 * until somebody decides, or there are both a timeout and on_timeout.
	 */
	bool		at_most_once;

	int			max_attempts;	/* within one visit; 0: unlimited */
	int			on_exhausted;	/* edge; -1 without max_attempts */
	bool		has_redeliver;
	Delay		redeliver;		/* pause before it is offered again */
	int64_t		max_elapsed;	/* since the first entry; -1: unlimited */
	int			on_max_elapsed; /* edge; -1 without max_elapsed */
	Delay		delay;			/* of a timer */
	int			fire;			/* edge that a timer takes */
	bool		is_retry;		/* timer: coming out of it counts as a retry */
	int			max_visits;		/* 0: unlimited */
	int			on_max_visits;	/* edge, or -1 */
	int			nedges;
	MachineEdge *edges;			/* sorted by transition, byte by byte */
} MachineNode;

typedef struct Machine
{
	const char *id;
	KeyReuse	key_reuse;
	bool		endless;
	bool		has_breaker;
	Breaker		breaker;
	int			start;			/* index of the start node */
	int			nnodes;
	MachineNode *nodes;			/* in the order of the definition */
	int		   *by_name;		/* node indexes sorted by name */
} Machine;

/* Index of the node, or -1. */
extern int	machine_find_node(const Machine *machine, const char *name);

/*
 * Index within node->edges of the edge with this transition, or -1: the
 * caller decides whether that is an error.
 */
extern int	machine_find_edge(const MachineNode *node, const char *transition);

/* Does this timer count as a retry unless the definition says otherwise? */
extern bool machine_retry_by_default(const MachineNode *timer);

/* Is there an edge of any name from one node to the other? */
extern bool machine_has_edge_to(const MachineNode *node, int target);

/*
 * The delay in microseconds before the n-th further visit (n = 0 for the
 * first); random is a number in [0, 1) and is used for jitter alone.
 */
extern int64_t delay_duration(const Delay *delay, int earlier_visits, double random);

#endif							/* DFSMR_MACHINE_H */
