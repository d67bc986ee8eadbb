/*
 * test_duration.c
 *	  Durations are read exactly, refused when malformed or too long, and
 *	  written in a form that reads back.
 */
#include "tap.h"

#include "definition/duration.h"

#include <limits.h>

#define SECOND INT64_C(1000000)

static void
test_parse(void)
{
	static const struct
	{
		const char *text;
		DurationResult result;
		int64_t		value;
	}			cases[] =
	{
		{"300ms", DURATION_OK, 300000},
		{"30s", DURATION_OK, 30 * SECOND},
		{"5m", DURATION_OK, 300 * SECOND},
		{"24h", DURATION_OK, 86400 * SECOND},
		{"7d", DURATION_OK, 7 * 86400 * SECOND},
		{"1.5h", DURATION_OK, 5400 * SECOND},
		{"0.1ms", DURATION_OK, 100},
		{"0.0001ms", DURATION_OK, 0},
		{"0", DURATION_OK, 0},
		{"0.0", DURATION_OK, 0},
		{"007s", DURATION_OK, 7 * SECOND},
		{"36500d", DURATION_OK, DURATION_MAX},
		{"36500.1d", DURATION_TOO_LONG, 0},
		{"36501d", DURATION_TOO_LONG, 0},
		{"3153600000001ms", DURATION_TOO_LONG, 0},
		{"99999999999999999999999999999999ms", DURATION_TOO_LONG, 0},
		{"30", DURATION_NO_UNIT, 0},
		{"0.5", DURATION_NO_UNIT, 0},
		{"", DURATION_MALFORMED, 0},
		{"s", DURATION_MALFORMED, 0},
		{"-1s", DURATION_MALFORMED, 0},
		{"+1s", DURATION_MALFORMED, 0},
		{"1 s", DURATION_MALFORMED, 0},
		{" 1s", DURATION_MALFORMED, 0},
		{"1S", DURATION_MALFORMED, 0},
		{"1.s", DURATION_MALFORMED, 0},
		{".5s", DURATION_MALFORMED, 0},
		{"1e3s", DURATION_MALFORMED, 0},
		{"1h30m", DURATION_MALFORMED, 0},
		{"inf", DURATION_MALFORMED, 0},
	};
	Arena		arena;

	arena_init_malloc(&arena);
	for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++)
	{
		int64_t		value = -1;
		DurationResult result = duration_parse(cases[i].text, &value);

		tap_ok(result == cases[i].result && (result != DURATION_OK || value == cases[i].value),
			   "duration: \"%s\"", cases[i].text);
	}
	arena_free(&arena);
}

static void
test_seconds(void)
{
	int64_t		value;

	tap_ok(duration_parse_seconds("30.0", &value) == DURATION_OK && value == 30 * SECOND,
		   "duration: seconds as a bare number");
	tap_ok(duration_parse_seconds("30s", &value) == DURATION_MALFORMED, "duration: but not with a unit");
	tap_ok(duration_parse_seconds("1e9", &value) == DURATION_MALFORMED, "duration: nor with an exponent");
	tap_ok(duration_parse_seconds("99999999999999999999", &value) == DURATION_TOO_LONG,
		   "duration: too many seconds");
}

static void
test_text(void)
{
	static const struct
	{
		int64_t		value;
		const char *text;
	}			cases[] =
	{
		{0, "0s"},
		{1, "0.001ms"},
		{1500, "1.5ms"},
		{300000, "300ms"},
		{1500000, "1500ms"},
		{30 * SECOND, "30s"},
		{90 * SECOND, "90s"},
		{300 * SECOND, "5m"},
		{86400 * SECOND, "1d"},
		{90000 * SECOND, "25h"},
		{DURATION_MAX, "36500d"},
	};
	Arena		arena;
	bool		same = true;

	arena_init_malloc(&arena);
	for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++)
		tap_string(duration_text(&arena, cases[i].value), cases[i].text, "duration: as text");
	for (int64_t value = 1; value < DURATION_MAX / 7; value = value * 7 + 3)
	{
		int64_t		again;

		same &= duration_parse(duration_text(&arena, value), &again) == DURATION_OK && again == value;
	}
	tap_ok(same, "duration: the text reads back as the same");
	arena_free(&arena);
}

void
test_duration(void)
{
	test_parse();
	test_seconds();
	test_text();
}
