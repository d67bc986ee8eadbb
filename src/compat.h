/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The only file that knows versions of PostgreSQL: 13 to 18.
 *
 * Every difference gets one name here, in the words of the newest version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_COMPAT_H
#define DFSMR_COMPAT_H

#if PG_VERSION_NUM < 130000
#error "dfsmr needs PostgreSQL 13 or newer"
#endif

/* 16: what takes varlena values apart has a header of its own. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#include "access/tableam.h"

/* 15: a prefix is reserved, before only placeholders were warned about. */
#if PG_VERSION_NUM >= 150000
#define mark_guc_prefix_reserved(prefix) MarkGUCPrefixReserved(prefix)
#else
#define mark_guc_prefix_reserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* 14: a hook is told whether the statement must not be scribbled on. */
#if PG_VERSION_NUM >= 140000
#define PROCESS_UTILITY_PARAMETERS \
	PlannedStmt *pstmt, const char *query_string, bool read_only_tree, \
	ProcessUtilityContext context, ParamListInfo params, \
	QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion
#define PROCESS_UTILITY_ARGUMENTS \
	pstmt, query_string, read_only_tree, context, params, environment, dest, completion
#else
#define PROCESS_UTILITY_PARAMETERS \
	PlannedStmt *pstmt, const char *query_string, \
	ProcessUtilityContext context, ParamListInfo params, \
	QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion
#define PROCESS_UTILITY_ARGUMENTS \
	pstmt, query_string, context, params, environment, dest, completion
#endif

/* 16: one function for the owners of all kinds of objects. */
#if PG_VERSION_NUM >= 160000
#define database_ownercheck(database, role) \
	object_ownercheck(DatabaseRelationId, (database), (role))
#else
#define database_ownercheck(database, role) pg_database_ownercheck((database), (role))
#endif

/* A DROP DATABASE that was cut short leaves this limit; since 2023, in all. */
#define INVALID_DATABASE_LIMIT	(-2)

/*
 * Modules export what PGDLLEXPORT marks and nothing else.  Before 16 the
 * server's headers define it as nothing (the Makefile gives it its meaning)
 * and do not declare this one; hidden, it would silently not be called.
 */
#if PG_VERSION_NUM < 160000
extern PGDLLEXPORT void _PG_init(void);
#endif

/* 15: a commit does by itself what listeners need; before, it was to be asked. */
#if PG_VERSION_NUM >= 150000
#define process_completed_notifies() ((void) 0)
#else
#include "commands/async.h"
#define process_completed_notifies() ProcessCompletedNotifies()
#endif

/* 15: asked for by a function, before a variable that is set up on the way. */
#if PG_VERSION_NUM >= 150000
#define wal_insertion_timeline() GetWALInsertionTimeLine()
#else
#define wal_insertion_timeline() (RecoveryInProgress() ? 0 : ThisTimeLineID)
#endif

/* 16: declares the function as exported, not only what describes it. */
#if PG_VERSION_NUM < 160000
#include "fmgr.h"
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int no_such_variable
#endif

/*
 * 15: returning a set as a tuplestore is prepared by one call; it raises the
 * errors for a caller that cannot take one.  The caller has worked out already
 * what the rows look like: to do so again would be a twentieth of a transition.
 */
#if PG_VERSION_NUM >= 150000
#define init_materialized_srf(fcinfo) InitMaterializedSRF((fcinfo), MAT_SRF_USE_EXPECTED_DESC)
#else
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/tuplestore.h"

static inline void
init_materialized_srf(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	TupleDesc	descriptor;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || rsinfo->expectedDesc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if ((rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("materialize mode required, but it is not allowed in this context")));

	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	descriptor = CreateTupleDescCopy(rsinfo->expectedDesc);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
											  false, work_mem);
	rsinfo->setDesc = descriptor;
	MemoryContextSwitchTo(old);
}
#endif

/* 17: the number of a process is where it lies in an array. */
#if PG_VERSION_NUM >= 170000
#define proc_number(proc) GetNumberFromPGProc(proc)
#else
#define proc_number(proc) ((proc)->pgprocno)
#endif

/* 18: how many autovacuum workers there can be is no longer how many may run. */
#if PG_VERSION_NUM >= 180000
#define autovacuum_slots() autovacuum_worker_slots
#else
#define autovacuum_slots() autovacuum_max_workers
#endif

