/*-------------------------------------------------------------------------
 *
 * completion.h
 *	  A completion of a visit: what is said, how it is judged, the answer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_COMPLETION_H
#define DFSMR_COMPLETION_H

#include "board_internal.h"
#include "instance.h"
#include "refusal.h"
#include "running/move.h"

/* What is said. */
typedef struct Completion
{
	const pg_uuid_t *instance;
	const char *transition;
	int			visit;			/* 0: not given */
	const char *client;			/* NULL: not given */
	int			attempt;		/* 0: not given */
	ItemPointerData hint;		/* where the row may be, or invalid */
	Move		move;			/* client and attempt are filled in from above */
} Completion;

typedef enum CompletionVerdict
{
	COMPLETION_DONE,
	COMPLETION_REPEATED,		/* done before by the same attempt of this client */
	COMPLETION_REFUSED
} CompletionVerdict;

typedef struct CompletionAnswer
{
	const char *node;			/* where the instance is now, or was then */
	const char *prev_node;
	int			visit;
	Refusal		refusal;		/* when it was refused, instead of the above */
} CompletionAnswer;

/* Where the board saw the leased rows of these instances last. */
extern void completion_hints(Board *board, const pg_uuid_t *const *instances, int n,
							 ItemPointerData *hints);

/*
 * Judge the completion by the latest state of the instance and, if it holds,
 * take the edge.  The caller's rights are part of the judgement.  Waits for a
 * transaction that has the row locked.  The strings of the answer live as long
 * as the machine, or in the current memory context.
 */
extern CompletionVerdict complete(Board *board, InstanceTable *table, Completion *said,
								  CompletionAnswer *answer);

#endif							/* DFSMR_COMPLETION_H */
