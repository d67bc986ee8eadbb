/*-------------------------------------------------------------------------
 *
 * recorded_answer.h
 *	  What a completion was answered with, for a client that lost the reply.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_RECORDED_ANSWER_H
#define DFSMR_RECORDED_ANSWER_H

#include "instance.h"

typedef struct RecordedAnswer
{
	const char *node;
	const char *prev_node;
	int			visit;
} RecordedAnswer;

/*
 * Did this client with this attempt complete this visit by this transition?
 * Then the answer that it got.  Looked up in the changelog, so it is known for
 * as long as changes are kept.
 */
extern bool recorded_answer(const InstanceRow *row, int visit, const char *transition,
							const char *client, int attempt, RecordedAnswer *answer);

#endif							/* DFSMR_RECORDED_ANSWER_H */
