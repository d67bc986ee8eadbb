/*-------------------------------------------------------------------------
 *
 * sketch.c
 *	  Quantiles of durations; see sketch.h.
 *
 *-------------------------------------------------------------------------
 */
#include "sketch.h"

#include <math.h>
#include <string.h>

/* Changes with the format and with what buckets mean. */
#define FORMAT_VERSION 1

/* ln(g) */
#define LOG_BASE (log1p(SKETCH_RELATIVE_ERROR) - log1p(-SKETCH_RELATIVE_ERROR))

/* The generation so many before the newest. */
static int
generation_back(const Sketch *sketch, int back)
{
	return (sketch->newest + SKETCH_GENERATIONS - back) % SKETCH_GENERATIONS;
}

static int
bucket_of(int64_t duration)
{
	double		bucket;

	if (duration <= SKETCH_SHORTEST)
		return 0;
	bucket = ceil(log((double) duration / SKETCH_SHORTEST) / LOG_BASE);
	return bucket < SKETCH_BUCKETS ? (int) bucket : SKETCH_BUCKETS - 1;
}

static int64_t
bucket_duration(int bucket)
{
	if (bucket == 0)
		return SKETCH_SHORTEST;
	/* 2 g^i / (g + 1), where 2 / (g + 1) is 1 - e. */
	return llround((double) SKETCH_SHORTEST * exp(bucket * LOG_BASE) *
				   (1 - SKETCH_RELATIVE_ERROR));
}

/* Is it time for a new generation? */
static bool
is_over(const SketchGeneration *generation, int64_t now)
{
	return generation->count >= SKETCH_FULL ||
		(generation->count >= SKETCH_FEW && now - generation->started >= SKETCH_SPAN);
}

void
sketch_add(Sketch *sketch, int64_t now, int64_t duration)
{
	SketchGeneration *generation = &sketch->generations[sketch->newest];

	if (is_over(generation, now))
	{
		sketch->newest = (sketch->newest + 1) % SKETCH_GENERATIONS;
		generation = &sketch->generations[sketch->newest];
		memset(generation, 0, sizeof(*generation));
	}
	/* A clock that was set back must not keep a generation for ever. */
	if (generation->count == 0 || generation->started > now)
		generation->started = now;
	generation->buckets[bucket_of(duration)]++;
	generation->count++;
}

void
sketch_merge(Sketch *sketch, const Sketch *other)
{
	for (int back = 0; back < SKETCH_GENERATIONS; back++)
	{
		SketchGeneration *into = &sketch->generations[generation_back(sketch, back)];
		const SketchGeneration *from = &other->generations[generation_back(other, back)];

		if (from->count > 0 && (into->count == 0 || from->started < into->started))
			into->started = from->started;
		for (int i = 0; i < SKETCH_BUCKETS; i++)
		{
			int			room = UINT16_MAX - into->buckets[i];
			int			added = from->buckets[i] < room ? from->buckets[i] : room;

			into->buckets[i] += added;
			into->count += added;
		}
	}
}

int64_t
sketch_count(const Sketch *sketch)
{
	int64_t		count = 0;

	for (int i = 0; i < SKETCH_GENERATIONS; i++)
		count += sketch->generations[i].count;
	return count;
}

int64_t
sketch_quantile(const Sketch *sketch, double percent)
{
	int64_t		count = sketch_count(sketch);
	int64_t		above;			/* samples that may exceed the answer */
	int64_t		rank;

	if (count == 0)
		return -1;
	/* The nearest rank; what rounding adds to a whole number does not count. */
	rank = (int64_t) ceil(percent / 100 * (double) count - 1e-6);
	rank = rank < 1 ? 1 : rank > count ? count : rank;

	/* From the long end: it is high quantiles that are asked for most. */
	above = count - rank;
	for (int bucket = SKETCH_BUCKETS - 1; bucket > 0; bucket--)
	{
		for (int i = 0; i < SKETCH_GENERATIONS; i++)
			above -= sketch->generations[i].buckets[bucket];
		if (above < 0)
			return bucket_duration(bucket);
	}
	return bucket_duration(0);
}

