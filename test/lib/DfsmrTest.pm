
=pod

=head1 NAME

DfsmrTest - what dfsmr's TAP tests share

=head1 SYNOPSIS

  use DfsmrTest;
  use Test::More;

  my $node = dfsmr_node('main');                 # runs, has the extension
  define($node, "id: m\nnodes: ...");
  wait_until { sql($node, 'SELECT ...') eq '1' } 'the timer fired';

=head1 DESCRIPTION

A node is a PostgreSQL::Test::Cluster, with all that this class offers.  The
extension comes from the staged installation that test/run-suites made.  Tests
wait for a condition, with a deadline; they do not sleep and hope.

=cut

package DfsmrTest;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';
use DfsmrTest::Session;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  dfsmr_node new_dfsmr_node sql sql_error sqlstate define
  wait_until session
  crash start_after_crash server_pid scheduler_pid
);

# Seconds that anything may take before the test gives up.
our $deadline = $PostgreSQL::Test::Utils::timeout_default;

=pod

=head1 NODES

=over

=item new_dfsmr_node($name, %options)

A node that is initialized and not started, its settings those of the test
suites.  Options: C<conf>, further settings as text; C<preload>, false for a
server without the board; the others go to C<init> (C<allows_streaming>, ...).

=cut

sub new_dfsmr_node
{
	my ($name, %options) = @_;
	my $conf = delete $options{conf} // '';
	my $preload = delete $options{preload} // 1;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%options);
	$node->append_conf('postgresql.conf', slurp_file($ENV{DFSMR_CONF}));

	# Cluster.pm logs every statement and lets a crashed server lie; servers in
	# the field do neither.
	$node->append_conf('postgresql.conf',
		"log_statement = none\nrestart_after_crash = on");
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''")
	  unless $preload;
	$node->append_conf('postgresql.conf', $conf);
	return $node;
}

=pod

=item dfsmr_node($name, %options)

The same, started and with the extension in database C<postgres>.

=cut

sub dfsmr_node
{
	my $node = new_dfsmr_node(@_);

	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION dfsmr');
	return $node;
}

=pod

=back

=head1 SQL

In all of these, the database is C<postgres> unless the option C<db> names
another; further options go to C<psql>.

=over

=item sql($node, $sql, %options)

What the statements return, unaligned; dies if one fails.

=cut

sub sql
{
	my ($node, $sql, %options) = @_;
	my $db = delete $options{db} // 'postgres';

	return $node->safe_psql($db, $sql, %options);
}

=pod

=item sql_error($node, $sql, %options)

What psql says on standard error, with SQLSTATE (C<ERROR:  SM001: ...>); empty
if nothing failed.

=cut

sub sql_error
{
	my ($node, $sql, %options) = @_;
	my $db = delete $options{db} // 'postgres';
	my ($rc, $out, $err) =
	  $node->psql($db, "\\set VERBOSITY verbose\n$sql", on_error_stop => 0,
		%options);

	return $err;
}

=pod

=item sqlstate($node, $sql, %options)

The SQLSTATE of the first error, or 00000.

=cut

sub sqlstate
{
	my $err = sql_error(@_);

	return $err =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5}):/ ? $1 : '00000';
}

=pod

=item define($node, $yaml, %options)

Define a machine; returns its version.

=cut

sub define
{
	my ($node, $yaml, %options) = @_;

	croak 'a definition must not contain $def$' if $yaml =~ /\$def\$/;
	return sql($node, "SELECT version FROM dfsmr.define(\$def\$$yaml\$def\$)",
		%options);
}

=pod

=back

=head1 WAITING AND SESSIONS

=over

=item wait_until { condition } $what

Run the block again and again until it is true; returns what it returned.
Fails the test and dies if that takes too long.  A block that dies, because
the server is not back yet, is a condition that is not true yet.

=cut

sub wait_until (&$)
{
	my ($condition, $what) = @_;
	my $until = time + $deadline;
	my $pause = 0.005;

	while (1)
	{
		my $result = eval { $condition->() };
		my $error = $@;

		return $result if $result;
		if (time > $until)
		{
			fail("wait until $what");
			die "waited $deadline s in vain until $what"
			  . ($error ? "; last error: $error" : '') . "\n";
		}
		sleep $pause;
		$pause = 0.1 if ($pause *= 1.5) > 0.1;
	}
}

=pod

=item session($node, %options)

A psql that stays connected; see L<DfsmrTest::Session>.

=cut

sub session
{
	my ($node, %options) = @_;
	my $db = delete $options{db} // 'postgres';

	# A role goes in as user => 'name'.
	my $connstr = $node->connstr($db);
	$connstr .= " user=$options{user}" if defined $options{user};
	return DfsmrTest::Session->new($node->installed_command('psql'),
		$connstr, $deadline);
}

=pod

=back

=head1 PROCESSES

=over

=item server_pid($node), scheduler_pid($node, $db)

Process ids: of the postmaster; of the scheduler of the database (default
C<postgres>), empty if there is none.

=cut

sub server_pid
{
	my ($node) = @_;

	open my $file, '<', $node->data_dir . '/postmaster.pid' or return undef;
	chomp(my $pid = <$file>);
	return $pid;
}

sub scheduler_pid
{
	my ($node, $db) = @_;

	$db //= 'postgres';
	return sql($node, "SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'dfsmr scheduler' AND datname = '$db'");
}

=pod

=item crash($node), start_after_crash($node)

kill -9 the postmaster; start again.  What the postmaster left needs a moment
to notice, and until then a new one finds the shared memory in use, so the
start is repeated until it succeeds.

=cut

sub crash
{
	my ($node) = @_;

	$node->kill9;
	return;
}

sub start_after_crash
{
	my ($node) = @_;
	my $until = time + $deadline;

	while (!$node->start(fail_ok => 1))
	{
		die "server does not start after a crash\n" if time > $until;
		# start() took the process id out of the dead postmaster's file.
		$node->{_pid} = undef;
		sleep 0.1;
	}
	return;
}

=pod

=back

=cut

1;
