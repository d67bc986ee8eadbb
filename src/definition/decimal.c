/*-------------------------------------------------------------------------
 *
 * decimal.c
 *	  Plain numbers as definitions write them; see decimal.h.
 *
 *-------------------------------------------------------------------------
 */
#include "decimal.h"

#include <stdlib.h>
#include <string.h>

/* Digits behind the point that any double can be told by. */
#define PRECISION_MAX 350

static const struct
{
	const char *name;
	double		seconds;
}			units[] =
{
	{"/s", 1},
	{"/m", 60},
	{"/h", 3600},
};

#define NUNITS ((int) (sizeof(units) / sizeof(units[0])))

/* Read a number; returns what follows it, or NULL when there is none. */
static const char *
parse_number(const char *string, double *result)
{
	size_t		len = strspn(string, "0123456789");

	if (len == 0)
		return NULL;
	if (string[len] == '.')
	{
		size_t		fraction = strspn(string + len + 1, "0123456789");

		if (fraction == 0)
			return NULL;
		len += 1 + fraction;
	}

	/*
	 * What follows must not look like an exponent to strtod(); it never does,
	 * since it is the end, or a slash, or the string is refused.
	 */
	*result = strtod(string, NULL);
	return string + len;
}

bool
decimal_parse(const char *string, double *result)
{
	const char *rest = parse_number(string, result);

	return rest != NULL && *rest == '\0';
}

const char *
decimal_text(Arena *arena, double number)
{
	for (int precision = 0; precision < PRECISION_MAX; precision++)
	{
		const char *text = arena_printf(arena, "%.*f", precision, number);

		if (strtod(text, NULL) == number)
			return text;
	}
	return arena_printf(arena, "%.*f", PRECISION_MAX, number);
}

bool
rate_parse(const char *string, double *result)
{
	const char *unit = parse_number(string, result);

	for (int i = 0; unit != NULL && i < NUNITS; i++)
		if (strcmp(unit, units[i].name) == 0)
		{
			*result /= units[i].seconds;
			return true;
		}
	return false;
}

const char *
rate_text(Arena *arena, double rate)
{
	const char *best = NULL;

	for (int i = 0; i < NUNITS; i++)
	{
		double		number = rate * units[i].seconds;
		const char *text;

		/* The division may miss by a bit; per second nothing is divided. */
		if (number / units[i].seconds != rate)
			continue;
		text = arena_printf(arena, "%s%s", decimal_text(arena, number), units[i].name);
		if (best == NULL || strlen(text) < strlen(best))
			best = text;
	}
	return best;
}
