/*-------------------------------------------------------------------------
 *
 * enforce_report.c
 *	  dfsmr.enforce_report(): what stands in the way of enforce() on a table.
 *
 * Reads the table once, with the rights of the caller, who must also be
 * allowed to read the machine.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "machine_cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(dfsmr_enforce_report);

/* The nodes of the machine's current version, as text[]. */
static Datum
node_array(const Machine *machine)
{
	Datum	   *names = palloc(sizeof(Datum) * machine->nnodes);

	for (int i = 0; i < machine->nnodes; i++)
		names[i] = CStringGetTextDatum(machine->nodes[i].name);
	return PointerGetDatum(construct_array(names, machine->nnodes, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * The question, with the nodes as $1.  Everything in it is qualified: it runs
 * under the search_path of the caller.
 */
static char *
build_query(Oid table, const char *column)
{
	StringInfoData query;
	Relation	relation = relation_open(table, AccessShareLock);
	char	   *value = psprintf("t.%s::pg_catalog.text", quote_identifier(column));

	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT %s, pg_catalog.count(*) FROM %s AS t "
					 "WHERE t.%s IS NULL OR %s OPERATOR(pg_catalog.<>) ALL ($1) "
					 "GROUP BY 1 ORDER BY 2 DESC, 1",
					 value,
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
												RelationGetRelationName(relation)),
					 quote_identifier(column), value);
	relation_close(relation, AccessShareLock);
	return query.data;
}

/*
 * enforce_report(table regclass, column name, machine text)
 * RETURNS TABLE (value text, rows bigint)
 *
 * The values of the column that are not nodes of the machine's current
 * version, NULL among them, with the number of rows, most frequent first.
 */
Datum
dfsmr_enforce_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			argtypes[] = {TEXTARRAYOID};
	Datum		args[1];
	char	   *machine;
	Oid			table;
	char	   *column;

	require_argument(fcinfo, 0, "table");
	require_argument(fcinfo, 1, "column");
	machine = text_argument(fcinfo, 2, "machine", DFSMR_NAME_MAX);
	table = PG_GETARG_OID(0);
	column = NameStr(*PG_GETARG_NAME(1));

	privilege_require(machine, PRIVILEGE_READ);
	args[0] = node_array(machine_info_required(machine)->machine);
	if (get_rel_name(table) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", table)));
	if (get_attnum(table, column) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						column, get_rel_name(table))));

	init_materialized_srf(fcinfo);
	SPI_connect();
	if (SPI_execute_with_args(build_query(table, column), 1, argtypes, args, NULL,
							  true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the values of relation %u", table);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	return (Datum) 0;
}
