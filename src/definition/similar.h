/*-------------------------------------------------------------------------
 *
 * similar.h
 *	  "Did you mean": the known word that is nearest to a given one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_SIMILAR_H
#define DFSMR_SIMILAR_H

/*
 * Search for the known word nearest to one that is unknown.  Begin with
 * similar_begin(), offer each known word, and take best: NULL when none is
 * near enough to be what was meant.
 */
typedef struct SimilarSearch
{
	const char *word;
	const char *best;
	int			distance;		/* of best; before the first, what is too far */
} SimilarSearch;

extern void similar_begin(SimilarSearch *search, const char *word);
extern void similar_offer(SimilarSearch *search, const char *known);

#endif							/* DFSMR_SIMILAR_H */
