/*-------------------------------------------------------------------------
 *
 * check_breaker.c
 *	  The circuit breaker that a machine may declare.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include "decimal.h"
#include "duration.h"

#include <limits.h>

static const KeyName breaker_keys[] = {
	{"window", false},
	{"min_attempts", false},
	{"max_retry_ratio", false},
	{"probe_rate", false},
};

/* What "breaker: true" means, and what is not given. */
static const Breaker defaults = {
	.window = INT64_C(60000000),
	.min_attempts = 20,
	.max_retry_ratio = 0.5,
	.probe_rate = 1,
};

/* Shorter ones see too little, longer ones remember what has long been mended. */
#define WINDOW_MIN INT64_C(1000000)
#define WINDOW_MAX (INT64_C(86400) * 1000000)

/* A probe in four days is as good as none; so is a limit of a million a second. */
#define RATE_MIN (0.01 / 3600)
#define RATE_MAX 1e6

static void
check_window(Checker *checker, const Entry *entry, const Place *place, Breaker *breaker)
{
	int64_t		window;

	if (!check_duration(checker, entry, place, &window))
		return;
	if (window < WINDOW_MIN || window > WINDOW_MAX)
		check_error(checker, entry->value->line, place,
					"\"window\" is %s: write a duration from %s to %s",
					quoted(checker->arena, entry->value->text),
					duration_text(checker->arena, WINDOW_MIN),
					duration_text(checker->arena, WINDOW_MAX));
	else
		breaker->window = window;
}

static void
check_ratio(Checker *checker, const Entry *entry, const Place *place, Breaker *breaker)
{
	if (!check_number(checker, entry, place, 0, 1, &breaker->max_retry_ratio))
		return;
	if (breaker->max_retry_ratio == 1)
		check_warning(checker, entry->value->line, place,
					  "there are never more retries than deliveries, so this breaker never opens: write a number below 1, such as 0.5");
}

static void
check_rate(Checker *checker, const Entry *entry, const Place *place, Breaker *breaker)
{
	const YamlValue *value = entry->value;
	double		rate;

	if (value->kind != VALUE_SCALAR || !rate_parse(value->text, &rate))
		wrong_type(checker, value, place, "how many in a second, minute or hour, such as 1/s, 30/m or 10/h");
	else if (rate < RATE_MIN || rate > RATE_MAX)
		check_error(checker, value->line, place,
					"\"probe_rate\" is %s: write a rate from %s to %s",
					quoted(checker->arena, value->text),
					rate_text(checker->arena, RATE_MIN), rate_text(checker->arena, RATE_MAX));
	else
		breaker->probe_rate = rate;
}

void
check_breaker(Checker *checker, const Entry *entry)
{
	const YamlValue *value = entry->value;
	const Place place = {NULL, "breaker"};
	Breaker    *breaker = &checker->draft->breaker;
	const Entry *key;

	*breaker = defaults;
	if (read_boolean(value, &checker->draft->has_breaker))
		return;
	if (value->kind != VALUE_MAP)
	{
		wrong_type(checker, value, &place,
				   "true, or {window: 60s, min_attempts: 20, max_retry_ratio: 0.5, probe_rate: 1/s}");
		return;
	}
	checker->draft->has_breaker = true;
	check_keys(checker, value, &place, breaker_keys, count_of(breaker_keys), "a breaker");
	if ((key = map_get(value, "window")) != NULL)
		check_window(checker, key, &(Place) {&place, "window"}, breaker);
	if ((key = map_get(value, "min_attempts")) != NULL)
		check_integer(checker, key, &(Place) {&place, "min_attempts"}, 1, INT_MAX,
					  &breaker->min_attempts);
	if ((key = map_get(value, "max_retry_ratio")) != NULL)
		check_ratio(checker, key, &(Place) {&place, "max_retry_ratio"}, breaker);
	if ((key = map_get(value, "probe_rate")) != NULL)
		check_rate(checker, key, &(Place) {&place, "probe_rate"}, breaker);
}
