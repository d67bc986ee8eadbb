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

/*
 * Modules export what PGDLLEXPORT marks and nothing else.  Before 16 the
 * server's headers define it as nothing (the Makefile gives it its meaning)
 * and do not declare this one; hidden, it would silently not be called.
 */
#if PG_VERSION_NUM < 160000
extern PGDLLEXPORT void _PG_init(void);
#endif

#endif							/* DFSMR_COMPAT_H */
