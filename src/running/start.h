/*-------------------------------------------------------------------------
 *
 * start.h
 *	  Starting an instance.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_START_H
#define DFSMR_START_H

#include "instance.h"
#include "machine_cache.h"
#include "refusal.h"

/* What to do when the id or the key is taken. */
typedef enum IfExists
{
	IF_EXISTS_ERROR,
	IF_EXISTS_RETURN,
	IF_EXISTS_SKIP
} IfExists;

/* What is asked for. */
typedef struct StartRequest
{
	TimestampTz now;
	Jsonb	   *no_object;		/* {} */
	pg_uuid_t	id;
	bool		own_id;			/* the caller's own: another row may have it */
	bool		has_priority;
	int			priority;
	int64		delay;			/* microseconds */
	const char *key;			/* NULL: none, as for the others */
	const char *lane;
	const pg_uuid_t *parent;
	Jsonb	   *params;
	Jsonb	   *data;
} StartRequest;

typedef enum StartVerdict
{
	START_DONE,
	START_RETURNED,				/* there is one, and its id is returned */
	START_SKIPPED,				/* there is one */
	START_REFUSED
} StartVerdict;

typedef struct StartAnswer
{
	pg_uuid_t	instance;		/* when done or returned */
	Refusal		refusal;		/* when refused */
} StartAnswer;

/*
 * Start an instance of the machine's current version.  The rights of the caller
 * have been checked.  Waits for a transaction that is about to take the same id
 * or key.
 */
extern StartVerdict start_instance(InstanceTable *table, const MachineInfo *info,
								   const StartRequest *request, IfExists if_exists,
								   StartAnswer *answer);

/* An id that sorts behind all that this session has generated. */
extern void generate_instance_id(pg_uuid_t *id);

extern IfExists if_exists_argument(FunctionCallInfo fcinfo, int argno);
extern Refusal judge_priority(int priority);

#endif							/* DFSMR_START_H */
