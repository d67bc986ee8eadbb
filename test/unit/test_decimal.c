/*
 * test_decimal.c
 *	  Plain numbers and rates are read, refused when they are anything else,
 *	  and written in a form that reads back.
 */
#include "tap.h"

#include "definition/decimal.h"

static void
test_numbers(void)
{
	static const struct
	{
		const char *text;
		bool		good;
		double		number;
	}			cases[] =
	{
		{"0", true, 0},
		{"95", true, 95},
		{"99.9", true, 99.9},
		{"007.50", true, 7.5},
		{"0.00000000001", true, 1e-11},
		{"", false, 0},
		{".5", false, 0},
		{"5.", false, 0},
		{"-1", false, 0},
		{"+1", false, 0},
		{"1e3", false, 0},
		{"0x10", false, 0},
		{"inf", false, 0},
		{"nan", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"1,5", false, 0},
	};

	for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++)
	{
		double		number = 0;
		bool		good = decimal_parse(cases[i].text, &number);

		tap_ok(good == cases[i].good && (!good || number == cases[i].number),
			   "decimal: \"%s\"", cases[i].text);
	}
}

static void
test_rates(void)
{
	static const struct
	{
		const char *text;
		bool		good;
		double		rate;
	}			cases[] =
	{
		{"1/s", true, 1},
		{"0.5/s", true, 0.5},
		{"30/m", true, 0.5},
		{"1/m", true, 1.0 / 60},
		{"90/h", true, 0.025},
		{"1", false, 0},
		{"1/", false, 0},
		{"/s", false, 0},
		{"1/d", false, 0},
		{"1 /s", false, 0},
		{"1/S", false, 0},
		{"1/ss", false, 0},
		{"-1/s", false, 0},
	};

	for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++)
	{
		double		rate = 0;
		bool		good = rate_parse(cases[i].text, &rate);

		tap_ok(good == cases[i].good && (!good || rate == cases[i].rate), "rate: \"%s\"", cases[i].text);
	}
}

static void
test_texts(void)
{
	static const double numbers[] = {0, 95, 99.9, 0.1, 1.0 / 3, 1e-11, 100, 1e22, 5e-324};
	Arena		arena;

	arena_init_malloc(&arena);
	tap_string(decimal_text(&arena, 95), "95", "decimal: no more digits than it takes");
	tap_string(decimal_text(&arena, 99.9), "99.9", "decimal: a fraction");
	tap_string(rate_text(&arena, 1), "1/s", "rate: per second");
	tap_string(rate_text(&arena, 1.0 / 60), "1/m", "rate: per minute");
	tap_string(rate_text(&arena, 7.0 / 3600), "7/h", "rate: per hour");
	tap_string(rate_text(&arena, 0.5), "30/m", "rate: the shortest of them");
	for (int i = 0; i < (int) (sizeof(numbers) / sizeof(numbers[0])); i++)
	{
		double		again = -1;
		double		rate = -1;

		tap_ok(decimal_parse(decimal_text(&arena, numbers[i]), &again) && again == numbers[i],
			   "decimal: %g reads back", numbers[i]);
		tap_ok(rate_parse(rate_text(&arena, numbers[i]), &rate) && rate == numbers[i],
			   "rate: %g reads back", numbers[i]);
	}
	arena_free(&arena);
}

void
test_decimal(void)
{
	test_numbers();
	test_rates();
	test_texts();
}
