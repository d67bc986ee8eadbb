/*-------------------------------------------------------------------------
 *
 * index_writer.h
 *	  Index entries for rows of the extension's own tables.
 *
 * A good part of what a transition costs is here, so the extension's own
 * indexes are served directly: only those in which the row has an entry are
 * opened, and which those are the caller says, from the row in memory, where the
 * executor would compile the predicates anew in every call.  As soon as the
 * table has any other index, all go by the executor's own way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_INDEX_WRITER_H
#define DFSMR_INDEX_WRITER_H

#include "postgres.h"

#include "executor/executor.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#define MAX_OWN_INDEXES 5

typedef struct IndexWriter
{
	Relation	rel;
	MemoryContext context;		/* what is kept is allocated here */
	int			nown;
	Oid			own[MAX_OWN_INDEXES];
	bool		own_only;		/* the table has these indexes and no other */
	Relation	opened[MAX_OWN_INDEXES];	/* NULL: not yet */
	IndexInfo  *infos[MAX_OWN_INDEXES];
	EState	   *estate;			/* these three: by the executor's way */
	ResultRelInfo *target;
	bool		speculative;
} IndexWriter;

/*
 * The table must be open, and locked for writing, as long as the writer is.
 * What it keeps goes into the current memory context, now and later.
 */
extern void index_writer_open(IndexWriter *writer, Relation rel, const Oid *own, int nown);

/* The locks stay until the transaction ends, as that of the table does. */
extern void index_writer_close(IndexWriter *writer);

/*
 * Enter the row that was just written, which is in the slot.  Bit i of entries
 * says whether the row has one in the i-th of the own indexes.  With same_keys
 * those that are unique are not checked: the row had these keys before.
 */
extern void index_writer_insert(IndexWriter *writer, TupleTableSlot *slot,
								uint32 entries, bool same_keys);

/* Have all indexes open, in target and estate. */
extern void index_writer_open_all(IndexWriter *writer, bool speculative);

#endif							/* DFSMR_INDEX_WRITER_H */
