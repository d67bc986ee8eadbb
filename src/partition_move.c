/*-------------------------------------------------------------------------
 *
 * partition_move.c
 *	  Telling the INSERT half of an UPDATE that moves a row to another
 *	  partition from an INSERT.
 *
 * An UPDATE that changes the partition key fires the BEFORE UPDATE triggers of
 * the old partition, then deletes the row there and inserts it into the new
 * one, whose BEFORE INSERT triggers cannot see why.  So the former leave a
 * note.  It is believed only if the row that was noted really does not belong
 * where it was, and for one insertion: an INSERT in the same statement cannot
 * pass as a move.
 *
 * There is one note, the last: nothing but BEFORE DELETE triggers runs between
 * the two halves.
 *
 *-------------------------------------------------------------------------
 */
#include "partition_move.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct Note
{
	TransactionId xid;			/* the (sub)transaction it is good for */
	Oid			partition;
	AttrNumber	attnum;
	HeapTuple	row;			/* a copy, or NULL when there is no note */
} Note;

static Note note;
static bool note_valid = false;

void
partition_move_note(Relation partition, HeapTuple row, AttrNumber attnum)
{
	MemoryContext old;

	note_valid = false;
	if (note.row != NULL)
		heap_freetuple(note.row);
	note.row = NULL;

	old = MemoryContextSwitchTo(TopMemoryContext);
	note.row = heap_copytuple(row);
	MemoryContextSwitchTo(old);
	note.xid = GetCurrentTransactionId();
	note.partition = RelationGetRelid(partition);
	note.attnum = attnum;
	note_valid = true;
}

void
partition_move_forget(Oid relation)
{
	if (relation == InvalidOid || relation == note.partition)
		note_valid = false;
}

/* Does the row that was noted belong to another partition now? */
static bool
has_left(Relation partition)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(partition),
													&TTSOpsHeapTuple);
	bool		stays;

	InitResultRelInfo(target, partition, 0, NULL, 0);
	ExecStoreHeapTuple(note.row, slot, false);
	stays = ExecPartitionCheck(target, slot, estate, false);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	return !stays;
}

bool
partition_move_take(Datum value, bool isnull)
{
	Relation	partition;
	Form_pg_attribute attribute;
	Datum		noted;
	bool		noted_isnull;
	bool		result = false;

	if (!note_valid || note.xid != GetCurrentTransactionIdIfAny())
		return false;

	/* The UPDATE holds its lock until the transaction ends. */
	partition = try_relation_open(note.partition, NoLock);
	if (partition == NULL)
		return false;
	attribute = TupleDescAttr(RelationGetDescr(partition), note.attnum - 1);
	noted = heap_getattr(note.row, note.attnum, RelationGetDescr(partition), &noted_isnull);
	if (isnull ? noted_isnull :
		!noted_isnull && datum_image_eq(value, noted, attribute->attbyval, attribute->attlen))
		result = has_left(partition);
	relation_close(partition, NoLock);
	if (result)
		note_valid = false;
	return result;
}
