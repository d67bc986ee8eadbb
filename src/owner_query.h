/*-------------------------------------------------------------------------
 *
 * owner_query.h
 *	  Statements on the extension's own tables, run as its owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_OWNER_QUERY_H
#define DFSMR_OWNER_QUERY_H

#include "dfsmr.h"

/*
 * Run a statement with SPI, which the caller has connected, as the owner of
 * the extension: the scheduler is a superuser, and a table might have triggers
 * of its owner's.  The result is in SPI_processed and SPI_tuptable; ERROR when
 * the statement does not end with the code that is expected (SPI_OK_...).
 */
extern void query_as_owner(const char *query, int nargs, Oid *types, Datum *values,
						   bool read_only, int expected);

/*
 * Do not wait for this transaction's commit to reach the disk: after a crash an
 * earlier state of what it saves does as well.
 */
extern void commit_asynchronously(void);

#endif							/* DFSMR_OWNER_QUERY_H */
