/*-------------------------------------------------------------------------
 *
 * finished.h
 *	  Instances that have left their table.
 *
 * The change that finishes an instance carries what else is known of it, if it
 * leaves the table with that: so it is known for as long as the change is kept.
 * Ids are unique all that time: who wants to use one looks into the table first,
 * and then here, since an instance only ever goes from there to here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_FINISHED_H
#define DFSMR_FINISHED_H

#include "dfsmr.h"

#include "change_ring.h"
#include "instance.h"

/*
 * The instance of that id, if it has left the table, from the change that
 * finished it.  What nobody needs of a finished instance is zero.
 */
extern bool finished_find(ChangeScan *changes, const pg_uuid_t *id, InstanceRow *row);

/*
 * The place of the change that finished the instance, whether it has left the
 * table or not; number 0 when there is none.
 */
extern ChangePlace finished_place(ChangeScan *changes, const pg_uuid_t *id);

#endif							/* DFSMR_FINISHED_H */
