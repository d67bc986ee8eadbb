/*-------------------------------------------------------------------------
 *
 * breaker_rule.h
 *	  When a circuit breaker opens, whom it lets through, when it closes.
 *
 * The pattern is Michael Nygard's ("Release It!", 2007, "Circuit Breaker"): a
 * caller that keeps failing is stopped for a while, and some trial calls tell
 * when to go on.  Here it guards what a machine's nodes call, and stops only
 * retries: first attempts, of which there are as many as there is work, flow
 * on.  What Nygard calls half-open is not a state of its own: while open, one
 * retry goes out each time a token falls due, and these probes decide.
 *
 * Pure arithmetic: no clock, no memory, no server.  Times are microseconds on
 * any one clock.  The words:
 *
 *	delivery	a task that was handed out, and neither rolled back nor
 *				relinquished since
 *	retry		a delivery of a task that was taken back from a silent worker,
 *				or that came out of a timer which counts as a retry
 *	probe		a retry that was handed out while open
 *
 *-------------------------------------------------------------------------
 */
#ifndef DFSMR_BREAKER_RULE_H
#define DFSMR_BREAKER_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

/*
 * The window forgets by steps of a twentieth of its length: what is in it is
 * younger than the window, and all that is younger than 19/20 of it is in.
 */
#define BREAKER_BUCKETS 20

/* So many probes make a verdict, which is for closing when half succeeded. */
#define BREAKER_PROBES 10

typedef struct BreakerBucket
{
	int32_t		deliveries;
	int32_t		retries;
} BreakerBucket;

typedef struct BreakerRule
{
	Breaker		limits;			/* as declared */
	bool		open;
	int64_t		since;			/* when it opened or closed last */

	/* the window: bucket n has the deliveries in [n, n + 1) times its width */
	int64_t		width;
	int64_t		newest;			/* number of the newest bucket */
	int64_t		deliveries;		/* over all buckets */
	int64_t		retries;
	BreakerBucket buckets[BREAKER_BUCKETS];	/* bucket n is at n % BREAKER_BUCKETS */

	/* tokens, while open: the n-th falls due n / probe_rate after token_base */
	int64_t		token_base;
	int64_t		token;			/* the last one taken; 0: none yet */

	/* probes that have ended since the last verdict */
	int			succeeded;
	int			failed;
} BreakerRule;

/* Closed, with nothing counted. */
extern void breaker_rule_init(BreakerRule *rule, const Breaker *limits, int64_t now);

/*
 * Other limits.  The state stays; the window, the tokens and the verdict begin
 * anew.  Also for a clock that was set back, with the limits it has.
 */
extern void breaker_rule_restart(BreakerRule *rule, const Breaker *limits, int64_t now);

/* Open it: the first token falls due in 1 / probe_rate. */
extern void breaker_rule_open(BreakerRule *rule, int64_t now);

/* Forget what is out of the window by now: for reading deliveries, retries. */
extern void breaker_rule_slide(BreakerRule *rule, int64_t now);

/* Count a delivery.  True when the breaker opens by it. */
extern bool breaker_rule_count(BreakerRule *rule, int64_t now, bool retry);

/* A delivery that was counted then did not happen after all. */
extern void breaker_rule_discount(BreakerRule *rule, int64_t counted_at, bool retry);

/*
 * May a retry go out?  Always while closed; while open when a token is due that
 * nobody has taken.  Tokens are not saved up: one that was not taken by the time
 * the next falls due is void, so there are no bursts.
 */
extern bool breaker_rule_admits(const BreakerRule *rule, int64_t now);

/* A probe takes the token that breaker_rule_admits() said is there. */
extern void breaker_rule_take_token(BreakerRule *rule, int64_t now);

/* It did not go out after all: its token may be taken again, unless void. */
extern void breaker_rule_return_token(BreakerRule *rule, int64_t taken_at);

/* When there is a token: in the past if there is one now; INT64_MAX if closed. */
extern int64_t breaker_rule_next_token(const BreakerRule *rule, int64_t now);

/*
 * A probe has ended.  True when the breaker closes by it: then *succeeded and
 * *failed are what the verdict was made of, and the window begins anew.
 */
extern bool breaker_rule_probe_ended(BreakerRule *rule, int64_t now, bool success,
									 int *succeeded, int *failed);

#endif							/* DFSMR_BREAKER_RULE_H */
