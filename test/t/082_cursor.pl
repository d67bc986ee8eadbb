# A cursor means one place in one history: it survives crashes without missing
# what reuses the transaction ids that a crash forgot, goes over to a standby
# that was promoted if that has all of it, and is refused (SM011) wherever it
# means nothing: in another database, after a restore, in a new extension, or
# on a server that went back behind it.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

my $yaml = <<'YAML';
id: m
nodes:
  a: {start: true, await: signal, transitions: {ok: done}}
  done: {final: true}
YAML

my $node = dfsmr_node('primary', allows_streaming => 1);
define($node, $yaml);

# The keys behind a cursor, and the cursor of the last of them.
sub read_on
{
	my ($server, $cursor, %options) = @_;
	my $rows = sql($server, "SELECT key, cursor FROM dfsmr.changes_since('$cursor')", %options);
	my @keys;

	for my $row (split /\n/, $rows)
	{
		(my $key, $cursor) = split /\|/, $row;
		push @keys, $key;
	}
	return ("@keys", $cursor);
}
sub now { return sql($_[0], 'SELECT dfsmr.changes_cursor()', db => $_[1] // 'postgres') }
sub start { return sql($_[0], "SELECT dfsmr.start('m', key => '$_[1]')", db => $_[2] // 'postgres') }
my ($keys, $cursor);

# Transaction ids that no record on disk knows are used again after a crash.
# Here the log reaches the disk only when somebody asks for it, so many would
# be forgotten, did the cursor not ask.
$node->append_conf('postgresql.conf', "synchronous_commit = off\nwal_writer_delay = 10s\n"
	. "wal_writer_flush_after = 1GB");
$node->restart;
for my $round (1 .. 3)
{
	my $begin = now($node);
	# Ended before the cursor is taken, and of no concern to the changelog.
	sql($node, "SELECT pg_current_xact_id();\n" x 20);
	sql($node, "BEGIN; SELECT dfsmr.start('m', key => 'undone $round'); ROLLBACK;");
	$cursor = $round == 1 ? now($node) : sql($node, "SELECT dfsmr.changes_cursor('$begin')");
	crash($node);
	start_after_crash($node);
	start($node, "round $round");
	($keys, $cursor) = read_on($node, $cursor);
	is($keys, "round $round", "after crash $round the next change is not missed");
	start($node, "kept $round");
	($keys, $cursor) = read_on($node, $cursor);
	is($keys, "kept $round", 'and the cursor goes on');
	crash($node);
	start_after_crash($node);
	is(sql($node, "SELECT count(*) FROM dfsmr.changes WHERE key = 'kept $round'"), '1',
		'what a consumer has been given is not forgotten by a crash');
	is((read_on($node, $cursor))[0], '', 'nor does it come again');
}
$node->append_conf('postgresql.conf', "synchronous_commit = on\nwal_writer_delay = 200ms\n"
	. "wal_writer_flush_after = 1MB");
$node->restart;

# Another database, also a copy of this one, is another changelog.
sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION dfsmr', db => 'other');
is(sqlstate($node, "SELECT * FROM dfsmr.changes_since('$cursor')", db => 'other'), 'SM011',
	'refused in another database');
is(sqlstate($node, "SELECT dfsmr.changes_cursor('$cursor')", db => 'other'), 'SM011',
	'by changes_cursor() too');
wait_until
{
	$node->psql('template1', 'CREATE DATABASE copy TEMPLATE postgres') == 0
}
'the database is copied';
is(sqlstate($node, "SELECT * FROM dfsmr.changes_since('$cursor')", db => 'copy'), 'SM011',
	'refused in a copy');
is(sql($node, 'SELECT count(*) FROM dfsmr.changes_since(NULL)', db => 'copy'),
	sql($node, 'SELECT count(*) FROM dfsmr.changes'),
	'which has all changes to read from the beginning');

# The extension dropped and made anew is another one.
define($node, $yaml, db => 'other');
my $other = now($node, 'other');
sql($node, 'DROP EXTENSION dfsmr; CREATE EXTENSION dfsmr', db => 'other');
is(sqlstate($node, "SELECT * FROM dfsmr.changes_since('$other')", db => 'other'), 'SM011',
	'refused by an extension that was made anew');

# A restored changelog is older than every cursor of its new home, and is there
# from the beginning.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ $node->installed_command('pg_dump'), '-f', $dump, $node->connstr('postgres') ], 'dump');
sql($node, 'CREATE DATABASE restored');
$node->command_ok(
	[ $node->installed_command('psql'), '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ],
	'restore');
is(sqlstate($node, "SELECT * FROM dfsmr.changes_since('$cursor')", db => 'restored'), 'SM011',
	'refused after a restore');
is( sql($node, "SELECT string_agg(key, ' ' ORDER BY seq) FROM dfsmr.changes_since(NULL)", db => 'restored'),
	sql($node, "SELECT string_agg(key, ' ' ORDER BY seq) FROM dfsmr.changes"),
	'the restored changes are the oldest');
my $restored = now($node, 'restored');
start($node, 'after restore', 'restored');
is((read_on($node, $restored, db => 'restored'))[0], 'after restore', 'and new ones follow');

# A standby has no exact answer; promoted, it takes cursors that it has all of.
$node->backup('base');
my $standby = new_dfsmr_node_from($node, 'standby');
start($node, 'replicated');
my ($shared_keys, $shared) = read_on($node, $cursor);
is($shared_keys, 'replicated', 'a cursor that the standby has');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(sqlstate($standby, 'SELECT dfsmr.changes_cursor()'), '0A000', 'a standby refuses');
is(sqlstate($standby, "SELECT * FROM dfsmr.changes_since('$shared')"), '0A000', 'in all ways');
like(sql_error($standby, 'SELECT dfsmr.changes_cursor()'),
	qr/changes_cursor\(\) is not available during recovery/, 'and says why');
is(sql($standby, 'SELECT count(*) FROM dfsmr.changes'),
	sql($node, 'SELECT count(*) FROM dfsmr.changes'), 'but shows the changes');

# The primary goes on, unreplicated, and is lost.
$standby->stop;
start($node, 'lost');
my $lost = (read_on($node, $shared))[1];
$node->stop;
$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->start;
$standby->promote;
wait_until { sql($standby, 'SELECT NOT pg_is_in_recovery()') eq 't' } 'the standby is promoted';
start($standby, 'promoted');
is((read_on($standby, $shared))[0], 'promoted', 'promoted, it goes on from the cursor it has');
is(sqlstate($standby, "SELECT * FROM dfsmr.changes_since('$lost')"), 'SM011',
	'and refuses the one that it has not');
my ($next_keys, $next) = read_on($standby, $shared);
start($standby, 'later');
is((read_on($standby, $next))[0], 'later', 'its own cursors go on');
$standby->stop;

# A server that was set back to an older state of its files.
my $old = new_dfsmr_node_from($node, 'old', standby => 0);
is(sqlstate($old, "SELECT * FROM dfsmr.changes_since('$lost')"), 'SM011',
	'a server set back behind a cursor refuses it');
$old->stop;

# A server from the backup of the first one.
sub new_dfsmr_node_from
{
	my ($from, $name, %options) = @_;
	my $new = PostgreSQL::Test::Cluster->new($name);

	$new->init_from_backup($from, 'base', has_streaming => $options{standby} // 1);
	$new->start;
	return $new;
}

done_testing();
