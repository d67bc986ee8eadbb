/*-------------------------------------------------------------------------
 *
 * change_columns.h
 *	  The columns of the table dfsmr.change, in its order (10_tables.sql),
 *	  counted from 0.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CHANGE_COLUMNS_H
#define DFSMR_CHANGE_COLUMNS_H

typedef enum ChangeColumn
{
	CHANGE_COLUMN_SEQ,
	CHANGE_COLUMN_XID,
	CHANGE_COLUMN_AT,
	CHANGE_COLUMN_CLAIMED_AT,
	CHANGE_COLUMN_INSTANCE,
	CHANGE_COLUMN_VERSION,
	CHANGE_COLUMN_VISIT,
	CHANGE_COLUMN_ATTEMPT,
	CHANGE_COLUMN_MEMBER,
	CHANGE_COLUMN_KIND,
	CHANGE_COLUMN_MACHINE,
	CHANGE_COLUMN_KEY,
	CHANGE_COLUMN_PREV_NODE,
	CHANGE_COLUMN_TRANSITION,
	CHANGE_COLUMN_NODE,
	CHANGE_COLUMN_CLIENT,
	CHANGE_COLUMN_ROLE,
	CHANGE_COLUMN_NOTE,
	CHANGE_COLUMN_NODE_PARAMS,
	CHANGE_COLUMN_DATA,
	CHANGE_NCOLUMNS
} ChangeColumn;

#endif							/* DFSMR_CHANGE_COLUMNS_H */
