/*-------------------------------------------------------------------------
 *
 * duration.c
 *	  Durations as definitions write them; see duration.h.
 *
 *-------------------------------------------------------------------------
 */
#include "duration.h"

#include <inttypes.h>
#include <string.h>

/* Largest first; duration_text() relies on it. */
static const struct
{
	const char *name;
	int64_t		microseconds;
}			units[] =
{
	{"d", INT64_C(86400000000)},
	{"h", INT64_C(3600000000)},
	{"m", INT64_C(60000000)},
	{"s", INT64_C(1000000)},
	{"ms", INT64_C(1000)},
};

#define NUNITS ((int) (sizeof(units) / sizeof(units[0])))

/*
 * Read digits, with or without a fraction, as millionths.  Returns what
 * follows them, or NULL when there is no number.  A number too large is
 * brought down to a value that is still too large for any unit.
 */
static const char *
parse_millionths(const char *string, int64_t *result)
{
	const int64_t limit = DURATION_MAX / 1000 + 1;	/* too long in any unit */
	int64_t		whole = 0;
	int64_t		fraction = 0;
	int64_t		scale = 100000;

	if (*string < '0' || *string > '9')
		return NULL;
	for (; *string >= '0' && *string <= '9'; string++)
	{
		whole = whole * 10 + (*string - '0');
		if (whole > limit)
			whole = limit;
	}
	if (*string == '.')
	{
		string++;
		if (*string < '0' || *string > '9')
			return NULL;
		for (; *string >= '0' && *string <= '9'; string++)
		{
			fraction += (*string - '0') * scale;
			scale /= 10;
		}
	}
	*result = whole * 1000000 + fraction;
	return string;
}

/* millionths * unit / 1000000, both not negative */
static DurationResult
scale_to(int64_t millionths, int64_t unit, int64_t *result)
{
	int64_t		whole = millionths / 1000000;
	int64_t		fraction = millionths % 1000000;

	if (whole > DURATION_MAX / unit)
		return DURATION_TOO_LONG;

	/* fraction * unit is below 10^6 * 8.64 * 10^10 */
	*result = whole * unit + fraction * unit / 1000000;
	return *result > DURATION_MAX ? DURATION_TOO_LONG : DURATION_OK;
}

DurationResult
duration_parse(const char *string, int64_t *result)
{
	int64_t		millionths = 0;
	const char *unit = parse_millionths(string, &millionths);

	if (unit == NULL)
		return DURATION_MALFORMED;
	for (int i = 0; i < NUNITS; i++)
		if (strcmp(unit, units[i].name) == 0)
			return scale_to(millionths, units[i].microseconds, result);
	if (*unit != '\0')
		return DURATION_MALFORMED;
	*result = 0;
	return millionths == 0 ? DURATION_OK : DURATION_NO_UNIT;
}

DurationResult
duration_parse_seconds(const char *string, int64_t *result)
{
	int64_t		millionths = 0;
	const char *rest = parse_millionths(string, &millionths);

	if (rest == NULL || *rest != '\0')
		return DURATION_MALFORMED;
	return scale_to(millionths, 1000000, result);
}

const char *
duration_text(Arena *arena, int64_t duration)
{
	int64_t		fraction;
	char	   *text;

	if (duration == 0)
		return "0s";
	for (int i = 0; i < NUNITS; i++)
		if (duration % units[i].microseconds == 0)
			return arena_printf(arena, "%" PRId64 "%s",
								duration / units[i].microseconds, units[i].name);

	/* Finer than a millisecond. */
	fraction = duration % 1000;
	text = arena_printf(arena, "%" PRId64 ".%03d", duration / 1000, (int) fraction);
	while (text[strlen(text) - 1] == '0')
		text[strlen(text) - 1] = '\0';
	return arena_printf(arena, "%sms", text);
}
