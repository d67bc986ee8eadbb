/*-------------------------------------------------------------------------
 *
 * sketch.h
 *	  Quantiles of durations, in fixed memory, with a stated relative error.
 *
 * Buckets of logarithmic width, as in DDSketch (C. Masson, J. E. Rim, H. K.
 * Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
 * Relative-Error Guarantees", PVLDB 12(12), 2019): bucket i > 0 counts what is
 * in (g^(i-1), g^i] times the smallest duration, with g = (1 + e) / (1 - e), so
 * that 2 g^i / (g + 1) is at most e away from all of it, relative to it.  As
 * the range is bounded so is the number of buckets, and none is ever collapsed.
 *
 * The window forgets: samples go into the newest of a few generations.  It is
 * followed by an empty one, and the oldest is dropped, when it is full, or when
 * it is old and not nearly empty.  So a busy node forgets by count, a quiet one
 * by time, and no passage of time leaves a node that was known unknown.
 *
 * Pure: knows no server, allocates nothing, may lie in shared memory.  Zeroed
 * memory is an empty sketch.  Times are microseconds, on any clock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_SKETCH_H
#define DFSMR_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The error, and the range within which it holds; what is outside is moved in. */
#define SKETCH_RELATIVE_ERROR 0.02
#define SKETCH_SHORTEST INT64_C(1000)	/* 1 ms */
#define SKETCH_LONGEST (INT64_C(30) * 86400 * 1000000)	/* 30 days */

/* Covers that range: 1 + ceil(ln(longest / shortest) / ln(g)). */
#define SKETCH_BUCKETS 543

/* The window: so many generations, ended by count or by time. */
#define SKETCH_GENERATIONS 4
#define SKETCH_FULL 2048		/* samples that end a generation at once, */
#define SKETCH_SPAN (INT64_C(6) * 3600 * 1000000)	/* ... age that ends one */
#define SKETCH_FEW 20			/* ... that has at least so many */

typedef struct SketchGeneration
{
	int64_t		started;		/* time of its first sample */
	uint32_t	count;			/* sum of its buckets */
	uint16_t	buckets[SKETCH_BUCKETS];
} SketchGeneration;

/* About 4.4 kB. */
typedef struct Sketch
{
	int			newest;			/* index of the generation that samples go into */
	SketchGeneration generations[SKETCH_GENERATIONS];
} Sketch;

/* Bytes that sketch_write() needs at most. */
#define SKETCH_WRITTEN_MAX (1 + SKETCH_GENERATIONS * (8 + 3 + SKETCH_BUCKETS * 6))

/* Count a duration that ended at the time. */
extern void sketch_add(Sketch *sketch, int64_t now, int64_t duration);

/* Add what another sketch has counted, newest generation to newest. */
extern void sketch_merge(Sketch *sketch, const Sketch *other);

/* Samples in the window. */
extern int64_t sketch_count(const Sketch *sketch);

/*
 * The duration that so many percent (in (0, 100]) of the samples do not exceed:
 * the nearest rank, within the relative error.  -1 when there is no sample.
 */
extern int64_t sketch_quantile(const Sketch *sketch, double percent);

/* Write it in a form that says its version; returns the number of bytes. */
extern size_t sketch_write(const Sketch *sketch, uint8_t *bytes);

/*
 * Read what sketch_write() wrote.  False, and *sketch is empty, for anything
 * else: bytes of another version, cut off, or with more behind.
 */
extern bool sketch_read(Sketch *sketch, const uint8_t *bytes, size_t length);

#endif							/* DFSMR_SKETCH_H */
