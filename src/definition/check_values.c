/*-------------------------------------------------------------------------
 *
 * check_values.c
 *	  Single values of a definition, judged by the type the schema gives them.
 *
 * A plain scalar has no type of its own here: "on" is text where text is due.
 * A quoted one is always text, so a number in quotes is a fault, whereas a
 * duration or a name may be quoted, as JSON has to.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include "duration.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void
checker_interrupt(const Checker *checker)
{
	if (checker->interrupt != NULL)
		checker->interrupt();
}

const char *
did_you_mean(Checker *checker, const SimilarSearch *search)
{
	if (search->best == NULL)
		return "";
	return arena_printf(checker->arena, "; did you mean \"%s\"?", search->best);
}

void
check_keys(Checker *checker, const YamlValue *map, const Place *place,
		   const KeyName *keys, int nkeys, const char *what)
{
	for (const Entry *entry = map->entries; entry != NULL; entry = entry->next)
	{
		Place		here = {place, entry->key};
		SimilarSearch search;
		int			i;

		for (i = 0; i < nkeys; i++)
			if (strcmp(entry->key, keys[i].name) == 0)
				break;
		if (i < nkeys)
		{
			if (keys[i].is_later)
				check_error(checker, entry->line, &here,
							"\"%s\" is not supported by dfsmr 0.1: remove it", keys[i].name);
			continue;
		}
		checker_interrupt(checker);
		similar_begin(&search, entry->key);
		for (i = 0; i < nkeys; i++)
			similar_offer(&search, keys[i].name);
		check_error(checker, entry->line, &here, "%s has no key %s%s",
					what, quoted(checker->arena, entry->key),
					search.best != NULL ? did_you_mean(checker, &search) : ": remove it");
	}
}

const Entry *
map_get(const YamlValue *map, const char *key)
{
	if (map->kind != VALUE_MAP)
		return NULL;
	for (const Entry *entry = map->entries; entry != NULL; entry = entry->next)
		if (!entry->is_duplicate && strcmp(entry->key, key) == 0)
			return entry;
	return NULL;
}

/* How a message calls a value that is not what was wanted. */
static const char *
describe(Checker *checker, const YamlValue *value)
{
	switch (value->kind)
	{
		case VALUE_LIST:
			return "a list";
		case VALUE_MAP:
			return "a mapping";
		default:
			if (value->is_quoted)
				return arena_printf(checker->arena, "the text %s", quoted(checker->arena, value->text));
			if (value->text[0] == '\0')
				return "empty";
			return quoted(checker->arena, value->text);
	}
}

bool
wrong_type(Checker *checker, const YamlValue *value, const Place *place, const char *wanted)
{
	if (value->kind != VALUE_INVALID)
		check_error(checker, value->line, place, "%s is %s: write %s",
					quoted(checker->arena, place->key), describe(checker, value), wanted);
	return false;
}

/* The same where quotes may be all that is wrong. */
static bool
wrong_plain(Checker *checker, const YamlValue *value, const Place *place, const char *wanted)
{
	return wrong_type(checker, value, place,
					  value->is_quoted ? arena_printf(checker->arena, "%s, without quotes", wanted) : wanted);
}

/* The text of a plain scalar; of any other value "", which is no value either. */
static const char *
plain_text(const YamlValue *value)
{
	return value->kind == VALUE_SCALAR && !value->is_quoted ? value->text : "";
}

bool
check_text(Checker *checker, const YamlValue *value, const Place *place,
		   const char *wanted, const char **result)
{
	if (value->kind != VALUE_SCALAR || (value->text[0] == '\0' && !value->is_quoted))
		return wrong_type(checker, value, place, wanted);
	*result = value->text;
	return true;
}

bool
read_boolean(const YamlValue *value, bool *result)
{
	const char *text = plain_text(value);

	if (strcmp(text, "true") == 0 || strcmp(text, "True") == 0 || strcmp(text, "TRUE") == 0)
		*result = true;
	else if (strcmp(text, "false") == 0 || strcmp(text, "False") == 0 || strcmp(text, "FALSE") == 0)
		*result = false;
	else
		return false;
	return true;
}

bool
check_boolean(Checker *checker, const Entry *entry, const Place *place, bool *result)
{
	return read_boolean(entry->value, result) ||
		wrong_plain(checker, entry->value, place, "true or false");
}

bool
check_integer(Checker *checker, const Entry *entry, const Place *place,
			  int min, int max, int *result)
{
	const char *text = plain_text(entry->value);
	const char *digits = text;
	long long	number;
	char	   *end;

	if (*text == '-' || *text == '+')
		digits++;
	if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return wrong_plain(checker, entry->value, place, "a whole number");
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || number < min || number > max)
	{
		check_error(checker, entry->value->line, place,
					"%s is %s: write a number from %d to %d",
					quoted(checker->arena, place->key), quoted(checker->arena, text), min, max);
		return false;
	}
	*result = (int) number;
	return true;
}

/* digits, with or without sign, fraction and exponent: no "inf", no "0x10" */
static bool
is_number(const char *text)
{
	size_t		digits;
	size_t		fraction = 0;

	if (*text == '-' || *text == '+')
		text++;
	digits = strspn(text, "0123456789");
	text += digits;
	if (*text == '.')
	{
		fraction = strspn(++text, "0123456789");
		text += fraction;
	}
	if (digits + fraction == 0)
		return false;
	if (*text == 'e' || *text == 'E')
	{
		text++;
		if (*text == '-' || *text == '+')
			text++;
		digits = strspn(text, "0123456789");
		if (digits == 0)
			return false;
		text += digits;
	}
	return *text == '\0';
}

