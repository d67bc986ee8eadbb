/*-------------------------------------------------------------------------
 *
 * describe.c
 *	  Parts of a machine in words, for the details of messages.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "describe.h"
#include "lib/stringinfo.h"

/* Names listed at most: a message is to be read. */
#define MAX_LISTED 20

/* The transitions that lead from the node to the target, in brackets. */
static void
append_transitions(StringInfo list, const MachineNode *node, int target)
{
	const char *separator = " (";

	for (int i = 0; i < node->nedges; i++)
	{
		if (node->edges[i].target != target)
			continue;
		appendStringInfo(list, "%s%s", separator, node->edges[i].transition);
		separator = ", ";
	}
	appendStringInfoChar(list, ')');
}

char *
describe_edges(const Machine *machine, const MachineNode *node)
{
	StringInfoData list;
	int			listed = 0;

	initStringInfo(&list);
	for (int target = 0; target < machine->nnodes; target++)
	{
		if (!machine_has_edge_to(node, target))
			continue;
		if (listed == MAX_LISTED)
		{
			appendStringInfoString(&list, ", and more");
			break;
		}
		appendStringInfo(&list, "%s\"%s\"", listed++ > 0 ? ", " : "",
						 machine->nodes[target].name);
		append_transitions(&list, node, target);
	}
	return list.data;
}

char *
describe_nodes(const Machine *machine)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < machine->nnodes; i++)
	{
		if (i == MAX_LISTED)
		{
			appendStringInfo(&list, ", and %d more", machine->nnodes - i);
			break;
		}
		appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", machine->nodes[i].name);
	}
	return list.data;
}
