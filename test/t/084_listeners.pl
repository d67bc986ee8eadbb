# Nobody is told of changes while nobody listens, and from the commit of its LISTEN
# on a session is, however it was said.  What comes to hear later is not told of
# what is past.
#
# A session that idles in a transaction keeps the NOTIFY queue from being emptied,
# so that what was sent shows in how full that is.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use DfsmrTest::Listener;
use Test::More;

my $node = dfsmr_node('main', conf => 'max_prepared_transactions = 2');
sql($node, 'CREATE DATABASE elsewhere');

define($node, <<'YAML');
id: m
nodes:
  a: {start: true, transitions: {ok: b}}
  b: {final: true}
YAML

# It listens to something else, which is no reason to send.
my $stuck = session($node);
$stuck->query('LISTEN other');
$stuck->query('BEGIN; SELECT 1');

sub queue_usage { return sql($node, 'SELECT pg_notification_queue_usage()') }

# Some sixty pages of notifications, if they are sent.
sub start_many { return sql($node, "SELECT count(dfsmr.start('m')) FROM generate_series(1, 2000)") }

# The saved position is a cursor; it is saved once a second while it moves.
sub wait_until_passed
{
	wait_until
	{
		sql($node, "SELECT published IS NOT NULL AND
			NOT EXISTS (SELECT FROM dfsmr.changes_since(published, 1)) FROM dfsmr.installation") eq 't'
	}
	'all is published, or passed over';
	return;
}

# What is started is passed over.
sub not_told
{
	my ($when) = @_;
	my $before = queue_usage();

	start_many();
	wait_until_passed();
	is(queue_usage(), $before, "nothing is sent $when");
	return;
}

sub leave
{
	my ($listener) = @_;
	my ($pid) = $listener->{session}->query('SELECT pg_backend_pid()') =~ /(\d+)/;

	$listener->{session}->quit;
	wait_until { sql($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0' } 'it has left';
	return;
}

# What is started is told, and nothing that was before; returns the listener.
sub told
{
	my ($how, %options) = @_;
	my $listener = listener($node, %options);

	sql($node, "SELECT dfsmr.start('m', key => '$how')");
	wait_for_seq($listener, sql($node, "SELECT max(seq) FROM dfsmr.changes"));
	is(join(', ', map { $_->{key} // '-' } @{ $listener->{seen} }), $how,
		"it is told by $how, and of nothing that is past");
	return $listener;
}

not_told('while nobody listens');
my $elsewhere = session($node, db => 'elsewhere');
$elsewhere->query('LISTEN dfsmr');
not_told('while somebody listens in another database');

my $listener = told('LISTEN');
my $before = queue_usage();
start_many();
wait_until { queue_usage() > $before } 'the queue would show it';
wait_for_seq($listener, sql($node, 'SELECT max(seq) FROM dfsmr.changes'));

$listener->{session}->query('UNLISTEN dfsmr');
not_told('after UNLISTEN');
leave($listener);

$listener = told('LISTEN in a function', listen => "DO 'BEGIN EXECUTE ''LISTEN dfsmr''; END'");
$listener->{session}->query('UNLISTEN other');
$listener->{session}->query('BEGIN; UNLISTEN *; ROLLBACK');
$listener->{session}->query('BEGIN; SAVEPOINT s; UNLISTEN *; ROLLBACK TO s; COMMIT');
$listener->{session}->query('BEGIN; UNLISTEN *; LISTEN dfsmr; COMMIT');
sql($node, "SELECT dfsmr.start('m', key => 'still')");
wait_for_seq($listener, sql($node, 'SELECT max(seq) FROM dfsmr.changes'));
pass('UNLISTEN of something else, or taken back, changes nothing');
$listener->{session}->query('DISCARD ALL');
not_told('after DISCARD ALL');
leave($listener);

$listener = told('LISTEN in a block', listen => 'BEGIN; SAVEPOINT s; LISTEN dfsmr; RELEASE s; COMMIT');
my $other = told('LISTEN of a second session');
leave($listener);
sql($node, "SELECT dfsmr.start('m', key => 'one is left')");
wait_for_seq($other, sql($node, 'SELECT max(seq) FROM dfsmr.changes'));
pass('one that leaves takes nothing from the other');
leave($other);
not_told('after the last has left');

# While nothing happens nothing is written: not by saving what saving has moved.
my $last = '';
wait_until
{
	my $now = sql($node, 'SELECT ctid, pg_current_xact_id() IS NULL FROM dfsmr.installation');
	my $same = $now eq $last;
	$last = $now;
	# Every step looks when the settings are read anew.
	$node->reload;
	sleep 2;
	$same
}
'it is quiet: the place is not saved again';

# Nobody hears after a restart, or a crash, of what was passed over before.  The
# scheduler cannot read where it was until somebody listens; and a transaction that
# is prepared flushes the log.
sub come_back
{
	my ($what, $how) = @_;

	start_many();
	wait_until_passed();
	sql($node, "BEGIN; LOCK TABLE dfsmr.installation; PREPARE TRANSACTION 'hold'");
	$how->();
	my $first = listener($node);
	sql($node, "ROLLBACK PREPARED 'hold'");
	sql($node, "SELECT dfsmr.start('m', key => '$what')");
	wait_for_seq($first, sql($node, 'SELECT max(seq) FROM dfsmr.changes'));
	is(join(', ', map { $_->{key} // '-' } @{ $first->{seen} }), $what,
		"nobody is told after a $what of what was passed over before");
	leave($first);
	return;
}
$stuck->quit;
$elsewhere->quit;
come_back('restart', sub { $node->restart });
come_back('crash', sub { crash($node); start_after_crash($node) });

$node->stop;
done_testing();
