/*-------------------------------------------------------------------------
 *
 * process_table.h
 *	  Which process serves which database, and which databases are barred.
 *
 * Shared by the launcher, its schedulers and every session: a session asks
 * the launcher to look at a database, or asks the scheduler of a database out
 * for the time of a command that needs the database to itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_PROCESS_TABLE_H
#define DFSMR_PROCESS_TABLE_H

#include "dfsmr.h"

#include "portability/instr_time.h"
#include "storage/latch.h"

/* Why a scheduler left. */
typedef enum Departure
{
	DEPARTURE_FAILED,			/* an error, or it was terminated: again later */
	DEPARTURE_NO_EXTENSION,		/* nothing to do there until somebody says so */
	DEPARTURE_REPLACED,			/* another installation is there: again now */
	DEPARTURE_ASKED,			/* barred: again when the bar is lifted */
	DEPARTURE_NO_ROOM			/* dfsmr.max_databases are in use */
} Departure;

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_STARTING,				/* ordered; no process yet */
	SLOT_LOOKING,				/* connecting, looking for the extension */
	SLOT_RUNNING,				/* serving the database */
	SLOT_LEFT					/* gone; the launcher has not noticed yet */
} SlotState;

/* What the launcher sees of one scheduler. */
typedef struct SchedulerSlot
{
	SlotState	state;
	Oid			database;
	uint32		ticket;			/* the process it is meant for */
	int64		since;			/* ... in this state, as monotonic_ms() */
	Departure	departure;		/* when it has left */
	int64		served;			/* ... how long it had been running, in ms */
	Latch	   *latch;			/* when there is a process */
	bool		leave;			/* orders to it */
	bool		look_again;
} SchedulerSlot;

/* What the launcher hands to the scheduler it starts, in bgw_extra. */
typedef struct SchedulerTicket
{
	int			slot;
	uint32		ticket;
	bool		quiet;			/* what stops it was already reported */
} SchedulerTicket;

typedef enum ReserveResult
{
	SLOT_RESERVED,
	SLOT_BARRED,				/* the lifting of the bar will be a request */
	SLOT_NONE_FREE
} ReserveResult;

/* Milliseconds on a clock that nobody sets; for back-off and patience. */
static inline int64
monotonic_ms(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

extern Size process_table_shmem_size(void);
extern void process_table_shmem_init(void);

/* For the launcher. */
extern void process_table_attach_launcher(void);
extern int	process_table_take_requests(Oid *databases, int max, bool *all);
extern int	process_table_look(SchedulerSlot *copy);
extern int	process_table_size(void);
extern ReserveResult process_table_reserve(Oid database, SchedulerTicket *ticket);
extern void process_table_release(int slot, uint32 ticket);

/* For a scheduler. */
extern bool process_table_attach(const SchedulerTicket *ticket, Oid database);
extern void process_table_running(void);
extern void process_table_orders(bool *leave, bool *look_again);
extern bool process_table_has_orders(void);
extern void process_table_set_departure(Departure departure);

/* For sessions. */
extern bool process_table_available(void);
extern void launcher_request(Oid database);
extern void scheduler_look_again(Oid database);
extern bool scheduler_exists(Oid database);
extern void scheduler_bar(Oid database, int patience);
extern void scheduler_unbar(void);

#endif							/* DFSMR_PROCESS_TABLE_H */
