# Dump and restore: pg_dump | psql into a fresh database gives the same
# machines, instances, changes, pauses and privileges back.
#
# Proves: equal checksums, restored by psql, by pg_restore with jobs, and with
# the data after the schema, into a running preloaded server and into one
# without the library preloaded; nothing is logged twice, nothing that was
# restored is published, timers that are overdue wait until the restore is
# over; what was restored goes on from where it was; a grant to a role that was
# dropped does not come back to life, and cursors into the old log are refused.

use strict;
use warnings FATAL => 'all';
use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Everything that is to come back, as one checksum.  Transaction ids of changes
# mean nothing in another database; nor do OIDs of roles in another cluster.
my %parts = (
	machines => 'SELECT m::text FROM dfsmr.machine_version AS m',
	instances => q(SELECT (to_jsonb(i) - 'change_xid')::text FROM dfsmr.instance AS i),
	finished => q(SELECT i::text FROM dfsmr.instances AS i WHERE i.state = 'finished'),
	changes => q(SELECT (to_jsonb(c) - 'xid' - 'prev_xid')::text FROM dfsmr.change AS c),
	histories => q(SELECT h::text FROM dfsmr.instances AS i, dfsmr.history(i.instance) AS h),
	pauses => 'SELECT p::text FROM dfsmr.pause AS p',
	privileges =>
	  q(SELECT (to_jsonb(p) - 'role')::text FROM dfsmr.privilege AS p),
	numbers => 'SELECT last_value::text FROM dfsmr.change_seq');

sub contents
{
	my ($node, $db) = @_;
	my %sums;

	foreach my $part (keys %parts)
	{
		$sums{$part} = sql(
			$node,
			"SELECT count(*) || ' rows, ' || COALESCE(md5(string_agg(line, chr(10) ORDER BY line COLLATE \"C\")), '')
			   FROM ($parts{$part}) AS t (line)",
			db => $db);
	}
	return \%sums;
}

sub same_contents
{
	my ($node, $db, $expected, $what) = @_;

	is_deeply(contents($node, $db), $expected, $what);
}

# ------------------------------------------------------------ what is dumped

# A database for each way to restore.
my $node = dfsmr_node('main', conf => 'dfsmr.max_databases = 16');
my $dumps = PostgreSQL::Test::Utils::tempdir();

define($node, <<'YAML');
id: dump_crawl
nodes:
  crawl: {start: true, priority: 3, transitions: {ok: success, error: wait, ask: review}}
  wait:   {delay: {base: 9h, backoff: 2.0}, fire: again, max_visits: 9, on_max_visits: give_up,
           transitions: {again: crawl, give_up: failed}}
  review: {await: signal, transitions: {accept: success}}
  success: {final: true}
  failed:  {final: true, outcome: failure}
YAML
define($node, <<'YAML');
id: dump_short
nodes:
  nap:  {start: true, delay: 2s, fire: up, transitions: {up: done}}
  done: {final: true}
YAML
sql($node, q{
	CREATE ROLE dump_worker LOGIN;
	CREATE ROLE "dump Reader";
	CREATE ROLE dump_gone;
	SELECT dfsmr.grant_work('dump_worker', 'dump_crawl');
	SELECT dfsmr.grant_start('dump_worker');
	SELECT dfsmr.grant_read('dump Reader');
	SELECT dfsmr.grant_admin('dump_gone', 'dump_crawl');
	SELECT dfsmr.start('dump_crawl', jsonb_build_object('url', 'http://example.org/' || i, 'odd', E'a\tb\\\n"\u00e4'),
	                   key => 'k' || i, lane => CASE WHEN i % 3 = 0 THEN 'lane' END,
	                   priority => CASE WHEN i % 5 = 0 THEN i END,
	                   delay => CASE WHEN i % 7 = 0 THEN interval '3h' ELSE interval '0' END)
	  FROM generate_series(1, 40) AS i;
	SELECT dfsmr.pause('dump_short', 'nap', 'for the dump');
});

# Some go on, each in its way; the earlier ones under the first version.
sql($node, q{
	SELECT dfsmr.transition(t.instance, CASE WHEN t.key LIKE '%0' THEN 'ok' ELSE 'ask' END,
	                        visit => t.visit, client => 'c', data => '{"n": 1}', note => 'noted')
	  FROM dfsmr.ready('c', 'dump_crawl', max => 5) AS t;
	SELECT dfsmr.transition(t.instance, 'error', visit => t.visit) FROM dfsmr.ready('c', 'dump_crawl', max => 5) AS t;
	SELECT dfsmr.relinquish(t.instance, t.visit) FROM dfsmr.ready('c', 'dump_crawl', max => 2) AS t;
	SELECT dfsmr.abort(t.instance, 'no more') FROM dfsmr.ready('c', 'dump_crawl', max => 1) AS t;
});
define($node, <<'YAML');
id: dump_crawl
nodes:
  crawl: {start: true, priority: 3, transitions: {ok: success}}
  success: {final: true}
YAML
sql($node, q{SELECT dfsmr.start('dump_crawl', key => 'second version')});

