/*-------------------------------------------------------------------------
 *
 * snapshot_set.h
 *	  Which transactions had ended at a moment: a snapshot as plain data.
 *
 * Pure: no server state, so that it can be tested alone.  Transactions are
 * full 64-bit ids of top transactions, so nothing here ever wraps around.
 *
 * The changelog is read in windows: what had ended in one snapshot and had
 * not in an earlier one.  A transaction that commits an hour late is a member
 * of exactly one window, that in which it ends, and holds up no other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_SNAPSHOT_SET_H
#define DFSMR_SNAPSHOT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SnapshotSet
{
	uint64_t	xmax;			/* none from here on had ended */
	int			nrunning;
	uint64_t   *running;		/* those before xmax that had not, ascending */
} SnapshotSet;

/*
 * Not a transaction: what was restored from a dump.  A set that lists it is
 * where a reader of everything begins: no snapshot does.
 */
#define RESTORED_XID 0

/*
 * Put running[] in order, each transaction once.  The server may list one
 * twice: while it is being prepared, it is for a moment both its session's
 * and a prepared one.
 */
extern void snapshot_set_normalize(SnapshotSet *set);

/* Had this transaction ended?  Whether it committed is not known here. */
extern bool snapshot_set_contains(const SnapshotSet *set, uint64_t xid);

extern bool snapshot_set_equal(const SnapshotSet *a, const SnapshotSet *b);

/*
 * Text: xmax in hexadecimal, then for each running transaction from the
 * newest to the oldest a '-' and its distance from the one before.  They are
 * close to each other, so that takes about two bytes each.
 */

/* How much room the text takes, with a terminating zero. */
extern size_t snapshot_set_text_size(const SnapshotSet *set);

/* Write the text; returns its end, where a terminating zero is put. */
extern char *snapshot_set_print(const SnapshotSet *set, char *text);

/* How many running transactions the text at most names. */
extern int	snapshot_set_text_count(const char *text);

/*
 * Read a text up to where it ends or something else begins; returns that
 * place, or NULL when there is no such text.  set->running must have room for
 * snapshot_set_text_count() entries.
 */
extern const char *snapshot_set_parse(const char *text, SnapshotSet *set);

/* A number in lower-case hexadecimal without leading zeros; as above. */
extern char *hex_print(uint64_t value, char *text);
extern const char *hex_parse(const char *text, uint64_t *value);

#endif							/* DFSMR_SNAPSHOT_SET_H */
