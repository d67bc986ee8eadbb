/*-------------------------------------------------------------------------
 *
 * similar.c
 *	  "Did you mean"; see similar.h.
 *
 * The distance is the optimal string alignment distance: insertions,
 * deletions, substitutions and swaps of neighbours, each counted as one and
 * without regard to the case of ASCII letters.
 *
 *-------------------------------------------------------------------------
 */
#include "similar.h"

#include <stdlib.h>
#include <string.h>

/* Longer words are no names; see DFSMR_NAME_MAX. */
#define WORD_MAX 63

static int
smaller(int a, int b)
{
	return a < b ? a : b;
}

static int
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* The distance of two words of at most WORD_MAX bytes. */
static int
edit_distance(const char *a, int alen, const char *b, int blen)
{
	int			rows[3][WORD_MAX + 1];

	for (int j = 0; j <= blen; j++)
		rows[0][j] = j;
	for (int i = 1; i <= alen; i++)
	{
		int		   *row = rows[i % 3];
		int		   *above = rows[(i - 1) % 3];

		row[0] = i;
		for (int j = 1; j <= blen; j++)
		{
			int			same = fold(a[i - 1]) == fold(b[j - 1]);

			row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
				fold(a[i - 2]) == fold(b[j - 1]))
				row[j] = smaller(row[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[alen % 3][blen];
}

void
similar_begin(SimilarSearch *search, const char *word)
{
	size_t		len = strlen(word);

	search->word = word;
	search->best = NULL;

	/* One slip in three letters is a slip, more is another word. */
	search->distance = len > WORD_MAX ? 0 : smaller((int) (len + 2) / 3, 3) + 1;
}

void
similar_offer(SimilarSearch *search, const char *known)
{
	size_t		wordlen = strlen(search->word);
	size_t		knownlen = strlen(known);
	int			distance;

	if (search->distance == 0 || knownlen > WORD_MAX ||
		abs((int) wordlen - (int) knownlen) >= search->distance)
		return;
	distance = edit_distance(search->word, (int) wordlen, known, (int) knownlen);

	/* A word that shares nothing with the given one was not meant. */
	if (distance < search->distance && distance < (int) knownlen)
	{
		search->best = known;
		search->distance = distance;
	}
}
