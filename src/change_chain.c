/*-------------------------------------------------------------------------
 *
 * change_chain.c
 *	  The changes of one instance, from the last one back.
 *
 *-------------------------------------------------------------------------
 */
#include "change_chain.h"

#include "access/table.h"
#include "access/tableam.h"
#include "change_columns.h"
#include "utils/rel.h"
#include "utils/uuid.h"
#include "utils/xid8.h"

void
change_chain_begin(ChangeChain *chain, const pg_uuid_t *instance, ChangePlace last,
				   Snapshot snapshot)
{
	memset(chain, 0, sizeof(*chain));
	chain->instance = *instance;
	chain->snapshot = snapshot;
	chain->next = last;
	chain->member = change_ring()->member;
}

static bool
find_in(ChangeChain *chain, int member)
{
	const ExtensionOids *oids = extension_oids_required();
	bool		isnull;
	Datum		instance;

	if (chain->rel[member] == NULL)
	{
		chain->rel[member] = table_open(oids->change_member[member], AccessShareLock);
		chain->index[member] = index_open(oids->change_position[member], AccessShareLock);
	}
	/* One for all: they are of the same layout. */
	if (chain->slot == NULL)
		chain->slot = table_slot_create(chain->rel[member], NULL);
	if (!change_at(chain->rel[member], chain->index[member], &chain->scan[member],
				   chain->next, chain->snapshot, chain->slot))
		return false;
	/* Who writes to the tables by hand may have made a chain lead elsewhere. */
	instance = slot_getattr(chain->slot, CHANGE_COLUMN_INSTANCE + 1, &isnull);
	return !isnull && memcmp(DatumGetUUIDP(instance), &chain->instance, UUID_LEN) == 0;
}

static ChangePlace
previous(TupleTableSlot *slot)
{
	ChangePlace place = {0};
	bool		isnull;
	Datum		seq = slot_getattr(slot, CHANGE_COLUMN_PREV_SEQ + 1, &isnull);

	if (isnull)
		return place;
	place.seq = DatumGetInt64(seq);
	place.xid = U64FromFullTransactionId(
		DatumGetFullTransactionId(slot_getattr(slot, CHANGE_COLUMN_PREV_XID + 1, &isnull)));
	return place;
}

/* It is in the member of the one behind it, or in one that was written before. */
TupleTableSlot *
change_chain_next(ChangeChain *chain)
{
	if (chain->next.seq == 0)
		return NULL;
	for (int back = 0; back < CHANGE_MEMBERS; back++)
	{
		int			member = (chain->member + CHANGE_MEMBERS - back) % CHANGE_MEMBERS;

		if (find_in(chain, member))
		{
			ChangePlace place = previous(chain->slot);

			/* Numbers go down: no chain is a ring. */
			chain->next = place.seq < chain->next.seq ? place : (ChangePlace) {0};
			chain->member = member;
			return chain->slot;
		}
	}
	chain->next.seq = 0;
	return NULL;
}

void
change_chain_end(ChangeChain *chain)
{
	for (int i = 0; i < CHANGE_MEMBERS; i++)
	{
		if (chain->scan[i] != NULL)
			index_endscan(chain->scan[i]);
		if (chain->rel[i] != NULL)
		{
			index_close(chain->index[i], AccessShareLock);
			table_close(chain->rel[i], AccessShareLock);
		}
	}
	if (chain->slot != NULL)
		ExecDropSingleTupleTableSlot(chain->slot);
}
