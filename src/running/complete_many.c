/*-------------------------------------------------------------------------
 *
 * complete_many.c
 *	  Completions of many visits in one call.
 *
 * Each is judged and done as the one of transition() is.  What is made once is
 * what it takes to write: the table, its indexes, the changelog.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/complete_many.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "running/call.h"
#include "utils/memutils.h"

void
completion_batch_read(FunctionCallInfo fcinfo, int first, const char *client,
					  CompletionBatch *batch)
{
	int			n;

	memset(batch, 0, sizeof(*batch));
	batch->instances = item_array_argument(fcinfo, first, "instances", "instance", UUIDOID, -1);
	n = batch->n = batch->instances.n;
	require_argument(fcinfo, first + 1, "transitions");
	batch->transitions = item_array_argument(fcinfo, first + 1, "transitions", "transition",
											 TEXTOID, n);
	batch->visits = item_array_argument(fcinfo, first + 2, "visits", "visit", INT4OID, n);
	batch->attempts = item_array_argument(fcinfo, first + 3, "attempts", "attempt", INT4OID, n);
	batch->node_params = item_array_argument(fcinfo, first + 4, "node_params", "node_params",
											 JSONBOID, n);
	batch->data = item_array_argument(fcinfo, first + 5, "data", "data", JSONBOID, n);
	batch->delays = item_array_argument(fcinfo, first + 6, "delays", "delay", INTERVALOID, n);
	batch->notes = item_array_argument(fcinfo, first + 7, "notes", "note", TEXTOID, n);
	batch->client = client;
}

/* What is said about one item, or the refusal of its arguments. */
static Refusal
read_item(const CompletionBatch *batch, int item, TimestampTz now, Jsonb *no_params,
		  Completion *said)
{
	Refusal		refusal;
	char	   *transition;
	char	   *note;

	said->instance = item_uuid(&batch->instances, item);
	if (said->instance == NULL)
		return refusal_null_argument("instance");
	if (refused(refusal = item_text(&batch->transitions, item, DFSMR_NAME_MAX, &transition)))
		return refusal;
	if (transition == NULL)
		return refusal_null_argument("transition");
	said->transition = transition;
	said->visit = item_int(&batch->visits, item, 0);
	said->client = batch->client;
	said->attempt = item_int(&batch->attempts, item, 0);
	said->move.kind = CHANGE_TRANSITION;
	said->move.now = now;
	if (refused(refusal = item_object(&batch->node_params, item, &said->move.node_params)) ||
		refused(refusal = item_object(&batch->data, item, &said->move.data)) ||
		refused(refusal = item_delay(&batch->delays, item, now, &said->move.delay)) ||
		refused(refusal = item_text(&batch->notes, item, NOTE_MAX, &note)))
		return refusal;
	if (said->move.node_params == NULL)
		said->move.node_params = no_params;
	said->move.has_delay = item_given(&batch->delays, item);
	said->move.note = note;
	return NO_REFUSAL;
}

/* Keep an answer beyond the memory context of its item. */
static CompletionAnswer
keep_answer(const CompletionAnswer *answer, MemoryContext context)
{
	CompletionAnswer kept = {.visit = answer->visit};

	kept.refusal = refusal_copy(answer->refusal, context);
	if (answer->node != NULL)
		kept.node = MemoryContextStrdup(context, answer->node);
	if (answer->prev_node != NULL)
		kept.prev_node = MemoryContextStrdup(context, answer->prev_node);
	return kept;
}

/* Items by instance, then in the order given. */
static int
compare_items(const void *a, const void *b, void *arg)
{
	const CompletedItem *items = arg;
	int			one = *(const int *) a;
	int			other = *(const int *) b;
	int			order = 0;

	if (items[one].instance != NULL && items[other].instance != NULL)
		order = memcmp(items[one].instance, items[other].instance, UUID_LEN);
	else
		order = (items[one].instance == NULL) - (items[other].instance == NULL);
	return order != 0 ? order : one - other;
}

static int *
order_items(CompletionBatch *batch)
{
	int		   *order = palloc(batch->n * sizeof(int));

	for (int i = 0; i < batch->n; i++)
	{
		order[i] = i;
		batch->items[i].instance = item_uuid(&batch->instances, i);
	}
	qsort_arg(order, batch->n, sizeof(int), compare_items, batch->items);
	return order;
}

static ItemPointerData *
find_hints(Board *board, const CompletionBatch *batch)
{
	const pg_uuid_t **instances = palloc(batch->n * sizeof(pg_uuid_t *));
	ItemPointerData *hints = palloc(batch->n * sizeof(ItemPointerData));

	for (int i = 0; i < batch->n; i++)
		instances[i] = batch->items[i].instance;
	completion_hints(board, instances, batch->n, hints);
	pfree(instances);
	return hints;
}

static void
run_item(Board *board, InstanceTable *table, CompletionBatch *batch, int item,
		 ItemPointerData hint, TimestampTz now, Jsonb *no_params, MemoryContext context)
{
	CompletedItem *done = &batch->items[item];
	Completion	said;
	CompletionAnswer answer;

	memset(&said, 0, sizeof(said));
	memset(&answer, 0, sizeof(answer));
	said.hint = hint;
	answer.refusal = read_item(batch, item, now, no_params, &said);
	if (refused(answer.refusal))
		done->verdict = COMPLETION_REFUSED;
	else
		done->verdict = complete(board, table, &said, &answer);
	done->answer = keep_answer(&answer, context);
	if (done->verdict == COMPLETION_DONE)
		batch->ndone++;
}

void
completion_batch_run(Board *board, CompletionBatch *batch)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;
	TimestampTz now = board_now(board);
	Jsonb	   *no_params = empty_object();
	ItemPointerData *hints;
	int		   *order;
	InstanceTable table;

	if (batch->n == 0)
		return;
	batch->items = palloc0(batch->n * sizeof(CompletedItem));
	order = order_items(batch);
	hints = find_hints(board, batch);
	instance_table_open(&table, RowExclusiveLock);
	scratch = AllocSetContextCreate(caller, "dfsmr item", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	for (int i = 0; i < batch->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		run_item(board, &table, batch, order[i], hints[order[i]], now, no_params, caller);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	instance_table_close(&table);
	pfree(order);
	pfree(hints);
}
