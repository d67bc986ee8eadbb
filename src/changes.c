/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  Reading the changelog: changes_since(), changes_cursor(), history().
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "change_chain.h"
#include "change_columns.h"
#include "change_cursor.h"
#include "change_format.h"
#include "change_ring.h"
#include "change_window.h"
#include "finished.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(dfsmr_changes_since);
PG_FUNCTION_INFO_V1(dfsmr_changes_cursor);
PG_FUNCTION_INFO_V1(dfsmr_history);

/*
 * The rest of a window that a call of this session did not use up.  A
 * consumer that pages through a large one mostly comes back to the same
 * session, and need not have the window read and sorted again for every page.
 */
static ChangeWindow *kept_window = NULL;

/*
 * The last cursor that had nothing behind it for the role that asked, and how
 * far that is so.  A consumer keeps its cursor when no rows come; when others'
 * changes, which it may not read, are many, they are passed over once.
 */
static struct
{
	MemoryContext context;
	char	   *text;
	Oid			role;
	ChangeCursor *at;
}			vain_cursor;

/* One call that reads on from a cursor. */
typedef struct ChangeCall
{
	ChangeReader reader;
	ReturnSetInfo *rsinfo;		/* NULL: only look whether there is one */
	int64		left;			/* rows that may still be returned */
	bool		reads_all;		/* the caller may read every machine */
	char	   *machine;		/* the last one looked up ... */
	bool		readable;		/* ... and whether the caller may read it */
} ChangeCall;

/*
 * How many keys a window holds at a time: it collects twice as many, in
 * work_mem.
 */
static int
window_capacity(void)
{
	return (int) Min((int64) work_mem * 1024 / (2 * sizeof(ChangeKey)),
					 MaxAllocSize / (2 * sizeof(ChangeKey)));
}

static bool
may_read(ChangeCall *call, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value;
	text	   *machine;

	if (call->reads_all)
		return true;
	value = slot_getattr(slot, CHANGE_COLUMN_MACHINE + 1, &isnull);
	if (isnull)
		return false;
	machine = DatumGetTextPP(value);
	if (call->machine == NULL ||
		strlen(call->machine) != VARSIZE_ANY_EXHDR(machine) ||
		memcmp(call->machine, VARDATA_ANY(machine), VARSIZE_ANY_EXHDR(machine)) != 0)
	{
		if (call->machine)
			pfree(call->machine);
		call->machine = text_to_cstring(machine);
		call->readable = privilege_has(call->machine, PRIVILEGE_READ);
	}
	return call->readable;
}

/* Return the row, with the cursor that continues behind it. */
static void
return_row(ChangeCall *call, TupleTableSlot *slot, char *cursor)
{
	Datum		values[CHANGE_NOUTPUTS + 1];
	bool		nulls[CHANGE_NOUTPUTS + 1];

	change_output_row(slot, values, nulls);
	values[CHANGE_NOUTPUTS] = CStringGetTextDatum(cursor);
	nulls[CHANGE_NOUTPUTS] = false;
	tuplestore_putvalues(call->rsinfo->setResult, call->rsinfo->setDesc, values, nulls);
}

/*
 * Take the window, if it was kept, or make a new one.  While it is in use
 * nothing keeps it, so that it goes away with an error.
 */
static ChangeWindow *
take_window(const SnapshotSet *from, const SnapshotSet *to, int64 after)
{
	ChangeWindow *window = kept_window;

	kept_window = NULL;
	if (window != NULL && change_window_matches(window, from, to, after))
	{
		MemoryContextSetParent(window->context, CurrentMemoryContext);
		change_window_seek(window, after);
		return window;
	}
	if (window != NULL)
		change_window_free(window);
	return change_window_create(CurrentMemoryContext, from, to, after, window_capacity());
}

static void
keep_window(ChangeWindow *window, ChangeReader *reader)
{
	if (change_window_peek(window, reader) == NULL)
		change_window_free(window);
	else
	{
		MemoryContextSetParent(window->context, TopMemoryContext);
		kept_window = window;
	}
}

/*
 * Return the rows from a window that the caller may read, as many as are
 * wanted.  at is the cursor inside the window, end the one behind it.  Returns
 * whether there was any.
 */
static bool
return_window(ChangeCall *call, const ChangeCursor *at, const ChangeCursor *end)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext row_context = AllocSetContextCreate(outer, "dfsmr change row",
													  ALLOCSET_DEFAULT_SIZES);
	ChangeWindow *window = take_window(&at->from, &at->to, at->last);
	ChangeCursorStem stem;
	const ChangeKey *key;
	bool		any = false;

	change_cursor_stem(at, &stem);
	while (call->left > 0 &&
		   (key = change_window_peek(window, &call->reader)) != NULL)
	{
		int64		seq = key->seq;
		TupleTableSlot *slot = change_reader_fetch(&call->reader, key);
		bool		more;

		CHECK_FOR_INTERRUPTS();
		change_window_advance(window);
		if (slot == NULL || !may_read(call, slot))
			continue;
		any = true;
		call->left--;
		if (call->rsinfo == NULL)
			continue;
		more = change_window_peek(window, &call->reader) != NULL;
		MemoryContextSwitchTo(row_context);
		return_row(call, slot, more ? change_cursor_stem_text(&stem, seq) :
				   change_cursor_text(end));
		MemoryContextSwitchTo(outer);
		MemoryContextReset(row_context);
	}
	keep_window(window, &call->reader);
	MemoryContextDelete(row_context);
	return any;
}

