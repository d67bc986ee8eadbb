/*-------------------------------------------------------------------------
 *
 * partition_move.h
 *	  Telling the INSERT half of an UPDATE that moves a row to another
 *	  partition from an INSERT.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_PARTITION_MOVE_H
#define DFSMR_PARTITION_MOVE_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/htup.h"
#include "utils/relcache.h"

/* A BEFORE UPDATE trigger lets this new row pass; attnum is what it guards. */
extern void partition_move_note(Relation partition, HeapTuple row, AttrNumber attnum);

/*
 * A BEFORE INSERT trigger on a partition sees this value in what it guards: is
 * that the row last noted, on its way from its old partition?  Answers yes
 * once.
 */
extern bool partition_move_take(Datum value, bool isnull);

/* The relation (all of them: InvalidOid) has changed.  Only sets a flag. */
extern void partition_move_forget(Oid relation);

#endif							/* DFSMR_PARTITION_MOVE_H */
