/*-------------------------------------------------------------------------
 *
 * check_limits.c
 *	  The limits of a node, each with the transition that is taken when it is
 *	  reached: neither is of any use without the other.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include <limits.h>

typedef struct Limit
{
	const char *key;
	const char *reference;
	const char *kinds;			/* of the nodes that may have both */
	const char *who;
	const char *how_to_say;		/* what is missing when the key is */
} Limit;

static const Limit visits = {
	"max_visits", "on_max_visits", "tdp", "a node that is not final",
	"say how many visits are allowed"
};

static const Limit attempts = {
	"max_attempts", "on_exhausted", "t", "a task node",
	"say how many attempts are allowed"
};

static const Limit elapsed = {
	"max_elapsed", "on_max_elapsed", "tdp", "a node that is not final",
	"say how long it may take, such as 3d"
};

/* The entry of the limit itself, or NULL; its reference is read. */
static const Entry *
check_limit(Checker *checker, const YamlValue *map, const Place *place, const DraftNode *node,
			const Limit *limit, DraftReference *reference)
{
	const Entry *entry = get_for_kind(checker, map, place, node, limit->key, limit->kinds, limit->who);
	const Entry *taken = get_for_kind(checker, map, place, node, limit->reference, limit->kinds,
									  limit->who);

	if (entry != NULL && taken == NULL)
		check_error(checker, entry->line, &(Place) {place, limit->key},
					"%s needs %s: name the transition that is taken then",
					limit->key, limit->reference);
	if (entry == NULL && taken != NULL)
		check_error(checker, taken->line, &(Place) {place, limit->reference},
					"%s needs %s: %s", limit->reference, limit->key, limit->how_to_say);
	check_reference(checker, taken, &(Place) {place, limit->reference}, reference);
	return entry;
}

void
check_limits(Checker *checker, const YamlValue *map, const Place *place, DraftNode *node)
{
	const Entry *entry;
	int64_t		duration;

	entry = check_limit(checker, map, place, node, &visits, &node->on_max_visits);
	if (entry != NULL)
		check_integer(checker, entry, &(Place) {place, visits.key}, 1, INT_MAX, &node->max_visits);
	entry = check_limit(checker, map, place, node, &attempts, &node->on_exhausted);
	if (entry != NULL)
		check_integer(checker, entry, &(Place) {place, attempts.key}, 1, INT_MAX, &node->max_attempts);
	entry = check_limit(checker, map, place, node, &elapsed, &node->on_max_elapsed);
	if (entry == NULL ||
		!check_duration(checker, entry, &(Place) {place, elapsed.key}, &duration))
		return;
	if (duration == 0)
		check_error(checker, entry->value->line, &(Place) {place, elapsed.key},
					"max_elapsed must be more than 0: write a duration, such as 3d");
	else
		node->max_elapsed = duration;
}
