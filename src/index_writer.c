/*-------------------------------------------------------------------------
 *
 * index_writer.c
 *	  Index entries for rows of the extension's own tables.
 *
 *-------------------------------------------------------------------------
 */
#include "index_writer.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "compat.h"
#include "utils/relcache.h"

void
index_writer_open(IndexWriter *writer, Relation rel, const Oid *own, int nown)
{
	List	   *indexes = RelationGetIndexList(rel);

	Assert(nown <= MAX_OWN_INDEXES);
	memset(writer, 0, sizeof(*writer));
	writer->rel = rel;
	writer->context = CurrentMemoryContext;
	writer->nown = nown;
	writer->own_only = list_length(indexes) == nown;
	for (int i = 0; i < nown; i++)
	{
		writer->own[i] = own[i];
		writer->own_only = writer->own_only && list_member_oid(indexes, own[i]);
	}
	list_free(indexes);
}

static void
close_all(IndexWriter *writer)
{
	ExecCloseIndices(writer->target);
	FreeExecutorState(writer->estate);
	writer->target = NULL;
}

void
index_writer_close(IndexWriter *writer)
{
	for (int i = 0; i < writer->nown; i++)
	{
		if (writer->opened[i] != NULL)
			index_close(writer->opened[i], NoLock);
	}
	if (writer->target != NULL)
		close_all(writer);
}

static IndexInfo *
open_own(IndexWriter *writer, int i)
{
	MemoryContext caller = MemoryContextSwitchTo(writer->context);

	writer->opened[i] = index_open(writer->own[i], RowExclusiveLock);
	/* It leaves out the predicate, which is the caller's part. */
	writer->infos[i] = BuildDummyIndexInfo(writer->opened[i]);
	MemoryContextSwitchTo(caller);
	return writer->infos[i];
}

static void
insert_own_entry(IndexWriter *writer, int i, TupleTableSlot *slot, bool same_keys)
{
	IndexInfo  *info = writer->infos[i];
	bool		check;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (info == NULL)
		info = open_own(writer, i);
	if (!info->ii_ReadyForInserts)
		return;
	check = info->ii_Unique && !same_keys;
	FormIndexDatum(info, slot, NULL, values, isnull);
	index_insert_compat(writer->opened[i], values, isnull, &slot->tts_tid, writer->rel,
						check ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
						info->ii_Unique && same_keys, info);
}

void
index_writer_insert(IndexWriter *writer, TupleTableSlot *slot, uint32 entries, bool same_keys)
{
	if (!writer->own_only)
	{
		index_writer_open_all(writer, false);
		list_free(insert_index_entries(writer->target, slot, writer->estate));
		ResetPerTupleExprContext(writer->estate);
		return;
	}
	for (int i = 0; i < writer->nown; i++)
	{
		if ((entries & (1u << i)) != 0)
			insert_own_entry(writer, i, slot, same_keys);
	}
}

void
index_writer_open_all(IndexWriter *writer, bool speculative)
{
	MemoryContext caller;

	if (writer->target != NULL && (writer->speculative || !speculative))
		return;
	if (writer->target != NULL)
		close_all(writer);
	caller = MemoryContextSwitchTo(writer->context);
	writer->estate = CreateExecutorState();
	writer->target = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->target, writer->rel, 0, NULL, 0);
	ExecOpenIndices(writer->target, speculative);
	writer->speculative = speculative;
	MemoryContextSwitchTo(caller);
}