# A role with a grant is dropped, and another one has its name.
sql($node, q{
	DROP OWNED BY dump_gone;
	DROP ROLE dump_gone;
	CREATE ROLE dump_gone;
});

# A user's own table with enforce() on it.
sql($node, q{
	CREATE TABLE dump_page (id int PRIMARY KEY, state text NOT NULL);
	INSERT INTO dump_page VALUES (1, 'success'), (2, 'no node at all');
	CREATE TRIGGER dump_state BEFORE INSERT OR UPDATE ON dump_page
		FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('dump_crawl', 'state');
});

my $cursor = sql($node, 'SELECT dfsmr.changes_cursor()');
$node->command_ok(
	[ 'pg_dump', '-f', "$dumps/plain.sql", $node->connstr('postgres') ],
	'plain dump');
$node->command_ok(
	[ 'pg_dump', '-Fd', '-j2', '-f', "$dumps/dir", $node->connstr('postgres') ],
	'dump as a directory');

# The row of the dropped role is the one thing that is not to come back.
sql($node, q{
	DELETE FROM dfsmr.privilege WHERE role_name = 'dump_gone'});
my $expected = contents($node, 'postgres');
like($expected->{instances}, qr/^37 rows/, 'there are instances');
like($expected->{finished}, qr/^4 rows/, 'there are some that have finished');
like($expected->{histories}, qr/^\d\d+ rows/, 'they have a history');
like($expected->{changes}, qr/^\d\d+ rows/, 'there are changes');

# ------------------------------------------------------------ plain, running server

# A listener in the database that is restored into: what is in the dump has
# been published where it happened.
sql($node, 'CREATE DATABASE plain');
my $listener = session($node, db => 'plain');
$listener->query('LISTEN dfsmr');
$node->command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null',
		'-f', "$dumps/plain.sql", $node->connstr('plain')
	],
	'restored by psql');
same_contents($node, 'plain', $expected, 'psql: the same contents');
is( sql($node, 'SELECT count(*) FROM dfsmr.change WHERE xid <> \'0\'', db => 'plain'),
	'0',
	'restored changes are older than everything');
isnt(
	sql($node, 'SELECT id FROM dfsmr.installation', db => 'plain'),
	sql($node, 'SELECT id FROM dfsmr.installation'),
	'it is another installation');
is( sqlstate($node, "SELECT * FROM dfsmr.changes_since('$cursor')", db => 'plain'),
	'SM011',
	'a cursor into the log of the old one is refused');
is( sqlstate(
		$node, "UPDATE dump_page SET state = 'crawl' WHERE id = 1",
		db => 'plain'),
	'23514',
	'enforce() holds in the restored database');
is( sql($node, q{SET ROLE dump_gone; SELECT has_schema_privilege('dfsmr', 'USAGE')},
		db => 'plain'),
	'f',
	'the new role of an old name has nothing');

# The chain of changes goes on where it was: what is said again is known, and new
# changes come behind the old ones.
is( sql($node, q{
		SELECT count(*) FROM dfsmr.change AS c WHERE c.prev_seq IS NOT NULL AND c.prev_xid <> '0'}, db => 'plain'),
	'0',
	'restored chains name restored changes');
is( sql($node, q{
		SELECT string_agg(DISTINCT t.node, ' ')
		FROM dfsmr.change AS c,
			dfsmr.transition(c.instance, c.transition, '{}', c.visit - 1, c.client, c.attempt) AS t
		WHERE c.kind = 'transition' AND c.outcome IS NOT NULL AND c.client IS NOT NULL}, db => 'plain'),
	'success',
	'a completion from before the dump that is said again has its answer');

# What was restored goes on: due tasks in order, delayed and waiting ones not.
my $ready = q{
	SELECT count(*) FROM dfsmr.instances WHERE machine = 'dump_crawl' AND state = 'ready'};
my $due = sql($node, $ready, db => 'plain');
is($due, sql($node, $ready), 'as many instances are ready');
is( sql($node, q{
		WITH w AS (SELECT * FROM dfsmr.ready('w', 'dump_crawl', max => 100))
		SELECT count(*) FROM w, dfsmr.transition(w.instance, 'ok', visit => w.visit)},
		db => 'plain'),
	$due,
	'all of them are claimed and completed');
is( sql($node, q{
		SELECT bool_and(h.n = c.n AND h.n > 1)
		FROM (SELECT instance, count(*) AS n FROM dfsmr.change WHERE instance IN
				(SELECT instance FROM dfsmr.change WHERE xid <> '0') GROUP BY 1) AS c,
			LATERAL (SELECT count(*) AS n FROM dfsmr.history(c.instance)) AS h}, db => 'plain'),
	't',
	'with a history that goes back behind the restore');
is( sql($node, q{
		SELECT count(*) FROM dfsmr.signal('dump_crawl', (SELECT key FROM dfsmr.instances
			WHERE state = 'parked' ORDER BY key LIMIT 1), 'accept')},
		db => 'plain'),
	'1',
	'a parked one takes its signal');
my $heard = '';
wait_until
{
	$heard .= $listener->query('SELECT 1');
	$heard =~ /"kind": ?"signal"/
}
'the changes made here are published';
unlike($heard, qr/"kind": ?"(?:define|start|abort)"/, 'and none that was restored');
$listener->quit;

