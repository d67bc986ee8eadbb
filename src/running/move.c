/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Taking an instance from one node into another.
 *
 * A move changes the row in memory first, follows on_max_visits and
 * on_max_elapsed as far as they lead, draws the numbers of the changes, writes the
 * row once, then the changes, and notes all of it for the board.  The row is written
 * over the version that was read before the numbers were drawn, or not at all: so
 * what came before has lower numbers.
 *
 * Who is finished, and does not hold its key any longer, leaves the table.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "running/move.h"

#include "running/visits.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* A definition that moves an instance further than this by itself spins. */
#define MAX_STEPS 64

/* The changes that one move leads to. */
typedef struct Journey
{
	Change		changes[MAX_STEPS];
	int			n;
} Journey;

const MachineNode *
row_node(const InstanceRow *row, const Machine *machine)
{
	int			node = machine_find_node(machine, row->node);

	if (node >= 0)
		return &machine->nodes[node];
	if (strcmp(row->node, DFSMR_NODE_ABORTED) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("instance is at node \"%s\", which version %d of machine \"%s\" does not have",
						row->node, row->version, row->machine)));
	return NULL;
}

/* When a row that enters the node now is due; false: never by itself. */
static bool
due_time(const MachineNode *target, const MachineEdge *edge, int earlier_visits,
		 const Move *move, TimestampTz *due)
{
	int64		delay = 0;

	if (move->has_delay)
		delay = move->delay;
	else if (edge != NULL && edge->has_delay)
		delay = delay_duration(&edge->delay, earlier_visits, random_fraction());
	else if (target->kind == NODE_TIMER)
		delay = delay_duration(&target->delay, earlier_visits, random_fraction());

	switch (target->kind)
	{
		case NODE_TASK:
		case NODE_TIMER:
			*due = time_after(move->now, delay);
			return true;
		case NODE_PARKED:
			if (target->timeout < 0 || target->on_timeout < 0)
				return false;
			*due = time_after(move->now, target->timeout);
			return true;
		case NODE_FINAL:
			break;
	}
	return false;
}

static void
finish(InstanceRow *row, const Machine *machine, Outcome outcome, TimestampTz now)
{
	row->kind = NODE_FINAL;
	row->timed = row->delayed = row->retry = false;
	row->finished_at = now;
	row->outcome = outcome == OUTCOME_SUCCESS ? "success" : "failure";
	if (machine->key_reuse == KEY_REUSE_FINISHED ||
		(machine->key_reuse == KEY_REUSE_FAILED && outcome == OUTCOME_FAILURE))
		row->key_held = false;
}

/*
 * Timers and parked nodes leave when max_elapsed is over, whatever they wait
 * for.  A task stays: its index is in the order of hand-out, and has no room
 * for a second time.
 */
static void
set_due(InstanceRow *row, const MachineNode *target, const MachineEdge *edge,
		int earlier_visits, const Move *move)
{
	row->timed = due_time(target, edge, earlier_visits, move, &row->ready_at);
	row->delayed = target->kind == NODE_TASK && row->ready_at > move->now;
	if (target->kind != NODE_TASK)
	{
		TimestampTz limit = visits_limit(row->visits, target);

		if (limit != DT_NOEND && (!row->timed || limit < row->ready_at))
		{
			row->timed = true;
			row->ready_at = limit;
		}
	}
}

/*
 * Put the row into the node.  Returns the edge that it takes from there at
 * once, since it is there more often or longer than the node allows, or -1.
 */
static int
enter(InstanceRow *row, const Machine *machine, const MachineNode *from,
	  const MachineNode *target, const MachineEdge *edge, const Move *move)
{
	int			visits = 1;

	if (row->visit == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("instance has entered too many nodes")));
	if (edge != NULL && edge->reset)
		row->visits = NULL;
	if (visits_are_counted(target))
		row->visits = visits_count(row->visits, target, move->now, &visits);

	row->prev_node = from != NULL ? from->name : row->node;
	row->prev_transition = edge != NULL ? edge->transition : NULL;
	row->node = target->name;
	row->kind = target->kind;
	row->visit++;
	row->attempt = row->failed_attempts = 0;
	instance_let_go(row);
	row->retry = target->kind == NODE_TASK && from != NULL &&
		from->kind == NODE_TIMER && from->is_retry;
	row->entered_at = move->now;
	if (!row->own_priority)
		row->neg_priority = -target->priority;
	if (target->kind == NODE_FINAL)
		finish(row, machine, target->outcome, move->now);
	else
		set_due(row, target, edge, visits - 1, move);

	if (target->max_visits > 0 && visits > target->max_visits)
		return target->on_max_visits;
	if (visits_limit(row->visits, target) <= move->now)
		return target->on_max_elapsed;
	return -1;
}

/* It has room for many steps, which nobody need clear for the few there are. */
static void
begin_journey(Journey *journey)
{
	journey->n = 0;
}

/* Record the step that the row has just made. */
static Change *
record(Journey *journey, const InstanceRow *row, ChangeKind kind)
{
	Change	   *change;

	if (journey->n == MAX_STEPS)
		ereport(ERROR,
				(errcode(DFSMR_INVALID_DEFINITION),
				 errmsg("machine \"%s\" moves an instance on without an end", row->machine),
				 errhint("Look for a cycle of on_max_visits or on_max_elapsed transitions.")));
	change = &journey->changes[journey->n++];
	memset(change, 0, sizeof(*change));
	change->kind = kind;
	change->machine = row->machine;
	change->version = row->version;
	change->instance = &row->id;
	change->key = row->key;
	change->visit = row->visit;
	change->prev_node = row->prev_node;
	change->transition = row->prev_transition;
	change->node = row->node;
	return change;
}

