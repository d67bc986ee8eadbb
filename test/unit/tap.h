/*
 * tap.h
 *	  Just enough of the Test Anything Protocol.
 */
#ifndef DFSMR_TAP_H
#define DFSMR_TAP_H

#include <stdbool.h>

/* One test.  What was found and what was wanted is printed if it fails. */
extern bool tap_ok(bool good, const char *format,...) __attribute__((format(printf, 2, 3)));
extern bool tap_string(const char *got, const char *wanted, const char *name);
extern bool tap_number(long long got, long long wanted, const char *name);

/* Print the plan; returns the exit status. */
extern int	tap_done(void);

/* The groups of tests. */
extern void test_arena(void);
extern void test_similar(void);
extern void test_decimal(void);
extern void test_duration(void);
extern void test_reader(void);
extern void test_findings(const char *file);
extern void show_findings(const char *file);
extern void test_machine(void);
extern void test_canonical(void);
extern void test_diagram(void);
extern void test_hostile(void);
extern void test_snapshot_set(void);
extern void test_sketch(void);
extern void test_breaker_rule(void);

#endif							/* DFSMR_TAP_H */
