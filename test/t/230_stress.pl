# The stress test, briefly, with the settings of the suite, with the smallest
# sizes, and with sleeps where the races are; and with kill -9 of backends, of the
# scheduler and of the launcher, many times.  See test/stress/stress.py.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

my $small = "dfsmr.set_size = 4\ndfsmr.timer_set_size = 4\ndfsmr.max_sets = 4\n"
  . "dfsmr.max_waiters = 4\ndfsmr.max_prepared = 4\ndfsmr.max_leases = 40\n";
my $slow = "dfsmr.debug_sleep_callback = 5\ndfsmr.debug_sleep_claim = 5\n"
  . "dfsmr.debug_sleep_refill = 5\n";
my %settings = ('as it is' => '', 'small' => $small, 'small and slow' => $small . $slow,
	'killed' => $small);

for my $name (sort keys %settings)
{
	my $node = dfsmr_node($name =~ s/\W/_/gr,
		conf => "max_prepared_transactions = 50\nmax_connections = 60\n$settings{$name}");

	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	my $how = $name eq 'killed' ? '--kills 8' : '--seconds 6';
	my $out = `$ENV{DFSMR_PYTHON} test/stress/stress.py --sessions 10 $how 2>&1`;
	is($?, 0, "$name: the heap agrees") or diag($out);
	note($out);
	$node->stop;
}
done_testing();
