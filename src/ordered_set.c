/*-------------------------------------------------------------------------
 *
 * ordered_set.c
 *	  A bounded, ordered window onto an index: entries up to a frontier.
 *
 * A sorted array that slides within its space: taking from the front and
 * adding at the end, which is what a queue does, move nothing; an insert in
 * between moves the shorter side.
 *
 *-------------------------------------------------------------------------
 */
#include "ordered_set.h"

const EntryKey KEY_LOWEST = {PG_INT64_MIN, {{0}}, PG_INT32_MIN};
const EntryKey KEY_HIGHEST = {PG_INT64_MAX,
	{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, PG_INT32_MAX};

int
entry_key_compare(const EntryKey *a, const EntryKey *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return memcmp(&a->id, &b->id, UUID_LEN);
}

EntryKey
entry_key_successor(const EntryKey *key)
{
	EntryKey	next = *key;

	for (int i = UUID_LEN - 1; i >= 0; i--)
	{
		if (++next.id.data[i] != 0)
			return next;
	}
	/* The id was the highest one and is zero now: carry on. */
	if (next.at < PG_INT64_MAX)
		next.at++;
	else if (next.rank < PG_INT32_MAX)
	{
		next.at = PG_INT64_MIN;
		next.rank++;
	}
	else
		return KEY_HIGHEST;
	return next;
}

void
ordered_set_init(OrderedSet *set, SetEntry *entries, int capacity)
{
	memset(set, 0, sizeof(*set));
	set->entries = entries;
	set->capacity = capacity;
	set->refiller = -1;
	set->frontier = KEY_LOWEST;
}

void
ordered_set_reset(OrderedSet *set)
{
	set->first = 0;
	set->count = 0;
	set->frontier = KEY_LOWEST;
}

/* The number of entries that sort before the key. */
static int
lower_bound(const OrderedSet *set, const EntryKey *key)
{
	const SetEntry *entries = set->entries + set->first;
	int			low = 0;
	int			high = set->count;

	/* Most arrivals sort behind all that are there. */
	if (high > 0 && entry_key_compare(&entries[high - 1].key, key) < 0)
		return high;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (entry_key_compare(&entries[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_at(const OrderedSet *set, int i, const EntryKey *key)
{
	return i < set->count && entry_key_compare(&set->entries[set->first + i].key, key) == 0;
}

void
ordered_set_draw_back(OrderedSet *set, const EntryKey *key)
{
	if (entry_key_compare(key, &set->frontier) < 0)
		set->frontier = *key;
	set->count = lower_bound(set, &set->frontier);
}

/* Make room at position i, shifting the shorter side; there is space. */
static void
open_gap(OrderedSet *set, int i)
{
	SetEntry   *entries = set->entries;
	int			behind = set->count - i;

	if (set->first > 0 && (i < behind || set->first + set->count == set->capacity))
	{
		memmove(entries + set->first - 1, entries + set->first, i * sizeof(SetEntry));
		set->first--;
	}
	else
		memmove(entries + set->first + i + 1, entries + set->first + i,
				behind * sizeof(SetEntry));
	set->count++;
}

InsertResult
ordered_set_insert(OrderedSet *set, const SetEntry *entry)
{
	int			i;

	if (entry_key_compare(&entry->key, &set->frontier) >= 0)
		return SET_BEHIND;

	i = lower_bound(set, &entry->key);
	if (is_at(set, i, &entry->key))
	{
		SetEntry   *there = &set->entries[set->first + i];

		if (entry->visit >= there->visit)
			*there = *entry;
		return SET_ALREADY_THERE;
	}
	if (set->count == set->capacity)
	{
		set->evictions++;
		if (i == set->count)
		{
			set->frontier = entry->key;
			return SET_BEHIND;
		}
		set->count--;
		set->frontier = set->entries[set->first + set->count].key;
	}
	open_gap(set, i);
	set->entries[set->first + i] = *entry;
	return SET_INSERTED;
}

SetEntry *
ordered_set_get(OrderedSet *set, int i)
{
	return i < set->count ? &set->entries[set->first + i] : NULL;
}

void
ordered_set_remove(OrderedSet *set, int i)
{
	SetEntry   *entries = set->entries + set->first;

	Assert(i < set->count);
	if (i < set->count / 2)
	{
		memmove(entries + 1, entries, i * sizeof(SetEntry));
		set->first++;
	}
	else
		memmove(entries + i, entries + i + 1, (set->count - i - 1) * sizeof(SetEntry));
	set->count--;
	if (set->count == 0)
		set->first = 0;
}

bool
ordered_set_contains(OrderedSet *set, const EntryKey *key)
{
	return is_at(set, lower_bound(set, key), key);
}

bool
ordered_set_is_complete(const OrderedSet *set)
{
	return set->refiller < 0 && entry_key_compare(&set->frontier, &KEY_HIGHEST) == 0;
}

bool
ordered_set_is_exhausted(const OrderedSet *set)
{
	return set->count == 0 && ordered_set_is_complete(set);
}

bool
ordered_set_needs_refill(const OrderedSet *set)
{
	return set->count == 0 && !ordered_set_is_complete(set);
}

EntryKey
ordered_set_refill_begin(OrderedSet *set, int procno)
{
	Assert(set->refiller < 0);
	set->refiller = procno;
	set->refill_from = set->frontier;
	set->frontier = KEY_HIGHEST;
	set->refills++;
	return set->refill_from;
}

void
ordered_set_refill_end(OrderedSet *set, const EntryKey *bound)
{
	set->refiller = -1;
	ordered_set_draw_back(set, bound);
}
