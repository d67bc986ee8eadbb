# changes_since() is exact: while writers commit, roll back, roll back to
# savepoints, dawdle and prepare, consumers that page through it in small
# steps get every committed change once and nothing else.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

my $node = dfsmr_node('main', conf => 'max_prepared_transactions = 10');

define($node, <<'YAML');
id: m
endless: true
nodes:
  a:
    start: true
    await: signal
    transitions: {on: b}
  b:
    await: signal
    transitions: {back: a}
YAML

sql($node, <<'SQL');
SELECT count(dfsmr.start('m', key => n::text)) FROM generate_series(1, 20) AS n;
CREATE TABLE got (consumer int, seq bigint, machine text, instance uuid, visit int,
	page bigint GENERATED ALWAYS AS IDENTITY);
CREATE TABLE consumer (consumer int PRIMARY KEY, after text);
CREATE TABLE writing AS SELECT true AS more;

-- Read one page and keep the cursor in the same transaction.
CREATE FUNCTION read_page(who int, max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	change record;
	rows int := 0;
	cur text := (SELECT c.after FROM consumer AS c WHERE c.consumer = who);
BEGIN
	FOR change IN SELECT * FROM dfsmr.changes_since(cur, max) LOOP
		INSERT INTO got VALUES (who, change.seq, change.machine, change.instance, change.visit);
		cur := change.cursor;
		rows := rows + 1;
	END LOOP;
	-- Every other time without work, the cursor is moved instead.
	IF rows = 0 AND cur IS NOT NULL AND random() < 0.5 THEN
		cur := dfsmr.changes_cursor(cur);
	END IF;
	UPDATE consumer AS c SET after = cur WHERE c.consumer = who;
	RETURN rows;
END
$$;
CREATE PROCEDURE read_all(who int, max int) LANGUAGE plpgsql AS $$
DECLARE
	more bool;
BEGIN
	LOOP
		SELECT w.more INTO more FROM writing AS w;
		COMMIT;
		EXIT WHEN read_page(who, max) = 0 AND NOT more;
		COMMIT;
	END LOOP;
END
$$;

-- What a writer may do, by chance.
CREATE FUNCTION toggle(which text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dfsmr.signal('m', which, CASE node WHEN 'a' THEN 'on' ELSE 'back' END)
		FROM dfsmr.instances WHERE machine = 'm' AND key = which;
EXCEPTION WHEN SQLSTATE 'SM003' THEN	-- somebody was faster
	NULL;
END
$$;
SQL

my %scripts = (
	commit => "SELECT toggle((1 + random() * 19)::int::text);\n",
	mixed => <<'PGBENCH',
\set what random(1, 10)
BEGIN;
SELECT dfsmr.start('m');
SAVEPOINT s;
SELECT count(dfsmr.start('m')) FROM generate_series(1, :what);
\if :what > 5
ROLLBACK TO s;
\endif
SELECT dfsmr.start('m');
\if :what = 1
SELECT pg_sleep(0.2);
\endif
\if :what = 2
ROLLBACK;
\elif :what = 3
PREPARE TRANSACTION 'prepared by WRITER';
\sleep 30 ms
COMMIT PREPARED 'prepared by WRITER';
\elif :what = 4
PREPARE TRANSACTION 'prepared by WRITER';
ROLLBACK PREPARED 'prepared by WRITER';
\else
COMMIT;
\endif
PGBENCH
);
# The name of a prepared transaction cannot be a variable of pgbench, so each
# writer has a script of its own.
my @bench;
for my $writer (1 .. 8)
{
	my $name = $writer % 4 == 0 ? 'commit' : 'mixed';
	my $file = $node->basedir . "/$writer.sql";
	(my $script = $scripts{$name}) =~ s/WRITER/$writer/g;
	append_to_file($file, $script);
	push @bench, IPC::Run::start(
		[
			$node->installed_command('pgbench'), '-n', '-c1', '-t',
			$name eq 'commit' ? 300 : 120, '-f', $file, $node->connstr('postgres')
		],
		'>', '/dev/null', '2>', \my $err);
}

# Two consumers that stay connected, and one that connects for every page.
sql($node, 'INSERT INTO consumer VALUES (1, NULL), (2, NULL), (3, dfsmr.changes_cursor())');
my @consumers = map { session($node) } 1 .. 2;
$consumers[0]->send("SET work_mem = '64kB'; CALL read_all(1, 3)");
$consumers[1]->send('CALL read_all(2, 50)');

while (grep { eval { $_->pump_nb }; $_->pumpable } @bench)
{
	sql($node, 'SELECT read_page(3, 7)');
}
for my $writer (0 .. 7)
{
	ok($bench[$writer]->finish, "writer " . ($writer + 1) . ' had no error');
}
sql($node, 'UPDATE writing SET more = false');
for my $consumer (1 .. 2)
{
	my (undef, $err) = $consumers[$consumer - 1]->result;
	is($err, '', "consumer $consumer had no error");
}
1 while sql($node, 'SELECT read_page(3, 700)') > 0;

my $total = sql($node, 'SELECT count(*) FROM dfsmr.changes');
cmp_ok($total, '>', 2000, 'the writers wrote');
for my $consumer (1 .. 2)
{
	is( sql($node, "SELECT count(*), count(DISTINCT seq) FROM got WHERE consumer = $consumer"),
		"$total|$total",
		"consumer $consumer got each change once");
	is( sql($node, "SELECT count(*) FROM dfsmr.changes AS c WHERE NOT EXISTS
			(SELECT FROM got AS g WHERE g.seq = c.seq AND g.consumer = $consumer)"),
		'0',
		'and none is missing');
}
is( sql($node, "SELECT count(*) FROM got AS g FULL JOIN
		(SELECT seq FROM dfsmr.changes) AS c ON c.seq = g.seq
		WHERE (g.consumer = 3 AND c.seq IS NULL)"),
	'0',
	'the one that connects anew got what is there');
is( sql($node, 'SELECT count(*) = count(DISTINCT seq) FROM got WHERE consumer = 3'),
	't', 'and each once');

# Causes come before effects: each instance's visits ascend.
is( sql($node, "SELECT count(*) FROM (
		SELECT visit <= lag(visit) OVER (PARTITION BY consumer, instance ORDER BY page) AS wrong
		  FROM got WHERE instance IS NOT NULL) AS g WHERE wrong"),
	'0',
	"the changes of an instance come in their order");

# A transaction that was prepared long ago is in the window in which it ends.
my $cursor = sql($node, 'SELECT dfsmr.changes_cursor()');
sql($node, "BEGIN; SELECT dfsmr.start('m', key => 'prepared'); PREPARE TRANSACTION 'late'");
sql($node, "SELECT dfsmr.start('m', key => 'meanwhile')");
my $read = sub {
	my $rows = sql($node, "SELECT key, cursor FROM dfsmr.changes_since('$cursor')");
	$cursor = $1 if $rows =~ /\|(\S+)\z/;
	$rows =~ s/\|\S+//g;
	return $rows;
};
is($read->(), 'meanwhile', 'a prepared transaction holds nothing up');
$node->restart;
is($read->(), '', 'also not after a restart');
sql($node, "COMMIT PREPARED 'late'");
is($read->(), 'prepared', 'and is not missed');
is($read->(), '', 'and comes once');

$node->stop;
done_testing();
