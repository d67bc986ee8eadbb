/*
 * test_similar.c
 *	  "Did you mean" finds slips, and keeps silent about other words.
 */
#include "tap.h"

#include "definition/similar.h"

#include <stdio.h>
#include <string.h>

static const char *
nearest(const char *word)
{
	static const char *const known[] = {"start", "final", "transitions", "timeout", "timeout_min", "ok", "b"};
	SimilarSearch search;

	similar_begin(&search, word);
	for (int i = 0; i < (int) (sizeof(known) / sizeof(known[0])); i++)
		similar_offer(&search, known[i]);
	return search.best != NULL ? search.best : "(none)";
}

void
test_similar(void)
{
	static const struct
	{
		const char *word;
		const char *meant;
	}			cases[] =
	{
		{"strat", "start"},
		{"Start", "start"},
		{"tranistions", "transitions"},
		{"transition", "transitions"},
		{"timeuot", "timeout"},
		{"timeout_mni", "timeout_min"},
		{"fnial", "final"},
		{"ko", "ok"},
		{"a", "(none)"},
		{"colour", "(none)"},
		{"", "(none)"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "(none)"},
	};

	for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++)
	{
		char		name[128];

		snprintf(name, sizeof(name), "similar: \"%s\"", cases[i].word);
		tap_string(nearest(cases[i].word), cases[i].meant, name);
	}
}
