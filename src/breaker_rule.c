/*-------------------------------------------------------------------------
 *
 * breaker_rule.c
 *	  When a circuit breaker opens, whom it lets through, when it closes.
 *
 *-------------------------------------------------------------------------
 */
#include "breaker_rule.h"

#include <math.h>
#include <string.h>

#define USECS 1000000.0

static int64_t
bucket_number(const BreakerRule *rule, int64_t at)
{
	int64_t		number = at / rule->width;

	return at % rule->width < 0 ? number - 1 : number;
}

static BreakerBucket *
bucket(BreakerRule *rule, int64_t number)
{
	int64_t		place = number % BREAKER_BUCKETS;

	return &rule->buckets[place < 0 ? place + BREAKER_BUCKETS : place];
}

static void
empty_window(BreakerRule *rule, int64_t now)
{
	rule->width = (rule->limits.window + BREAKER_BUCKETS - 1) / BREAKER_BUCKETS;
	if (rule->width < 1)
		rule->width = 1;
	rule->newest = bucket_number(rule, now);
	rule->deliveries = rule->retries = 0;
	memset(rule->buckets, 0, sizeof(rule->buckets));
}

void
breaker_rule_restart(BreakerRule *rule, const Breaker *limits, int64_t now)
{
	rule->limits = *limits;
	rule->token_base = now;
	rule->token = 0;
	rule->succeeded = rule->failed = 0;
	empty_window(rule, now);
}

void
breaker_rule_init(BreakerRule *rule, const Breaker *limits, int64_t now)
{
	rule->open = false;
	rule->since = now;
	breaker_rule_restart(rule, limits, now);
}

void
breaker_rule_open(BreakerRule *rule, int64_t now)
{
	rule->open = true;
	rule->since = now;
	rule->token_base = now;
	rule->token = 0;
	rule->succeeded = rule->failed = 0;
}

/* ------------------------------------------------------------- the window */

void
breaker_rule_slide(BreakerRule *rule, int64_t now)
{
	int64_t		number = bucket_number(rule, now);

	if (number - rule->newest >= BREAKER_BUCKETS)
	{
		empty_window(rule, now);
		return;
	}
	while (rule->newest < number)
	{
		BreakerBucket *oldest = bucket(rule, ++rule->newest);

		rule->deliveries -= oldest->deliveries;
		rule->retries -= oldest->retries;
		oldest->deliveries = oldest->retries = 0;
	}
}

/* Add to the bucket of that time, unless it is out of the window. */
static void
add(BreakerRule *rule, int64_t at, int n, bool retry)
{
	int64_t		number = bucket_number(rule, at);
	BreakerBucket *its = bucket(rule, number);

	if (number > rule->newest || number <= rule->newest - BREAKER_BUCKETS)
		return;
	its->deliveries += n;
	rule->deliveries += n;
	if (retry)
	{
		its->retries += n;
		rule->retries += n;
	}
}

/* Are there too many retries?  Exactly the ratio is none too many. */
static bool
exceeds(const BreakerRule *rule)
{
	/* 0.29 of 100 is 28.999999999999996 */
	double		rounding = 1e-9 * rule->deliveries;

	return rule->deliveries >= rule->limits.min_attempts &&
		rule->retries > rule->limits.max_retry_ratio * rule->deliveries + rounding;
}

bool
breaker_rule_count(BreakerRule *rule, int64_t now, bool retry)
{
	breaker_rule_slide(rule, now);
	add(rule, now, 1, retry);
	if (rule->open || !exceeds(rule))
		return false;
	breaker_rule_open(rule, now);
	return true;
}

void
breaker_rule_discount(BreakerRule *rule, int64_t counted_at, bool retry)
{
	add(rule, counted_at, -1, retry);
}

/* ----------------------------------------------------------------- tokens */

/* When a token falls due, by number; far away rather than out of range. */
static int64_t
token_time(const BreakerRule *rule, int64_t token)
{
	double		after = ceil(token * USECS / rule->limits.probe_rate);

	return after < (double) (INT64_MAX / 2) ? rule->token_base + (int64_t) after : INT64_MAX;
}

/* The last token that has fallen due; 0: none yet. */
static int64_t
token_at(const BreakerRule *rule, int64_t now)
{
	int64_t		token;

	if (now <= rule->token_base)
		return 0;
	token = (int64_t) ((now - rule->token_base) * (rule->limits.probe_rate / USECS));
	/* The division was rounded; the times of tokens are what counts. */
	while (token_time(rule, token + 1) <= now)
		token++;
	while (token > 0 && token_time(rule, token) > now)
		token--;
	return token;
}

bool
breaker_rule_admits(const BreakerRule *rule, int64_t now)
{
	return !rule->open || token_at(rule, now) > rule->token;
}

void
breaker_rule_take_token(BreakerRule *rule, int64_t now)
{
	rule->token = token_at(rule, now);
}

void
breaker_rule_return_token(BreakerRule *rule, int64_t taken_at)
{
	if (rule->token > 0 && rule->token == token_at(rule, taken_at))
		rule->token--;
}

int64_t
breaker_rule_next_token(const BreakerRule *rule, int64_t now)
{
	int64_t		due;

	if (!rule->open)
		return INT64_MAX;
	due = token_at(rule, now);
	return token_time(rule, due > rule->token ? due : rule->token + 1);
}

/* ---------------------------------------------------------------- verdict */

bool
breaker_rule_probe_ended(BreakerRule *rule, int64_t now, bool success,
						 int *succeeded, int *failed)
{
	if (!rule->open)
		return false;
	if (success)
		rule->succeeded++;
	else
		rule->failed++;
	if (rule->succeeded + rule->failed < BREAKER_PROBES)
		return false;
	*succeeded = rule->succeeded;
	*failed = rule->failed;
	rule->succeeded = rule->failed = 0;
	if (*succeeded * 2 < BREAKER_PROBES)
		return false;
	breaker_rule_init(rule, &rule->limits, now);
	return true;
}
