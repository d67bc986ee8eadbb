/*-------------------------------------------------------------------------
 *
 * waiter.c
 *	  Calls of ready() that sleep until work comes.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "waiter.h"

#include "miscadmin.h"
#include "storage/proc.h"

/* The place of this process, while it waits. */
static Board *my_board = NULL;
static int	my_place = -1;

void
waiter_init(Board *board)
{
	board->waiter_first = board->waiter_last = -1;
	board->nwaiters = 0;
	for (int i = 0; i < dfsmr_max_waiters; i++)
	{
		board->waiters[i].used = false;
		board->waiters[i].next = i + 1 < dfsmr_max_waiters ? i + 1 : -1;
	}
	board->waiter_free = 0;
}

static void
unlink_waiter(Board *board, int place)
{
	Waiter	   *waiter = &board->waiters[place];

	if (waiter->prev >= 0)
		board->waiters[waiter->prev].next = waiter->next;
	else
		board->waiter_first = waiter->next;
	if (waiter->next >= 0)
		board->waiters[waiter->next].prev = waiter->prev;
	else
		board->waiter_last = waiter->prev;
	board->nwaiters--;
}

bool
waiter_enqueue(Board *board, const NodeName *filter)
{
	Waiter	   *waiter;

	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	if (board->waiter_free < 0)
	{
		LWLockRelease(board->lock);
		return false;
	}
	my_board = board;
	my_place = board->waiter_free;
	waiter = &board->waiters[my_place];
	board->waiter_free = waiter->next;

	waiter->filter = *filter;
	waiter->used = true;
	waiter->woken = false;
	waiter->woken_for = -1;
	waiter->procno = proc_number(MyProc);
	waiter->next = -1;
	waiter->prev = board->waiter_last;
	if (board->waiter_last >= 0)
		board->waiters[board->waiter_last].next = my_place;
	else
		board->waiter_first = my_place;
	board->waiter_last = my_place;
	board->nwaiters++;
	LWLockRelease(board->lock);
	return true;
}

bool
waiter_woken(void)
{
	bool		woken;

	LWLockAcquire(my_board->lock, LW_SHARED);
	woken = my_board->waiters[my_place].woken;
	LWLockRelease(my_board->lock);
	return woken;
}

/* Wake the next waiter for what this one was woken for, if it may be there. */
static void
pass_on(Board *board, const Waiter *waiter)
{
	NodeSet    *set = waiter->woken_for >= 0 ? &board->nodes[waiter->woken_for] : NULL;

	if (set == NULL || !set->used || set->generation != waiter->woken_generation)
		waiter_wake_all(board);
	else if (!ordered_set_is_exhausted(&set->ready[FIRSTS]) ||
			 !ordered_set_is_exhausted(&set->ready[RETRIES]))
		waiter_wake(board, &set->name, 1);
}

void
waiter_leave(WaiterLeaves how)
{
	Board	   *board = my_board;
	Waiter	   *waiter;

	if (my_place < 0)
		return;
	LWLockAcquire(board->lock, LW_EXCLUSIVE);
	waiter = &board->waiters[my_place];
	if (!waiter->woken)
		unlink_waiter(board, my_place);
	else if (how == WAITER_NOT_LOOKED ||
			 (how == WAITER_CLAIMED && waiter->woken_for >= 0))
		pass_on(board, waiter);
	waiter->used = false;
	waiter->next = board->waiter_free;
	board->waiter_free = my_place;
	my_place = -1;
	my_board = NULL;
	LWLockRelease(board->lock);
}

static void
wake_place(Board *board, int place, int node)
{
	Waiter	   *waiter = &board->waiters[place];

	unlink_waiter(board, place);
	waiter->woken = true;
	waiter->woken_for = node;
	waiter->woken_generation = node >= 0 ? board->nodes[node].generation : 0;
	board->wakeups++;
	SetLatch(&ProcGlobal->allProcs[waiter->procno].procLatch);
}

static bool
matches(const Waiter *waiter, const NodeName *node)
{
	return (waiter->filter.machine[0] == '\0' ||
			strcmp(waiter->filter.machine, node->machine) == 0) &&
		(waiter->filter.node[0] == '\0' ||
		 strcmp(waiter->filter.node, node->node) == 0);
}

int
waiter_wake(Board *board, const NodeName *node, int n)
{
	int			place = board->waiter_first;
	int			slot = -1;
	int			woken = 0;

	if (place >= 0 && n > 0)
		slot = node_set_find(board, node);
	while (place >= 0 && woken < n)
	{
		int			next = board->waiters[place].next;

		if (matches(&board->waiters[place], node))
		{
			wake_place(board, place, slot);
			woken++;
		}
		place = next;
	}
	return woken;
}

void
waiter_wake_all(Board *board)
{
	while (board->waiter_first >= 0)
		wake_place(board, board->waiter_first, -1);
}
