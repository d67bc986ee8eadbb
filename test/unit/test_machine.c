/*
 * test_machine.c
 *	  The compiled machine: every key arrives, look-ups find what is there, and
 *	  delays grow within their bounds.
 */
#include "tap.h"

#include "definition/definition.h"
#include "definition/duration.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define SECOND INT64_C(1000000)

static const char definition[] =
"id: crawler\n"
"key_reuse: failed\n"
"breaker: {window: 5m, probe_rate: 30/m}\n"
"nodes:\n"
"  crawl:\n"
"    start: true\n"
"    priority: -7\n"
"    timeout: 60s\n"
"    heartbeat: 15s\n"
"    on_timeout: slow\n"
"    transitions: {slow: {to: wait, delay: 5s}, ok: pay, error: wait}\n"
"  pay: {timeout: 0, transitions: {ok: charge}}\n"
"  charge: {timeout: 30s, delivery: at_most_once, on_timeout: failed, transitions: {ok: post, failed: dead}}\n"
"  post:\n"
"    timeout: p99.9\n"
"    timeout_min: 10s\n"
"    timeout_max: 1h\n"
"    max_attempts: 5\n"
"    on_exhausted: poison\n"
"    redeliver: {base: 1s, backoff: 3.0, jitter: full}\n"
"    max_elapsed: 3d\n"
"    on_max_elapsed: late\n"
"    transitions: {poison: dead, ok: success, late: failed}\n"
"  wait:\n"
"    delay: {base: 30s, backoff: 2.0, max_delay: 1h, jitter: full}\n"
"    fire: ok\n"
"    max_visits: 8\n"
"    on_max_visits: give_up\n"
"    transitions: {ok: crawl, give_up: dead}\n"
"  dead:\n"
"    await: signal\n"
"    timeout: 24h\n"
"    on_timeout: drop\n"
"    transitions: {redrive: {to: crawl, reset: true}, drop: failed}\n"
"  success: {final: true}\n"
"  failed: {final: true, outcome: failure}\n";

static const MachineNode *
node(const Machine *machine, const char *name)
{
	return &machine->nodes[machine_find_node(machine, name)];
}

static const MachineEdge *
edge(const MachineNode *from, const char *transition)
{
	return &from->edges[machine_find_edge(from, transition)];
}

static void
test_compiled(const Machine *machine)
{
	const MachineNode *crawl = node(machine, "crawl");
	const MachineNode *wait = node(machine, "wait");
	const MachineNode *dead = node(machine, "dead");

	tap_string(machine->id, "crawler", "machine: id");
	tap_ok(machine->key_reuse == KEY_REUSE_FAILED && !machine->endless, "machine: key_reuse, endless");
	tap_ok(&machine->nodes[machine->start] == crawl, "machine: start");
	tap_ok(crawl->kind == NODE_TASK && wait->kind == NODE_TIMER && dead->kind == NODE_PARKED &&
		   node(machine, "success")->kind == NODE_FINAL, "machine: kinds");
	tap_ok(node(machine, "success")->outcome == OUTCOME_SUCCESS &&
		   node(machine, "failed")->outcome == OUTCOME_FAILURE, "machine: outcomes");
	tap_ok(crawl->priority == -7 && crawl->timeout == 60 * SECOND && crawl->heartbeat == 15 * SECOND,
		   "machine: priority, timeout, heartbeat");
	tap_ok(crawl->on_timeout == machine_find_edge(crawl, "slow") && crawl->fire == -1 &&
		   crawl->on_max_visits == -1 && crawl->max_visits == 0, "machine: what a task does by itself");
	tap_ok(wait->fire == machine_find_edge(wait, "ok") &&
		   wait->on_max_visits == machine_find_edge(wait, "give_up") && wait->max_visits == 8 &&
		   wait->is_retry, "machine: what a timer does by itself");
	tap_ok(wait->delay.base == 30 * SECOND && wait->delay.backoff == 2 &&
		   wait->delay.max == 3600 * SECOND && wait->delay.full_jitter, "machine: delay");
	tap_ok(wait->timeout == -1 && wait->heartbeat == -1 && wait->on_timeout == -1,
		   "machine: what is not declared");
	tap_ok(edge(crawl, "slow")->has_delay && edge(crawl, "slow")->delay.base == 5 * SECOND &&
		   !edge(crawl, "ok")->has_delay, "machine: delay of an edge");
	tap_ok(edge(dead, "redrive")->reset && !edge(dead, "drop")->reset, "machine: reset of an edge");
	tap_ok(dead->timeout == 24 * 3600 * SECOND && dead->on_timeout == machine_find_edge(dead, "drop"),
		   "machine: timeout of a parked node");
}

