/*-------------------------------------------------------------------------
 *
 * change_chain.h
 *	  The changes of one instance, from the last one back.
 *
 * Its row names the last change, and each change the one before, by the place
 * (xid, seq) in the changelog.  So the changes of an instance are found without
 * an index of their own, which every transition would have to add to.  A chain
 * survives dump and restore, where transactions become 0 on both sides, and
 * whatever moves rows about in a table.  It ends at the start, or where older
 * changes were forgotten.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CHANGE_CHAIN_H
#define DFSMR_CHANGE_CHAIN_H

#include "dfsmr.h"

#include "change_ring.h"

typedef struct ChangeChain
{
	pg_uuid_t	instance;
	Snapshot	snapshot;
	ChangePlace next;
	int			member;			/* in which the last was found */
	Relation	rel[CHANGE_MEMBERS];	/* NULL: not needed yet */
	Relation	index[CHANGE_MEMBERS];
	IndexScanDesc scan[CHANGE_MEMBERS];
	TupleTableSlot *slot;
} ChangeChain;

/* Begin at the instance's last change, which is at this place. */
extern void change_chain_begin(ChangeChain *chain, const pg_uuid_t *instance,
							   ChangePlace last, Snapshot snapshot);

/* The next one back, valid until the next call; NULL at the end. */
extern TupleTableSlot *change_chain_next(ChangeChain *chain);

extern void change_chain_end(ChangeChain *chain);

#endif							/* DFSMR_CHANGE_CHAIN_H */
