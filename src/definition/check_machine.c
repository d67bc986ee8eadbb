/*-------------------------------------------------------------------------
 *
 * check_machine.c
 *	  The top of a definition: keys of the machine, and its list of nodes.
 *
 *-------------------------------------------------------------------------
 */
#include "draft.h"

#include <stdlib.h>
#include <string.h>

static const KeyName machine_keys[] = {
	{"id", false},
	{"nodes", false},
	{"endless", false},
	{"key_reuse", false},
	{"breaker", false},
	{"upgrade_strategy", false},
	{"params", true},
	{"data", true},
	{"upgrade", true},
	{"retain", true},
};

/* In the order of enum KeyReuse. */
static const char *const key_reuse_words[] = {"finished", "failed", "never"};

static const char *const upgrade_words[] = {"continue", "upgrade", "abort"};

static void
check_id(Checker *checker, const YamlValue *document)
{
	const Entry *entry = map_get(document, "id");
	const Place place = {NULL, "id"};

	if (entry == NULL)
		check_error(checker, document->line, &place,
					"a machine needs a name: add \"id: NAME\"");
	else if (check_text(checker, entry->value, &place, "the name of the machine",
						&checker->draft->id))
		check_name(checker, checker->draft->id, entry->value->line, &place);
}

/* The keys that say how the machine as a whole behaves. */
static void
check_behaviour(Checker *checker, const YamlValue *document)
{
	const Entry *endless = map_get(document, "endless");
	const Entry *key_reuse = map_get(document, "key_reuse");
	const Entry *breaker = map_get(document, "breaker");
	const Entry *upgrade = map_get(document, "upgrade_strategy");
	int			word = 0;

	if (endless != NULL)
		check_boolean(checker, endless, &(Place) {NULL, "endless"}, &checker->draft->endless);
	if (key_reuse != NULL &&
		check_word(checker, key_reuse, &(Place) {NULL, "key_reuse"}, key_reuse_words,
				   count_of(key_reuse_words), &word))
		checker->draft->key_reuse = (KeyReuse) word;
	if (breaker != NULL)
		check_breaker(checker, breaker);

	if (upgrade != NULL &&
		check_word(checker, upgrade, &(Place) {NULL, "upgrade_strategy"}, upgrade_words,
				   count_of(upgrade_words), &word) && word != 0)
		check_error(checker, upgrade->value->line, &(Place) {NULL, "upgrade_strategy"},
					"\"upgrade_strategy: %s\" is not supported by dfsmr 0.1: write \"continue\" or leave it out",
					upgrade_words[word]);
}

typedef struct NamedNode
{
	const char *name;
	int			node;
} NamedNode;

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const NamedNode *) a)->name, ((const NamedNode *) b)->name);
}

static void
sort_names(Checker *checker)
{
	Draft	   *draft = checker->draft;
	NamedNode  *sorted = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(NamedNode));

	for (int i = 0; i < draft->nnodes; i++)
	{
		if (draft->nodes[i].is_duplicate)
			continue;
		sorted[draft->nnames].name = draft->nodes[i].name;
		sorted[draft->nnames].node = i;
		draft->nnames++;
	}
	qsort(sorted, (size_t) draft->nnames, sizeof(NamedNode), compare_names);
	draft->by_name = arena_array(checker->arena, (size_t) draft->nnames, sizeof(int));
	for (int i = 0; i < draft->nnames; i++)
		draft->by_name[i] = sorted[i].node;
}

int
draft_find_node(const Draft *draft, const char *name)
{
	int			low = 0;
	int			high = draft->nnames - 1;

	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			node = draft->by_name[middle];
		int			order = strcmp(name, draft->nodes[node].name);

		if (order == 0)
			return node;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

static void
check_nodes(Checker *checker, const YamlValue *document)
{
	Draft	   *draft = checker->draft;
	const Entry *nodes = map_get(document, "nodes");
	const Place place = {NULL, "nodes"};
	int			i = 0;

	if (nodes == NULL)
	{
		check_error(checker, document->line, &place,
					"a machine needs nodes: add \"nodes:\" with at least a start node and a final one");
		return;
	}
	draft->nodes_line = nodes->line;
	if (nodes->value->kind != VALUE_MAP || nodes->value->nentries == 0)
	{
		if (nodes->value->kind != VALUE_INVALID)
			check_error(checker, nodes->line, &place,
						"nodes must be a mapping from the name of each node to its keys");
		return;
	}

	draft->nnodes = nodes->value->nentries;
	draft->nodes = arena_array(checker->arena, (size_t) draft->nnodes, sizeof(DraftNode));
	for (const Entry *entry = nodes->value->entries; entry != NULL; entry = entry->next)
	{
		Place		here = {&place, entry->key};

		checker_interrupt(checker);
		check_node(checker, entry, &here, &draft->nodes[i++]);
	}
	sort_names(checker);
}

void
check_machine(Checker *checker, const YamlValue *document)
{
	if (document->kind == VALUE_INVALID)
		return;
	if (document->kind != VALUE_MAP)
	{
		check_error(checker, document->line, NULL,
					"a definition is a mapping: begin with \"id: NAME\" and \"nodes:\"");
		return;
	}
	check_keys(checker, document, NULL, machine_keys, count_of(machine_keys), "a machine");
	check_id(checker, document);
	check_behaviour(checker, document);
	check_nodes(checker, document);
}
