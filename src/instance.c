/*-------------------------------------------------------------------------
 *
 * instance.c
 *	  Rows of dfsmr.instance: reading the latest, writing past triggers.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "instance.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/xact.h"
#include "finished.h"
#include "miscadmin.h"
#include "row_place.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

void
instance_table_open(InstanceTable *table, LOCKMODE lockmode)
{
	memset(table, 0, sizeof(*table));
	table->context = CurrentMemoryContext;
	table->rel = table_open(extension_oids_required()->instance, lockmode);
	table->read_slot = table_slot_create(table->rel, NULL);
}

void
instance_table_close(InstanceTable *table)
{
	if (table->changes != NULL)
		change_writer_close(table->changes);
	if (table->finished != NULL)
		change_scan_close(table->finished);
	if (table->write_slot != NULL)
	{
		index_writer_close(&table->indexes);
		ExecDropSingleTupleTableSlot(table->write_slot);
	}
	if (table->pkey != NULL)
		index_close(table->pkey, NoLock);
	ExecDropSingleTupleTableSlot(table->read_slot);
	table_close(table->rel, NoLock);
}

/* ---------------------------------------------------------------- reading */

static const char *
read_text(TupleTableSlot *slot, int attribute)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attribute, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static Jsonb *
read_jsonb(TupleTableSlot *slot, int attribute)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attribute, &isnull);

	/* A copy, still toasted if it is: it outlives the slot. */
	return isnull ? NULL : (Jsonb *) DatumGetPointer(datumCopy(value, false, -1));
}

static TimestampTz
read_time(TupleTableSlot *slot, int attribute, bool *given)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attribute, &isnull);

	if (given != NULL)
		*given = !isnull;
	return isnull ? 0 : DatumGetTimestampTz(value);
}

void
instance_read_slot(TupleTableSlot *slot, InstanceRow *row)
{
	Datum	   *values = slot->tts_values;
	bool		isnull;

	slot_getallattrs(slot);
	row->tid = slot->tts_tid;
	row->own_write = TransactionIdIsCurrentTransactionId(
		DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull)));
	row->id = *DatumGetUUIDP(values[ANUM_ID - 1]);
	row->version = DatumGetInt32(values[ANUM_VERSION - 1]);
	row->visit = DatumGetInt32(values[ANUM_VISIT - 1]);
	row->attempt = DatumGetInt32(values[ANUM_ATTEMPT - 1]);
	row->failed_attempts = DatumGetInt32(values[ANUM_FAILED_ATTEMPTS - 1]);
	row->deliveries = DatumGetInt32(values[ANUM_DELIVERIES - 1]);
	row->neg_priority = DatumGetInt32(values[ANUM_NEG_PRIORITY - 1]);
	row->change.xid = U64FromFullTransactionId(
		DatumGetFullTransactionId(values[ANUM_CHANGE_XID - 1]));
	row->change.seq = DatumGetInt64(values[ANUM_CHANGE_SEQ - 1]);
	row->held = DatumGetChar(values[ANUM_KIND - 1]) == KIND_HELD;
	row->kind = row->held ? NODE_TASK : (NodeKind) DatumGetChar(values[ANUM_KIND - 1]);
	row->held_by = read_text(slot, ANUM_HELD_BY);
	row->held_since = read_time(slot, ANUM_HELD_SINCE, NULL);
	row->retry = DatumGetBool(values[ANUM_RETRY - 1]);
	row->delayed = DatumGetBool(values[ANUM_DELAYED - 1]);
	row->key_held = DatumGetBool(values[ANUM_KEY_HELD - 1]);
	row->own_priority = DatumGetBool(values[ANUM_OWN_PRIORITY - 1]);
	row->ready_at = read_time(slot, ANUM_READY_AT, &row->timed);
	row->entered_at = read_time(slot, ANUM_ENTERED_AT, NULL);
	row->started_at = read_time(slot, ANUM_STARTED_AT, NULL);
	row->finished_at = read_time(slot, ANUM_FINISHED_AT, NULL);
	row->has_parent = !slot->tts_isnull[ANUM_PARENT - 1];
	if (row->has_parent)
		row->parent = *DatumGetUUIDP(values[ANUM_PARENT - 1]);
	row->machine = read_text(slot, ANUM_MACHINE);
	row->node = read_text(slot, ANUM_NODE);
	row->prev_node = read_text(slot, ANUM_PREV_NODE);
	row->prev_transition = read_text(slot, ANUM_PREV_TRANSITION);
	row->key = read_text(slot, ANUM_KEY);
	row->lane = read_text(slot, ANUM_LANE);
	row->outcome = read_text(slot, ANUM_OUTCOME);
	row->note = read_text(slot, ANUM_NOTE);
	row->visits = read_jsonb(slot, ANUM_VISITS);
	row->params = read_jsonb(slot, ANUM_PARAMS);
	row->node_params = read_jsonb(slot, ANUM_NODE_PARAMS);
	row->data = read_jsonb(slot, ANUM_DATA);
}