/*
 * Return what comes behind a cursor, as far as wanted: the rest of the window
 * that it is in, and then the one from there to now.  NULL begins with the
 * oldest change that is kept.
 */
static bool
return_changes(ChangeCall *call, const ChangeCursor *cursor, const ChangeMoment *now)
{
	ChangeCursor end = change_cursor_at(now);
	ChangeCursor oldest;
	ChangeCursor at;
	const ChangeRing *ring;
	bool		any = false;

	memset(&at, 0, sizeof(at));
	change_reader_open(&call->reader);
	ring = change_ring();		/* with the members locked: so it stays */
	if (cursor == NULL)
	{
		oldest = change_cursor_oldest();
		if (ring->forgotten_xid != 0)
			oldest.from = change_reader_begin(&call->reader, ring->forgotten_xid);
		cursor = &oldest;
	}
	else
		change_cursor_require_kept(cursor, ring);
	call->reads_all = privilege_has(NULL, PRIVILEGE_READ);
	if (cursor->inside)
	{
		ChangeCursor between = *cursor;

		between.from = cursor->to;
		between.inside = false;
		any = return_window(call, cursor, &between);
		at.from = cursor->to;
	}
	else
		at.from = cursor->from;

	at.inside = true;
	at.to = now->set;
	at.timeline = now->timeline;
	at.lsn = now->lsn;
	if (call->left > 0 && return_window(call, &at, &end))
	{
		change_moment_flush(now);
		any = true;
	}
	change_reader_close(&call->reader);
	return any;
}

/* Nothing is behind this cursor for the caller, up to that moment. */
static void
remember_vain(const char *cursor, const ChangeMoment *now)
{
	ChangeCursor end = change_cursor_at(now);
	MemoryContext caller;

	if (vain_cursor.context == NULL)
		vain_cursor.context = AllocSetContextCreate(TopMemoryContext,
													"dfsmr vain cursor",
													ALLOCSET_SMALL_SIZES);
	vain_cursor.text = NULL;
	MemoryContextReset(vain_cursor.context);
	caller = MemoryContextSwitchTo(vain_cursor.context);
	vain_cursor.at = change_cursor_copy(&end);
	vain_cursor.role = GetUserId();
	vain_cursor.text = pstrdup(cursor);
	MemoryContextSwitchTo(caller);
}

/* Where to go on reading, given the text of a cursor. */
static ChangeCursor *
starting_point(const char *cursor)
{
	ChangeCursor *parsed = change_cursor_parse(cursor);

	if (vain_cursor.text != NULL && vain_cursor.role == GetUserId() &&
		strcmp(vain_cursor.text, cursor) == 0)
		return change_cursor_copy(vain_cursor.at);
	return parsed;
}

/*
 * changes_since(cursor text, max int) RETURNS TABLE (changes.*, cursor text)
 *
 * At most max changes that the caller may read, behind a cursor; NULL begins
 * with the oldest that is kept.  Each comes with the cursor that continues
 * behind it.
 */
Datum
dfsmr_changes_since(PG_FUNCTION_ARGS)
{
	ChangeCall	call;
	ChangeMoment *now;
	ChangeCursor *start = NULL;
	char	   *cursor = NULL;

	require_argument(fcinfo, 1, "max");
	if (PG_GETARG_INT32(1) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"max\" must be greater than zero")));
	memset(&call, 0, sizeof(call));
	call.left = PG_GETARG_INT32(1);
	now = change_moment_now("changes_since()");
	if (!PG_ARGISNULL(0))
	{
		cursor = text_to_cstring(PG_GETARG_TEXT_PP(0));
		start = starting_point(cursor);
	}

	init_materialized_srf(fcinfo);
	call.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	if (!return_changes(&call, start, now) && cursor != NULL)
		remember_vain(cursor, now);
	return (Datum) 0;
}

/*
 * changes_cursor(after text) RETURNS text
 *
 * The cursor of now.  With a cursor: that of now if nothing that the caller
 * may read lies between, else the same one, so that nothing is passed over.
 */
