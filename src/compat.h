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

/* 15: a prefix is reserved, before only placeholders were warned about. */
#if PG_VERSION_NUM >= 150000
#define mark_guc_prefix_reserved(prefix) MarkGUCPrefixReserved(prefix)
#else
#define mark_guc_prefix_reserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/*
 * Enter a row just inserted into all indexes of its table.  14: the relation
 * is an argument of its own; 16: summarizing indexes can be told apart.
 */
#if PG_VERSION_NUM >= 160000
#define insert_index_entries(result, slot, estate) \
	ExecInsertIndexTuples((result), (slot), (estate), false, false, NULL, NIL, false)
#elif PG_VERSION_NUM >= 140000
#define insert_index_entries(result, slot, estate) \
	ExecInsertIndexTuples((result), (slot), (estate), false, false, NULL, NIL)
#else
#define insert_index_entries(result, slot, estate) \
	((estate)->es_result_relation_info = (result), \
	 ExecInsertIndexTuples((slot), (estate), false, NULL, NIL))
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
 * errors for a caller that cannot take one.
 */
#if PG_VERSION_NUM >= 150000
#define init_materialized_srf(fcinfo) InitMaterializedSRF((fcinfo), 0)
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

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if ((rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("materialize mode required, but it is not allowed in this context")));

	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
											  false, work_mem);
	rsinfo->setDesc = descriptor;
	MemoryContextSwitchTo(old);
}
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

#endif							/* DFSMR_COMPAT_H */
