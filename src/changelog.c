/*-------------------------------------------------------------------------
 *
 * changelog.c
 *	  Writing the changelog: one row per change, in the transaction that made
 *	  the change.
 *
 * This runs in every transition, so it goes by the table's access method: no
 * parse, no plan, no triggers.  The trigger on this table is for rows that no
 * API call wrote (a restore): those get transaction id 0, ours keep theirs.
 * The row goes into the member of the ring that is written now; nothing depends
 * on that being so when it commits.
 *
 *-------------------------------------------------------------------------
 */
#include "changelog.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "board.h"
#include "change_columns.h"
#include "change_ring.h"
#include "commands/sequence.h"
#include "index_writer.h"
#include "instance.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Changes that are kept until they are written together: about what a page takes. */
#define MAX_KEPT 32

/* The extension's own indexes, in the order in which their OIDs are named. */
enum OwnIndex
{
	INDEX_POSITION,
	INDEX_INSTANCE
};

/* The table, opened for a run of changes. */
struct ChangeWriter
{
	Relation	rel;
	IndexWriter indexes;
	MemoryContext context;		/* as long as the writer */
	MemoryContext scratch;		/* until the next change */
	Oid			sequence;
	int			member;			/* of the ring */
	FullTransactionId xid;
	const char *role;
	int			nkept;
	int			nslots;
	TupleTableSlot *slots[MAX_KEPT];	/* made as they are needed */
	uint32		entries[MAX_KEPT];	/* the indexes that each goes into */
};

static const char *const kind_names[] = {
	[CHANGE_DEFINE] = "define",
	[CHANGE_START] = "start",
	[CHANGE_CLAIM] = "claim",
	[CHANGE_TRANSITION] = "transition",
	[CHANGE_TIMER] = "timer",
	[CHANGE_TIMEOUT] = "timeout",
	[CHANGE_RELINQUISH] = "relinquish",
	[CHANGE_SIGNAL] = "signal",
	[CHANGE_MOVE] = "move",
	[CHANGE_ABORT] = "abort",
	[CHANGE_UPGRADE] = "upgrade",
	[CHANGE_PAUSE] = "pause",
	[CHANGE_RESUME] = "resume",
	[CHANGE_BREAKER] = "breaker",
};

const char *
change_kind_name(ChangeKind kind)
{
	return kind_names[kind];
}

ChangeWriter *
change_writer_open(void)
{
	const ExtensionOids *oids = extension_oids_required();
	ChangeWriter *writer = palloc(sizeof(ChangeWriter));
	Oid			own[2];

	writer->member = change_ring()->member;
	writer->rel = table_open(oids->change_member[writer->member], RowExclusiveLock);
	own[INDEX_POSITION] = oids->change_position[writer->member];
	own[INDEX_INSTANCE] = oids->change_instance[writer->member];
	index_writer_open(&writer->indexes, writer->rel, own, lengthof(own));
	writer->context = CurrentMemoryContext;
	writer->scratch = AllocSetContextCreate(CurrentMemoryContext, "dfsmr change",
											ALLOCSET_DEFAULT_SIZES);
	writer->sequence = oids->change_seq;
	writer->xid = GetTopFullTransactionId();
	writer->role = GetUserNameFromId(GetUserId(), false);
	writer->nkept = writer->nslots = 0;
	return writer;
}

