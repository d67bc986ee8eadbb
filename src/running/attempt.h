/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  The end of an attempt that has completed nothing: its time is up, or its
 *	  worker gave it back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_ATTEMPT_H
#define DFSMR_ATTEMPT_H

#include "running/move.h"

/* The number of the attempt that works on the row, if any does. */
extern int	attempt_running(const InstanceRow *row);

/*
 * The time of move->attempt is up.  The row takes a way out of its node, if it
 * has one for this: on_timeout; else on_max_elapsed, once that is over; else
 * on_exhausted, after the last attempt.  Otherwise it stays in its visit and is
 * offered again, after the pause that redeliver declares.  The result is as in
 * move_along().
 */
extern InstanceUpdate attempt_failed(InstanceTable *table, InstanceRow *row, Move *move);

/*
 * move->attempt is given back unworked: it counts for nothing, and the row is
 * offered again after move->delay, at its old place if that is 0.  Once
 * max_elapsed is over it leaves along on_max_elapsed instead.
 */
extern InstanceUpdate attempt_given_back(InstanceTable *table, InstanceRow *row, Move *move);

#endif							/* DFSMR_ATTEMPT_H */
