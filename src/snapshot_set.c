/*-------------------------------------------------------------------------
 *
 * snapshot_set.c
 *	  Which transactions had ended at a moment: a snapshot as plain data.
 *
 *-------------------------------------------------------------------------
 */
#include "snapshot_set.h"

#include <stdlib.h>
#include <string.h>

/* Digits of a 64-bit number in hexadecimal. */
#define HEX_DIGITS 16

static int
compare_xids(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

void
snapshot_set_normalize(SnapshotSet *set)
{
	int			n = 0;

	if (set->nrunning == 0)
		return;
	qsort(set->running, set->nrunning, sizeof(uint64_t), compare_xids);
	for (int i = 1; i < set->nrunning; i++)
	{
		if (set->running[i] != set->running[n])
			set->running[++n] = set->running[i];
	}
	set->nrunning = n + 1;
}

bool
snapshot_set_contains(const SnapshotSet *set, uint64_t xid)
{
	int			low = 0;
	int			high = set->nrunning;

	if (xid >= set->xmax)
		return false;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (set->running[middle] == xid)
			return false;
		if (set->running[middle] < xid)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

bool
snapshot_set_equal(const SnapshotSet *a, const SnapshotSet *b)
{
	if (a->xmax != b->xmax || a->nrunning != b->nrunning)
		return false;
	for (int i = 0; i < a->nrunning; i++)
	{
		if (a->running[i] != b->running[i])
			return false;
	}
	return true;
}

char *
hex_print(uint64_t value, char *text)
{
	char		digits[HEX_DIGITS];
	int			n = 0;

	do
	{
		digits[n++] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value != 0);
	while (n > 0)
		*text++ = digits[--n];
	*text = '\0';
	return text;
}

const char *
hex_parse(const char *text, uint64_t *value)
{
	int			n = 0;

	*value = 0;
	for (;; n++)
	{
		char		c = text[n];
		uint64_t	digit;

		if (c >= '0' && c <= '9')
			digit = (uint64_t) (c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint64_t) (c - 'a') + 10;
		else
			break;
		if (n == HEX_DIGITS || (n == 1 && *value == 0))
			return NULL;		/* too long, or a leading zero */
		*value = *value << 4 | digit;
	}
	return n > 0 ? text + n : NULL;
}

size_t
snapshot_set_text_size(const SnapshotSet *set)
{
	return HEX_DIGITS + (size_t) set->nrunning * (HEX_DIGITS + 1) + 1;
}

char *
snapshot_set_print(const SnapshotSet *set, char *text)
{
	uint64_t	above = set->xmax;

	text = hex_print(set->xmax, text);
	for (int i = set->nrunning - 1; i >= 0; i--)
	{
		*text++ = '-';
		text = hex_print(above - set->running[i], text);
		above = set->running[i];
	}
	return text;
}

int
snapshot_set_text_count(const char *text)
{
	int			n = 0;

	for (; *text != '\0'; text++)
		n += (*text == '-');
	return n;
}

const char *
snapshot_set_parse(const char *text, SnapshotSet *set)
{
	uint64_t	above;
	int			n = 0;

	text = hex_parse(text, &set->xmax);
	if (text == NULL)
		return NULL;
	above = set->xmax;
	while (*text == '-')
	{
		uint64_t	distance;

		text = hex_parse(text + 1, &distance);
		if (text == NULL || distance == 0 || distance > above)
			return NULL;
		above -= distance;
		set->running[n++] = above;
	}
	set->nrunning = n;

	/* They came from the newest to the oldest. */
	for (int i = 0; i < n / 2; i++)
	{
		uint64_t	swap = set->running[i];

		set->running[i] = set->running[n - 1 - i];
		set->running[n - 1 - i] = swap;
	}
	return text;
}