static void
test_time_and_failure(const Machine *machine)
{
	const MachineNode *crawl = node(machine, "crawl");
	const MachineNode *pay = node(machine, "pay");
	const MachineNode *charge = node(machine, "charge");
	const MachineNode *post = node(machine, "post");

	tap_ok(machine->has_breaker && machine->breaker.window == 300 * SECOND &&
		   machine->breaker.min_attempts == 20 && machine->breaker.max_retry_ratio == 0.5 &&
		   machine->breaker.probe_rate == 0.5, "machine: breaker");
	tap_ok(pay->at_most_once && pay->timeout == 0, "machine: at most once");
	tap_ok(charge->at_most_once && charge->timeout == 30 * SECOND &&
		   charge->on_timeout == machine_find_edge(charge, "failed"), "machine: at most once with a way out");
	tap_ok(post->timeout == -1 && post->percentile == 99.9 && post->timeout_min == 10 * SECOND &&
		   post->timeout_max == 3600 * SECOND && !post->at_most_once, "machine: percentile and its bounds");
	tap_ok(post->max_attempts == 5 && post->on_exhausted == machine_find_edge(post, "poison"),
		   "machine: max_attempts");
	tap_ok(post->has_redeliver && post->redeliver.base == SECOND && post->redeliver.backoff == 3 &&
		   post->redeliver.max == INT64_MAX && post->redeliver.full_jitter, "machine: redeliver");
	tap_ok(post->max_elapsed == 3 * 86400 * SECOND &&
		   post->on_max_elapsed == machine_find_edge(post, "late"), "machine: max_elapsed");
	tap_ok(charge->percentile == DEFAULT_PERCENTILE && charge->timeout_min == -1 &&
		   charge->timeout_max == -1 && !crawl->at_most_once && crawl->max_attempts == 0 &&
		   crawl->on_exhausted == -1 && !crawl->has_redeliver && crawl->max_elapsed == -1 &&
		   crawl->on_max_elapsed == -1, "machine: what is not declared of time and failure");
}

static void
test_look_ups(const Machine *machine)
{
	const MachineNode *crawl = node(machine, "crawl");

	tap_number(machine_find_node(machine, "success"), 6, "look-up: nodes keep the order of the text");
	tap_number(machine_find_node(machine, "succes"), -1, "look-up: no node");
	tap_number(machine_find_node(machine, ""), -1, "look-up: no node without a name");
	tap_number(machine_find_node(machine, "zzz"), -1, "look-up: no node behind the last");
	tap_number(machine_find_edge(crawl, "oK"), -1, "look-up: names are exact");
	tap_ok(edge(crawl, "error")->target == machine_find_node(machine, "wait"), "look-up: target");
	tap_ok(machine_has_edge_to(crawl, machine_find_node(machine, "wait")) &&
		   !machine_has_edge_to(crawl, machine_find_node(machine, "dead")) &&
		   !machine_has_edge_to(node(machine, "success"), 0), "look-up: edges by target");
}

static void
test_delays(void)
{
	const Delay fixed = {30 * SECOND, 1, INT64_MAX, false};
	const Delay growing = {30 * SECOND, 2, 3600 * SECOND, false};
	const Delay unlimited = {30 * SECOND, 1000, INT64_MAX, false};
	const Delay jittered = {30 * SECOND, 2, 3600 * SECOND, true};
	const Delay zero = {0, 1000, INT64_MAX, false};
	const Delay longest = {DURATION_MAX, 1.5, INT64_MAX, true};

	tap_number(delay_duration(&fixed, 0, 0), 30 * SECOND, "delay: fixed");
	tap_number(delay_duration(&fixed, 2147483647, 0), 30 * SECOND, "delay: fixed stays so");
	tap_number(delay_duration(&growing, 0, 0), 30 * SECOND, "delay: the first time the base");
	tap_number(delay_duration(&growing, 3, 0), 240 * SECOND, "delay: grows by the exponent");
	tap_number(delay_duration(&growing, 7, 0), 3600 * SECOND, "delay: up to its maximum");
	tap_number(delay_duration(&growing, 2147483647, 0), 3600 * SECOND, "delay: never beyond");
	tap_number(delay_duration(&growing, -5, 0), 30 * SECOND, "delay: a senseless count is none");
	tap_number(delay_duration(&unlimited, 2147483647, 0), DURATION_MAX, "delay: unlimited does not overflow");
	tap_number(delay_duration(&zero, 2147483647, 0), 0, "delay: nothing stays nothing");
	tap_number(delay_duration(&jittered, 3, 0), 0, "delay: jitter from 0");
	tap_number(delay_duration(&jittered, 3, 0.5), 120 * SECOND, "delay: jitter scales");
	tap_ok(delay_duration(&jittered, 3, nextafter(1, 0)) < 240 * SECOND, "delay: jitter to below the whole");
	tap_ok(delay_duration(&longest, 3, nextafter(1, 0)) <= DURATION_MAX, "delay: the longest with jitter");
}

void
test_machine(void)
{
	Arena		scratch;
	Arena		target;
	FaultList	faults;
	Machine    *machine;

	arena_init_malloc(&scratch);
	arena_init_malloc(&target);
	fault_list_init(&faults, &scratch);
	machine = definition_compile(&scratch, &target, definition, strlen(definition), &faults, NULL);

	/* The machine must not lean on what it was made from. */
	arena_free(&scratch);
	if (tap_ok(machine != NULL, "machine: compiles"))
	{
		test_compiled(machine);
		test_time_and_failure(machine);
		test_look_ups(machine);
	}
	test_delays();
	arena_free(&target);
}
