/*-------------------------------------------------------------------------
 *
 * refusal.h
 *	  Why something that was asked for is not done: what the ERROR would say,
 *	  as a value.
 *
 * A call about one instance raises it; one about many returns it for the item
 * that it concerns, and goes on with the others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_REFUSAL_H
#define DFSMR_REFUSAL_H

#include "dfsmr.h"

typedef struct Refusal
{
	int			sqlstate;		/* 0: there is none */
	const char *message;
	const char *detail;			/* NULL: none */
	const char *hint;			/* NULL: none */
} Refusal;

#define NO_REFUSAL ((Refusal) {.sqlstate = 0})

static inline bool
refused(Refusal refusal)
{
	return refusal.sqlstate != 0;
}

/* ERROR with what the refusal says. */
pg_noreturn extern void raise_refusal(Refusal refusal);

/* arguments.c: an argument that must not be NULL is. */
extern Refusal refusal_null_argument(const char *name);

/*
 * A text that is not NULL as a C string, or the refusal: it is longer than max
 * bytes.  That is judged before it is copied: nobody makes us copy a value that
 * we shall refuse.
 */
extern Refusal judge_text(Datum datum, const char *name, int max, char **text);

#endif							/* DFSMR_REFUSAL_H */