/* ------------------------------------------------------------ as bytes */

/*
 * A byte with the version; then the generations, from the newest to the oldest,
 * each as the time it started (8 bytes, least significant first), the number of
 * its buckets that are not empty, and for each of these the distance from the
 * one before and its count.  Numbers are in groups of seven bits, least
 * significant first, the high bit saying that more follow.
 */

static uint8_t *
write_number(uint8_t *at, uint32_t number)
{
	while (number >= 0x80)
	{
		*at++ = (uint8_t) (number | 0x80);
		number >>= 7;
	}
	*at++ = (uint8_t) number;
	return at;
}

static uint8_t *
write_generation(uint8_t *at, const SketchGeneration *generation)
{
	int			used = 0;
	int			last = 0;

	for (int i = 0; i < 8; i++)
		*at++ = (uint8_t) ((uint64_t) generation->started >> (8 * i));
	for (int i = 0; i < SKETCH_BUCKETS; i++)
		used += generation->buckets[i] != 0;
	at = write_number(at, (uint32_t) used);
	for (int i = 0; i < SKETCH_BUCKETS; i++)
	{
		if (generation->buckets[i] == 0)
			continue;
		at = write_number(at, (uint32_t) (i - last));
		at = write_number(at, generation->buckets[i]);
		last = i;
	}
	return at;
}

size_t
sketch_write(const Sketch *sketch, uint8_t *bytes)
{
	uint8_t    *at = bytes;

	*at++ = FORMAT_VERSION;
	for (int back = 0; back < SKETCH_GENERATIONS; back++)
		at = write_generation(at, &sketch->generations[generation_back(sketch, back)]);
	return (size_t) (at - bytes);
}

/* What is left to be read; at is NULL once something was wrong. */
typedef struct Reader
{
	const uint8_t *at;
	const uint8_t *end;
} Reader;

static uint32_t
read_number(Reader *reader, uint32_t max)
{
	uint32_t	number = 0;

	for (int shift = 0; reader->at != NULL && reader->at < reader->end && shift <= 14; shift += 7)
	{
		uint8_t		byte = *reader->at++;

		number |= (uint32_t) (byte & 0x7f) << shift;
		if (byte < 0x80 && number <= max)
			return number;
		if (byte < 0x80)
			break;
	}
	reader->at = NULL;
	return 0;
}

static void
read_generation(Reader *reader, SketchGeneration *generation)
{
	uint64_t	started = 0;
	uint32_t	used;
	uint32_t	bucket = 0;

	if (reader->at == NULL || reader->end - reader->at < 8)
	{
		reader->at = NULL;
		return;
	}
	for (int i = 0; i < 8; i++)
		started |= (uint64_t) *reader->at++ << (8 * i);
	generation->started = (int64_t) started;

	used = read_number(reader, SKETCH_BUCKETS);
	for (uint32_t i = 0; i < used; i++)
	{
		uint32_t	distance = read_number(reader, SKETCH_BUCKETS - 1 - bucket);
		uint32_t	count = read_number(reader, UINT16_MAX);

		if (reader->at == NULL || count == 0 || (i > 0 && distance == 0))
		{
			reader->at = NULL;
			return;
		}
		bucket += distance;
		generation->buckets[bucket] = (uint16_t) count;
		generation->count += count;
	}
}

bool
sketch_read(Sketch *sketch, const uint8_t *bytes, size_t length)
{
	Reader		reader = {bytes, bytes + length};

	memset(sketch, 0, sizeof(*sketch));
	if (length > 0 && *reader.at++ == FORMAT_VERSION)
	{
		for (int back = 0; back < SKETCH_GENERATIONS; back++)
			read_generation(&reader, &sketch->generations[generation_back(sketch, back)]);
		if (reader.at == reader.end)
			return true;
	}
	memset(sketch, 0, sizeof(*sketch));
	return false;
}
