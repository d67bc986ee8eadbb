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

#endif							/* DFSMR_COMPAT_H */
