/*-------------------------------------------------------------------------
 *
 * lease_file.c
 *	  A planned restart forgets no lease.
 *
 * At a clean shutdown the leases are written to a file, which the next start
 * reads and removes: after a crash there is none, or none that is believed.
 * The fence is the visit in the heap all the same, so a lease of another time
 * could do no harm.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include <unistd.h>

#include "board_internal.h"
#include "durations.h"
#include "lease.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"

#define LEASE_FILE PGSTAT_STAT_PERMANENT_DIRECTORY "/dfsmr.leases"

/* Changes whenever SavedLease does. */
static const uint32 LEASE_FILE_MAGIC = 0x0df50004;

typedef struct SavedLease
{
	Oid			database;
	Oid			extension;
	pg_uuid_t	installation;
	NodeName	name;			/* of its node set; empty: it has none any more */
	NodeName	durations;		/* of its durations; the same */
	LeaseCopy	copy;
} SavedLease;

/* ------------------------------------------------------------------ saving */

static bool
save_board(FILE *file, Board *board, pg_crc32c *crc)
{
	for (int i = 0; i < board->nexpiry; i++)
	{
		SavedLease	saved;
		Lease	   *lease = board->expiry[i];
		NodeDurations *durations = durations_deref(board, lease->durations);

		memset(&saved, 0, sizeof(saved));
		saved.database = board->database;
		saved.extension = board->extension;
		saved.installation = board->installation;
		lease_copy(board, lease, &saved.copy);
		if (lease->node >= 0 && board->nodes[lease->node].used &&
			board->nodes[lease->node].generation == lease->node_generation)
			saved.name = board->nodes[lease->node].name;
		if (durations != NULL)
			saved.durations = durations->name;
		COMP_CRC32C(*crc, &saved, sizeof(saved));
		if (fwrite(&saved, sizeof(saved), 1, file) != 1)
			return false;
	}
	return true;
}

void
lease_file_save(int code, Datum arg)
{
	FILE	   *file;
	pg_crc32c	crc;
	bool		good;

	/* After a crash nothing in shared memory is to be believed. */
	if (code != 0 || !board_available())
		return;
	file = AllocateFile(LEASE_FILE ".tmp", PG_BINARY_W);
	if (file == NULL)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", LEASE_FILE ".tmp")));
		return;
	}
	INIT_CRC32C(crc);
	good = fwrite(&LEASE_FILE_MAGIC, sizeof(LEASE_FILE_MAGIC), 1, file) == 1;
	for (int i = 0; good && i < dfsmr_max_databases; i++)
		good = save_board(file, board_slot(i), &crc);
	FIN_CRC32C(crc);
	/* The checksum comes last: an unfinished file does not have it. */
	good = good && fwrite(&crc, sizeof(crc), 1, file) == 1;
	if (FreeFile(file) != 0 || !good)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", LEASE_FILE ".tmp")));
		unlink(LEASE_FILE ".tmp");
		return;
	}
	(void) durable_rename(LEASE_FILE ".tmp", LEASE_FILE, LOG);
}

/* ----------------------------------------------------------------- loading */

static void
restore(const SavedLease *saved)
{
	Board	   *board = board_claim_slot(saved->database, saved->extension, &saved->installation);
	const Lease *was = &saved->copy.lease;
	SetEntry	hint;
	Lease	   *lease;
	LeaseTerm	term = {
		.claimed_at = was->claimed_at,
		.expires_at = was->expires_at,
		.renewal = was->renewal,
		.cutoff = was->cutoff,
		.in_row = was->in_row,
		.durations = {.slot = -1},
	};
	int			node = -1;

	if (board == NULL)
		return;
	memset(&hint, 0, sizeof(hint));
	hint.key.id = was->instance;
	hint.visit = was->visit;
	hint.tid = was->tid;
	if (saved->name.machine[0] != '\0')
		node = node_set_get(board, &saved->name);
	if (saved->durations.machine[0] != '\0')
		term.durations = durations_get(board, &saved->durations);
	if (lease_take(board, &hint, node, &lease) == LEASE_TAKEN)
	{
		lease_hold(board, lease, was->attempt, was->deliveries,
				   saved->copy.client, &term, &hint.tid);
		lease->counted = was->counted;
	}
}

/* The whole file, if it is whole; *n is the number of leases. */
static SavedLease *
read_file(FILE *file, int *n)
{
	SavedLease *all;
	long		size;
	uint32		magic;
	pg_crc32c	crc;
	pg_crc32c	expected;

	if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
		fseek(file, 0, SEEK_SET) != 0)
		return NULL;
	size -= sizeof(magic) + sizeof(crc);
	if (size < 0 || size % sizeof(SavedLease) != 0)
		return NULL;
	*n = size / sizeof(SavedLease);
	all = palloc_extended(size + 1, MCXT_ALLOC_HUGE);
	if (fread(&magic, sizeof(magic), 1, file) != 1 || magic != LEASE_FILE_MAGIC ||
		fread(all, 1, size, file) != (size_t) size ||
		fread(&expected, sizeof(expected), 1, file) != 1)
		return NULL;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, all, size);
	FIN_CRC32C(crc);
	return EQ_CRC32C(crc, expected) ? all : NULL;
}

void
lease_file_load(void)
{
	FILE	   *file = AllocateFile(LEASE_FILE, PG_BINARY_R);
	SavedLease *saved;
	int			n = 0;

	if (file == NULL)
		return;
	saved = read_file(file, &n);
	FreeFile(file);
	unlink(LEASE_FILE);
	if (saved == NULL)
	{
		ereport(LOG,
				(errmsg("dfsmr: ignoring file \"%s\", which is damaged", LEASE_FILE),
				 errdetail("Work that was handed out before the restart is offered again.")));
		return;
	}
	for (int i = 0; i < n; i++)
		restore(&saved[i]);
	pfree(saved);
}
