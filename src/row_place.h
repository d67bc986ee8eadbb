/*-------------------------------------------------------------------------
 *
 * row_place.h
 *	  Fetching a row from where it was seen.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_ROW_PLACE_H
#define DFSMR_ROW_PLACE_H

#include "postgres.h"

#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * The row at a place where one was seen before, in the slot, if what is there now is
 * committed by now.  It may be another one, or the place beyond the table's end,
 * which the access method does not look for: *nblocks is how many blocks the table
 * has at least, 0 at first.  A table that is locked does not shrink.
 */
static inline bool
row_at_place(Relation rel, BlockNumber *nblocks, ItemPointer place, TupleTableSlot *slot)
{
	if (!ItemPointerIsValid(place))
		return false;
	if (ItemPointerGetBlockNumber(place) >= *nblocks)
		*nblocks = RelationGetNumberOfBlocks(rel);
	return ItemPointerGetBlockNumber(place) < *nblocks &&
		table_tuple_fetch_row_version(rel, place, SnapshotSelf, slot);
}

#endif							/* DFSMR_ROW_PLACE_H */
