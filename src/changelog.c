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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Changes that are kept until they are written together. */
#define MAX_KEPT 100

/* None of the own indexes is partial. */
#define ALL_INDEXES 0x3

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
	own[0] = oids->change_position[writer->member];
	own[1] = oids->change_instance[writer->member];
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

static void
fill_slot(const ChangeWriter *writer, TupleTableSlot *slot, const Change *change, int64 seq)
{
	ExecClearTuple(slot);
	/* Columns that a later version of the table may have appended. */
	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));

	slot->tts_isnull[CHANGE_COLUMN_SEQ] = false;
	slot->tts_values[CHANGE_COLUMN_SEQ] = Int64GetDatum(seq);
	slot->tts_isnull[CHANGE_COLUMN_XID] = false;
	slot->tts_values[CHANGE_COLUMN_XID] = FullTransactionIdGetDatum(writer->xid);
	slot->tts_isnull[CHANGE_COLUMN_AT] = false;
	slot->tts_values[CHANGE_COLUMN_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	slot->tts_isnull[CHANGE_COLUMN_MEMBER] = false;
	slot->tts_values[CHANGE_COLUMN_MEMBER] = Int16GetDatum(writer->member);
	slot->tts_isnull[CHANGE_COLUMN_CLAIMED_AT] = (change->claimed_at == 0);
	slot->tts_values[CHANGE_COLUMN_CLAIMED_AT] = TimestampTzGetDatum(change->claimed_at);
	slot->tts_isnull[CHANGE_COLUMN_INSTANCE] = (change->instance == NULL);
	slot->tts_values[CHANGE_COLUMN_INSTANCE] = PointerGetDatum(change->instance);
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

int64
change_writer_append(ChangeWriter *writer, const Change *change)
{
	MemoryContext caller;
	TupleTableSlot *slot = next_slot(writer);
	int64		seq = nextval_internal(writer->sequence, false);

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
		index_writer_insert(&writer->indexes, writer->slots[i], ALL_INDEXES, false);
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
