/*-------------------------------------------------------------------------
 *
 * read_definition.h
 *	  Definitions in the server: between texts, memory contexts, and the pure
 *	  functions of definition.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_READ_DEFINITION_H
#define DFSMR_READ_DEFINITION_H

#include "dfsmr.h"

#include "definition/definition.h"

/*
 * An arena whose memory belongs to the context: it goes with it, and so does
 * what hangs on the arena.
 */
extern Arena *arena_in_context(MemoryContext context);

/*
 * Read a definition in the encoding of the database.  The faults, with their
 * texts, live in the current context and are in the encoding of the database;
 * the machine, or NULL when there are errors, lives in "target".
 */
extern const Machine *read_definition(const text *definition, MemoryContext target,
									  FaultList *faults);

#endif							/* DFSMR_READ_DEFINITION_H */
