/*-------------------------------------------------------------------------
 *
 * ordered_set.h
 *	  A bounded, ordered window onto an index: entries up to a frontier.
 *
 * The invariant that everything rests on: the set holds every committed entry
 * of the heap that sorts before its frontier, and none that sorts behind it.
 * What sorts at or behind the frontier is only in the heap.  An entry may also
 * be there although its row has moved on: it is a hint, and whoever takes it
 * looks at the row.
 *
 * "Frontier" is an exclusive bound.  KEY_LOWEST means that nothing is known,
 * KEY_HIGHEST that everything is here.  It only ever draws back, except at the
 * start of a refill: that puts it to KEY_HIGHEST before it takes its first
 * look, so that commits which its scan cannot see insert themselves.
 *
 * Lives in shared memory; the caller holds the lock of the board.  Nothing in
 * here allocates, raises an error, or waits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_ORDERED_SET_H
#define DFSMR_ORDERED_SET_H

#include "dfsmr.h"

#include "storage/itemptr.h"

/* The order of hand-out: priority (negated), time it became ready, id. */
typedef struct EntryKey
{
	TimestampTz at;
	pg_uuid_t	id;
	int32		rank;
} EntryKey;

/* 56 bytes. */
typedef struct SetEntry
{
	EntryKey	key;
	int32		visit;
	int32		rank;			/* delayed tasks: the rank once they are due, */
	int32		node;			/* ... the slot of their node set, */
	uint16		node_generation;	/* ... its generation, */
	ItemPointerData tid;		/* where the row was seen last */
	bool		retry;			/* delayed tasks: counts as a retry */
} SetEntry;

typedef struct OrderedSet
{
	EntryKey	frontier;
	EntryKey	refill_from;	/* the frontier when the running refill began */
	int			refiller;		/* pgprocno of the process that refills, or -1 */
	int			capacity;
	int			first;			/* entries[first .. first + count) are used */
	int			count;
	uint64		refills;
	uint64		evictions;
	SetEntry   *entries;
} OrderedSet;

typedef enum InsertResult
{
	SET_INSERTED,
	SET_ALREADY_THERE,
	SET_BEHIND					/* at or behind the frontier: the heap has it */
} InsertResult;

extern const EntryKey KEY_LOWEST;
extern const EntryKey KEY_HIGHEST;

extern int	entry_key_compare(const EntryKey *a, const EntryKey *b);

/* The key that follows immediately: turns "up to and with" into a frontier. */
extern EntryKey entry_key_successor(const EntryKey *key);

extern void ordered_set_init(OrderedSet *set, SetEntry *entries, int capacity);

/* Forget everything; a refill that is running will end with nothing known. */
extern void ordered_set_reset(OrderedSet *set);

/* Nothing that sorts at or behind the key is known any more. */
extern void ordered_set_draw_back(OrderedSet *set, const EntryKey *key);

/*
 * Add an entry that sorts before the frontier.  A full set drops its last
 * entry, perhaps this one, and draws back to it.  An entry with the same key
 * takes the place of the one there.
 */
extern InsertResult ordered_set_insert(OrderedSet *set, const SetEntry *entry);

/* The i-th entry in order, from 0; NULL behind the last. */
extern SetEntry *ordered_set_get(OrderedSet *set, int i);

extern void ordered_set_remove(OrderedSet *set, int i);

/* Is an entry with this key there? */
extern bool ordered_set_contains(OrderedSet *set, const EntryKey *key);

/* Does the set hold all there is? */
extern bool ordered_set_is_complete(const OrderedSet *set);

/* No entry here, and none behind the frontier either? */
extern bool ordered_set_is_exhausted(const OrderedSet *set);

/* Must one refill before believing that there is no entry? */
extern bool ordered_set_needs_refill(const OrderedSet *set);

/* A refill begins: from now on commits insert themselves wherever they sort. */
extern EntryKey ordered_set_refill_begin(OrderedSet *set, int procno);

/*
 * It ends: everything before bound has been looked at.  bound is KEY_HIGHEST
 * when the scan came to its end, or refill_from when it was cut off, which
 * restores the old frontier.
 */
extern void ordered_set_refill_end(OrderedSet *set, const EntryKey *bound);

#endif							/* DFSMR_ORDERED_SET_H */
