/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A request for tasks: what a client asks for, and waiting for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_REQUEST_H
#define DFSMR_REQUEST_H

#include "running/claim.h"

typedef struct TaskRequest
{
	char	   *client;
	char	   *machine;		/* NULL: all that the caller may work on */
	char	   *node;			/* NULL: all */
	int			max;
	int64		wait;			/* microseconds */
	ClaimTarget *targets;		/* what that means now */
	int			ntargets;
} TaskRequest;

/* Columns of dfsmr.task, from 0. */
enum
{
	TASK_INSTANCE = 0,
	TASK_NODE = 3,
	TASK_VISIT = 4,
	TASK_PREV_NODE = 17,
	TASK_NATTS = 21
};

/*
 * Read the arguments client and, from another number on, machine, node, max
 * and wait; ERROR when they are not valid.
 */
extern void task_request_read(FunctionCallInfo fcinfo, int client, int machine,
							  TaskRequest *request);

/*
 * Claim up to max tasks; with wait, wait for the first one.  Returns how many,
 * in *granted, and logs them if that is asked for.  ERROR when machine or node
 * are unknown, or not the caller's.
 */
extern int	task_request_claim(Board *board, TaskRequest *request, GrantedTask **granted);

/* The columns of dfsmr.task. */
extern void task_columns(const GrantedTask *task, const char *client, Datum *values, bool *nulls);

#endif							/* DFSMR_REQUEST_H */