/* 18: said before the declaration, as C23 does. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 14: every SQL name has its macro, also where two share one C function. */
#if PG_VERSION_NUM < 140000
#define F_TIMESTAMPTZ_GE F_TIMESTAMP_GE
#define F_TIMESTAMPTZ_LE F_TIMESTAMP_LE
#endif

/* 14: hash tables with strings for keys say so, before it was the default. */
#if PG_VERSION_NUM < 140000
#define HASH_STRINGS 0
#endif

/* 18: one more argument, for instrumentation. */
#if PG_VERSION_NUM < 180000
#include "access/genam.h"
#define index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#endif

/* 14: an index learns that an update left its keys alone. */
#if PG_VERSION_NUM >= 140000
#define index_insert_compat(index, values, isnull, tid, heap, check, unchanged, info) \
	index_insert(index, values, isnull, tid, heap, check, unchanged, info)
#else
#define index_insert_compat(index, values, isnull, tid, heap, check, unchanged, info) \
	((void) (unchanged), index_insert(index, values, isnull, tid, heap, check, info))
#endif

/* 13: no result relation; 14: no update flag; 16: only summarizing indexes. */
#if PG_VERSION_NUM >= 160000
#define exec_insert_index_tuples_compat(target, slot, estate, nodup, conflict, arbiters) \
	ExecInsertIndexTuples(target, slot, estate, false, nodup, conflict, arbiters, false)
#elif PG_VERSION_NUM >= 140000
#define exec_insert_index_tuples_compat(target, slot, estate, nodup, conflict, arbiters) \
	ExecInsertIndexTuples(target, slot, estate, false, nodup, conflict, arbiters)
#else
#define exec_insert_index_tuples_compat(target, slot, estate, nodup, conflict, arbiters) \
	((estate)->es_result_relation_info = (target), \
	 ExecInsertIndexTuples(slot, estate, nodup, conflict, arbiters))
#endif
#if PG_VERSION_NUM >= 180000
#define exec_check_index_constraints_compat(target, slot, estate, conflict, arbiters) \
	ExecCheckIndexConstraints(target, slot, estate, conflict, &(slot)->tts_tid, arbiters)
#elif PG_VERSION_NUM >= 140000
#define exec_check_index_constraints_compat(target, slot, estate, conflict, arbiters) \
	ExecCheckIndexConstraints(target, slot, estate, conflict, arbiters)
#else
#define exec_check_index_constraints_compat(target, slot, estate, conflict, arbiters) \
	((estate)->es_result_relation_info = (target), \
	 ExecCheckIndexConstraints(slot, estate, conflict, arbiters))
#endif

/* Enter a row just inserted into all indexes of its table. */
#define insert_index_entries(target, slot, estate) \
	exec_insert_index_tuples_compat(target, slot, estate, false, NULL, NIL)

/* 16: an update says which kinds of indexes want entries. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes UpdateIndexes;
#define UPDATE_NEEDS_INDEX_ENTRIES(update) ((update) != TU_None)
#else
typedef bool UpdateIndexes;
#define UPDATE_NEEDS_INDEX_ENTRIES(update) (update)
#endif

/* 15: a generator of its own; a number in [0, 1). */
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#define random_fraction() pg_prng_double(&pg_global_prng_state)
#else
#define random_fraction() ((double) random() / ((double) MAX_RANDOM_VALUE + 1))
#endif

/* 14: integers become numerics without a function call. */
#if PG_VERSION_NUM < 140000
#define int64_to_numeric(n) \
	DatumGetNumeric(DirectFunctionCall1(int8_numeric, Int64GetDatum(n)))
#endif

/* 18: a failed try to get the lock may be logged. */
#if PG_VERSION_NUM >= 180000
#define ConditionalXactLockTableWait_compat(xid) ConditionalXactLockTableWait((xid), false)
#else
#define ConditionalXactLockTableWait_compat(xid) ConditionalXactLockTableWait(xid)
#endif

/*
 * 14: the server can ask whether the client is still there.  Declared here as
 * libpq/libpq.h wants the headers of GSSAPI, which this has no use for.
 */
#if PG_VERSION_NUM >= 140000
extern bool pq_check_connection(void);

#define client_is_connected() pq_check_connection()
#else
#define client_is_connected() true
#endif

#endif							/* DFSMR_COMPAT_H */