bool
instance_fetch(InstanceTable *table, const pg_uuid_t *id, InstanceRow *row)
{
	ScanKeyData key;
	IndexScanDesc scan;
	bool		found;

	if (table->pkey == NULL)
		table->pkey = index_open(extension_oids_required()->instance_pkey, AccessShareLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	scan = index_beginscan(table->rel, table->pkey, SnapshotSelf, NULL, 1, 0);
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, table->read_slot);
	if (found)
		instance_read_slot(table->read_slot, row);
	index_endscan(scan);
	ExecClearTuple(table->read_slot);
	return found;
}

bool
instance_fetch_hinted(InstanceTable *table, const pg_uuid_t *id, ItemPointer hint,
					  InstanceRow *row)
{
	bool		found = false;

	if (hint != NULL && row_at_place(table->rel, &table->nblocks, hint, table->read_slot))
	{
		bool		isnull;
		Datum		there = slot_getattr(table->read_slot, ANUM_ID, &isnull);

		if (memcmp(DatumGetUUIDP(there), id, UUID_LEN) == 0)
		{
			instance_read_slot(table->read_slot, row);
			found = true;
		}
		ExecClearTuple(table->read_slot);
	}
	return found || instance_fetch(table, id, row);
}

static void
open_finished(InstanceTable *table)
{
	MemoryContext caller;

	if (table->finished != NULL)
		return;
	caller = MemoryContextSwitchTo(table->context);
	table->finished = palloc(sizeof(ChangeScan));
	change_scan_open(table->finished, SnapshotSelf);
	MemoryContextSwitchTo(caller);
}

/* The instance as its last change has it, if it has left the table. */
static bool
find_finished(InstanceTable *table, const pg_uuid_t *id, InstanceRow *row)
{
	open_finished(table);
	/* It may have left by an earlier item of this very call. */
	instance_flush_changes(table);
	return finished_find(table->finished, id, row);
}

bool
instance_find(InstanceTable *table, const pg_uuid_t *id, ItemPointer hint, InstanceRow *row)
{
	return instance_fetch_hinted(table, id, hint, row) || find_finished(table, id, row);
}

/* ---------------------------------------------------------------- writing */

/* The extension's own indexes, in the order in which their OIDs are named. */
enum OwnIndex
{
	INDEX_PKEY,
	INDEX_KEY,
	INDEX_READY,
	INDEX_DELAYED,
	INDEX_TIMER
};

