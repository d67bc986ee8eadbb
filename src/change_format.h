/*-------------------------------------------------------------------------
 *
 * change_format.h
 *	  A change as users see it: as a row, and as the JSON of a notification.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CHANGE_FORMAT_H
#define DFSMR_CHANGE_FORMAT_H

#include "dfsmr.h"

#include "change_columns.h"
#include "executor/tuptable.h"

/* One column of "changes", by which name and out of which of the table. */
typedef struct ChangeOutput
{
	const char *name;
	const char *member;			/* the same as the beginning of a JSON member */
	ChangeColumn column;
} ChangeOutput;

/* In the order of the view, of history() and of changes_since(). */
#define CHANGE_NOUTPUTS 18
extern const ChangeOutput change_outputs[CHANGE_NOUTPUTS];

/* Fill values[] and nulls[] with these columns of the row in the slot. */
extern void change_output_row(TupleTableSlot *slot, Datum *values, bool *nulls);

/*
 * The change as a JSON object shorter than max bytes.  Columns that are NULL
 * are left out.  So is what does not fit of client, key, note, node_params and
 * data, where the first are kept first; "truncated" then lists what is missing.
 */
extern char *change_json(TupleTableSlot *slot, int max);

#endif							/* DFSMR_CHANGE_FORMAT_H */
