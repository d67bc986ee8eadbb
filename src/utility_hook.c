/*-------------------------------------------------------------------------
 *
 * utility_hook.c
 *	  What commands mean to the processes: they come, make way and go.
 *
 * - The extension is created: the launcher is told, at commit.  Dropped, by
 *	 whatever command: its scheduler is told, at commit.
 * - A command needs a database to itself: its scheduler is asked out, and the
 *	 database barred until the command's transaction has ended, be it by an
 *	 error or with the session.
 * - A database is dropped: its board is forgotten, at commit.  It is created
 *	 or connections to it are allowed: the launcher is told, at commit.
 * - A prepared transaction ends: the board is told, and it is looked whether
 *	 the extension came or went with it.
 * - A session begins to listen to changes, or stops: it is noted, before or at
 *	 commit.
 *
 *-------------------------------------------------------------------------
 */
#include "dfsmr.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "board.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "listener.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "process_table.h"
#include "scheduler.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* How long a command waits for the scheduler to leave, in ms. */
#define PATIENCE	4000

/*
 * What is to be done when this transaction commits.  A savepoint that is rolled
 * back does not take it back: looking in vain is harmless.
 */
typedef struct CommitNotes
{
	bool		any;
	bool		extension_created;
	bool		extension_dropped;
	bool		database_list_changed;
	Oid			database_dropped;
	Oid			database_opened;	/* may be connected to again */
	bool		stopped_listening;
} CommitNotes;

static CommitNotes notes;
static ProcessUtility_hook_type prev_process_utility = NULL;
static object_access_hook_type prev_object_access = NULL;

/* ------------------------------------------------------------ at the end */

/* Must not fail: the transaction has committed already. */
static void
apply_notes(void)
{
	if (notes.extension_created)
		launcher_request(MyDatabaseId);
	if (notes.extension_dropped)
		scheduler_look_again(MyDatabaseId);
	if (notes.database_list_changed)
		launcher_request(InvalidOid);
	if (OidIsValid(notes.database_dropped))
		board_forget_database(notes.database_dropped);
	if (OidIsValid(notes.database_opened))
		launcher_request(notes.database_opened);
	if (notes.stopped_listening)
		listener_end();
}

/*
 * Ends the bars too, here rather than where the command returns: only now the
 * others see what it did.  A session that dies aborts its transaction first.
 */
static void
transaction_ended(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (notes.any)
				apply_notes();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	if (notes.any)
		memset(&notes, 0, sizeof(notes));
	scheduler_unbar();
}

/* -------------------------------------------------------------- extension */

/*
 * Is that the OID of this extension?  Looks also at what the running command
 * has just written: the hook comes before the row counts as visible.
 */
static bool
is_our_extension(Oid oid)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		ours;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(oid));
	scan = systable_beginscan(relation, ExtensionOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	ours = HeapTupleIsValid(tuple) &&
		strcmp(NameStr(((Form_pg_extension) GETSTRUCT(tuple))->extname), "dfsmr") == 0;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return ours;
}

static void
object_accessed(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class_id, object_id, sub_id, arg);
	if (class_id != ExtensionRelationId ||
		(access != OAT_POST_CREATE && access != OAT_DROP) ||
		!is_our_extension(object_id))
		return;
	notes.any = true;
	if (access == OAT_POST_CREATE)
		notes.extension_created = true;
	else
		notes.extension_dropped = true;
}

/* --------------------------------------------------------------- databases */

static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

/* May the caller have the scheduler of this database asked out? */
static bool
may_command(Oid database, bool copy)
{
	HeapTuple	tuple;
	bool		allowed;

	if (superuser() || database_ownercheck(database, GetUserId()))
		return true;
	if (!copy)
		return false;

	/* Who may create databases may copy a template. */
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	allowed = HeapTupleIsValid(tuple) &&
		((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!allowed)
		return false;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	allowed = HeapTupleIsValid(tuple) &&
		((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return allowed;
}

/*
 * The database that the command needs to itself, or InvalidOid.  What the
 * command is going to refuse anyway disturbs nobody.
 */
static Oid
database_needed_alone(Node *command, bool top_level)
{
	const char *name = NULL;
	bool		in_block_too = false;
	Oid			database;

	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			name = ((DropdbStmt *) command)->dbname;
			break;
		case T_CreatedbStmt:
			{
				DefElem    *template = find_option(((CreatedbStmt *) command)->options, "template");

				name = template && template->arg ? defGetString(template) : "template1";
			}
			break;
		case T_AlterDatabaseStmt:
			if (find_option(((AlterDatabaseStmt *) command)->options, "tablespace"))
				name = ((AlterDatabaseStmt *) command)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) command)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *) command)->subname;
			in_block_too = true;
			break;
		default:
			break;
	}
	if (name == NULL || (!in_block_too && IsInTransactionBlock(top_level)))
		return InvalidOid;
	database = get_database_oid(name, true);
	if (!OidIsValid(database) ||
		(database == MyDatabaseId && !IsA(command, CreatedbStmt)) ||
		!may_command(database, IsA(command, CreatedbStmt)))
		return InvalidOid;
	return database;
}