/* Open for writing what is not open yet. */
static void
prepare_writing(InstanceTable *table)
{
	const ExtensionOids *oids = extension_oids_required();
	const Oid	own[] = {oids->instance_pkey, oids->instance_key, oids->instance_ready,
	oids->instance_delayed, oids->instance_timer};
	MemoryContext caller;

	if (table->write_slot != NULL)
		return;
	caller = MemoryContextSwitchTo(table->context);
	table->write_slot = MakeSingleTupleTableSlot(RelationGetDescr(table->rel), &TTSOpsVirtual);
	index_writer_open(&table->indexes, table->rel, own, lengthof(own));
	MemoryContextSwitchTo(caller);
}

/*
 * Which of them have an entry for the row: the predicates of
 * install/10_tables.sql once more; sql/indexes.sql holds both together.
 */
static uint32
index_entries(const InstanceRow *row)
{
	uint32		entries = 1u << INDEX_PKEY;

	if (row->key_held)
		entries |= 1u << INDEX_KEY;
	if (row->kind == NODE_TASK && !row->held)
		entries |= 1u << INDEX_READY;
	if (row->delayed)
		entries |= 1u << INDEX_DELAYED;
	if (row->timed && (row->held || row->kind == NODE_TIMER || row->kind == NODE_PARKED))
		entries |= 1u << INDEX_TIMER;
	return entries;
}

static void
put(TupleTableSlot *slot, int attribute, Datum value)
{
	slot->tts_values[attribute - 1] = value;
	slot->tts_isnull[attribute - 1] = false;
}

static void
put_text(TupleTableSlot *slot, int attribute, const char *text)
{
	if (text != NULL)
		put(slot, attribute, CStringGetTextDatum(text));
}

static void
put_jsonb(TupleTableSlot *slot, int attribute, Jsonb *jsonb)
{
	if (jsonb != NULL)
		put(slot, attribute, PointerGetDatum(jsonb));
}

static void
put_change(TupleTableSlot *slot, const InstanceRow *row)
{
	put(slot, ANUM_CHANGE_XID,
		FullTransactionIdGetDatum(FullTransactionIdFromU64(row->change.xid)));
	put(slot, ANUM_CHANGE_SEQ, Int64GetDatum(row->change.seq));
}

static void
fill_slot(TupleTableSlot *slot, const InstanceRow *row)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, INSTANCE_NATTS * sizeof(bool));
	put(slot, ANUM_ID, UUIDPGetDatum(&row->id));
	put(slot, ANUM_VERSION, Int32GetDatum(row->version));
	put(slot, ANUM_VISIT, Int32GetDatum(row->visit));
	put(slot, ANUM_ATTEMPT, Int32GetDatum(row->attempt));
	put(slot, ANUM_FAILED_ATTEMPTS, Int32GetDatum(row->failed_attempts));
	put(slot, ANUM_DELIVERIES, Int32GetDatum(row->deliveries));
	put(slot, ANUM_NEG_PRIORITY, Int32GetDatum(row->neg_priority));
	put_change(slot, row);
	put(slot, ANUM_KIND, CharGetDatum(row->held ? KIND_HELD : (char) row->kind));
	put_text(slot, ANUM_HELD_BY, row->held_by);
	if (row->held_since != 0)
		put(slot, ANUM_HELD_SINCE, TimestampTzGetDatum(row->held_since));
	put(slot, ANUM_RETRY, BoolGetDatum(row->retry));
	put(slot, ANUM_DELAYED, BoolGetDatum(row->delayed));
	put(slot, ANUM_KEY_HELD, BoolGetDatum(row->key_held));
	put(slot, ANUM_OWN_PRIORITY, BoolGetDatum(row->own_priority));
	if (row->timed)
		put(slot, ANUM_READY_AT, TimestampTzGetDatum(row->ready_at));
	put(slot, ANUM_ENTERED_AT, TimestampTzGetDatum(row->entered_at));
	put(slot, ANUM_STARTED_AT, TimestampTzGetDatum(row->started_at));
	if (row->finished_at != 0)
		put(slot, ANUM_FINISHED_AT, TimestampTzGetDatum(row->finished_at));
	if (row->has_parent)
		put(slot, ANUM_PARENT, UUIDPGetDatum(&row->parent));
	put_text(slot, ANUM_MACHINE, row->machine);
	put_text(slot, ANUM_NODE, row->node);
	put_text(slot, ANUM_PREV_NODE, row->prev_node);
	put_text(slot, ANUM_PREV_TRANSITION, row->prev_transition);
	put_text(slot, ANUM_KEY, row->key);
	put_text(slot, ANUM_LANE, row->lane);
	put_text(slot, ANUM_OUTCOME, row->outcome);
	put_text(slot, ANUM_NOTE, row->note);
	put_jsonb(slot, ANUM_VISITS, row->visits);
	put_jsonb(slot, ANUM_PARAMS, row->params);
	put_jsonb(slot, ANUM_NODE_PARAMS, row->node_params);
	put_jsonb(slot, ANUM_DATA, row->data);
	ExecStoreVirtualTuple(slot);
}

