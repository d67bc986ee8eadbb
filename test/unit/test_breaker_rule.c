/*
 * test_breaker_rule.c
 *	  The circuit breaker opens when more than its share of deliveries within the
 *	  window are retries, and not before; lets out one probe a token, never more;
 *	  and closes when half of ten probes have succeeded.
 */
#include "tap.h"

#include "breaker_rule.h"

#include <stdint.h>
#include <stdio.h>

#define SECOND INT64_C(1000000)

/* Not at an edge of any bucket. */
#define START (INT64_C(12345678) * SECOND + 1)

static const Breaker limits = {
	.window = 60 * SECOND,
	.min_attempts = 20,
	.max_retry_ratio = 0.5,
	.probe_rate = 1,
};

/* Count that many deliveries; true when the breaker opened by one of them. */
static bool
count(BreakerRule *rule, int64_t now, int firsts, int retries)
{
	bool		opened = false;

	for (int i = 0; i < firsts; i++)
		opened |= breaker_rule_count(rule, now, false);
	for (int i = 0; i < retries; i++)
		opened |= breaker_rule_count(rule, now, true);
	return opened;
}

static bool
end_probes(BreakerRule *rule, int64_t now, int good, int bad)
{
	bool		closed = false;
	int			succeeded;
	int			failed;

	for (int i = 0; i < bad; i++)
		closed |= breaker_rule_probe_ended(rule, now, false, &succeeded, &failed);
	for (int i = 0; i < good; i++)
		closed |= breaker_rule_probe_ended(rule, now, true, &succeeded, &failed);
	return closed;
}

/* Take what tokens there are, looking every so often. */
static int
take_tokens(BreakerRule *rule, int64_t from, int64_t to, int64_t step)
{
	int			taken = 0;

	for (int64_t now = from; now < to; now += step)
	{
		if (breaker_rule_admits(rule, now))
		{
			breaker_rule_take_token(rule, now);
			taken++;
		}
	}
	return taken;
}

static void
test_opening(void)
{
	BreakerRule rule;

	breaker_rule_init(&rule, &limits, START);
	tap_ok(!count(&rule, START, 0, 19), "breaker: 19 retries of 19 are fewer than min_attempts");
	tap_ok(count(&rule, START, 0, 1) && rule.open && rule.since == START,
		   "breaker: the 20th delivery opens it");

	breaker_rule_init(&rule, &limits, START);
	tap_ok(!count(&rule, START, 500, 500), "breaker: half of all is not more than half");
	tap_ok(count(&rule, START, 0, 1), "breaker: one more is");
	tap_ok(!count(&rule, START, 0, 50), "breaker: what is open does not open again");
	tap_number(rule.deliveries, 1051, "breaker: it counts on while open");

	breaker_rule_init(&rule, &limits, START);
	count(&rule, START, 10, 10);
	breaker_rule_discount(&rule, START, false);
	tap_ok(!count(&rule, START, 1, 0), "breaker: what was taken back leaves the ratio alone");
	breaker_rule_discount(&rule, START, true);
	tap_ok(!count(&rule, START, 0, 1), "breaker: a retry that was taken back is not counted");
	tap_number(rule.retries, 10, "breaker: ten are");

	breaker_rule_init(&rule, &(Breaker)
					  {
						  .window = SECOND, .min_attempts = 1, .max_retry_ratio = 0.29,
						  .probe_rate = 1
					  }, START);
	count(&rule, START, 71, 0);
	tap_ok(!count(&rule, START, 0, 29), "breaker: 29 of 100 are not more than 0.29");
	breaker_rule_init(&rule, &(Breaker)
					  {
						  .window = SECOND, .min_attempts = 1, .max_retry_ratio = 1,
						  .probe_rate = 1
					  }, START);
	tap_ok(!count(&rule, START, 0, 1000), "breaker: a ratio of 1 is never exceeded");
}

static void
test_window(void)
{
	BreakerRule rule;
	int64_t		now;
	bool		opened = false;

	breaker_rule_init(&rule, &limits, START);
	count(&rule, START, 0, 19);
	tap_ok(!count(&rule, START + 60 * SECOND, 1, 0), "breaker: after the window all is forgotten");
	tap_number(rule.deliveries, 1, "breaker: one delivery is left");
	breaker_rule_discount(&rule, START, true);
	tap_number(rule.deliveries, 1, "breaker: what is out of the window is not taken back");

	breaker_rule_init(&rule, &limits, START);
	count(&rule, START, 0, 19);
	tap_ok(count(&rule, START + 56 * SECOND, 0, 1), "breaker: within 19/20 of it nothing is");
	breaker_rule_slide(&rule, START + 116 * SECOND);
	tap_number(rule.deliveries, 0, "breaker: the figures slide on without deliveries");

	/* 19 a minute for an hour, evenly. */
	breaker_rule_init(&rule, &limits, START);
	for (now = START; now < START + 3600 * SECOND; now += 60 * SECOND / 19 + 1)
		opened |= count(&rule, now, 0, 1);
	tap_ok(!opened, "breaker: a trickle of retries below min_attempts never opens it");

	breaker_rule_init(&rule, &limits, INT64_C(-1));
	count(&rule, INT64_C(-1), 0, 10);
	count(&rule, 1, 0, 9);
	tap_number(rule.deliveries, 19, "breaker: time is as good before its zero");
	tap_ok(count(&rule, 2, 0, 1), "breaker: also for opening");

	breaker_rule_init(&rule, &limits, START);
	count(&rule, START, 5, 5);
	breaker_rule_slide(&rule, START - 3600 * SECOND);
	tap_ok(!count(&rule, START - 3600 * SECOND, 0, 20), "breaker: times before the window do not count");
	breaker_rule_restart(&rule, &limits, START - 3600 * SECOND);
	tap_ok(count(&rule, START - 3600 * SECOND, 0, 20), "breaker: but do when the clock was set back");
}

