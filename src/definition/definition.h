/*-------------------------------------------------------------------------
 *
 * definition.h
 *	  From the text of a definition to the compiled machine, and back to text.
 *
 * Pure functions: neither the server nor any table is touched.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_DEFINITION_H
#define DFSMR_DEFINITION_H

#include "fault.h"
#include "machine.h"

/*
 * Read and check a definition.  All faults are added to the list, sorted by
 * line.  Returns the machine, which lives in "target", or NULL when there is
 * an error among them.  Everything else, also the list, lives in "scratch".
 *
 * "interrupt", unless NULL, is called often and may leave by longjmp; freeing
 * both arenas then frees everything.
 */
extern Machine *definition_compile(Arena *scratch, Arena *target,
								   const char *text, size_t len,
								   FaultList *faults, void (*interrupt) (void));

/*
 * The canonical form: a definition in JSON that is the same for all
 * definitions that mean the same, however they are spelled.  Compiling it
 * gives an equal machine.
 */
extern const char *machine_canonical(Arena *arena, const Machine *machine);

/* Diagrams: in the language of Graphviz, and of Mermaid. */
extern const char *machine_dot(Arena *arena, const Machine *machine);
extern const char *machine_mermaid(Arena *arena, const Machine *machine);

#endif							/* DFSMR_DEFINITION_H */
