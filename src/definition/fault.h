/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  What is wrong with a definition: a list of findings.
 *
 * A reader of the list wants to mend the text, so each finding says where it
 * is (line, and place in the document) and what to do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_FAULT_H
#define DFSMR_FAULT_H

#include "arena.h"

typedef enum Severity
{
	SEVERITY_ERROR,				/* the definition is refused */
	SEVERITY_WARNING			/* it is accepted, and may surprise */
} Severity;

typedef struct Fault
{
	Severity	severity;
	int			line;			/* from 1 */
	const char *place;			/* such as nodes.crawl.start; "" for the whole */
	const char *message;
} Fault;

typedef struct FaultList
{
	Arena	   *arena;
	int			nfaults;
	int			nerrors;
	int			size;
	Fault	   *faults;
} FaultList;

/*
 * Where a value stands: a chain from the value up to the document.  Lives on
 * the stack of whoever walks the document.
 */
typedef struct Place
{
	const struct Place *up;		/* NULL at the top */
	const char *key;
} Place;

extern void fault_list_init(FaultList *list, Arena *arena);

/* Add one; place may be NULL for the document as a whole. */
extern void fault_add(FaultList *list, Severity severity, int line, const Place *place,
					  const char *format,...) arena_printf_like(5, 6);

/* Sort by line; findings of one line keep their order. */
extern void fault_list_sort(FaultList *list);

/* "error" or "warning" */
extern const char *severity_name(Severity severity);

/*
 * A string of the author's in double quotes, fit for a message: shortened,
 * and without control characters.
 */
extern const char *quoted(Arena *arena, const char *string);

#endif							/* DFSMR_FAULT_H */
