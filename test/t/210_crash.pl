# Nothing is lost and nothing is applied twice when backends and the server are
# killed under load: every completion that was acknowledged is in the changelog
# exactly once, every start is there, and all work comes to its end.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

my $node = dfsmr_node('main');

define($node, <<'YAML');
id: m
nodes:
  a: {start: true, timeout: 1s, transitions: {ok: b, error: w}}
  w: {delay: 20ms, fire: ok, max_visits: 50, on_max_visits: ok, transitions: {ok: a}}
  b: {timeout: 1s, transitions: {ok: done}}
  done: {final: true}
YAML
# More than they can do before the server is killed.
my $instances = 3000;
sql($node, "SELECT count(dfsmr.start('m', key => n::text)) FROM generate_series(1, $instances) n");

# Workers are loops in the shell, each call a connection of its own or a long
# one; they write down what was acknowledged.
my $dir = PostgreSQL::Test::Utils::tempdir();
my $connstr = $node->connstr('postgres');
my $psql = $node->installed_command('psql');
my @workers;

for my $w (1 .. 4)
{
	my $pid = fork();

	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDERR, '>', '/dev/null';
		open STDOUT, '>>', "$dir/acknowledged$w";
		while (!-e "$dir/stop")
		{
			# One session that works until it is killed.
			my $sql = join '', map { <<"SQL" } 1 .. 30;
SELECT instance, visit, attempt FROM dfsmr.ready('w$w', 'm', wait => '200ms') \\gset
\\if :{?instance}
SELECT format('done %s %s', :'instance', :visit) FROM dfsmr.transition(:'instance',
    (ARRAY['ok', 'ok', 'error'])[1 + floor(random() * CASE :visit WHEN 1 THEN 3 ELSE 1 END)],
    '{}', :visit, 'w$w', :attempt);
\\unset instance
\\endif
SQL
			open my $in, '|-', $psql, '-XAtq', '-d', $connstr, '-f', '-' or POSIX::_exit(1);
			local $SIG{PIPE} = 'IGNORE';
			print $in $sql;
			close $in;
			sleep 0.02;
		}
		# Not exit: that would run the parent's END blocks, and stop its server.
		POSIX::_exit(0);
	}
	push @workers, $pid;
}

# A backend is killed: the server restarts itself.
for my $round (1 .. 2)
{
	my $pid;
	wait_until {
		$pid = sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'
			AND query LIKE '%transition%' AND pid <> pg_backend_pid() LIMIT 1")
	} 'a worker is at work';
	kill 'KILL', $pid;
	wait_until { sql($node, 'SELECT 1') eq '1' } 'the server has recovered';
}

# The postmaster is killed.
sleep 0.3;
crash($node);
start_after_crash($node);

my $left = sub {
	return sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state <> 'finished'");
};
wait_until { $left->() eq '0' } 'all instances are finished';
open my $stop, '>', "$dir/stop";
close $stop;
waitpid $_, 0 for @workers;

my %acknowledged;
for my $w (1 .. 4)
{
	open my $in, '<', "$dir/acknowledged$w" or next;
	while (<$in>)
	{
		$acknowledged{"$1 $2"}++ if /^done (\S+) (\d+)$/;
	}
}
cmp_ok(scalar keys %acknowledged, '>', 300, 'completions were acknowledged');
is((grep { $_ > 1 } values %acknowledged), 0, 'none of them twice');

my %logged;
$logged{$_}++ for split /\n/, sql($node, "SELECT instance || ' ' || (visit - 1)
	FROM dfsmr.changes WHERE kind = 'transition'");
is((grep { !$logged{$_} } keys %acknowledged), 0, 'all of them are in the changelog');
is((grep { $_ > 1 } values %logged), 0, 'and none of it twice');
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE outcome = 'success'"), $instances,
	'every instance came to its end');
is(sql($node, "SELECT count(*) FROM (SELECT instance, visit FROM dfsmr.changes
	WHERE kind IN ('start', 'transition', 'timer') GROUP BY 1, 2 HAVING count(*) > 1) s"), '0',
	'no visit was entered twice');
$node->stop;
done_testing();
