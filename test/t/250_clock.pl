# The wall clock jumps: back during a refill, and forward.  What becomes due by
# the board's clock is nobody's commit, so a refill must not pass a row by for a
# clock that went back; and no timer is lost or fires twice.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($library) = grep { -e } glob('/usr/lib/*/faketime/libfaketime.so.1');
BAIL_OUT('libfaketime is missing; see scripts/setup') unless defined $library;

my $node = new_dfsmr_node('main', conf => 'dfsmr.audit_interval = 0');
my $offset_file = $node->basedir . '/offset';

# Clients and servers look at the file each time; it is replaced whole.
sub set_offset
{
	my ($offset) = @_;

	open my $file, '>', "$offset_file.new" or die "$offset_file.new: $!";
	print $file "$offset\n";
	close $file;
	rename "$offset_file.new", $offset_file or die "$offset_file: $!";
	return;
}

set_offset('+0');
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{FAKETIME_TIMESTAMP_FILE} = $offset_file;
	local $ENV{FAKETIME_NO_CACHE} = 1;
	# The kernel's monotonic clock does not jump, and the server sleeps by it.
	local $ENV{FAKETIME_DONT_FAKE_MONOTONIC} = 1;
	local $ENV{DONT_FAKE_MONOTONIC} = 1;
	$node->start;
}
sql($node, 'CREATE EXTENSION dfsmr');
define($node, <<'YAML');
id: m
nodes:
  a: {start: true, timeout: 1h, transitions: {ok: done, rest: w}}
  w: {delay: 200ms, fire: ok, transitions: {ok: a}}
  done: {final: true}
YAML

# How far the server's wall clock is from ours, in whole minutes.
sub clock_offset
{
	return sql($node, 'SELECT round((extract(epoch FROM clock_timestamp()) - ' . time . ') / 60)');
}
is(clock_offset(), 0, 'the clock is right at first');

# Rows that only the heap has: prepared and committed makes the sets forget.
sub start_many
{
	my ($prefix, $more) = @_;

	return sql($node, "SELECT count(dfsmr.start('m', key => '$prefix' || n $more)) FROM generate_series(1, 20) n");
}

start_many('early', '');
start_many('soon', ", delay => '300 ms'");
my $refiller = session($node);
$refiller->query("SET dfsmr.debug_sleep_refill = 1500");
$refiller->send("SELECT count(*) FROM dfsmr.ready('refiller', 'm', max => 5)");
wait_until {
	sql($node, "SELECT frontier FROM dfsmr.status WHERE item = 'ready: first attempts'") eq 'being refilled'
}
'a refill runs';
set_offset('-3600');
is(clock_offset(), -60, 'the clock goes back an hour meanwhile');
start_many('late', '');
my ($claimed) = $refiller->result;
is($claimed, 5, 'the refiller has its tasks');

# By the clock that never goes back they are all due, in a moment.
my $left = sub {
	return sql($node, "SELECT count(*) FROM dfsmr.ready('rest', 'm', max => 100)");
};
my $rest = 0;
wait_until { ($rest += $left->()) >= 55 } 'all others are claimed';
is($rest, 55, 'each of them once');
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'"), 60,
	'nobody passed a row by');

# Timers go on at their pace while the wall clock is behind.
my ($one) = split /\n/, sql($node, "SELECT instance FROM dfsmr.instances LIMIT 1");
sql($node, "SELECT node FROM dfsmr.transition('$one', 'rest')");
wait_until { sql($node, "SELECT node FROM dfsmr.instances WHERE instance = '$one'") eq 'a' }
'a timer fires while the wall clock is behind';
is(sql($node, "SELECT count(*) FROM dfsmr.history('$one') WHERE kind = 'timer'"), 1, 'once');
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'"), 59,
	'no lease ran out for it');

# Forward: what is due by the new time is due, and leases run out.
set_offset('+7200');
is(clock_offset(), 120, 'the clock jumps forward');
sql($node, 'SELECT dfsmr.tick()');
wait_until { sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'") eq '0' }
'leases have run out';
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE failed_attempts = 1"), 59,
	'each of them once');

# A completion of a visit from before the jumps wins if nobody else has it.
my $two = sql($node, "SELECT instance FROM dfsmr.instances WHERE failed_attempts = 1 LIMIT 1");
is(sql($node, "SELECT node FROM dfsmr.transition('$two', 'ok', '{}', 1, 'rest', 1)"), 'done',
	'a completion that comes late still wins');
is(sqlstate($node, "SELECT node FROM dfsmr.transition('$two', 'ok', '{}', 1, 'other', 2)"), 'SM004',
	'and a second one does not');
is(sql($node, "SELECT used FROM dfsmr.status WHERE item = 'repairs by the audit'"), '0',
	'nothing was repaired');

$refiller->quit;
$node->stop;
done_testing();