void
change_writer_close(ChangeWriter *writer)
{
	change_writer_flush(writer);
	for (int i = 0; i < writer->nslots; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	index_writer_close(&writer->indexes);
	MemoryContextDelete(writer->scratch);
	/* The lock stays until the transaction ends, as for any insert. */
	table_close(writer->rel, NoLock);
	pfree(writer);
	xact_note_changes();
}

static void
set_text(TupleTableSlot *slot, int column, const char *value)
{
	slot->tts_isnull[column] = (value == NULL);
	slot->tts_values[column] = value ? CStringGetTextDatum(value) : (Datum) 0;
}

static void
set_number(TupleTableSlot *slot, int column, int value)
{
	slot->tts_isnull[column] = (value == 0);
	slot->tts_values[column] = Int32GetDatum(value);
}

static void
set_jsonb(TupleTableSlot *slot, int column, const Jsonb *value)
{
	slot->tts_isnull[column] = (value == NULL);
	slot->tts_values[column] = PointerGetDatum(value);
}

/*
 * Which indexes have an entry for the change: the predicates of
 * install/10_tables.sql once more; sql/indexes.sql holds both together.
 */
static uint32
index_entries(const Change *change)
{
	uint32		entries = 1u << INDEX_POSITION;

	if (change->outcome != NULL || change->kind == CHANGE_CLAIM || change->instance == NULL)
		entries |= 1u << INDEX_INSTANCE;
	return entries;
}

static void
set(TupleTableSlot *slot, int column, Datum value)
{
	slot->tts_isnull[column] = false;
	slot->tts_values[column] = value;
}

/* What is kept of an instance that leaves its table, beside the change itself. */
static void
fill_left(TupleTableSlot *slot, const InstanceRow *row)
{
	set(slot, CHANGE_COLUMN_FINISHED_AT, TimestampTzGetDatum(row->finished_at));
	set(slot, CHANGE_COLUMN_STARTED_AT, TimestampTzGetDatum(row->started_at));
	set(slot, CHANGE_COLUMN_DELIVERIES, Int32GetDatum(row->deliveries));
	set(slot, CHANGE_COLUMN_PRIORITY, Int32GetDatum(-row->neg_priority));
	if (row->has_parent)
		set(slot, CHANGE_COLUMN_PARENT, UUIDPGetDatum(&row->parent));
	set_text(slot, CHANGE_COLUMN_LANE, row->lane);
	set_text(slot, CHANGE_COLUMN_LAST_NOTE, row->note);
	set_jsonb(slot, CHANGE_COLUMN_PARAMS, row->params);
	set_jsonb(slot, CHANGE_COLUMN_LAST_NODE_PARAMS, row->node_params);
	set_jsonb(slot, CHANGE_COLUMN_LAST_DATA, row->data);
}

static void
fill_slot(const ChangeWriter *writer, TupleTableSlot *slot, const Change *change, int64 seq)
{
	ExecClearTuple(slot);
	/* Columns that a later version of the table may have appended. */
	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));

	set(slot, CHANGE_COLUMN_SEQ, Int64GetDatum(seq));
	set(slot, CHANGE_COLUMN_XID, FullTransactionIdGetDatum(writer->xid));
	set(slot, CHANGE_COLUMN_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	set(slot, CHANGE_COLUMN_MEMBER, Int16GetDatum(writer->member));
	if (change->prev.seq != 0)
	{
		set(slot, CHANGE_COLUMN_PREV_XID,
			FullTransactionIdGetDatum(FullTransactionIdFromU64(change->prev.xid)));
		set(slot, CHANGE_COLUMN_PREV_SEQ, Int64GetDatum(change->prev.seq));
	}
	if (change->claimed_at != 0)
		set(slot, CHANGE_COLUMN_CLAIMED_AT, TimestampTzGetDatum(change->claimed_at));
	if (change->instance != NULL)
		set(slot, CHANGE_COLUMN_INSTANCE, UUIDPGetDatum(change->instance));
	set_number(slot, CHANGE_COLUMN_VERSION, change->version);
	set_number(slot, CHANGE_COLUMN_VISIT, change->visit);
	set_number(slot, CHANGE_COLUMN_ATTEMPT, change->attempt);
	set_text(slot, CHANGE_COLUMN_KIND, kind_names[change->kind]);
	set_text(slot, CHANGE_COLUMN_MACHINE, change->machine);
	set_text(slot, CHANGE_COLUMN_KEY, change->key);
	set_text(slot, CHANGE_COLUMN_PREV_NODE, change->prev_node);
	set_text(slot, CHANGE_COLUMN_TRANSITION, change->transition);
	set_text(slot, CHANGE_COLUMN_NODE, change->node);
	set_text(slot, CHANGE_COLUMN_CLIENT, change->client);
	set_text(slot, CHANGE_COLUMN_ROLE, writer->role);
	set_text(slot, CHANGE_COLUMN_NOTE, change->note);
	set_jsonb(slot, CHANGE_COLUMN_NODE_PARAMS, change->node_params);
	set_jsonb(slot, CHANGE_COLUMN_DATA, change->data);
	set_text(slot, CHANGE_COLUMN_OUTCOME, change->outcome);
	if (change->left != NULL)
		fill_left(slot, change->left);
	ExecStoreVirtualTuple(slot);
}

/* A slot for one more change: it lives as long as the writer. */
static TupleTableSlot *
next_slot(ChangeWriter *writer)
{
	if (writer->nkept == MAX_KEPT)
		change_writer_flush(writer);
	if (writer->nkept == writer->nslots)
	{
		MemoryContext caller = MemoryContextSwitchTo(writer->context);

		writer->slots[writer->nslots++] = table_slot_create(writer->rel, NULL);
		MemoryContextSwitchTo(caller);
	}
	return writer->slots[writer->nkept++];
}

ChangePlace
change_writer_number(ChangeWriter *writer)
{
	return (ChangePlace) {
		.xid = U64FromFullTransactionId(writer->xid),
		.seq = nextval_internal(writer->sequence, false)
	};
}

int64
change_writer_append(ChangeWriter *writer, const Change *change)
{
	MemoryContext caller;
	TupleTableSlot *slot = next_slot(writer);
	int64		seq = change->seq != 0 ? change->seq : change_writer_number(writer).seq;

	writer->entries[writer->nkept - 1] = index_entries(change);

	caller = MemoryContextSwitchTo(writer->scratch);
	fill_slot(writer, slot, change, seq);
	ExecMaterializeSlot(slot);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(writer->scratch);
	return seq;
}

void
change_writer_flush(ChangeWriter *writer)
{
	CommandId	cid = GetCurrentCommandId(true);
	MemoryContext caller;

	if (writer->nkept == 0)
		return;
	caller = MemoryContextSwitchTo(writer->scratch);
	if (writer->nkept == 1)
		table_tuple_insert(writer->rel, writer->slots[0], cid, 0, NULL);
	else
		table_multi_insert(writer->rel, writer->slots, writer->nkept, cid, 0, NULL);
	for (int i = 0; i < writer->nkept; i++)
	{
		index_writer_insert(&writer->indexes, writer->slots[i], writer->entries[i], false);
		ExecClearTuple(writer->slots[i]);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(writer->scratch);
	writer->nkept = 0;
}

int64
changelog_write(const Change *change)
{
	ChangeWriter *writer = change_writer_open();
	int64		seq = change_writer_append(writer, change);

	change_writer_close(writer);
	return seq;
}