static ChangeWriter *
change_writer(InstanceTable *table)
{
	if (table->changes == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(table->context);

		table->changes = change_writer_open();
		MemoryContextSwitchTo(caller);
	}
	return table->changes;
}

void
instance_number_changes(InstanceTable *table, InstanceRow *row, Change *changes, int n)
{
	ChangeWriter *writer = change_writer(table);

	for (int i = 0; i < n; i++)
	{
		changes[i].prev = row->change;
		row->change = change_writer_number(writer);
		changes[i].seq = row->change.seq;
	}
}

/*
 * The change that starts the row gets its number, which the row is to name: a new
 * one each time that it is tried, since others may have been waited for.
 */
static void
number_start(InstanceTable *table, InstanceRow *row, Change *change)
{
	memset(&row->change, 0, sizeof(row->change));
	instance_number_changes(table, row, change, 1);
	put_change(table->write_slot, row);
}

/*
 * Insert, but not beside a row with the same id or key: as INSERT … ON
 * CONFLICT does, by looking first, then inserting speculatively.  Who has left
 * the table is looked for when nobody can put the id into it any more.
 */
static bool
insert_speculatively(InstanceTable *table, InstanceRow *row, bool own_id, Change *change,
					 InstanceRow *existing)
{
	TupleTableSlot *slot = table->write_slot;

	index_writer_open_all(&table->indexes, true);
	/* Now, as locks of tables are not to be waited for in the midst of it. */
	if (own_id)
		open_finished(table);
	for (;;)
	{
		ItemPointerData conflict;
		uint32		token;
		bool		lost = false;
		bool		finished;

		CHECK_FOR_INTERRUPTS();
		if (!exec_check_index_constraints_compat(table->indexes.target, slot, table->indexes.estate,
												 &conflict, NIL))
		{
			if (table_tuple_fetch_row_version(table->rel, &conflict, SnapshotSelf,
											  table->read_slot))
			{
				instance_read_slot(table->read_slot, existing);
				ExecClearTuple(table->read_slot);
				/* Who has the id comes before who holds the key. */
				if (own_id && memcmp(&existing->id, &row->id, UUID_LEN) != 0)
					(void) find_finished(table, &row->id, existing);
				return false;
			}
			continue;
		}
		number_start(table, row, change);
		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
		table_tuple_insert_speculative(table->rel, slot, GetCurrentCommandId(true), 0,
									   NULL, token);
		list_free(exec_insert_index_tuples_compat(table->indexes.target, slot, table->indexes.estate,
												  true, &lost, NIL));
		finished = !lost && own_id && find_finished(table, &row->id, existing);
		table_tuple_complete_speculative(table->rel, slot, token, !lost && !finished);
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
		if (!lost)
			return !finished;
	}
}

