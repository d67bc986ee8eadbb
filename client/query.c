/*-------------------------------------------------------------------------
 *
 * query.c
 *	  A statement and its parameters, put together piece by piece.
 *
 * Values never become part of the statement's text.  Functions are called in
 * named notation with only those arguments that were given, so that the
 * server's defaults hold.  Every parameter carries its exact type: operators
 * and functions then resolve to those of pg_catalog, whatever else the
 * session's search_path holds.  (The client does not set search_path: behind
 * a pooler it would leak into other sessions.)
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <stdlib.h>
#include <string.h>

void
query_init(Query *query, const char *sql)
{
	memset(query, 0, sizeof(*query));
	buffer_text(&query->sql, sql);
}

void
query_text(Query *query, const char *sql)
{
	buffer_text(&query->sql, sql);
}

/* Add a parameter, $n::type.  The value must live as long as the query. */
void
query_value(Query *query, const char *value, const char *type)
{
	if (query->count == query->capacity)
	{
		query->capacity = query->capacity * 2 + 16;
		query->values = reallocate(query->values, sizeof(char *) * query->capacity);
	}
	query->values[query->count++] = value;
	buffer_printf(&query->sql, "$%d::%s", query->count, type);
}

/* Begin a call; arguments follow, query_end() ends it. */
void
query_call(Query *query, const char *function)
{
	buffer_printf(&query->sql, "dfsmr.%s(", function);
	query->has_argument = false;
}

static void
begin_argument(Query *query, const char *name)
{
	buffer_printf(&query->sql, "%s%s => ", query->has_argument ? ", " : "", name);
	query->has_argument = true;
}

/* A named argument; left out when the value is NULL. */
void
query_argument(Query *query, const char *name, const char *value, const char *type)
{
	if (value == NULL)
		return;
	begin_argument(query, name);
	query_value(query, value, type);
}

/* The same, of a value that is freed with the query. */
void
query_owned_argument(Query *query, const char *name, char *value, const char *type)
{
	query->owned = reallocate(query->owned, sizeof(char *) * (size_t) (query->nowned + 1));
	query->owned[query->nowned++] = value;
	query_argument(query, name, value, type);
}

/*
 * A named argument that is a JSON object: the given one, overlaid with pairs
 * "name=text" and "name:=json".  Left out when there is neither.
 */
void
query_object(Query *query, const char *name, const char *object, const OptionList *pairs)
{
	const char *joint = "";

	if (object == NULL && pairs->count == 0)
		return;
	begin_argument(query, name);
	if (object)
	{
		query_value(query, object, "jsonb");
		joint = " || ";
	}
	for (int i = 0; i < pairs->count; i++)
	{
		const char *pair = pairs->items[i];
		size_t		length = strcspn(pair, "=");
		const char *value = pair + length + 1;
		bool		is_json = length > 0 && pair[length - 1] == ':';
		char	   *key;

		if (pair[length] == '\0' || length == (is_json ? 1 : 0))
			usage_error(NULL, "\"%s\" is neither NAME=TEXT nor NAME:=JSON", pair);
		key = duplicate(pair);
		key[length - (is_json ? 1 : 0)] = '\0';

		buffer_printf(&query->sql, "%spg_catalog.jsonb_build_object(", joint);
		query_value(query, key, "text");
		query_text(query, ", ");
		query_value(query, value, is_json ? "jsonb" : "text");
		query_text(query, ")");
		joint = " || ";
	}
}

void
query_end(Query *query)
{
	query_text(query, ")");
}

void
query_free(Query *query)
{
	buffer_free(&query->sql);
	for (int i = 0; i < query->nowned; i++)
		free(query->owned[i]);
	free(query->owned);
	free(query->values);
	memset(query, 0, sizeof(*query));
}
