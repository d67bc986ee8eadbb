/*-------------------------------------------------------------------------
 *
 * privilege.h
 *	  The table of privileges; the questions others ask are in dfsmr.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_PRIVILEGE_H
#define DFSMR_PRIVILEGE_H

#include "dfsmr.h"

#include "refusal.h"

/* Columns of dfsmr.privilege. */
enum
{
	PRIVILEGE_COLUMN_ROLE_NAME = 1,
	PRIVILEGE_COLUMN_ROLE,
	PRIVILEGE_COLUMN_MACHINE,
	PRIVILEGE_COLUMN_PRIVILEGE
};
#define NUM_PRIVILEGE_COLUMNS PRIVILEGE_COLUMN_PRIVILEGE

typedef struct PrivilegeRow
{
	Oid			role;			/* InvalidOid: restored, and there was none */
	const char *machine;		/* "": all */
	Privilege	privilege;
} PrivilegeRow;

typedef void (*privilege_visitor) (const PrivilegeRow *row, void *arg);

/*
 * Visit every row, as committed now or written by this transaction.  The row
 * is the visitor's until it returns; the visitor must not write the table.
 */
extern void privilege_scan(privilege_visitor visit, void *arg);

/* What privilege_require() raises when the caller has none of these. */
extern Refusal privilege_refusal(const char *machine, int any_of);

/* As stored: "read", "signal", "work", "start", "admin". */
extern const char *privilege_name(Privilege privilege);

#endif							/* DFSMR_PRIVILEGE_H */
