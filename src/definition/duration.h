/*-------------------------------------------------------------------------
 *
 * duration.h
 *	  Durations as definitions write them: 300ms 30s 5m 24h 7d.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_DURATION_H
#define DFSMR_DURATION_H

#include "arena.h"

#include <stdint.h>

/*
 * The longest duration, in microseconds: 36500 days.  Added to a time of
 * ours it stays within what a timestamp can hold.
 */
#define DURATION_MAX	(INT64_C(36500) * 86400 * 1000000)

typedef enum DurationResult
{
	DURATION_OK,
	DURATION_MALFORMED,
	DURATION_NO_UNIT,			/* a number, but of what? */
	DURATION_TOO_LONG
} DurationResult;

/*
 * Read a number with a unit, such as "1.5h"; 0 needs none.  The result is in
 * microseconds; finer fractions are cut off.
 */
extern DurationResult duration_parse(const char *string, int64_t *result);

/* Read a number of seconds without a unit, such as "30.0". */
extern DurationResult duration_parse_seconds(const char *string, int64_t *result);

/* In the largest unit that shows it exactly; duration_parse() reads it. */
extern const char *duration_text(Arena *arena, int64_t duration);

#endif							/* DFSMR_DURATION_H */
