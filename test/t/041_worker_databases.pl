# Commands that need a database to themselves work although a scheduler is
# connected to it: it makes way, within their five seconds and without FORCE,
# and is back when they have ended, in whatever way they end.  Commands that
# are refused disturb nobody.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_dfsmr_node('main', conf => 'dfsmr.max_databases = 12');
$node->start;

sub served
{
	return sql($node, "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '')
		FROM pg_stat_activity WHERE backend_type = 'dfsmr scheduler' AND query <> ''");
}

sub wait_until_served
{
	my ($expected, $what) = @_;

	wait_until { served() eq $expected } "$what: served are \"$expected\"";
	pass($what);
	return;
}

# Run a command; it must succeed before the server has lost its patience.
sub quickly
{
	my ($command) = @_;
	my $started = time;

	sql($node, $command);
	cmp_ok(time - $started, '<', 5, "quickly: $command");
	return;
}

sql($node, 'CREATE DATABASE app');
sql($node, 'CREATE EXTENSION dfsmr', db => 'app');
wait_until_served('app', 'a scheduler is connected');

# ---- what works ------------------------------------------------------------

quickly('CREATE DATABASE copy TEMPLATE app');
wait_until_served('app copy', 'template and copy are served');

quickly('ALTER DATABASE copy RENAME TO kopie');
wait_until_served('app kopie', 'served after RENAME');

my $place = PostgreSQL::Test::Utils::tempdir();
sql($node, "CREATE TABLESPACE place LOCATION '$place'");
quickly('ALTER DATABASE kopie SET TABLESPACE place');
wait_until_served('app kopie', 'served after SET TABLESPACE');
is(sql($node, "SELECT spcname FROM pg_database d JOIN pg_tablespace t
	ON t.oid = d.dattablespace WHERE datname = 'kopie'"), 'place', 'it has moved');

quickly('DROP DATABASE kopie');
wait_until_served('app', 'not served after DROP DATABASE');

sql($node, 'CREATE DATABASE copy TEMPLATE app');
wait_until_served('app copy', 'another copy');
quickly('DROP DATABASE copy WITH (FORCE)');
wait_until_served('app', 'not served after DROP DATABASE WITH (FORCE)');

# Its scheduler may be anywhere on its way when the database is dropped.
for my $i (1 .. 5)
{
	sql($node, "CREATE DATABASE brief$i TEMPLATE app");
	sql($node, "DROP DATABASE brief$i");
}
wait_until_served('app', 'databases that live briefly leave nothing behind');

my @sessions = map { session($node) } 1 .. 3;
$sessions[$_]->send("CREATE DATABASE twin$_ TEMPLATE app") for 0 .. 2;
is(($sessions[$_]->result)[1], '', "three copies at a time: $_") for 0 .. 2;
wait_until_served('app twin0 twin1 twin2', 'all of them are served');
$sessions[$_]->send("DROP DATABASE twin$_") for 0 .. 2;
is(($sessions[$_]->result)[1], '', "three drops at a time: $_") for 0 .. 2;
wait_until_served('app', 'and gone');

sql($node, 'CREATE EXTENSION dfsmr', db => 'template1');
wait_until_served('app template1', 'template1 is a database like others');
quickly('CREATE DATABASE fresh');
wait_until_served('app fresh template1', 'who copies it by default gets a scheduler');
sql($node, 'DROP EXTENSION dfsmr', db => 'template1');
quickly('DROP DATABASE fresh');
wait_until_served('app', 'as before');

# ---- what ends otherwise ---------------------------------------------------

my $guest = session($node, db => 'app');
like(sql_error($node, 'ALTER DATABASE app RENAME TO other'), qr/55006/,
	'a database with other users cannot be renamed');
$guest->quit;
wait_until_served('app', 'after an error it is served');

sql($node, "BEGIN; ALTER DATABASE app RENAME TO other; ROLLBACK");
wait_until_served('app', 'after a rollback it is served');

my $session = session($node);
$session->query('BEGIN; ALTER DATABASE app RENAME TO other');
is(served(), '', 'not while the command may still be undone');
sql($node, 'CREATE EXTENSION dfsmr');
wait_until_served('postgres', 'which does not keep other databases waiting');
sql($node, 'SELECT pg_terminate_backend(' . $session->pid . ')');
wait_until_served('app postgres', 'served when the session was terminated');
$session->quit;

# ---- what disturbs nobody --------------------------------------------------

my $pid = scheduler_pid($node, 'app');

sql($node, 'CREATE ROLE nobody LOGIN; CREATE ROLE maker LOGIN CREATEDB');
for my $role ('nobody', 'maker')
{
	for my $command ('DROP DATABASE app', 'ALTER DATABASE app RENAME TO other',
		'ALTER DATABASE app SET TABLESPACE place', 'CREATE DATABASE other TEMPLATE app')
	{
		is(sqlstate($node, "SET ROLE $role; $command"), '42501', "$role: $command");
	}
}
is(sqlstate($node, 'BEGIN; DROP DATABASE app'), '25001', 'DROP DATABASE in a block');
is(sqlstate($node, 'BEGIN; CREATE DATABASE x TEMPLATE app'), '25001',
	'CREATE DATABASE in a block');
is(sqlstate($node, 'DROP DATABASE app', db => 'app'), '55006', 'DROP DATABASE from within');
is(sqlstate($node, 'DROP DATABASE missing'), '3D000', 'DROP DATABASE of none');
is(scheduler_pid($node, 'app'), $pid, 'none of them has made the scheduler leave');

sql($node, 'ALTER DATABASE app IS_TEMPLATE true');
is(sqlstate($node, 'SET ROLE maker; CREATE DATABASE made TEMPLATE app'), '00000',
	'who may create databases may copy a template that is served');
wait_until_served('app made postgres', 'both are served');

# ---- connections that are not allowed --------------------------------------

sql($node, 'ALTER DATABASE made ALLOW_CONNECTIONS false');
$node->restart;
wait_until_served('app postgres', 'nobody is served where nobody may connect');
sql($node, 'ALTER DATABASE made ALLOW_CONNECTIONS true');
wait_until_served('app made postgres', 'until it is allowed');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/FATAL:  database|PANIC:|TRAP:/, 'nobody tried to connect to what is not there');
unlike($log, qr/"dfsmr scheduler.*exit(ed with exit code [^0]|ed.*signal)/, 'no scheduler failed');

done_testing();
