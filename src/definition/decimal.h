/*-------------------------------------------------------------------------
 *
 * decimal.h
 *	  Plain numbers as definitions write them, alone and as rates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_DECIMAL_H
#define DFSMR_DECIMAL_H

#include "arena.h"

#include <stdbool.h>

/*
 * Read digits, with or without a fraction: no sign, no exponent.  Returns
 * whether that is all there is.
 */
extern bool decimal_parse(const char *string, double *result);

/* The shortest that decimal_parse() reads as the same number, not below 0. */
extern const char *decimal_text(Arena *arena, double number);

/*
 * Read a rate: a number, and "/s", "/m" or "/h".  The result is per second.
 * Returns whether the string is one.
 */
extern bool rate_parse(const char *string, double *result);

/* In the unit that shows it shortest; rate_parse() reads the same from it. */
extern const char *rate_text(Arena *arena, double rate);

#endif							/* DFSMR_DECIMAL_H */
