/*
 * test_sketch.c
 *	  Quantiles are within the stated error whatever the distribution, merging
 *	  is the same as counting together, old samples are forgotten, and bytes that
 *	  are no sketch are refused.
 */
#include "tap.h"

#include "sketch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

#define SAMPLES 5000			/* fewer than the window holds */

/* Rounding to whole microseconds, at the shortest durations. */
#define ROUNDING 0.001

static uint64_t state;

/* A number in (0, 1); xorshift, the same each time. */
static double
draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return ((double) (state >> 11) + 0.5) / 9007199254740992.0;
}

static double
draw_normal(void)
{
	return sqrt(-2 * log(draw())) * cos(2 * 3.14159265358979323846 * draw());
}

static double
lognormal(void)
{
	return (double) SECOND * exp(1.5 * draw_normal());
}

/* So heavy a tail that its variance is infinite. */
static double
pareto(void)
{
	return 20 * (double) MS / pow(draw(), 1 / 1.2);
}

static double
uniform(void)
{
	return (double) HOUR * draw();
}

static double
two_peaks(void)
{
	return draw() < 0.9 ? 5.0 * MS : (double) DAY;
}

static int
compare(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

/* The largest relative error over many percentiles. */
static double
worst_error(const Sketch *sketch, int64_t *samples, int n)
{
	double		worst = 0;

	qsort(samples, (size_t) n, sizeof(*samples), compare);
	for (double percent = 0.5; percent <= 100; percent += 0.5)
	{
		int64_t		rank = (int64_t) ceil(percent / 100 * n - 1e-6);
		double		truth = (double) samples[rank - 1];
		double		error = fabs((double) sketch_quantile(sketch, percent) - truth) / truth;

		worst = error > worst ? error : worst;
	}
	return worst;
}

static void
test_error(void)
{
	static const struct
	{
		const char *name;
		double		(*distribution) (void);
	}			cases[] =
	{
		{"lognormal", lognormal},
		{"Pareto", pareto},
		{"uniform", uniform},
		{"two peaks", two_peaks},
	};

	for (int c = 0; c < (int) (sizeof(cases) / sizeof(cases[0])); c++)
	{
		static int64_t samples[SAMPLES];
		Sketch		sketch = {0};
		double		worst;

		state = 42;
		for (int i = 0; i < SAMPLES; i++)
		{
			samples[i] = llround(cases[c].distribution());
			if (samples[i] > SKETCH_LONGEST)
				samples[i] = SKETCH_LONGEST;
			sketch_add(&sketch, i, samples[i]);
		}
		worst = worst_error(&sketch, samples, SAMPLES);
		tap_ok(worst <= SKETCH_RELATIVE_ERROR + ROUNDING,
			   "sketch: error bound over %s durations", cases[c].name);
		printf("# worst relative error %.4f\n", worst);
	}
}

static void
test_constants(void)
{
	bool		good = true;

	for (int64_t value = SKETCH_SHORTEST; value <= SKETCH_LONGEST; value += value / 7 + 1)
	{
		Sketch		sketch = {0};
		double		error;

		for (int i = 0; i < 30; i++)
			sketch_add(&sketch, 0, value);
		error = fabs((double) (sketch_quantile(&sketch, 95) - value)) / (double) value;
		good &= error <= SKETCH_RELATIVE_ERROR + ROUNDING &&
			sketch_quantile(&sketch, 1) == sketch_quantile(&sketch, 100);
	}
	tap_ok(good, "sketch: constants over the whole range");
}

static void
test_edges(void)
{
	Sketch		sketch = {0};
	double		error;

	tap_number(sketch_quantile(&sketch, 95), -1, "sketch: nothing is known without samples");
	tap_number(sketch_count(&sketch), 0, "sketch: empty");
	sketch_add(&sketch, 0, 0);
	tap_number(sketch_quantile(&sketch, 50), SKETCH_SHORTEST, "sketch: what is shorter counts as the shortest");
	sketch_add(&sketch, 0, INT64_MAX);
	error = (double) sketch_quantile(&sketch, 100) / (double) SKETCH_LONGEST - 1;
	tap_ok(fabs(error) <= SKETCH_RELATIVE_ERROR, "sketch: what is longer counts as the longest");
	tap_number(sketch_quantile(&sketch, 50), SKETCH_SHORTEST, "sketch: nearest rank of two");

	memset(&sketch, 0, sizeof(sketch));
	for (int i = 1; i <= 20; i++)
		sketch_add(&sketch, 0, i <= 19 ? SECOND : HOUR);
	tap_ok(sketch_quantile(&sketch, 95) < 2 * SECOND, "sketch: p95 of twenty leaves one out");
	tap_ok(sketch_quantile(&sketch, 95.1) > HOUR / 2, "sketch: beyond that it does not");
	tap_ok(sketch_quantile(&sketch, 1e-9) < 2 * SECOND, "sketch: the lowest percentile");
}

static void
test_merge(void)
{
	Sketch		parts[2];
	Sketch		together = {0};
	bool		same = true;

	memset(parts, 0, sizeof(parts));
	state = 7;
	for (int i = 0; i < 2000; i++)
	{
		int64_t		value = llround(lognormal());

		sketch_add(&parts[i % 2], i, value);
		sketch_add(&together, i, value);
	}
	sketch_merge(&parts[0], &parts[1]);
	for (double percent = 1; percent <= 100; percent++)
		same &= sketch_quantile(&parts[0], percent) == sketch_quantile(&together, percent);
	tap_ok(same, "sketch: merged is the same as counted together");
	tap_number(sketch_count(&parts[0]), 2000, "sketch: no sample gets lost");

	for (int i = 0; i < 100; i++)
	{
		Sketch		copy = parts[0];

		sketch_merge(&parts[0], &copy);
	}
	tap_ok(sketch_count(&parts[0]) <= (int64_t) SKETCH_BUCKETS * UINT16_MAX &&
		   sketch_quantile(&parts[0], 50) > 0, "sketch: counters do not overflow");
}

/* How many samples of the new kind it takes until p95, then p50, follow. */
static void
test_forgetting(void)
{
	Sketch		sketch = {0};
	int			n = 0;

	for (int i = 0; i < 20000; i++)
		sketch_add(&sketch, i, SECOND);
	tap_ok(sketch_count(&sketch) > (SKETCH_GENERATIONS - 1) * SKETCH_FULL &&
		   sketch_count(&sketch) <= SKETCH_GENERATIONS * SKETCH_FULL,
		   "sketch: the window is bounded by count");
	while (sketch_quantile(&sketch, 95) < HOUR / 2)
	{
		sketch_add(&sketch, 0, HOUR);
		n++;
	}
	tap_ok(n < SKETCH_FULL / 4, "sketch: p95 follows when work gets slower");
	for (n = 0; sketch_quantile(&sketch, 95) > 2 * SECOND; n++)
		sketch_add(&sketch, 0, SECOND);
	tap_ok(n <= SKETCH_GENERATIONS * SKETCH_FULL, "sketch: and when it gets faster");

	/* By time: a generation of twenty is enough. */
	memset(&sketch, 0, sizeof(sketch));
	for (int i = 0; i < 1000; i++)
		sketch_add(&sketch, 0, HOUR);
	for (int generation = 1; generation <= SKETCH_GENERATIONS; generation++)
		for (int i = 0; i < SKETCH_FEW; i++)
			sketch_add(&sketch, generation * SKETCH_SPAN, SECOND);
	tap_number(sketch_count(&sketch), SKETCH_GENERATIONS * SKETCH_FEW, "sketch: old samples are forgotten");
	tap_ok(sketch_quantile(&sketch, 100) < 2 * SECOND, "sketch: with what they said");
	sketch_add(&sketch, 1000 * DAY, SECOND);
	sketch_add(&sketch, 2000 * DAY, SECOND);
	tap_number(sketch_count(&sketch), (SKETCH_GENERATIONS - 1) * SKETCH_FEW + 2,
			   "sketch: but time alone leaves no node unknown");
	sketch_add(&sketch, -DAY, SECOND);
	for (int i = 0; i < SKETCH_FEW; i++)
		sketch_add(&sketch, -DAY, SECOND);
	sketch_add(&sketch, -DAY + SKETCH_SPAN, HOUR);
	tap_number(sketch.generations[sketch.newest].count, 1, "sketch: a clock that was set back does no harm");
}

static void
test_bytes(void)
{
	static uint8_t bytes[SKETCH_WRITTEN_MAX + 1];
	Sketch		sketch = {0};
	Sketch		again;
	size_t		length;
	bool		refused = true;
	bool		sound = true;

	length = sketch_write(&sketch, bytes);
	tap_ok(sketch_read(&again, bytes, length) && sketch_count(&again) == 0, "sketch: an empty one as bytes");
	state = 3;
	for (int i = 0; i < SAMPLES; i++)
		sketch_add(&sketch, i, llround(pareto()));
	length = sketch_write(&sketch, bytes);
	printf("# %d samples in %d bytes, of %d in memory\n", SAMPLES, (int) length, (int) sizeof(sketch));
	tap_ok(sketch_read(&again, bytes, length) && sketch_count(&again) == sketch_count(&sketch),
		   "sketch: as bytes and back");
	sketch_add(&sketch, SAMPLES, SECOND);
	sketch_add(&again, SAMPLES, SECOND);
	sound = true;
	for (double percent = 1; percent <= 100; percent++)
		sound &= sketch_quantile(&again, percent) == sketch_quantile(&sketch, percent);
	tap_ok(sound && sketch_count(&again) == sketch_count(&sketch), "sketch: and it goes on as it was");

	for (size_t cut = 0; cut < length; cut++)
		refused &= !sketch_read(&again, bytes, cut) && sketch_count(&again) == 0;
	tap_ok(refused, "sketch: cut off bytes are refused");
	bytes[length] = 0;
	tap_ok(!sketch_read(&again, bytes, length + 1), "sketch: so are more than there should be");
	bytes[0]++;
	tap_ok(!sketch_read(&again, bytes, length), "sketch: and another version");
	bytes[0]--;

	/* Whatever the bytes: refused, or a sketch that holds together. */
	sound = true;
	for (int i = 0; i < 20000; i++)
	{
		size_t		where = (size_t) (draw() * (double) length);
		uint8_t		was = bytes[where];
		uint32_t	sum = 0;

		bytes[where] = (uint8_t) (draw() * 256);
		if (sketch_read(&again, bytes, length))
		{
			for (int bucket = 0; bucket < SKETCH_BUCKETS; bucket++)
				sum += again.generations[0].buckets[bucket];
			sound &= sum == again.generations[0].count && sketch_quantile(&again, 95) != 0;
		}
		bytes[where] = was;
	}
	tap_ok(sound, "sketch: damaged bytes do no harm");

	memset(&sketch, 0, sizeof(sketch));
	for (int i = 0; i < SKETCH_GENERATIONS; i++)
		for (int bucket = 0; bucket < SKETCH_BUCKETS; bucket++)
		{
			sketch.generations[i].buckets[bucket] = UINT16_MAX;
			sketch.generations[i].count += UINT16_MAX;
		}
	length = sketch_write(&sketch, bytes);
	tap_ok(length <= SKETCH_WRITTEN_MAX && sketch_read(&again, bytes, length), "sketch: the fullest one as bytes");
}

void
test_sketch(void)
{
	test_error();
	test_constants();
	test_edges();
	test_merge();
	test_forgetting();
	test_bytes();
}
