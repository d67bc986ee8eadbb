/*-------------------------------------------------------------------------
 *
 * start_many.c
 *	  start_many(): many instances of one machine in one call.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "running/batch.h"
#include "running/call.h"
#include "running/start.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dfsmr_start_many);

/* The arguments of start_many(). */
typedef struct StartBatch
{
	int			n;
	ItemArray	params;
	ItemArray	ids;
	ItemArray	priorities;
	ItemArray	delays;
	ItemArray	keys;
	ItemArray	lanes;
	ItemArray	parents;
	ItemArray	data;
	IfExists	if_exists;
} StartBatch;

/* An item, when it has been dealt with. */
typedef struct StartedItem
{
	const char *key;			/* as far as they order the work */
	const pg_uuid_t *own_id;
	pg_uuid_t	id;
	StartVerdict verdict;
	StartAnswer answer;
} StartedItem;

static void
read_batch(FunctionCallInfo fcinfo, StartBatch *batch)
{
	int			n;

	batch->params = item_array_argument(fcinfo, 1, "params", "params", JSONBOID, -1);
	n = batch->n = batch->params.n;
	batch->ids = item_array_argument(fcinfo, 2, "ids", "id", UUIDOID, n);
	batch->priorities = item_array_argument(fcinfo, 3, "priorities", "priority", INT4OID, n);
	batch->delays = item_array_argument(fcinfo, 4, "delays", "delay", INTERVALOID, n);
	batch->keys = item_array_argument(fcinfo, 5, "keys", "key", TEXTOID, n);
	batch->if_exists = if_exists_argument(fcinfo, 6);
	batch->lanes = item_array_argument(fcinfo, 7, "lanes", "lane", TEXTOID, n);
	batch->parents = item_array_argument(fcinfo, 8, "parents", "parent", UUIDOID, n);
	batch->data = item_array_argument(fcinfo, 9, "data", "data", JSONBOID, n);
}

/* What one item asks for, or the refusal of its arguments. */
static Refusal
read_item(const StartBatch *batch, int item, const StartedItem *started, StartRequest *request)
{
	Refusal		refusal;
	char	   *key;
	char	   *lane;

	request->id = started->id;
	request->own_id = started->own_id != NULL;
	request->has_priority = item_given(&batch->priorities, item);
	request->priority = item_int(&batch->priorities, item, 0);
	request->parent = item_uuid(&batch->parents, item);
	if (refused(refusal = item_object(&batch->params, item, &request->params)) ||
		refused(refusal = judge_priority(request->priority)) ||
		refused(refusal = item_delay(&batch->delays, item, request->now, &request->delay)) ||
		refused(refusal = item_text(&batch->keys, item, KEY_MAX, &key)) ||
		refused(refusal = item_text(&batch->lanes, item, LANE_MAX, &lane)) ||
		refused(refusal = item_object(&batch->data, item, &request->data)))
		return refusal;
	if (request->params == NULL)
		request->params = request->no_object;
	request->key = key;
	request->lane = lane;
	return NO_REFUSAL;
}

static int
compare_given(const void *one, const void *other)
{
	return (one == NULL) - (other == NULL);
}

/*
 * By key, then by the caller's own id, then in the order given: two batches with
 * the same keys, or ids, wait for each other in the same order.
 */
static int
compare_items(const void *a, const void *b, void *arg)
{
	int			one = *(const int *) a;
	int			other = *(const int *) b;
	const StartedItem *first = (const StartedItem *) arg + one;
	const StartedItem *second = (const StartedItem *) arg + other;
	int			order = compare_given(first->key, second->key);

	if (order == 0 && first->key != NULL)
		order = strcmp(first->key, second->key);
	if (order == 0)
		order = compare_given(first->own_id, second->own_id);
	if (order == 0 && first->own_id != NULL)
		order = memcmp(first->own_id, second->own_id, UUID_LEN);
	return order != 0 ? order : one - other;
}

/* Also gives them their ids, which are in the order given. */
static int *
order_items(const StartBatch *batch, StartedItem *items)
{
	int		   *order = palloc(batch->n * sizeof(int));

	for (int i = 0; i < batch->n; i++)
	{
		StartedItem *item = &items[i];
		char	   *key;

		order[i] = i;
		item->own_id = item_uuid(&batch->ids, i);
		if (item->own_id != NULL)
			item->id = *item->own_id;
		else
			generate_instance_id(&item->id);
		/* One that is too long is refused later, and orders nothing. */
		(void) item_text(&batch->keys, i, KEY_MAX, &key);
		item->key = key;
	}
	qsort_arg(order, batch->n, sizeof(int), compare_items, items);
	return order;
}

static void
run_batch(const StartBatch *batch, const MachineInfo *info, TimestampTz now, StartedItem *items)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "dfsmr item", ALLOCSET_DEFAULT_SIZES);
	int		   *order = order_items(batch, items);
	Jsonb	   *no_object = empty_object();
	InstanceTable table;

	instance_table_open(&table, RowExclusiveLock);
	MemoryContextSwitchTo(scratch);
	for (int i = 0; i < batch->n; i++)
	{
		StartedItem *item = &items[order[i]];
		StartRequest request = {.now = now, .no_object = no_object};

		CHECK_FOR_INTERRUPTS();
		item->verdict = START_REFUSED;
		item->answer.refusal = read_item(batch, order[i], item, &request);
		if (!refused(item->answer.refusal))
			item->verdict = start_instance(&table, info, &request, batch->if_exists,
										   &item->answer);
		item->answer.refusal = refusal_copy(item->answer.refusal, caller);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	instance_table_close(&table);
	pfree(order);
}

/*
 * start_many(machine, params, ids, priorities, delays, keys, if_exists, lanes,
 * parents, data): a row (item, instance, outcome, sqlstate, message, detail) for
 * each.
 */
Datum
dfsmr_start_many(PG_FUNCTION_ARGS)
{
	static const char *const outcomes[] = {
		[START_DONE] = "ok",
		[START_RETURNED] = "returned",
		[START_SKIPPED] = "skipped",
		[START_REFUSED] = NULL,	/* the refusal has a name */
	};
	Board	   *board = call_begin("dfsmr.start_many()");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = text_argument(fcinfo, 0, "machine", DFSMR_NAME_MAX);
	StartBatch	batch;
	StartedItem *items;
	const MachineInfo *info;

	privilege_require(name, PRIVILEGE_START | PRIVILEGE_ADMIN);
	read_batch(fcinfo, &batch);
	info = machine_info_required(name);
	items = palloc0((batch.n + 1) * sizeof(StartedItem));
	if (batch.n > 0)
		run_batch(&batch, info, board_now(board), items);

	init_materialized_srf(fcinfo);
	for (int i = 0; i < batch.n; i++)
	{
		Datum		values[2 + OUTCOME_COLUMNS];
		bool		nulls[2 + OUTCOME_COLUMNS] = {false};
		const StartedItem *item = &items[i];

		values[0] = Int32GetDatum(i + 1);
		nulls[1] = item->verdict == START_REFUSED || item->verdict == START_SKIPPED;
		values[1] = UUIDPGetDatum(&item->answer.instance);
		put_outcome(values + 2, nulls + 2, outcomes[item->verdict], item->answer.refusal);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
