/*-------------------------------------------------------------------------
 *
 * call.h
 *	  What the API functions have in common: arguments, refusals, results.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CALL_H
#define DFSMR_CALL_H

#include "board_internal.h"
#include "instance.h"
#include "machine.h"
#include "refusal.h"

/* Longest arguments, in bytes; a key must fit an index entry. */
#define KEY_MAX 2000
#define LANE_MAX 255
#define NOTE_MAX 10000

/*
 * Begin a call that writes: ERROR in a read-only transaction, on a standby, in
 * a parallel worker, or when the library is not preloaded.
 */
extern Board *call_begin(const char *function);

/* Arguments; those that are not optional raise an error when NULL. */
extern pg_uuid_t *uuid_argument(FunctionCallInfo fcinfo, int argno, const char *name);
extern pg_uuid_t *optional_uuid_argument(FunctionCallInfo fcinfo, int argno);

/* A JSON object, or ERROR SM006; NULL for NULL if optional. */
extern Jsonb *object_argument(FunctionCallInfo fcinfo, int argno, const char *name,
							  bool optional);

/* A time to wait in microseconds from now on: not negative, in range. */
extern int64 interval_argument(FunctionCallInfo fcinfo, int argno, const char *name,
							   TimestampTz now);

/*
 * The same of a value that is not NULL, judged: the refusal, if there is one,
 * is what the functions above raise.
 */
extern Refusal judge_object(Datum datum, const char *name, Jsonb **object);
extern Refusal judge_delay(Datum datum, const char *name, TimestampTz now, int64 *usecs);

/* {} */
extern Jsonb *empty_object(void);

/* An integer; fallback for NULL. */
extern int	int_argument(FunctionCallInfo fcinfo, int argno, int fallback);

/* Fetch the row, or ERROR SM002. */
extern void fetch_required(InstanceTable *table, const pg_uuid_t *id, ItemPointer hint,
						   InstanceRow *row);

/*
 * Is a claim of the row's visit out?  Then a copy of its lease.  One that the
 * row has outlived was counted when it ended.
 */
extern bool claim_in_flight(Board *board, const InstanceRow *row, LeaseCopy *copy);

/* Refusals that several calls know. */
extern Refusal refusal_unknown_instance(const pg_uuid_t *id);
extern Refusal refusal_finished(const InstanceRow *row);
extern Refusal refusal_stale_visit(const InstanceRow *row, int visit);
extern Refusal refusal_illegal_transition(const InstanceRow *row, const MachineNode *node,
										  const char *transition);
extern Refusal refusal_visit_required(void);

pg_noreturn extern void raise_stale_lease(const InstanceRow *row, int attempt);

/* "ok, error", or "none": what may be said at the node. */
extern char *list_transitions(const MachineNode *node);

/* May the caller leave out the visit?  A worker must name it at a task node. */
extern bool visit_may_be_missing(const InstanceRow *row);

extern char *uuid_string(const pg_uuid_t *id);

/* Set a column of a result; NULL is NULL. */
extern void put_text(Datum *values, bool *nulls, int column, const char *text);

/* Return a set of one row. */
extern Datum return_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif							/* DFSMR_CALL_H */
