/*-------------------------------------------------------------------------
 *
 * changelog.h
 *	  Writing one entry of the changelog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CHANGELOG_H
#define DFSMR_CHANGELOG_H

#include "dfsmr.h"

#include "utils/jsonb.h"

/* The closed list of kinds (spec §3). */
typedef enum ChangeKind
{
	CHANGE_DEFINE,
	CHANGE_START,
	CHANGE_CLAIM,
	CHANGE_TRANSITION,
	CHANGE_TIMER,
	CHANGE_TIMEOUT,
	CHANGE_RELINQUISH,
	CHANGE_SIGNAL,
	CHANGE_MOVE,
	CHANGE_ABORT,
	CHANGE_UPGRADE,
	CHANGE_PAUSE,
	CHANGE_RESUME,
	CHANGE_BREAKER
} ChangeKind;

/* Where a change is in the changelog; number 0: nowhere. */
typedef struct ChangePlace
{
	uint64		xid;			/* the top transaction that wrote it; 0: restored */
	int64		seq;
} ChangePlace;

struct InstanceRow;

/* One change; a NULL pointer, and 0 for a number, is stored as NULL. */
typedef struct Change
{
	ChangeKind	kind;
	const char *machine;		/* required */
	int			version;
	const pg_uuid_t *instance;
	const char *key;
	int			visit;			/* the visit entered, or current */
	int			attempt;		/* that completed or failed the visit left */
	const char *prev_node;
	const char *transition;
	const char *node;
	const char *client;
	const char *note;
	Jsonb	   *node_params;
	Jsonb	   *data;			/* what was handed in, not the merged data */
	TimestampTz claimed_at;		/* 0: none */
	int64		seq;			/* its number; 0: it is drawn when it is appended */
	ChangePlace prev;			/* the change of the instance before it */
	const char *outcome;		/* of the instance that this change finished */
	const struct InstanceRow *left; /* ... which leaves the table with it */
} Change;

/*
 * Append to the changelog, in the caller's transaction, and have the scheduler
 * woken when that commits.  The number is drawn here: by a caller that holds the
 * lock of the row that changed, or that has read the version which it then writes
 * over.  Either makes the order of numbers causal.  Goes
 * by the table's access method, past triggers and the rights of the caller,
 * which have been checked.  Returns the number.
 */
extern int64 changelog_write(const Change *change);

/*
 * The same for a run of changes, with the table opened once.  They are numbered
 * when they are appended, unless change_writer_number() has given them their
 * numbers before, and written together: when there are many, with
 * change_writer_flush(), or at the end.
 */
typedef struct ChangeWriter ChangeWriter;

extern ChangeWriter *change_writer_open(void);
extern ChangePlace change_writer_number(ChangeWriter *writer);
extern int64 change_writer_append(ChangeWriter *writer, const Change *change);
extern void change_writer_flush(ChangeWriter *writer);
extern void change_writer_close(ChangeWriter *writer);

/* The name of a kind, as stored. */
extern const char *change_kind_name(ChangeKind kind);

#endif							/* DFSMR_CHANGELOG_H */
