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

/* ERROR with what the refusal says. */
pg_noreturn extern void raise_refusal(Refusal refusal);

#endif							/* DFSMR_REFUSAL_H */
