/*
 * test_snapshot_set.c
 *	  A snapshot as data says of every transaction whether it had ended, and
 *	  survives the way through its text; what is no text of one is refused.
 */
#include "tap.h"

#include "snapshot_set.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNNING 64

/* A number that does not depend on the C library, so failures can be repeated. */
static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* A set over [base, base + 200) with each transaction running by chance. */
static void
random_set(uint32_t *state, uint64_t base, SnapshotSet *set, bool *running)
{
	set->nrunning = 0;
	set->xmax = base + next_random(state) % 200;
	for (int i = 0; i < 200; i++)
	{
		running[i] = base + i < set->xmax && set->nrunning < MAX_RUNNING &&
			next_random(state) % 3 == 0;
		if (running[i])
			set->running[set->nrunning++] = base + i;
	}
}

static bool
contains_agrees(const SnapshotSet *set, uint64_t base, const bool *running)
{
	for (int i = 0; i < 200; i++)
	{
		bool		ended = base + i < set->xmax && !running[i];

		if (snapshot_set_contains(set, base + i) != ended)
			return false;
	}
	return snapshot_set_contains(set, base - 1) && !snapshot_set_contains(set, UINT64_MAX);
}

static bool
survives_text(const SnapshotSet *set)
{
	char	   *text = malloc(snapshot_set_text_size(set));
	char	   *end = snapshot_set_print(set, text);
	SnapshotSet copy;
	const char *rest;
	bool		good;

	copy.running = malloc((snapshot_set_text_count(text) + 1) * sizeof(uint64_t));
	rest = snapshot_set_parse(text, &copy);
	good = rest == end && *end == '\0' && snapshot_set_equal(set, &copy);
	free(copy.running);
	free(text);
	return good;
}

static void
test_random(void)
{
	uint32_t	state = 42;
	uint64_t	room[MAX_RUNNING];
	bool		running[200];
	SnapshotSet set = {.running = room};
	int			wrong = 0;
	int			lost = 0;

	for (int round = 0; round < 1000; round++)
	{
		/* Also across the end of 32 bits. */
		uint64_t	base = round % 2 ? UINT64_C(4294967200) : 100 + next_random(&state);

		random_set(&state, base, &set, running);
		wrong += !contains_agrees(&set, base, running);
		lost += !survives_text(&set);
	}
	tap_number(wrong, 0, "a set knows which transactions had ended");
	tap_number(lost, 0, "a set survives the way through its text");
}

static void
test_edges(void)
{
	uint64_t	room[3] = {3, 5, UINT64_MAX - 1};
	SnapshotSet none = {0, 0, NULL};
	SnapshotSet all = {UINT64_MAX, 3, room};
	SnapshotSet other = {UINT64_MAX, 2, room};
	char		text[128];

	tap_ok(!snapshot_set_contains(&none, 0), "in the empty set nothing has ended");
	tap_ok(survives_text(&none) && survives_text(&all), "the extremes survive as text");
	tap_ok(!snapshot_set_equal(&all, &other), "another member makes another set");
	snapshot_set_print(&none, text);
	tap_string(text, "0", "text of the empty set");
	snapshot_set_print(&all, text);
	tap_string(text, "ffffffffffffffff-1-fffffffffffffff9-2", "text of a set");
}

static void
test_normalize(void)
{
	uint64_t	mixed[] = {9, 3, 9, 7, 3, 3};
	SnapshotSet set = {.xmax = 12, .running = mixed, .nrunning = 6};
	SnapshotSet none = {.xmax = 12, .running = mixed, .nrunning = 0};
	char		text[128];

	snapshot_set_normalize(&set);
	snapshot_set_print(&set, text);
	tap_string(text, "c-3-2-4", "in order, and each once");
	tap_ok(survives_text(&set), "a set that named one twice survives as text");
	snapshot_set_normalize(&none);
	tap_ok(none.nrunning == 0, "none stays none");
}

static void
test_malformed(void)
{
	static const char *const texts[] = {
		"", "x", "-", "-1", "5-", "5-0", "5-6", "5-5-1", "5--1", "5-2-4", "05", "5-01", "5-x",
		"A", "10000000000000000", "5-10000000000000000"
	};
	uint64_t	room[MAX_RUNNING];
	SnapshotSet set = {.running = room};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		tap_ok(snapshot_set_parse(texts[i], &set) == NULL, "refused: \"%s\"", texts[i]);
	tap_string(snapshot_set_parse("5-2.rest", &set), ".rest", "reading ends where the set does");
}

void
test_snapshot_set(void)
{
	test_random();
	test_edges();
	test_normalize();
	test_malformed();
}
