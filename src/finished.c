/*-------------------------------------------------------------------------
 *
 * finished.c
 *	  Instances that have left their table.
 *
 *-------------------------------------------------------------------------
 */
#include "finished.h"

#include "access/xact.h"
#include "change_columns.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/xid8.h"

static Datum
column(TupleTableSlot *slot, ChangeColumn column)
{
	return slot->tts_values[column];
}

static const char *
column_text(TupleTableSlot *slot, ChangeColumn column)
{
	return slot->tts_isnull[column] ? NULL : TextDatumGetCString(slot->tts_values[column]);
}

static Jsonb *
column_jsonb(TupleTableSlot *slot, ChangeColumn column)
{
	return (Jsonb *) DatumGetPointer(datumCopy(slot->tts_values[column], false, -1));
}

static ChangePlace
place_of(TupleTableSlot *slot)
{
	return (ChangePlace) {
		.xid = U64FromFullTransactionId(DatumGetFullTransactionId(column(slot, CHANGE_COLUMN_XID))),
		.seq = DatumGetInt64(column(slot, CHANGE_COLUMN_SEQ))
	};
}

static void
read_finished(TupleTableSlot *slot, InstanceRow *row)
{
	bool		isnull;

	memset(row, 0, sizeof(*row));
	ItemPointerSetInvalid(&row->tid);
	row->own_write = TransactionIdIsCurrentTransactionId(
		DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull)));
	row->change = place_of(slot);
	row->kind = NODE_FINAL;
	row->id = *DatumGetUUIDP(column(slot, CHANGE_COLUMN_INSTANCE));
	row->version = DatumGetInt32(column(slot, CHANGE_COLUMN_VERSION));
	row->visit = DatumGetInt32(column(slot, CHANGE_COLUMN_VISIT));
	row->deliveries = DatumGetInt32(column(slot, CHANGE_COLUMN_DELIVERIES));
	row->neg_priority = -DatumGetInt32(column(slot, CHANGE_COLUMN_PRIORITY));
	row->finished_at = DatumGetTimestampTz(column(slot, CHANGE_COLUMN_FINISHED_AT));
	row->entered_at = row->finished_at;
	row->started_at = DatumGetTimestampTz(column(slot, CHANGE_COLUMN_STARTED_AT));
	row->has_parent = !slot->tts_isnull[CHANGE_COLUMN_PARENT];
	if (row->has_parent)
		row->parent = *DatumGetUUIDP(column(slot, CHANGE_COLUMN_PARENT));
	row->machine = column_text(slot, CHANGE_COLUMN_MACHINE);
	row->node = column_text(slot, CHANGE_COLUMN_NODE);
	row->prev_node = column_text(slot, CHANGE_COLUMN_PREV_NODE);
	row->prev_transition = column_text(slot, CHANGE_COLUMN_TRANSITION);
	row->key = column_text(slot, CHANGE_COLUMN_KEY);
	row->lane = column_text(slot, CHANGE_COLUMN_LANE);
	row->outcome = column_text(slot, CHANGE_COLUMN_OUTCOME);
	row->note = column_text(slot, CHANGE_COLUMN_LAST_NOTE);
	row->params = column_jsonb(slot, CHANGE_COLUMN_PARAMS);
	row->node_params = column_jsonb(slot, CHANGE_COLUMN_LAST_NODE_PARAMS);
	row->data = column_jsonb(slot, CHANGE_COLUMN_LAST_DATA);
}

/* The last change that finished the instance; its columns are in the slot. */
static TupleTableSlot *
finishing_change(ChangeScan *changes, const pg_uuid_t *id)
{
	TupleTableSlot *slot;

	change_scan_seek(changes, id, BackwardScanDirection);
	while ((slot = change_scan_next(changes)) != NULL)
	{
		slot_getallattrs(slot);
		if (!slot->tts_isnull[CHANGE_COLUMN_OUTCOME])
			return slot;
	}
	return NULL;
}

bool
finished_find(ChangeScan *changes, const pg_uuid_t *id, InstanceRow *row)
{
	TupleTableSlot *slot = finishing_change(changes, id);

	if (slot == NULL || slot->tts_isnull[CHANGE_COLUMN_PARAMS])
		return false;
	read_finished(slot, row);
	return true;
}

ChangePlace
finished_place(ChangeScan *changes, const pg_uuid_t *id)
{
	TupleTableSlot *slot = finishing_change(changes, id);

	return slot != NULL ? place_of(slot) : (ChangePlace) {0};
}
