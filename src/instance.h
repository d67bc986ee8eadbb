/*-------------------------------------------------------------------------
 *
 * instance.h
 *	  Rows of dfsmr.instance: reading the latest, writing past triggers.
 *
 * Calls act on the latest committed state (and on what their own transaction
 * wrote), whatever snapshot the caller has: rows are read with SnapshotSelf,
 * which raises no serialization failure and leaves no predicate locks.  They
 * are written through the table's access method, after the caller's rights and
 * the edge have been checked; the row triggers are for everybody else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_INSTANCE_H
#define DFSMR_INSTANCE_H

#include "dfsmr.h"

#include "access/tableam.h"
#include "change_ring.h"
#include "changelog.h"
#include "index_writer.h"
#include "machine.h"
#include "utils/jsonb.h"
#include "xact_notes.h"

/* Attribute numbers, in the order of install/10_tables.sql. */
enum InstanceAttribute
{
	ANUM_ID = 1,
	ANUM_VERSION,
	ANUM_VISIT,
	ANUM_ATTEMPT,
	ANUM_FAILED_ATTEMPTS,
	ANUM_DELIVERIES,
	ANUM_NEG_PRIORITY,
	ANUM_CHANGE_XID,
	ANUM_CHANGE_SEQ,
	ANUM_KIND,
	ANUM_RETRY,
	ANUM_DELAYED,
	ANUM_KEY_HELD,
	ANUM_OWN_PRIORITY,
	ANUM_READY_AT,
	ANUM_ENTERED_AT,
	ANUM_STARTED_AT,
	ANUM_MACHINE,
	ANUM_NODE,
	ANUM_KEY,
	ANUM_PARENT,
	ANUM_FINISHED_AT,
	ANUM_HELD_SINCE,
	ANUM_PREV_NODE,
	ANUM_PREV_TRANSITION,
	ANUM_LANE,
	ANUM_HELD_BY,
	ANUM_OUTCOME,
	ANUM_NOTE,
	ANUM_VISITS,
	ANUM_PARAMS,
	ANUM_NODE_PARAMS,
	ANUM_DATA,
	INSTANCE_NATTS = ANUM_DATA
};

/*
 * What is stored as the kind of a row whose task was handed out at most once,
 * and that the indexes of ready tasks pass by for it; its node is a task node
 * all the same.
 */
#define KIND_HELD 'h'

/*
 * One row.  Pointers are NULL, times 0, for NULL.  jsonb values are as stored
 * (perhaps toasted): those that a write leaves alone are never read.
 */
typedef struct InstanceRow
{
	ItemPointerData tid;		/* invalid: it has left the table */
	bool		own_write;		/* this version is this transaction's own */
	pg_uuid_t	id;
	int			version;
	int			visit;
	int			attempt;
	int			failed_attempts;
	int			deliveries;
	int			neg_priority;
	ChangePlace change;			/* the last change of it */
	NodeKind	kind;
	bool		held;			/* handed out at most once: the claim is in the row, */
	const char *held_by;		/* ... by this client, */
	TimestampTz held_since;		/* ... since then; its attempt is counted */
	bool		retry;
	bool		delayed;
	bool		key_held;
	bool		own_priority;
	bool		timed;			/* ready_at is not NULL */
	bool		has_parent;
	TimestampTz ready_at;
	TimestampTz entered_at;
	TimestampTz started_at;
	TimestampTz finished_at;
	pg_uuid_t	parent;
	const char *machine;
	const char *node;
	const char *prev_node;
	const char *prev_transition;
	const char *key;
	const char *lane;
	const char *outcome;
	const char *note;
	Jsonb	   *visits;
	Jsonb	   *params;
	Jsonb	   *node_params;
	Jsonb	   *data;
} InstanceRow;

/*
 * The table, opened for a call or for a batch of them, and the changelog that
 * goes with it.
 */
typedef struct InstanceTable
{
	MemoryContext context;		/* in which it was opened */
	Relation	rel;
	TupleTableSlot *read_slot;
	BlockNumber nblocks;		/* it has at least so many */

	/* The rest is there once it is needed. */
	Relation	pkey;
	TupleTableSlot *write_slot;
	IndexWriter indexes;
	ChangeWriter *changes;
	ChangeScan *finished;		/* those that have left it */
} InstanceTable;

extern void instance_table_open(InstanceTable *table, LOCKMODE lockmode);

/* Close it, and write the changes that are still kept. */
extern void instance_table_close(InstanceTable *table);

/* The latest version of the row, or false: also when it has left the table. */
extern bool instance_fetch(InstanceTable *table, const pg_uuid_t *id, InstanceRow *row);

/*
 * The same, trying first where it was seen last: under an old snapshot the
 * index has an entry for each version that the row had since.
 */
extern bool instance_fetch_hinted(InstanceTable *table, const pg_uuid_t *id,
								  ItemPointer hint, InstanceRow *row);

/* The same, also when it has left the table: then by its last change. */
extern bool instance_find(InstanceTable *table, const pg_uuid_t *id,
						  ItemPointer hint, InstanceRow *row);

/* Read the row that a scan has put into a slot. */
extern void instance_read_slot(TupleTableSlot *slot, InstanceRow *row);

/*
 * Insert a new row, for which this change gets its number.  When another has its id, which is only looked for with
 * own_id (one that was not made here), or holds its key, nothing is inserted, that
 * one is returned in *existing and the result is false.
 */
extern bool instance_insert(InstanceTable *table, InstanceRow *row, bool own_id,
							Change *change, InstanceRow *existing);

typedef enum InstanceUpdate
{
	INSTANCE_UPDATED,
	INSTANCE_CHANGED,			/* somebody was faster: fetch again */
	INSTANCE_LOCKED				/* and wait was false */
} InstanceUpdate;

/*
 * Write the row over the version that it was read from, which must still be
 * the latest one; waits for a transaction that has it locked if wait is true.
 * row->tid is the new version's place afterwards.
 */
extern InstanceUpdate instance_update(InstanceTable *table, InstanceRow *row, bool wait);

/* The same, but the row leaves the table: its last change says what it was. */
extern InstanceUpdate instance_leave(InstanceTable *table, InstanceRow *row, bool wait);

/* The row's claim at most once, if it has one, is over. */
extern void instance_let_go(InstanceRow *row);

/*
 * Changes of a row: first they get their numbers, and a place in its chain, which
 * the row then names; then the row is written; then they are appended.
 * instance_flush_changes(): all that were appended can be read now.
 */
extern void instance_number_changes(InstanceTable *table, InstanceRow *row,
									Change *changes, int n);
extern void instance_append_changes(InstanceTable *table, const Change *changes, int n);
extern void instance_flush_changes(InstanceTable *table);

/* The node of a row in its machine; NULL for the aborted node. */
extern const MachineNode *row_node(const InstanceRow *row, const Machine *machine);

/* How the row stands to the board. */
extern RowImage instance_image(const InstanceRow *row);

#endif							/* DFSMR_INSTANCE_H */
