/*-------------------------------------------------------------------------
 *
 * recorded_answer.c
 *	  What a completion was answered with, for a client that lost the reply.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/recorded_answer.h"

#include "change_chain.h"
#include "change_columns.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

static int
column_int(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static const char *
column_text(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? "" : TextDatumGetCString(value);
}

static uint64
column_xid(TupleTableSlot *slot)
{
	bool		isnull;

	return U64FromFullTransactionId(
		DatumGetFullTransactionId(slot_getattr(slot, CHANGE_COLUMN_XID + 1, &isnull)));
}

static void
take_answer(TupleTableSlot *slot, RecordedAnswer *answer)
{
	answer->node = column_text(slot, CHANGE_COLUMN_NODE);
	answer->prev_node = column_text(slot, CHANGE_COLUMN_PREV_NODE);
	answer->visit = column_int(slot, CHANGE_COLUMN_VISIT);
}

/* Is the change in the slot the completion that is asked for? */
static bool
is_completion(TupleTableSlot *slot, int visit, const char *transition,
			  const char *client, int attempt)
{
	return column_int(slot, CHANGE_COLUMN_VISIT) == visit + 1 &&
		column_int(slot, CHANGE_COLUMN_ATTEMPT) == attempt &&
		strcmp(column_text(slot, CHANGE_COLUMN_KIND), "transition") == 0 &&
		strcmp(column_text(slot, CHANGE_COLUMN_TRANSITION), transition) == 0 &&
		strcmp(column_text(slot, CHANGE_COLUMN_CLIENT), client) == 0;
}

/*
 * Backwards from the latest change.  Moves that max_visits added come after the
 * completion in its transaction, and the last of them is what was answered.  (Which
 * transaction a restored change was of is not known any more: then it is where the
 * completion itself led to.)
 */
bool
recorded_answer(const InstanceRow *row, int visit, const char *transition,
				const char *client, int attempt, RecordedAnswer *answer)
{
	ChangeChain chain;
	TupleTableSlot *slot;
	uint64		automatic_xid = 0;	/* of the run of automatic moves just passed */
	bool		found = false;

	change_chain_begin(&chain, &row->id, row->change, SnapshotSelf);
	while (!found && (slot = change_chain_next(&chain)) != NULL)
	{
		uint64		xid = column_xid(slot);
		bool		answered = xid != 0 && xid == automatic_xid;	/* later than this */
		bool		automatic = strcmp(column_text(slot, CHANGE_COLUMN_KIND), "timer") == 0;

		CHECK_FOR_INTERRUPTS();
		if (column_int(slot, CHANGE_COLUMN_VISIT) <= visit)
			break;
		found = is_completion(slot, visit, transition, client, attempt);
		if (!answered && (automatic || found))
			take_answer(slot, answer);
		automatic_xid = automatic ? xid : 0;
	}
	change_chain_end(&chain);
	return found;
}