Datum
dfsmr_changes_cursor(PG_FUNCTION_ARGS)
{
	ChangeMoment *now = change_moment_now("changes_cursor()");
	ChangeCursor end = change_cursor_at(now);

	if (!PG_ARGISNULL(0))
	{
		ChangeCall	call;

		memset(&call, 0, sizeof(call));
		call.left = 1;
		if (return_changes(&call, starting_point(text_to_cstring(PG_GETARG_TEXT_PP(0))), now))
			PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	change_moment_flush(now);
	PG_RETURN_TEXT_P(cstring_to_text(change_cursor_text(&end)));
}

/* ---------------------------------------------------------------- history */

/* The changes of one instance, as they are found. */
typedef struct History
{
	TupleDesc	descriptor;
	HeapTuple  *rows;			/* of the result */
	int			n;
	int			size;
	char	   *machine;		/* of the last one, which the caller may read */
	int64		begin;			/* number of the start, if it is kept */
} History;

/*
 * Is the instance in its table, as far as the caller's snapshot can tell?  Then
 * the place of its last change.
 */
static bool
last_change(const pg_uuid_t *instance, ChangePlace *last)
{
	const ExtensionOids *oids = extension_oids_required();
	Relation	rel = table_open(oids->instance, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(instance));
	scan = systable_beginscan(rel, oids->instance_pkey, true, GetActiveSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	descriptor = RelationGetDescr(rel);
		bool		isnull;

		last->xid = U64FromFullTransactionId(DatumGetFullTransactionId(
			heap_getattr(tuple, ANUM_CHANGE_XID, descriptor, &isnull)));
		last->seq = DatumGetInt64(heap_getattr(tuple, ANUM_CHANGE_SEQ, descriptor, &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* Take the change in the slot, which the caller must be allowed to read. */
static void
take_change(History *history, TupleTableSlot *slot)
{
	Datum		values[CHANGE_NOUTPUTS];
	bool		nulls[CHANGE_NOUTPUTS];
	char	   *machine;

	CHECK_FOR_INTERRUPTS();
	change_output_row(slot, values, nulls);
	machine = TextDatumGetCString(slot->tts_values[CHANGE_COLUMN_MACHINE]);
	if (history->machine == NULL || strcmp(history->machine, machine) != 0)
		privilege_require(machine, PRIVILEGE_READ);
	history->machine = machine;
	if (history->n == history->size)
	{
		history->size *= 2;
		history->rows = repalloc_huge(history->rows, history->size * sizeof(HeapTuple));
	}
	history->rows[history->n++] = heap_form_tuple(history->descriptor, values, nulls);
}

static int64
number_of(TupleTableSlot *slot)
{
	bool		isnull;

	return DatumGetInt64(slot_getattr(slot, CHANGE_COLUMN_SEQ + 1, &isnull));
}

static void
take_chain(History *history, const pg_uuid_t *instance, ChangePlace last)
{
	ChangeChain chain;
	TupleTableSlot *slot;

	change_chain_begin(&chain, instance, last, GetActiveSnapshot());
	while ((slot = change_chain_next(&chain)) != NULL)
	{
		take_change(history, slot);
		if (chain.next.seq == 0)
			history->begin = number_of(slot);
	}
	change_chain_end(&chain);
}

/* Claims are in no chain.  Those from before the start are of an earlier life. */
static void
take_claims(History *history, ChangeScan *scan, const pg_uuid_t *instance)
{
	TupleTableSlot *slot;

	change_scan_seek(scan, instance, BackwardScanDirection);
	while ((slot = change_scan_next(scan)) != NULL)
	{
		bool		isnull;

		(void) slot_getattr(slot, CHANGE_COLUMN_OUTCOME + 1, &isnull);
		if (isnull && number_of(slot) >= history->begin)
			take_change(history, slot);
	}
}

static int
compare_numbers(const void *a, const void *b, void *arg)
{
	bool		isnull;
	int64		one = DatumGetInt64(heap_getattr(*(const HeapTuple *) a, 1, arg, &isnull));
	int64		other = DatumGetInt64(heap_getattr(*(const HeapTuple *) b, 1, arg, &isnull));

	return one < other ? -1 : one > other;
}

/*
 * history(instance uuid) RETURNS SETOF dfsmr.changes
 *
 * The changes of one instance in their order, as the caller's snapshot sees
 * them.  ERROR SM002 when there is no such instance.
 */
Datum
dfsmr_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	History		history = {.size = 64};
	pg_uuid_t  *instance;
	ChangeScan	scan;
	ChangePlace last;
	bool		there;

	require_argument(fcinfo, 0, "instance");
	instance = PG_GETARG_UUID_P(0);
	init_materialized_srf(fcinfo);
	history.descriptor = rsinfo->setDesc;
	history.rows = palloc(history.size * sizeof(HeapTuple));

	change_scan_open(&scan, GetActiveSnapshot());
	there = last_change(instance, &last);
	if (!there)
		last = finished_place(&scan, instance);
	take_chain(&history, instance, last);
	take_claims(&history, &scan, instance);
	change_scan_close(&scan);

	if (history.n == 0 && !there)
		ereport(ERROR,
				(errcode(DFSMR_UNKNOWN_INSTANCE),
				 errmsg("instance %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(instance))))));
	qsort_arg(history.rows, history.n, sizeof(HeapTuple), compare_numbers, history.descriptor);
	for (int i = 0; i < history.n; i++)
		tuplestore_puttuple(rsinfo->setResult, history.rows[i]);
	return (Datum) 0;
}
