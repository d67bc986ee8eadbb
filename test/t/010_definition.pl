# Definitions as several sessions, databases and encodings see them.
#
# A session that stays connected follows what others define, drop and make
# again, with the board and without one; a define that was prepared counts when
# it is committed; a database of another encoding reads and reports the same;
# and a definition that keeps the reader busy can be cancelled.

use strict;
use warnings FATAL => 'all';
use DfsmrTest;
use Test::More;

# A definition whose one transition has this name.
sub machine
{
	my ($transition) = @_;
	return "{id: m, nodes: {a: {start: true, transitions: {$transition: z}}, z: {final: true}}}";
}

# The transition that a session takes for current.
sub current
{
	my ($session) = @_;
	my ($transition) = $session->query(q{SELECT dfsmr.graph('m')}) =~ /n0 -->\|"(\w+)"\| n1/;
	return $transition;
}

sub follow_others
{
	my ($node, $db, $with) = @_;

	sql($node, "CREATE DATABASE $db");
	sql($node, 'CREATE EXTENSION dfsmr', db => $db);
	my $session = session($node, db => $db);

	is($session->sqlstate(q{SELECT dfsmr.graph('m')}), 'SM001', "$with: not defined yet");
	define($node, machine('one'), db => $db);
	is(current($session), 'one', "$with: what another session defined");
	$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	is(current($session), 'one', "$with: within a transaction");
	define($node, machine('two'), db => $db);
	is(current($session), 'two', "$with: a transaction that holds its locks sees the newest");
	$session->query('COMMIT');

	sql($node, 'DROP EXTENSION dfsmr', db => $db);
	is($session->sqlstate(q{SELECT dfsmr.graph('m')}), '3F000', "$with: the extension is gone");
	sql($node, 'CREATE EXTENSION dfsmr', db => $db);
	is($session->sqlstate(q{SELECT dfsmr.graph('m')}), 'SM001', "$with: a new one knows nothing");
	define($node, machine('three'), db => $db);
	is(current($session), 'three', "$with: version 1 is another one now");

	sql($node, 'BEGIN; DROP EXTENSION dfsmr; ROLLBACK', db => $db);
	is(current($session), 'three', "$with: DROP EXTENSION rolled back");
	$session->query('BEGIN; DROP EXTENSION dfsmr; CREATE EXTENSION dfsmr');
	is($session->query(q{SELECT version FROM dfsmr.define('} . machine('four') . q{')}), 1,
		"$with: made again within a transaction");
	is(current($session), 'four', "$with: and used there");
	$session->query('ROLLBACK');
	is(current($session), 'three', "$with: and rolled back");

	sql($node, 'REINDEX INDEX CONCURRENTLY dfsmr.machine_version_pkey', db => $db);
	define($node, machine('five'), db => $db);
	is(current($session), 'five', "$with: by an index that was built anew");
	return;
}

sub prepared
{
	my ($node) = @_;
	my $session = session($node, db => 'board');

	is(current($session), 'five', 'before a prepared define');
	sql($node, 'BEGIN; SELECT dfsmr.define($$' . machine('six') . "\$\$); PREPARE TRANSACTION 'p'",
		db => 'board');
	is(current($session), 'five', 'a prepared define does not count');
	sql($node, "COMMIT PREPARED 'p'", db => 'board');
	is(current($session), 'six', 'once committed it does');
	return;
}

sub encodings
{
	my ($node) = @_;
	my $latin = "E'# caf\\351\\nid: m\\nnodes: {n\\351: {final: true}}'";

	for my $encoding (qw(LATIN1 SQL_ASCII))
	{
		my $db = lc $encoding;

		sql($node, "CREATE DATABASE $db ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
		sql($node, 'CREATE EXTENSION dfsmr', db => $db);
		is(sql($node, q{SELECT count(*) FROM dfsmr.validate('} . machine('ok') . q{')}, db => $db),
			0, "$encoding: plain ASCII");
	}
	my $findings = sql($node, "SELECT line, message FROM dfsmr.validate($latin)", db => 'latin1');
	like($findings, qr/^3\|"n\?" is not a name/m, 'LATIN1: converted, and shown without its letters');
	is( sql($node, "SELECT line, message FROM dfsmr.validate($latin)", db => 'sql_ascii'),
		'1|the definition is not valid UTF-8 from this line on: save it as UTF-8',
		'SQL_ASCII: taken as UTF-8, which it is not');
	like(
		sql($node, q{SELECT message FROM dfsmr.validate('{id: "\u263a"}')}, db => 'latin1'),
		qr/^"\?" is not a name/m,
		'LATIN1: a letter that it does not have is no error of conversion');
	return;
}

sub cancelled
{
	my ($node) = @_;
	my $endless = q{SET statement_timeout = '300ms';
		SELECT count(*) FROM generate_series(1, 1000000) AS i,
			dfsmr.validate('nodes: {' || repeat('k: 1, ', 40000) || i || ': 1}')};

	is(sqlstate($node, $endless, db => 'board'), '57014', 'validate() can be cancelled');
	is(sql($node, 'SELECT 1', db => 'board'), 1, 'and the session goes on');
	return;
}

my $node = new_dfsmr_node('main', conf => "max_prepared_transactions = 2\n");
$node->start;
follow_others($node, 'board', 'with the board');
prepared($node);
encodings($node);
cancelled($node);
$node->stop;

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;
follow_others($node, 'bare', 'without it');
$node->stop;

done_testing();
