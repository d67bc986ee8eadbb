/*-------------------------------------------------------------------------
 *
 * node_set.c
 *	  The ready sets of each node, found by name.
 *
 * A set is made when somebody asks for work at its node, not by a commit: a
 * node without a set is one of which nothing is known, and the heap has it.
 * When all slots are taken, the set that was used longest ago makes room.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "board_internal.h"
#include "common/hashfn.h"

typedef struct NodeIndexEntry
{
	NodeName	name;
	int			slot;
} NodeIndexEntry;

uint32
name_hash(const void *key, Size size)
{
	const char *at = key;
	uint32		hash = 0;

	for (; size > DFSMR_NAME_MAX; size -= DFSMR_NAME_MAX + 1, at += DFSMR_NAME_MAX + 1)
		hash = hash_combine(hash, DatumGetUInt32(hash_any((const unsigned char *) at, strlen(at))));
	if (size > 0)
		hash = hash_combine(hash, DatumGetUInt32(hash_any((const unsigned char *) at, size)));
	return hash;
}

void
node_name_set(NodeName *name, const char *machine, const char *node)
{
	/* Compared as a block of bytes, so it is zero to its end. */
	memset(name, 0, sizeof(*name));
	if (machine != NULL)
		strlcpy(name->machine, machine, sizeof(name->machine));
	if (node != NULL)
		strlcpy(name->node, node, sizeof(name->node));
}

int
node_set_find(Board *board, const NodeName *name)
{
	NodeIndexEntry *entry = hash_search(board->node_index, name, HASH_FIND, NULL);

	return entry != NULL ? entry->slot : -1;
}

void
node_set_touch(Board *board, int slot)
{
	board->nodes[slot].last_used = ++board->use_counter;
}

/* The slot used longest ago that is not being refilled, or -1. */
static int
least_recently_used(Board *board)
{
	int			oldest = -1;

	for (int i = 0; i < board->nnodes_used; i++)
	{
		NodeSet    *set = &board->nodes[i];

		if (set->ready[FIRSTS].refiller >= 0 || set->ready[RETRIES].refiller >= 0)
			continue;
		if (oldest < 0 || set->last_used < board->nodes[oldest].last_used)
			oldest = i;
	}
	return oldest;
}

/*
 * The slot of the node's sets, made when there is none; -1 when every slot is
 * being refilled, which ends soon.
 */
int
node_set_get(Board *board, const NodeName *name)
{
	int			slot = node_set_find(board, name);
	NodeIndexEntry *entry;
	NodeSet    *set;

	if (slot >= 0)
		return slot;
	if (board->nnodes_used < dfsmr_max_sets)
		slot = board->nnodes_used++;
	else
	{
		slot = least_recently_used(board);
		if (slot < 0)
			return -1;
		hash_search(board->node_index, &board->nodes[slot].name, HASH_REMOVE, NULL);
	}
	set = &board->nodes[slot];
	entry = hash_search(board->node_index, name, HASH_ENTER_NULL, NULL);
	if (entry == NULL)
	{
		set->used = false;
		return -1;
	}
	entry->slot = slot;
	set->name = *name;
	set->used = true;
	set->generation++;
	ordered_set_reset(&set->ready[FIRSTS]);
	ordered_set_reset(&set->ready[RETRIES]);
	node_set_touch(board, slot);
	return slot;
}

InsertResult
node_set_offer(Board *board, const NodeName *name, bool retry, const SetEntry *entry)
{
	int			slot = node_set_find(board, name);

	if (slot < 0)
		return SET_BEHIND;
	return ordered_set_insert(&board->nodes[slot].ready[retry ? RETRIES : FIRSTS], entry);
}