/* Enter the target, and go on from there while a limit says so. */
static void
travel(Journey *journey, InstanceRow *row, const Machine *machine,
	   const MachineNode *from, const MachineNode *target, const MachineEdge *edge,
	   const Move *move)
{
	Move		onward = {.now = move->now};
	ChangeKind	kind = move->kind;

	for (;;)
	{
		int			onward_edge = enter(row, machine, from, target, edge, move);

		record(journey, row, kind);
		if (onward_edge < 0)
			break;
		from = target;
		edge = &from->edges[onward_edge];
		target = &machine->nodes[edge->target];
		move = &onward;
		kind = CHANGE_TIMER;
	}
}

/* What was handed in goes into the row and into the first change. */
static void
apply_payload(InstanceRow *row, Change *first, const Move *move)
{
	if (move->node_params != NULL)
		row->node_params = move->node_params;
	if (move->data != NULL)
		row->data = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
													   JsonbPGetDatum(row->data),
													   JsonbPGetDatum(move->data)));
	if (move->note != NULL)
		row->note = move->note;
	row->deliveries += move->deliveries;

	if (move->transition != NULL)
		first->transition = move->transition;
	first->attempt = move->attempt;
	first->client = move->client;
	first->note = move->note;
	first->node_params = move->node_params;
	first->data = move->data;
	first->claimed_at = move->claimed_at;
}

static InstanceUpdate
write_journey(InstanceTable *table, InstanceRow *row, const RowImage *before,
			  Journey *journey, int ended_attempt, const Move *move)
{
	Change	   *last = &journey->changes[journey->n - 1];
	bool		leaves = row->kind == NODE_FINAL && !row->key_held;
	InstanceUpdate result;
	RowImage	after;

	instance_number_changes(table, row, journey->changes, journey->n);
	if (leaves)
		result = instance_leave(table, row, !move->no_wait);
	else
		result = instance_update(table, row, !move->no_wait);
	if (result != INSTANCE_UPDATED)
		return result;
	last->outcome = row->outcome;
	last->left = leaves ? row : NULL;
	instance_append_changes(table, journey->changes, journey->n);
	after = instance_image(row);
	if (move->completes != 0)
		xact_note_write(before, &after, move->completes, move->now);
	else
		xact_note_write(before, &after, ended_attempt, 0);
	return result;
}

/* The claim that ends with this move had a ticket of the machine's breaker. */
static void
note_ticket(const Move *move, TicketEnd end)
{
	/* How it ended matters for probes alone. */
	if (move->ticket.period != 0 && (move->ticket.probe || end == TICKET_VOID))
		xact_note_ticket(&move->ticket, end);
}

void
move_into_start(InstanceRow *row, const Machine *machine, const Move *move)
{
	row->visit = 0;
	enter(row, machine, NULL, &machine->nodes[machine->start], NULL, move);
	row->prev_node = NULL;
}

InstanceUpdate
move_along(InstanceTable *table, InstanceRow *row, const Machine *machine,
		   const MachineNode *from, const MachineEdge *edge, const Move *move)
{
	RowImage	before = instance_image(row);
	Journey		journey;
	const MachineNode *target = &machine->nodes[edge->target];
	bool		to_retry = target->kind == NODE_TIMER && target->is_retry;
	InstanceUpdate result;

	begin_journey(&journey);
	travel(&journey, row, machine, from, target, edge, move);
	apply_payload(row, &journey.changes[0], move);
	result = write_journey(table, row, &before, &journey, 0, move);
	if (result == INSTANCE_UPDATED)
		note_ticket(move, move->kind == CHANGE_RELINQUISH ? TICKET_VOID :
					move->kind == CHANGE_TIMEOUT || to_retry ? TICKET_FAILED : TICKET_SUCCEEDED);
	return result;
}

InstanceUpdate
move_to(InstanceTable *table, InstanceRow *row, const Machine *machine,
		const MachineNode *target, const Move *move)
{
	RowImage	before = instance_image(row);
	Journey		journey;

	begin_journey(&journey);
	travel(&journey, row, machine, NULL, target, NULL, move);
	apply_payload(row, &journey.changes[0], move);
	return write_journey(table, row, &before, &journey, 0, move);
}

InstanceUpdate
move_to_aborted(InstanceTable *table, InstanceRow *row, const Machine *machine,
				const Move *move)
{
	RowImage	before = instance_image(row);
	Journey		journey;

	begin_journey(&journey);
	row->prev_node = row->node;
	row->prev_transition = NULL;
	row->node = DFSMR_NODE_ABORTED;
	row->visit++;
	row->attempt = row->failed_attempts = 0;
	instance_let_go(row);
	row->entered_at = move->now;
	finish(row, machine, OUTCOME_FAILURE, move->now);
	apply_payload(row, record(&journey, row, move->kind), move);
	return write_journey(table, row, &before, &journey, 0, move);
}

InstanceUpdate
move_stay(InstanceTable *table, InstanceRow *row, const RowImage *before,
		  const Move *move, int ended_attempt)
{
	Journey		journey;
	Change	   *change;
	InstanceUpdate result;

	begin_journey(&journey);
	change = record(&journey, row, move->kind);
	change->prev_node = row->node;
	change->transition = NULL;
	apply_payload(row, change, move);
	result = write_journey(table, row, before, &journey, ended_attempt, move);
	if (result == INSTANCE_UPDATED)
		note_ticket(move, move->kind == CHANGE_RELINQUISH ? TICKET_VOID : TICKET_FAILED);
	return result;
}