/* Note what the command means once it is committed. */
static void
note_database_command(Node *command, Oid alone)
{
	if (IsA(command, CreatedbStmt))
		notes.database_list_changed = true;
	else if (IsA(command, DropdbStmt))
		notes.database_dropped = alone;
	else if (IsA(command, AlterDatabaseStmt) &&
			 find_option(((AlterDatabaseStmt *) command)->options, "allow_connections"))
		notes.database_opened = get_database_oid(((AlterDatabaseStmt *) command)->dbname, true);
	else
		return;
	notes.any = true;
}

/* ---------------------------------------------------- prepared transactions */

/*
 * A prepared transaction has ended; the extension may have come or gone with
 * it, and nobody has noted that.
 */
static void
after_prepared(void)
{
	bool		installed = OidIsValid(get_extension_oid("dfsmr", true));
	bool		served = scheduler_exists(MyDatabaseId);

	if (installed)
		board_prepared_ended();
	if (installed && !served)
		launcher_request(MyDatabaseId);
	else if (!installed && served)
		scheduler_look_again(MyDatabaseId);
}

/* --------------------------------------------------------------- listeners */

/* LISTEN, UNLISTEN or UNLISTEN *: is that about changes? */
static bool
names_changes(const char *channel)
{
	return channel == NULL || strcmp(channel, CHANGES_CHANNEL) == 0;
}

static bool
stops_listening(Node *command)
{
	return (IsA(command, UnlistenStmt) &&
			names_changes(((UnlistenStmt *) command)->conditionname)) ||
		(IsA(command, DiscardStmt) && ((DiscardStmt *) command)->target == DISCARD_ALL);
}

/*
 * Note what the command makes of this session.  Who says after a savepoint that it
 * stops to listen may take that back, and counts as a listener.
 */
static void
note_listening(Node *command)
{
	if (IsA(command, ListenStmt) && names_changes(((ListenStmt *) command)->conditionname))
	{
		listener_begin();
		notes.stopped_listening = false;
	}
	else if (stops_listening(command) && GetCurrentTransactionNestLevel() == 1)
		notes.any = notes.stopped_listening = true;
}

/* ---------------------------------------------------------------- the hook */

static bool
ends_prepared(Node *command)
{
	TransactionStmt *transaction = (TransactionStmt *) command;

	return IsA(command, TransactionStmt) &&
		(transaction->kind == TRANS_STMT_COMMIT_PREPARED ||
		 transaction->kind == TRANS_STMT_ROLLBACK_PREPARED);
}

/*
 * What is to be known of the command is taken from it before it runs: a
 * ROLLBACK, for one, may free it.
 */
static void
process_utility(PROCESS_UTILITY_PARAMETERS)
{
	Node	   *command = pstmt->utilityStmt;
	bool		prepared = ends_prepared(command);

	if (process_table_available())
	{
		Oid			alone = database_needed_alone(command,
												  context == PROCESS_UTILITY_TOPLEVEL);

		note_database_command(command, alone);
		note_listening(command);
		if (OidIsValid(alone))
			scheduler_bar(alone, PATIENCE);
	}

	if (prev_process_utility)
		prev_process_utility(PROCESS_UTILITY_ARGUMENTS);
	else
		standard_ProcessUtility(PROCESS_UTILITY_ARGUMENTS);

	if (prepared && process_table_available())
		after_prepared();
}

void
utility_hook_install(void)
{
	if (IsBinaryUpgrade)
		return;
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	prev_object_access = object_access_hook;
	object_access_hook = object_accessed;
	RegisterXactCallback(transaction_ended, NULL);
}