# ------------------------------------------------------------ other ways to restore

sql($node, 'CREATE DATABASE jobs');
$node->command_ok(
	[
		'pg_restore', '--exit-on-error', '-j2', '-d', $node->connstr('jobs'),
		"$dumps/dir"
	],
	'restored by pg_restore with two jobs');
same_contents($node, 'jobs', $expected, 'pg_restore -j2: the same contents');

sql($node, 'CREATE DATABASE single');
$node->command_ok(
	[
		'pg_restore', '--single-transaction', '-d', $node->connstr('single'),
		"$dumps/dir"
	],
	'restored in one transaction');
same_contents($node, 'single', $expected,
	'pg_restore --single-transaction: the same contents');

sql($node, 'CREATE DATABASE halves');
foreach my $half ('pre-data', 'data', 'post-data')
{
	$node->command_ok(
		[
			'pg_restore', '--exit-on-error', "--section=$half", '-d',
			$node->connstr('halves'), "$dumps/dir"
		],
		"restored by sections: $half");
}
same_contents($node, 'halves', $expected, 'by sections: the same contents');

# With several jobs the order of tables is anybody's guess: the worst one.
sql($node, 'CREATE DATABASE upside_down');
$node->command_ok(
	[
		'pg_restore', '--exit-on-error', @$_, '-d',
		$node->connstr('upside_down'), "$dumps/dir"
	],
	"restored upside down: @$_")
  foreach (['--section=pre-data'],
	[ '--section=data', '-n', 'dfsmr', '-t', 'instance' ],
	[ '--section=data', '-n', 'dfsmr', '-t', 'machine_version' ],
	[ '--section=data', '-n', 'dfsmr', map { ('-t', $_) } (map { "change_$_" } 0 .. 7, 'turn', 'seq'), 'pause', 'privilege' ]);
same_contents($node, 'upside_down', $expected,
	'instances before their machines: the same contents');
is( sql($node, $ready, db => 'upside_down'),
	$due, 'and the same instances are ready');

# A dump of what was restored restores to the same again.
sql($node, 'CREATE DATABASE again');
$node->command_ok(
	[ 'pg_dump', '-f', "$dumps/again.sql", $node->connstr('jobs') ],
	'the restored database is dumped');
$node->command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null',
		'-f', "$dumps/again.sql", $node->connstr('again')
	],
	'and restored');
same_contents($node, 'again', $expected, 'twice: the same contents');

# ------------------------------------------------------------ overdue timers

# Timers that ran out while the dump lay about: none fires before the restore
# is over, each fires once after it.
sql($node, q{SELECT dfsmr.resume('dump_short', 'nap')}, db => 'again');
sql($node, q{SELECT dfsmr.start('dump_short', key => i::text) FROM generate_series(1, 20) AS i},
	db => 'again');
$node->command_ok(
	[ 'pg_dump', '-f', "$dumps/timers.sql", $node->connstr('again') ],
	'timers are dumped');
my $fired = q{SELECT count(*) FROM dfsmr.change WHERE machine = 'dump_short' AND kind = 'timer'};
wait_until { sql($node, $fired, db => 'again') eq '20' } 'they fire here';

sql($node, 'CREATE DATABASE timers');
$node->command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null',
		'-f', "$dumps/timers.sql", $node->connstr('timers')
	],
	'restored when they have run out');
wait_until { sql($node, $fired, db => 'timers') eq '20' } 'they fire there';
is( sql($node, q{SELECT count(*) FROM dfsmr.instances
		WHERE machine = 'dump_short' AND node = 'done' AND visit = 2}, db => 'timers'),
	'20',
	'each one once');
is( sql($node, q{SELECT count(*) FROM dfsmr.change AS fired
		WHERE fired.xid <> '0' AND fired.seq <= (SELECT max(seq) FROM dfsmr.change WHERE xid = '0')},
		db => 'timers'),
	'0',
	'and after the restore, which sets the numbers of changes');

# ------------------------------------------------------------ another cluster

# Without the library preloaded, and without the roles: their privileges are
# for nobody, and do not wait for somebody to take the name.
my $bare = new_dfsmr_node('bare', preload => 0);
$bare->start;
$bare->run_log(
	[
		'psql', '-X', '-q', '-o', '/dev/null', '-f', "$dumps/plain.sql",
		$bare->connstr('postgres')
	]);
same_contents($bare, 'postgres', $expected,
	'without preload: the same contents');
is( sql($bare, 'SELECT count(*) FROM dfsmr.privilege WHERE role <> 0'),
	'0', 'privileges of roles that do not exist are for nobody');
sql($bare, q{
	CREATE ROLE dump_worker;
	GRANT USAGE ON SCHEMA dfsmr TO dump_worker;
	GRANT EXECUTE ON FUNCTION dfsmr.may_read(text) TO dump_worker});
is( sql($bare, q{SET ROLE dump_worker; SELECT dfsmr.may_read('dump_crawl')}),
	'f',
	'and stay so');

done_testing();