static void
test_tokens(void)
{
	BreakerRule rule;
	Breaker		third = limits;

	breaker_rule_init(&rule, &limits, START);
	tap_ok(breaker_rule_admits(&rule, START), "breaker: closed, all retries go out");
	tap_ok(breaker_rule_next_token(&rule, START) == INT64_MAX, "breaker: and there are no tokens");
	breaker_rule_open(&rule, START);
	tap_ok(!breaker_rule_admits(&rule, START + SECOND - 1), "breaker: no probe at once");
	tap_number(breaker_rule_next_token(&rule, START), START + SECOND, "breaker: but in a second");
	tap_ok(breaker_rule_admits(&rule, START + SECOND), "breaker: on the microsecond");
	breaker_rule_take_token(&rule, START + SECOND);
	tap_ok(!breaker_rule_admits(&rule, START + 2 * SECOND - 1), "breaker: one and no more");
	tap_number(breaker_rule_next_token(&rule, START + SECOND), START + 2 * SECOND,
			   "breaker: the next is due a second later");
	breaker_rule_take_token(&rule, START + 2 * SECOND + SECOND / 2);
	tap_number(breaker_rule_next_token(&rule, START + 2 * SECOND + SECOND / 2), START + 3 * SECOND,
			   "breaker: a late one does not put off the next");

	tap_ok(breaker_rule_admits(&rule, START + 100 * SECOND), "breaker: tokens not taken");
	breaker_rule_take_token(&rule, START + 100 * SECOND);
	tap_ok(!breaker_rule_admits(&rule, START + 100 * SECOND), "breaker: are not saved up");

	breaker_rule_return_token(&rule, START + 100 * SECOND);
	tap_ok(breaker_rule_admits(&rule, START + 100 * SECOND), "breaker: a token comes back");
	breaker_rule_take_token(&rule, START + 100 * SECOND);
	breaker_rule_take_token(&rule, START + 101 * SECOND);
	breaker_rule_return_token(&rule, START + 100 * SECOND);
	tap_ok(!breaker_rule_admits(&rule, START + 101 * SECOND), "breaker: unless the next is taken");
	breaker_rule_return_token(&rule, START + 101 * SECOND);
	breaker_rule_return_token(&rule, START + 101 * SECOND);
	tap_number(breaker_rule_next_token(&rule, START + 101 * SECOND), START + 101 * SECOND,
			   "breaker: it comes back once");

	breaker_rule_open(&rule, START);
	tap_number(take_tokens(&rule, START, START + 600 * SECOND + 777, 777), 600,
			   "breaker: 600 probes in 600 seconds");

	third.probe_rate = 1.0 / 3;
	breaker_rule_init(&rule, &third, START);
	breaker_rule_open(&rule, START);
	tap_number(take_tokens(&rule, START, START + 600 * SECOND + 777, 777), 200,
			   "breaker: 200 at one in three");
	third.probe_rate = 3;
	breaker_rule_init(&rule, &third, START);
	breaker_rule_open(&rule, START);
	tap_number(take_tokens(&rule, START, START + 600 * SECOND + 777, 777), 1800,
			   "breaker: 1800 at three in one");
	third.probe_rate = 1e9;
	breaker_rule_init(&rule, &third, START);
	breaker_rule_open(&rule, START);
	tap_number(take_tokens(&rule, START + 1, START + 1001, 1), 1000,
			   "breaker: at a rate without sense, one a microsecond");
	third.probe_rate = 1e-12;
	breaker_rule_init(&rule, &third, START);
	breaker_rule_open(&rule, START);
	tap_ok(!breaker_rule_admits(&rule, START + INT64_C(1000000000) * SECOND) &&
		   breaker_rule_next_token(&rule, START) > START, "breaker: or one in 30,000 years");
}

static void
test_verdict(void)
{
	BreakerRule rule;

	breaker_rule_init(&rule, &limits, START);
	tap_ok(!end_probes(&rule, START, 10, 0), "breaker: closed, nothing is on trial");
	count(&rule, START, 0, 20);
	tap_ok(!end_probes(&rule, START, 9, 0), "breaker: nine probes are no verdict");
	tap_ok(end_probes(&rule, START + 10, 0, 1), "breaker: ten are");
	tap_ok(!rule.open && rule.since == START + 10, "breaker: it is closed");
	tap_number(rule.deliveries, 0, "breaker: and the window begins anew");
	tap_ok(!count(&rule, START + 11, 0, 19) && count(&rule, START + 11, 0, 1),
		   "breaker: it opens again as before");

	tap_ok(!end_probes(&rule, START, 4, 6), "breaker: four of ten are not half");
	tap_ok(rule.open, "breaker: it stays open");
	tap_ok(end_probes(&rule, START, 5, 5), "breaker: five of the next ten are");

	count(&rule, START + 12, 0, 20);
	end_probes(&rule, START + 12, 3, 4);
	breaker_rule_restart(&rule, &limits, START + 13);
	tap_ok(rule.open && !end_probes(&rule, START + 13, 5, 4), "breaker: other limits begin a new verdict");
	tap_ok(end_probes(&rule, START + 13, 0, 1), "breaker: of ten probes");
}

void
test_breaker_rule(void)
{
	test_opening();
	test_window();
	test_tokens();
	test_verdict();
}
