/*
 * test_canonical.c
 *	  Definitions that mean the same have one canonical form; those that do not
 *	  have different ones.
 */
#include "tap.h"

#include "definition/definition.h"

#include <string.h>

/* Of the definition, or what is wrong with it. */
static const char *
canonical(Arena *arena, const char *definition)
{
	FaultList	faults;
	const Machine *machine;

	fault_list_init(&faults, arena);
	machine = definition_compile(arena, arena, definition, strlen(definition), &faults, NULL);
	return machine != NULL ? machine_canonical(arena, machine) : faults.faults[0].message;
}

#define HEAD "id: m\nnodes:\n"
#define TAIL "  z: {final: true}\n  y: {final: true}\n"
#define A(keys) HEAD "  a: {start: true, " keys "}\n" TAIL
#define OK_Z "transitions: {ok: z, no: y}"

static const struct
{
	const char *what;
	const char *one;
	const char *other;
}			equal[] =
{
	{"order and comments", "# new\nnodes:\n" TAIL "  a: {transitions: {no: y, ok: z}, start: true}\nid: m # x\n", A(OK_Z)},
	{"JSON", "{\"id\":\"m\",\"nodes\":{\"a\":{\"start\":true,\"transitions\":{\"ok\":{\"to\":\"z\"},\"no\":\"y\"}},"
	"\"y\":{\"final\":true},\"z\":{\"final\":true}}}", A(OK_Z)},
	{"short and long form of an edge", A("transitions: {ok: {to: z}, no: {to: y, reset: false}}"), A(OK_Z)},
	{"defaults of a machine", "endless: false\nkey_reuse: finished\nupgrade_strategy: continue\n" A(OK_Z), A(OK_Z)},
	{"defaults of a node", A("final: false, priority: 0, " OK_Z), A(OK_Z)},
	{"the default of outcome", HEAD "  a: {start: true, " OK_Z "}\n  z: {final: true, outcome: success}\n  y: {final: true, start: false}\n", A(OK_Z)},
	{"an empty mapping of transitions", HEAD "  a: {start: true, " OK_Z "}\n  z: {final: true, transitions: {}}\n  y: {final: true}\n", A(OK_Z)},
	{"spelling of a duration", A("timeout: 60s, " OK_Z), A("timeout: 1m, " OK_Z)},
	{"fraction of a duration", A("timeout: 1.5h, " OK_Z), A("timeout: 90m, " OK_Z)},
	{"the original's timeout", A("timeout_strategy: fixed, timeout: 30.0, " OK_Z), A("timeout: 30s, " OK_Z)},
	{"the original's percentile", A("timeout_strategy: percentile, timeout: 99.0, " OK_Z), A("timeout: p99, " OK_Z)},
	{"the percentile by default", A("timeout: p95.0, " OK_Z), A(OK_Z)},
	{"a bare number", A("timeout: 95, " OK_Z), A(OK_Z)},
	{"the original's at most once", A("timeout: 0.0, " OK_Z), A("timeout: 0, delivery: at_most_once, " OK_Z)},
	{"at least once", A("delivery: at_least_once, timeout: 30s, " OK_Z), A("timeout: 30s, " OK_Z)},
	{"no pause before redelivery", A("redeliver: 0s, " OK_Z), A(OK_Z)},
	{"what a timer counts as by default", A("delay: {base: 1s, backoff: 2}, retry: true, fire: ok, " OK_Z),
	A("delay: {base: 1s, backoff: 2}, fire: ok, " OK_Z)},
	{"what a poll counts as by default", A("delay: 1s, retry: false, fire: ok, " OK_Z), A("delay: 1s, fire: ok, " OK_Z)},
	{"defaults of a breaker", "breaker: {window: 60s, min_attempts: 20, max_retry_ratio: 0.5, probe_rate: 1/s}\n" A(OK_Z),
	"breaker: true\n" A(OK_Z)},
	{"an empty breaker", "breaker: {}\n" A(OK_Z), "breaker: true\n" A(OK_Z)},
	{"no breaker", "breaker: false\n" A(OK_Z), A(OK_Z)},
	{"spelling of a rate", "breaker: {probe_rate: 60/m}\n" A(OK_Z), "breaker: {probe_rate: 1.0/s}\n" A(OK_Z)},
	{"fire of the only transition", A("delay: 1s, fire: ok, transitions: {ok: {to: b}}") "  b: {" OK_Z "}\n",
	A("delay: 1s, transitions: {ok: b}") "  b: {" OK_Z "}\n"},
	{"forms of a delay", A("delay: {base: 30s}, fire: ok, " OK_Z), A("delay: 30s, fire: ok, " OK_Z)},
	{"defaults of a delay", A("delay: {base: 30s, backoff: 1.0, jitter: none, max_delay: 1h}, fire: ok, " OK_Z),
	A("delay: 30s, fire: ok, " OK_Z)},
	{"spelling of a number", A("delay: {base: 30s, backoff: 2}, fire: ok, " OK_Z),
	A("delay: {base: 30s, backoff: 2.00e0}, fire: ok, " OK_Z)},
	{"quotes", A("'timeout': '30s', transitions: {'ok': \"z\", no: 'y'}"), A("timeout: 30s, " OK_Z)},
};

