/*-------------------------------------------------------------------------
 *
 * contain.h
 *	  Keeping one bad row from stopping a batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_CONTAIN_H
#define DFSMR_CONTAIN_H

#include "dfsmr.h"

/*
 * Run the function in a subtransaction.  An error in it is logged with what it
 * was about, and rolled back: then the result is false.  Cancel requests and
 * the like are not contained.
 */
extern bool contained(void (*function) (void *), void *argument, const char *about);

#endif							/* DFSMR_CONTAIN_H */
