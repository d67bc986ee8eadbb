/*-------------------------------------------------------------------------
 *
 * yaml_reader.h
 *	  From YAML or JSON text to a tree of values with line numbers.
 *
 * Knows nothing of machines.  Scalars stay as written: what "on", "no" or
 * "1:30" means is for the schema to say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_YAML_READER_H
#define DFSMR_YAML_READER_H

#include "fault.h"

/* What a text may be at most. */
#define READER_MAX_BYTES	(256 * 1024)
#define READER_MAX_DEPTH	32

typedef enum ValueKind
{
	VALUE_INVALID,				/* reported already; accept it in silence */
	VALUE_SCALAR,
	VALUE_LIST,
	VALUE_MAP
} ValueKind;

typedef struct YamlValue
{
	ValueKind	kind;
	int			line;
	const char *text;			/* of a scalar */
	bool		is_quoted;		/* ... given in quotes: text, never a number */
	bool		is_incomplete;	/* an entry was left out (reported) */
	int			nentries;
	struct Entry *entries;		/* of a list or map, in order */
} YamlValue;

typedef struct Entry
{
	const char *key;			/* NULL in a list */
	int			line;			/* of the key */
	bool		is_duplicate;	/* the key was given before (reported) */
	YamlValue  *value;
	struct Entry *next;
} Entry;

/*
 * Read a text.  Returns the tree, or NULL when there is none to work on; the
 * list then holds an error.  "interrupt", unless NULL, is called at every
 * event and may leave by longjmp: what libyaml has allocated hangs on the
 * arena as well.
 */
extern YamlValue *yaml_read(Arena *arena, const char *string, size_t len,
						FaultList *faults, void (*interrupt) (void));

#endif							/* DFSMR_YAML_READER_H */