static const struct
{
	const char *what;
	const char *definition;
}			different[] =
{
	{"plain", A(OK_Z)},
	{"another id", "id: n\nnodes:\n  a: {start: true, " OK_Z "}\n" TAIL},
	{"targets swapped", A("transitions: {ok: y, no: z}")},
	{"a transition renamed", A("transitions: {okay: z, no: y}")},
	{"endless", "endless: true\n" A(OK_Z)},
	{"key_reuse", "key_reuse: never\n" A(OK_Z)},
	{"key_reuse failed", "key_reuse: failed\n" A(OK_Z)},
	{"priority", A("priority: 1, " OK_Z)},
	{"timeout", A("timeout: 30s, " OK_Z)},
	{"another timeout", A("timeout: 30001ms, " OK_Z)},
	{"percentile", A("timeout: p99, " OK_Z)},
	{"another percentile", A("timeout: p99.000001, " OK_Z)},
	{"a very low percentile", A("timeout: p0.00000000001, " OK_Z)},
	{"timeout_min", A("timeout_min: 30s, " OK_Z)},
	{"timeout_max", A("timeout_max: 30s, " OK_Z)},
	{"at most once", A("timeout: 0, " OK_Z)},
	{"at most once with a way out", A("delivery: at_most_once, timeout: 30s, on_timeout: no, " OK_Z)},
	{"at least once with a way out", A("timeout: 30s, on_timeout: no, " OK_Z)},
	{"max_attempts", A("max_attempts: 3, on_exhausted: no, " OK_Z)},
	{"another max_attempts", A("max_attempts: 4, on_exhausted: no, " OK_Z)},
	{"on_exhausted", A("max_attempts: 3, on_exhausted: ok, " OK_Z)},
	{"redeliver", A("redeliver: 1s, " OK_Z)},
	{"redeliver that grows", A("redeliver: {base: 1s, backoff: 2, jitter: full}, " OK_Z)},
	{"max_elapsed", A("max_elapsed: 3d, on_max_elapsed: no, " OK_Z)},
	{"on_max_elapsed", A("max_elapsed: 3d, on_max_elapsed: ok, " OK_Z)},
	{"a timer that counts as a retry", A("delay: 1s, retry: true, fire: ok, " OK_Z)},
	{"a timer that does not", A("delay: {base: 1s, backoff: 2}, retry: false, fire: ok, " OK_Z)},
	{"breaker", "breaker: true\n" A(OK_Z)},
	{"window", "breaker: {window: 5m}\n" A(OK_Z)},
	{"min_attempts", "breaker: {min_attempts: 5}\n" A(OK_Z)},
	{"max_retry_ratio", "breaker: {max_retry_ratio: 0.3}\n" A(OK_Z)},
	{"probe_rate", "breaker: {probe_rate: 7/h}\n" A(OK_Z)},
	{"heartbeat", A("heartbeat: 30s, " OK_Z)},
	{"on_timeout", A("on_timeout: no, " OK_Z)},
	{"max_visits", A("max_visits: 3, on_max_visits: no, " OK_Z)},
	{"on_max_visits", A("max_visits: 3, on_max_visits: ok, " OK_Z)},
	{"parked", A("await: signal, " OK_Z)},
	{"timer", A("delay: 1s, fire: ok, " OK_Z)},
	{"another fire", A("delay: 1s, fire: no, " OK_Z)},
	{"backoff", A("delay: {base: 1s, backoff: 2}, fire: ok, " OK_Z)},
	{"another backoff", A("delay: {base: 1s, backoff: 2.0000001}, fire: ok, " OK_Z)},
	{"max_delay", A("delay: {base: 1s, backoff: 2, max_delay: 1h}, fire: ok, " OK_Z)},
	{"jitter", A("delay: {base: 1s, jitter: full}, fire: ok, " OK_Z)},
	{"reset", A("transitions: {ok: {to: z, reset: true}, no: y}")},
	{"outcome", HEAD "  a: {start: true, " OK_Z "}\n  z: {final: true, outcome: failure}\n  y: {final: true}\n"},
	{"an edge's delay", A("transitions: {ok: {to: b, delay: 1s}, no: y}") "  b: {" OK_Z "}\n"},
	{"an edge's delay of nothing", A("transitions: {ok: {to: b, delay: 0s}, no: y}") "  b: {" OK_Z "}\n"},
	{"no delay on the edge", A("transitions: {ok: b, no: y}") "  b: {" OK_Z "}\n"},
	{"another start", HEAD "  a: {" OK_Z "}\n  b: {start: true, transitions: {ok: a, no: y}}\n" TAIL},
};

void
test_canonical(void)
{
	Arena		arena;
	int			ndifferent = (int) (sizeof(different) / sizeof(different[0]));

	arena_init_malloc(&arena);
	for (int i = 0; i < (int) (sizeof(equal) / sizeof(equal[0])); i++)
		tap_string(canonical(&arena, equal[i].one), canonical(&arena, equal[i].other),
				   arena_printf(&arena, "canonical: no matter: %s", equal[i].what));
	for (int i = 0; i < ndifferent; i++)
	{
		const char *form = canonical(&arena, different[i].definition);
		int			same = 0;

		for (int j = 0; j < ndifferent; j++)
			same += strcmp(form, canonical(&arena, different[j].definition)) == 0;
		tap_ok(form[0] == '{' && same == 1, "canonical: matters: %s", different[i].what);
		if (form[0] != '{' || same != 1)
			tap_string(form, "a form of its own", different[i].what);
	}
	arena_free(&arena);
}
