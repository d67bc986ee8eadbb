/*-------------------------------------------------------------------------
 *
 * client_name.c
 *	  Names of the clients that hold leases, each kept once.
 *
 * Each is in the chain of its hash bucket, by index, and those that nobody holds
 * are in a list of free ones, by the same link.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "client_name.h"

#include "common/hashfn.h"
#include "unheard.h"

#define NOWHERE (-1)

int
client_names_capacity(void)
{
	return Max(dfsmr_max_leases / 4, 64);
}

/* Those that are kept included. */
static int
all_places(void)
{
	return client_names_capacity() + processes_max();
}

Size
client_names_size(void)
{
	return mul_size(all_places(), sizeof(KnownClient) + sizeof(int));
}

void
client_names_init(ClientNames *names, char *memory)
{
	names->capacity = all_places();
	names->clients = (KnownClient *) memory;
	names->chains = (int *) (memory + names->capacity * sizeof(KnownClient));
	client_names_forget_all(names);
}

void
client_names_forget_all(ClientNames *names)
{
	names->used = 0;
	names->free = 0;
	for (int i = 0; i < names->capacity; i++)
	{
		names->clients[i].holders = 0;
		names->clients[i].next = i + 1 < names->capacity ? i + 1 : NOWHERE;
		names->chains[i] = NOWHERE;
	}
}

uint32
client_name_hash(const char *name)
{
	if (name[0] == '\0')
		return 0;
	return Max(hash_bytes((const unsigned char *) name, strlen(name)), 1);
}

int
client_name_hold(ClientNames *names, const char *name, bool written)
{
	uint32		hash = client_name_hash(name);
	int		   *chain = &names->chains[hash % names->capacity];
	int			place;
	KnownClient *client;

	if (name[0] == '\0')
		return CLIENT_UNKNOWN;
	for (place = *chain; place != NOWHERE; place = names->clients[place].next)
	{
		client = &names->clients[place];
		if (client->hash == hash && strcmp(client->name, name) == 0)
		{
			client->holders++;
			return place;
		}
	}
	if (names->free == NOWHERE || (!written && names->used >= client_names_capacity()))
		return CLIENT_UNKNOWN;
	place = names->free;
	client = &names->clients[place];
	names->free = client->next;
	names->used++;
	client->holders = 1;
	client->hash = hash;
	strlcpy(client->name, name, sizeof(client->name));
	client->next = *chain;
	*chain = place;
	return place;
}

void
client_name_release(ClientNames *names, int place)
{
	KnownClient *client;
	int		   *link;

	if (place == CLIENT_UNKNOWN)
		return;
	client = &names->clients[place];
	Assert(client->holders > 0);
	if (--client->holders > 0)
		return;
	for (link = &names->chains[client->hash % names->capacity]; *link != place;)
	{
		Assert(*link != NOWHERE);
		link = &names->clients[*link].next;
	}
	*link = client->next;
	client->next = names->free;
	names->free = place;
	names->used--;
}

const char *
client_name(const ClientNames *names, int place)
{
	return place == CLIENT_UNKNOWN ? "" : names->clients[place].name;
}