bool
instance_insert(InstanceTable *table, InstanceRow *row, bool own_id, Change *change,
				InstanceRow *existing)
{
	prepare_writing(table);
	fill_slot(table->write_slot, row);
	table->write_slot->tts_tableOid = RelationGetRelid(table->rel);
	if (own_id || row->key_held)
	{
		if (!insert_speculatively(table, row, own_id, change, existing))
			return false;
	}
	else
	{
		number_start(table, row, change);
		table_tuple_insert(table->rel, table->write_slot, GetCurrentCommandId(true), 0, NULL);
		index_writer_insert(&table->indexes, table->write_slot, index_entries(row), false);
	}
	row->tid = table->write_slot->tts_tid;
	row->own_write = true;
	return true;
}

static InstanceUpdate
update_result(TM_Result result)
{
	switch (result)
	{
		case TM_Ok:
			return INSTANCE_UPDATED;
		case TM_Updated:
		case TM_Deleted:
			return INSTANCE_CHANGED;
		case TM_BeingModified:
		case TM_WouldBlock:
			return INSTANCE_LOCKED;
		default:
			elog(ERROR, "unexpected result %d of an update", (int) result);
	}
	return INSTANCE_CHANGED;	/* keep the compiler quiet */
}

InstanceUpdate
instance_update(InstanceTable *table, InstanceRow *row, bool wait)
{
	InstanceUpdate result;
	TM_FailureData failure;
	LockTupleMode lockmode;
	UpdateIndexes update_indexes;

	prepare_writing(table);
	/* What this very command wrote cannot be written over by it again. */
	if (row->own_write)
		CommandCounterIncrement();
	fill_slot(table->write_slot, row);
	result = update_result(table_tuple_update(table->rel, &row->tid, table->write_slot,
											  GetCurrentCommandId(true), SnapshotSelf,
											  InvalidSnapshot, wait, &failure, &lockmode,
											  &update_indexes));
	if (result != INSTANCE_UPDATED)
		return result;

	/*
	 * The unique indexes are not checked: id never changes, and the key is only
	 * ever given up, so the row's own earlier version is all that a check could
	 * meet -- and under an old snapshot it would walk through all of them.
	 */
	if (UPDATE_NEEDS_INDEX_ENTRIES(update_indexes))
		index_writer_insert(&table->indexes, table->write_slot, index_entries(row), true);
	row->tid = table->write_slot->tts_tid;
	row->own_write = true;
	return INSTANCE_UPDATED;
}

InstanceUpdate
instance_leave(InstanceTable *table, InstanceRow *row, bool wait)
{
	InstanceUpdate result;
	TM_FailureData failure;

	if (row->own_write)
		CommandCounterIncrement();
	result = update_result(table_tuple_delete(table->rel, &row->tid, GetCurrentCommandId(true),
											  SnapshotSelf, InvalidSnapshot, wait, &failure,
											  false));
	if (result == INSTANCE_UPDATED)
	{
		ItemPointerSetInvalid(&row->tid);
		row->own_write = true;
	}
	return result;
}

void
instance_let_go(InstanceRow *row)
{
	row->held = false;
	row->held_by = NULL;
	row->held_since = 0;
}

void
instance_append_changes(InstanceTable *table, const Change *changes, int n)
{
	for (int i = 0; i < n; i++)
		change_writer_append(change_writer(table), &changes[i]);
}

void
instance_flush_changes(InstanceTable *table)
{
	if (table->changes != NULL)
		change_writer_flush(table->changes);
}

RowImage
instance_image(const InstanceRow *row)
{
	RowImage	image;

	memset(&image, 0, sizeof(image));
	image.name = node_name_intern(row->machine, row->node);
	image.kind = row->kind;
	image.held = row->held;
	image.retry = row->retry;
	image.delayed = row->delayed;
	image.timed = row->timed;
	image.own = row->own_write;
	image.visit = row->visit;
	image.key.at = row->ready_at;
	image.key.id = row->id;
	image.key.rank = row->kind == NODE_TASK && !row->held ? row->neg_priority : 0;
	image.tid = row->tid;
	return image;
}
