/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  What calls about many items have in common: parallel arrays in, one row
 *	  per item out.
 *
 * Items are counted from 0 here, and from 1 in what users see.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_BATCH_H
#define DFSMR_BATCH_H

#include "dfsmr.h"

#include "refusal.h"
#include "utils/jsonb.h"

/* An argument that has one element per item, or is not given. */
typedef struct ItemArray
{
	const char *element;		/* what an element is called in messages */
	int			n;
	Datum	   *values;			/* NULL: not given */
	bool	   *nulls;
} ItemArray;

/*
 * Read an array argument.  ERROR array_subscript_error when it has more than
 * one dimension or not n elements; n = -1 lets it have any number, but then
 * it must not be NULL.
 */
extern ItemArray item_array_argument(FunctionCallInfo fcinfo, int argno, const char *name,
									 const char *element, Oid type, int n);

static inline bool
item_given(const ItemArray *array, int item)
{
	return array->values != NULL && !array->nulls[item];
}

/*
 * One element, or NULL (0, fallback) when none is given; with the refusal, if
 * there is one, that the argument of a call about one item would have.
 */
extern Refusal item_text(const ItemArray *array, int item, int max, char **text);
extern Refusal item_object(const ItemArray *array, int item, Jsonb **object);
extern Refusal item_delay(const ItemArray *array, int item, TimestampTz now, int64 *usecs);
extern int	item_int(const ItemArray *array, int item, int fallback);
extern pg_uuid_t *item_uuid(const ItemArray *array, int item);

/* A refusal that outlives the memory context of its item. */
extern Refusal refusal_copy(Refusal refusal, MemoryContext context);

/* The columns outcome, sqlstate, message and detail of an answer. */
#define OUTCOME_COLUMNS 4
extern void put_outcome(Datum *values, bool *nulls, const char *outcome, Refusal refusal);

#endif							/* DFSMR_BATCH_H */
