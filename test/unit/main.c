/*
 * main.c
 *	  Runs the unit tests and prints TAP.
 *
 *	unit FINDINGS		run all tests
 *	unit --show FINDINGS	print the file with the findings as they are now
 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int	count = 0;
static int	failed = 0;

bool
tap_ok(bool good, const char *format,...)
{
	va_list		args;

	count++;
	failed += !good;
	printf("%sok %d - ", good ? "" : "not ", count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	return good;
}

/* A text as comment lines. */
static void
diagnose(const char *what, const char *text)
{
	printf("# %s:\n#   ", what);
	for (; *text != '\0'; text++)
	{
		putchar(*text);
		if (*text == '\n' && text[1] != '\0')
			printf("#   ");
	}
	printf("\n");
}

bool
tap_string(const char *got, const char *wanted, const char *name)
{
	bool		good = strcmp(got, wanted) == 0;

	tap_ok(good, "%s", name);
	if (!good)
	{
		diagnose("got", got);
		diagnose("wanted", wanted);
	}
	return good;
}

bool
tap_number(long long got, long long wanted, const char *name)
{
	tap_ok(got == wanted, "%s", name);
	if (got != wanted)
		printf("# got %lld, wanted %lld\n", got, wanted);
	return got == wanted;
}

int
tap_done(void)
{
	printf("1..%d\n", count);
	return failed > 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--show") == 0)
	{
		show_findings(argv[2]);
		return 0;
	}
	if (argc != 2)
	{
		fprintf(stderr, "usage: %s [--show] FINDINGS\n", argv[0]);
		return 2;
	}
	test_arena();
	test_similar();
	test_decimal();
	test_duration();
	test_reader();
	test_findings(argv[1]);
	test_machine();
	test_canonical();
	test_diagram();
	test_hostile();
	test_snapshot_set();
	test_sketch();
	test_breaker_rule();
	return tap_done();
}
