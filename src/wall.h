/*-------------------------------------------------------------------------
 *
 * wall.h
 *	  What the trigger functions of the wall share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_WALL_H
#define DFSMR_WALL_H

#include "dfsmr.h"

#include "commands/trigger.h"

/*
 * What the trigger was fired for; ERROR unless it is a trigger on one of the
 * extension's own tables, and on this one if it is not InvalidOid: columns are
 * taken by number.
 */
extern TriggerData *wall_trigger_data(FunctionCallInfo fcinfo, Oid table);

/*
 * Lets TRUNCATE through on members of the changelog; retention.c sets it
 * around its own.
 */
extern bool wall_forgetting;

#endif							/* DFSMR_WALL_H */
