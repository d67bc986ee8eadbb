/*-------------------------------------------------------------------------
 *
 * draft.h
 *	  A machine on its way from text to compiled: names instead of indexes,
 *	  lines, and whatever is wrong with it.  Shared by the files that check.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_DRAFT_H
#define DFSMR_DRAFT_H

#include "fault.h"
#include "machine.h"
#include "similar.h"
#include "yaml_reader.h"

#define count_of(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* A key that names a transition of its own node: fire, on_timeout, ... */
typedef struct DraftReference
{
	const char *transition;		/* NULL when not given */
	int			line;
	int			edge;			/* once resolved, else -1 */
} DraftReference;

typedef enum TimeoutForm
{
	TIMEOUT_PERCENTILE,			/* the default; of a parked node: none */
	TIMEOUT_FIXED,
	TIMEOUT_ZERO,				/* never: at most once */
	TIMEOUT_FAULTY				/* reported: nothing more is known */
} TimeoutForm;

typedef struct DraftEdge
{
	const char *transition;
	int			line;
	const char *to;				/* NULL when it is missing or faulty */
	int			to_line;
	bool		to_is_nested;	/* it was given as {to: ...} */
	int			target;			/* index of a node, or -1 */
	bool		has_delay;
	int			delay_line;
	Delay		delay;
	bool		reset;
} DraftEdge;

typedef struct DraftNode
{
	const char *name;
	int			line;
	bool		is_duplicate;	/* of a name: not in the graph */
	bool		is_broken;		/* no mapping: nothing is known of it */
	bool		is_start;
	int			start_line;
	NodeKind	kind;
	bool		has_outcome;
	Outcome		outcome;
	int			priority;
	TimeoutForm timeout_form;
	int64_t		timeout;
	double		percentile;
	int64_t		timeout_min;
	int64_t		timeout_max;
	int64_t		heartbeat;
	bool		at_most_once;
	bool		has_redeliver;
	Delay		redeliver;
	Delay		delay;
	bool		has_retry;
	bool		retry;
	int			max_visits;
	int			max_attempts;
	int64_t		max_elapsed;
	DraftReference fire;
	DraftReference on_timeout;
	DraftReference on_exhausted;
	DraftReference on_max_visits;
	DraftReference on_max_elapsed;
	int			nedges;
	DraftEdge  *edges;
} DraftNode;

typedef struct Draft
{
	const char *id;
	KeyReuse	key_reuse;
	bool		endless;
	bool		has_breaker;
	Breaker		breaker;
	int			nodes_line;		/* of the key "nodes" */
	int			start;			/* index of the first start node, or -1 */
	int			nnodes;
	DraftNode  *nodes;			/* in the order of the text */
	int			nnames;
	int		   *by_name;		/* indexes sorted by name, without duplicates */
} Draft;

/* What the checks pass around. */
typedef struct Checker
{
	Arena	   *arena;
	FaultList  *faults;
	void		(*interrupt) (void);	/* or NULL */
	long		similar_left;	/* comparisons left for "did you mean" */
	Draft	   *draft;
} Checker;

extern void checker_interrupt(const Checker *checker);

#define check_error(checker, line, place, ...) \
	fault_add((checker)->faults, SEVERITY_ERROR, line, place, __VA_ARGS__)
#define check_warning(checker, line, place, ...) \
	fault_add((checker)->faults, SEVERITY_WARNING, line, place, __VA_ARGS__)

/* check_values.c: one value, judged by the type that the schema gives it. */
typedef struct KeyName
{
	const char *name;
	bool		is_later;		/* a key of the language that comes later */
} KeyName;

/*
 * Report the keys of a map that are not in the list.  "what" says whose keys
 * they are, as in "a node".
 */
extern void check_keys(Checker *checker, const YamlValue *map, const Place *place,
					   const KeyName *keys, int nkeys, const char *what);

/* The entry of a map with this key, or NULL. */
extern const Entry *map_get(const YamlValue *map, const char *key);

/* Report a value of the wrong type; "wanted" says what to write.  Returns false. */
extern bool wrong_type(Checker *checker, const YamlValue *value, const Place *place,
					   const char *wanted);

/* Is it the plain word true or false?  Reports nothing. */
extern bool read_boolean(const YamlValue *value, bool *result);

/*
 * Each reads the value of an entry and returns true, or reports and returns
 * false.  The place is that of the value.
 */
extern bool check_boolean(Checker *checker, const Entry *entry, const Place *place, bool *result);
extern bool check_integer(Checker *checker, const Entry *entry, const Place *place,
						  int min, int max, int *result);
extern bool check_number(Checker *checker, const Entry *entry, const Place *place,
						 double min, double max, double *result);
extern bool check_duration(Checker *checker, const Entry *entry, const Place *place,
						   int64_t *result);
extern bool check_delay(Checker *checker, const Entry *entry, const Place *place, Delay *result);

/* One of several words; the index into them. */
extern bool check_word(Checker *checker, const Entry *entry, const Place *place,
					   const char *const *words, int nwords, int *result);

/* A scalar as text, whatever it says. */
extern bool check_text(Checker *checker, const YamlValue *value, const Place *place,
					   const char *wanted, const char **result);

/* Is this a name that an author may give?  Reports if not. */
extern bool check_name(Checker *checker, const char *name, int line, const Place *place);

/* " (did you mean "x"?)", or "" */
extern const char *did_you_mean(Checker *checker, const SimilarSearch *search);

/* check_machine.c, check_breaker.c, check_node.c: from values to the draft. */
extern void check_machine(Checker *checker, const YamlValue *document);
extern void check_breaker(Checker *checker, const Entry *entry);
extern void check_node(Checker *checker, const Entry *entry, const Place *place, DraftNode *node);

/*
 * The entry of a key that only some kinds of node have, or NULL.  One that the
 * node is not entitled to is reported, and NULL is returned for it as well.
 */
extern const Entry *get_for_kind(Checker *checker, const YamlValue *map, const Place *place,
								 const DraftNode *node, const char *key, const char *kinds,
								 const char *who);

/* A key that names a transition of its node; resolved later.  NULL is none. */
extern void check_reference(Checker *checker, const Entry *entry, const Place *place,
							DraftReference *reference);

/* check_timeout.c, check_limits.c: groups of keys of a node. */
extern void check_time(Checker *checker, const YamlValue *map, const Place *place,
					   DraftNode *node);
extern void check_limits(Checker *checker, const YamlValue *map, const Place *place,
						 DraftNode *node);

/* check_references.c: names of nodes and transitions, resolved to indexes. */
extern void check_references(Checker *checker);

/* The node of this name, or -1. */
extern int	draft_find_node(const Draft *draft, const char *name);

/* check_graph.c: what can be reached, and what goes round. */
extern void check_graph(Checker *checker);

/* compile.c: a draft without errors, packed into a machine. */
extern Machine *draft_compile(Arena *scratch, Arena *target, const Draft *draft);

#endif							/* DFSMR_DRAFT_H */
