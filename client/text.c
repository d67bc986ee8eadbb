/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Memory that does not run out quietly, growing texts, small parsers.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *
allocate(size_t size)
{
	return reallocate(NULL, size);
}

void *
reallocate(void *old, size_t size)
{
	void	   *new = realloc(old, size > 0 ? size : 1);

	if (new == NULL)
		die(EXIT_ERROR, "out of memory");
	return new;
}

char *
duplicate(const char *text)
{
	size_t		size;

	if (text == NULL)
		return NULL;
	size = strlen(text) + 1;
	return memcpy(allocate(size), text, size);
}

char *
format(const char *fmt,...)
{
	va_list		args;
	char	   *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		die(EXIT_ERROR, "out of memory");
	va_end(args);
	return text;
}

void
buffer_add(Buffer *buffer, const char *bytes, size_t length)
{
	if (buffer->length + length + 1 > buffer->size)
	{
		buffer->size = (buffer->length + length + 1) * 2;
		buffer->data = reallocate(buffer->data, buffer->size);
	}
	memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void
buffer_text(Buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void
buffer_printf(Buffer *buffer, const char *fmt,...)
{
	va_list		args;
	char	   *text;
	int			length;

	va_start(args, fmt);
	length = vasprintf(&text, fmt, args);
	va_end(args);
	if (length < 0)
		die(EXIT_ERROR, "out of memory");
	buffer_add(buffer, text, (size_t) length);
	free(text);
}

/*
 * Add a word as a POSIX shell reads it back: as it is when nothing in it is
 * special, else in single quotes.
 */
void
buffer_shell_word(Buffer *buffer, const char *word)
{
	const char *p;

	for (p = word; *p; p++)
		if (!isalnum((unsigned char) *p) && strchr("_-./:=@%+,", *p) == NULL)
			break;
	if (*p == '\0' && p > word)
	{
		buffer_text(buffer, word);
		return;
	}

	buffer_text(buffer, "'");
	for (p = word; *p; p++)
	{
		if (*p == '\'')
			buffer_text(buffer, "'\\''");
		else
			buffer_add(buffer, p, 1);
	}
	buffer_text(buffer, "'");
}

void
buffer_reset(Buffer *buffer)
{
	buffer->length = 0;
	if (buffer->data)
		buffer->data[0] = '\0';
}

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

/* A whole decimal number within bounds, and nothing after it? */
bool
parse_int(const char *text, int min, int max, int *value)
{
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || number < min || number > max)
		return false;
	*value = (int) number;
	return true;
}

/*
 * A duration as machine definitions write them: 300ms 30s 5m 24h 7d.  The
 * unit is required, so that nobody has to guess what a bare number means.
 */
bool
parse_duration(const char *text, int64_t *milliseconds)
{
	static const struct
	{
		const char *unit;
		double		milliseconds;
	}			units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60 * 1000.0}, {"h", 3600 * 1000.0}, {"d", 86400 * 1000.0}
	};
	char	   *end;
	double		number;

	/* strtod also reads "inf", "nan", hexadecimal and signs. */
	if (!isdigit((unsigned char) text[0]) || text[1] == 'x' || text[1] == 'X')
		return false;
	number = strtod(text, &end);
	for (size_t i = 0; i < lengthof(units); i++)
	{
		if (strcmp(end, units[i].unit) == 0)
		{
			number *= units[i].milliseconds;
			if (number > 1e14)
				return false;
			*milliseconds = (int64_t) number;
			return true;
		}
	}
	return false;
}

/* A duration as the server reads an interval; NULL for a negative one (none). */
char *
duration_text(int64_t milliseconds)
{
	if (milliseconds < 0)
		return NULL;
	return format("%lld milliseconds", (long long) milliseconds);
}

int64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Read all that is left of a stream.  False, with errno, on failure. */
bool
read_stream(FILE *stream, Buffer *buffer)
{
	char		chunk[8192];
	size_t		length;

	buffer_add(buffer, "", 0);
	while ((length = fread(chunk, 1, sizeof(chunk), stream)) > 0)
		buffer_add(buffer, chunk, length);
	return !ferror(stream);
}