bool
check_number(Checker *checker, const Entry *entry, const Place *place,
			 double min, double max, double *result)
{
	const char *text = plain_text(entry->value);
	double		number;

	if (!is_number(text))
		return wrong_plain(checker, entry->value, place, "a number, such as 2.0");
	number = strtod(text, NULL);
	if (!(number >= min && number <= max))
	{
		check_error(checker, entry->value->line, place,
					"%s is %s: write a number from %g to %g",
					quoted(checker->arena, place->key), quoted(checker->arena, text), min, max);
		return false;
	}
	*result = number;
	return true;
}

bool
check_duration(Checker *checker, const Entry *entry, const Place *place, int64_t *result)
{
	const YamlValue *value = entry->value;

	if (value->kind != VALUE_SCALAR)
		return wrong_type(checker, value, place, "a duration, such as 300ms, 30s, 5m, 24h or 7d");
	switch (duration_parse(value->text, result))
	{
		case DURATION_OK:
			return true;
		case DURATION_NO_UNIT:
			check_error(checker, value->line, place,
						"%s is %s, which has no unit: write %ss for seconds",
						quoted(checker->arena, place->key), quoted(checker->arena, value->text),
						(const char *) arena_strndup(checker->arena, value->text,
													 strnlen(value->text, 32)));
			return false;
		case DURATION_TOO_LONG:
			check_error(checker, value->line, place,
						"%s is %s: write a duration of at most 36500d",
						quoted(checker->arena, place->key), quoted(checker->arena, value->text));
			return false;
		case DURATION_MALFORMED:
			break;
	}
	return wrong_type(checker, value, place, "a duration, such as 300ms, 30s, 5m, 24h or 7d");
}

bool
check_word(Checker *checker, const Entry *entry, const Place *place,
		   const char *const *words, int nwords, int *result)
{
	const YamlValue *value = entry->value;
	TextBuffer	wanted;
	SimilarSearch search;

	text_init(&wanted, checker->arena);
	for (int i = 0; i < nwords; i++)
	{
		if (value->kind == VALUE_SCALAR && strcmp(value->text, words[i]) == 0)
		{
			*result = i;
			return true;
		}
		text_appendf(&wanted, "%s%s", i == 0 ? "" : i == nwords - 1 ? " or " : ", ", words[i]);
	}
	if (value->kind == VALUE_SCALAR)
	{
		similar_begin(&search, value->text);
		for (int i = 0; i < nwords; i++)
			similar_offer(&search, words[i]);
		if (nwords > 1)
			text_append(&wanted, did_you_mean(checker, &search));
	}
	return wrong_type(checker, value, place, wanted.data);
}

bool
check_name(Checker *checker, const char *name, int line, const Place *place)
{
	size_t		len = strlen(name);
	bool		valid = len >= 1 && len <= DFSMR_NAME_MAX;

	for (size_t i = 0; valid && i < len; i++)
	{
		char		c = name[i];

		valid = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
			(i > 0 && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
	}
	if (!valid)
	{
		check_error(checker, line, place,
					"%s is not a name: begin with a letter or underscore and go on with letters, digits, \"_\", \".\" or \"-\", at most %d characters",
					quoted(checker->arena, name), DFSMR_NAME_MAX);
		return false;
	}
	if (strncmp(name, "dfsmr.", 6) == 0)
	{
		check_error(checker, line, place,
					"%s begins with \"dfsmr.\", which is reserved for the system: choose another name",
					quoted(checker->arena, name));
		return false;
	}
	return true;
}

/* {base, backoff, max_delay, jitter} */
static bool
check_delay_map(Checker *checker, const YamlValue *map, const Place *place, Delay *delay)
{
	static const KeyName keys[] = {
		{"base", false}, {"backoff", false}, {"max_delay", false}, {"jitter", false},
	};
	static const char *const jitters[] = {"none", "full"};
	const Entry *base = map_get(map, "base");
	const Entry *backoff = map_get(map, "backoff");
	const Entry *max = map_get(map, "max_delay");
	const Entry *jitter = map_get(map, "jitter");
	bool		valid = true;
	bool		has_base = false;
	int			word = 0;

	check_keys(checker, map, place, keys, count_of(keys), "a delay");
	if (base == NULL)
		check_error(checker, map->line, place, "a delay needs a base: add \"base: 30s\", say");
	else
		has_base = check_duration(checker, base, &(Place) {place, "base"}, &delay->base);
	if (backoff != NULL &&
		!check_number(checker, backoff, &(Place) {place, "backoff"}, 1, 1000, &delay->backoff))
		valid = false;
	if (jitter != NULL &&
		!check_word(checker, jitter, &(Place) {place, "jitter"}, jitters, count_of(jitters), &word))
		valid = false;
	delay->full_jitter = word == 1;
	if (max != NULL)
	{
		if (!check_duration(checker, max, &(Place) {place, "max_delay"}, &delay->max))
			valid = false;
		else if (has_base && delay->max < delay->base)
		{
			check_error(checker, max->line, &(Place) {place, "max_delay"},
						"max_delay is less than base: write at least %s",
						duration_text(checker->arena, delay->base));
			valid = false;
		}
	}
	return valid && has_base;
}

bool
check_delay(Checker *checker, const Entry *entry, const Place *place, Delay *result)
{
	result->base = 0;
	result->backoff = 1;
	result->max = INT64_MAX;
	result->full_jitter = false;
	if (entry->value->kind == VALUE_MAP)
		return check_delay_map(checker, entry->value, place, result);
	if (entry->value->kind == VALUE_LIST)
		return wrong_type(checker, entry->value, place,
						  "a duration, such as 30s, or {base, backoff, max_delay, jitter}");
	return check_duration(checker, entry, place, &result->base);
}
