/*-------------------------------------------------------------------------
 *
 * complete_many.h
 *	  Completions of many visits in one call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_COMPLETE_MANY_H
#define DFSMR_COMPLETE_MANY_H

#include "running/batch.h"
#include "running/completion.h"

/* An item, when it has been dealt with. */
typedef struct CompletedItem
{
	const pg_uuid_t *instance;	/* NULL: it was */
	CompletionVerdict verdict;
	CompletionAnswer answer;
} CompletedItem;

/* Arguments of transition_many(), and what came of them. */
typedef struct CompletionBatch
{
	int			n;
	ItemArray	instances;
	ItemArray	transitions;
	ItemArray	visits;
	ItemArray	attempts;
	ItemArray	node_params;
	ItemArray	data;
	ItemArray	delays;
	ItemArray	notes;
	const char *client;			/* NULL: not given */
	CompletedItem *items;		/* in the order given */
	int			ndone;			/* how many have written their row */
} CompletionBatch;

/* Read the eight arrays, which are the arguments from "first" on. */
extern void completion_batch_read(FunctionCallInfo fcinfo, int first, const char *client,
								  CompletionBatch *batch);

/*
 * Judge and do them all, in the order of the instances' ids: two batches over
 * the same instances wait for each other and do not deadlock.  Items about the
 * same instance come in the order given, each judged by what those before it
 * have done.  Answers are in batch->items.
 */
extern void completion_batch_run(Board *board, CompletionBatch *batch);

#endif							/* DFSMR_COMPLETE_MANY_H */
