/*-------------------------------------------------------------------------
 *
 * output.c
 *	  Tables for people, JSON for programs.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <stdlib.h>
#include <string.h>

/* OIDs of built-in types never change. */
#define INT8OID 20
#define INT2OID 21
#define INT4OID 23
#define JSONOID 114
#define FLOAT8OID 701
#define NUMERICOID 1700
#define JSONBOID 3802

/* JSON is cut off in tables after so many columns; --json shows it whole. */
#define MAX_JSON_WIDTH 48

#define ELLIPSIS "..."

/* All our connections speak UTF-8; this is libpq's number for it. */
static int
utf8(void)
{
	static int	encoding = -1;

	if (encoding < 0)
		encoding = pg_char_to_encoding("UTF8");
	return encoding;
}

/* The next character of a text: its length in bytes and its columns. */
static int
next_character(const char *text, int *width)
{
	int			length = PQmblen(text, utf8());

	*width = PQdsplen(text, utf8());
	return (int) strnlen(text, (size_t) (length > 0 ? length : 1));
}

/*
 * Print a text on one line.  Control characters, which could move the cursor
 * or worse, are shown escaped; a line break within becomes \n.
 */
static int
print_bounded(FILE *stream, const char *text, int max_width)
{
	int			columns = 0;

	while (*text)
	{
		int			width;
		int			length = next_character(text, &width);
		char		escaped[8];

		escaped[0] = '\0';
		if (*text == '\n')
			strcpy(escaped, "\\n");
		else if (*text == '\t')
			strcpy(escaped, "\\t");
		else if (width < 0)
			snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned char) *text);
		if (escaped[0])
			width = (int) strlen(escaped);

		if (max_width >= 0 && columns + width > max_width)
			break;
		columns += width;
		if (stream == NULL)
			;
		else if (escaped[0])
			fputs(escaped, stream);
		else
			fwrite(text, 1, (size_t) length, stream);
		text += length;
	}
	return columns;
}

/* Print a text of several lines, other control characters escaped. */
void
print_clean(FILE *stream, const char *text)
{
	while (*text)
	{
		size_t		length = strcspn(text, "\n");
		char	   *line = format("%.*s", (int) length, text);

		print_bounded(stream, line, -1);
		free(line);
		text += length;
		if (*text == '\n')
		{
			fputc('\n', stream);
			text++;
		}
	}
}

static bool
is_json(const PGresult *result, int column)
{
	return PQftype(result, column) == JSONOID || PQftype(result, column) == JSONBOID;
}

static bool
is_number(const PGresult *result, int column)
{
	switch (PQftype(result, column))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT8OID:
		case NUMERICOID:
			return true;
		default:
			return false;
	}
}

/* Print a cell (or, without a stream, only measure it); returns its columns. */
static int
print_cell(FILE *stream, const PGresult *result, int row, int column)
{
	const char *text = PQgetvalue(result, row, column);
	int			width = print_bounded(NULL, text, -1);

	if (!is_json(result, column) || width <= MAX_JSON_WIDTH)
		return stream ? print_bounded(stream, text, -1) : width;

	width = print_bounded(stream, text, MAX_JSON_WIDTH - (int) strlen(ELLIPSIS));
	if (stream)
		fputs(ELLIPSIS, stream);
	return width + (int) strlen(ELLIPSIS);
}

/* Print all rows under a line of column names. */
void
print_table(const PGresult *result)
{
	int			columns = PQnfields(result);
	int			rows = PQntuples(result);
	int		   *widths = allocate(sizeof(int) * (size_t) (columns + 1));

	for (int c = 0; c < columns; c++)
	{
		widths[c] = print_bounded(NULL, PQfname(result, c), -1);
		for (int r = 0; r < rows; r++)
		{
			int			width = print_cell(NULL, result, r, c);

			if (width > widths[c])
				widths[c] = width;
		}
	}

	for (int r = -1; r < rows; r++)
	{
		for (int c = 0; c < columns; c++)
		{
			bool		last = c == columns - 1;
			int			width = r < 0 ? print_bounded(NULL, PQfname(result, c), -1)
				: print_cell(NULL, result, r, c);
			int			padding = widths[c] - width;

			if (is_number(result, c))
				printf("%*s", padding, "");
			if (r < 0)
				print_bounded(stdout, PQfname(result, c), -1);
			else
				print_cell(stdout, result, r, c);
			if (!last)
				printf("%*s", (is_number(result, c) ? 0 : padding) + 2, "");
		}
		putchar('\n');
	}
	free(widths);
}

/* Print one row, a column a line; NULLs are left out. */
void
print_record(const PGresult *result, int row)
{
	int			widest = 0;

	for (int c = 0; c < PQnfields(result); c++)
	{
		int			width = print_bounded(NULL, PQfname(result, c), -1);

		if (width > widest)
			widest = width;
	}
	for (int c = 0; c < PQnfields(result); c++)
	{
		if (PQgetisnull(result, row, c))
			continue;
		printf("%-*s  ", widest, PQfname(result, c));
		print_bounded(stdout, PQgetvalue(result, row, c), -1);
		putchar('\n');
	}
}

/* Print one column as it is, a row a line. */
void
print_column(const PGresult *result, int column)
{
	for (int r = 0; r < PQntuples(result); r++)
	{
		fwrite(PQgetvalue(result, r, column), 1, (size_t) PQgetlength(result, r, column), stdout);
		putchar('\n');
	}
}

/*
 * Run a query and show its rows: with --json one object a line, made by the
 * server, else a table, or the text for nothing.
 */
void
show_query(Query *query, const char *nothing)
{
	if (common.json)
	{
		char	   *inner = query->sql.data;

		memset(&query->sql, 0, sizeof(query->sql));
		buffer_printf(&query->sql, "SELECT pg_catalog.row_to_json(q) FROM (%s) AS q", inner);
		free(inner);
		query_print(query);
	}
	else
	{
		PGresult   *result = query_run(query);

		if (PQntuples(result) > 0)
			print_table(result);
		else if (nothing)
			printf("%s\n", nothing);
		PQclear(result);
	}
	flush_output();
}
