
=pod

=head1 NAME

DfsmrTest::Client - the client, run to its end or left running

=head1 SYNOPSIS

  use DfsmrTest::Client;

  my $r = client($node, 'start', 'order', '-p', 'amount=1');
  is($r->{status}, 0, $r->{err});          # and $r->{out}
  client_ok($node, 'define', '-', {stdin => $yaml});   # dies if it fails

  my $worker = client_start($node, 'work', 'order', '--', './ship');
  wait_until { $worker->err =~ /connected again/ } 'it is back';
  $worker->signal('TERM');
  is($worker->wait, 0, 'it ends well');

=head1 DESCRIPTION

The client connects by C<-d>, to database C<postgres>, as the test's user.  A
last argument that is a hash has options: C<stdin>, text; C<connstr>, another
connection string; C<env>, a hash of variables; C<stdout>, another file to
print to.

A client that is left running when its handle goes out of scope is killed.

=cut

package DfsmrTest::Client;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';
use DfsmrTest;
use File::Temp ();
use POSIX ();
use PostgreSQL::Test::Utils;

our @EXPORT = qw(client client_ok client_start);

my $directory = File::Temp->newdir;
my $count = 0;

=pod

=over

=item client_start($node, @arguments, {%options})

Start the client; returns a handle.

=cut

sub client_start
{
	my ($node, @arguments) = @_;
	my $options = ref $arguments[-1] ? pop @arguments : {};
	my $command = shift @arguments;
	my $connstr = $options->{connstr} // $node->connstr('postgres');
	my $file = "$directory/" . ++$count;
	my $self = bless { out => "$file.out", err => "$file.err" }, __PACKAGE__;

	open my $in, '>', "$file.in" or die $!;
	print $in $options->{stdin} // '';
	close $in;

	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		local $SIG{__DIE__};
		delete $ENV{PGAPPNAME};
		$ENV{$_} = $options->{env}{$_} for keys %{ $options->{env} // {} };
		open STDIN, '<', "$file.in" or POSIX::_exit(99);
		open STDOUT, '>', $options->{stdout} // $self->{out} or POSIX::_exit(99);
		open STDERR, '>', $self->{err} or POSIX::_exit(99);
		exec { $ENV{DFSMR} } 'dfsmr', $command, '-d', $connstr, @arguments
		  or POSIX::_exit(99);
	}
	return $self;
}

=pod

=item client($node, @arguments, {%options})

Run the client to its end; returns a hash of C<status> (as a shell has it),
C<out> and C<err>, both without the last newline.

=cut

sub client
{
	my $self = client_start(@_);
	my %result = (status => $self->wait, out => $self->out, err => $self->err);

	chomp @result{qw(out err)};
	return \%result;
}

=pod

=item client_ok($node, @arguments, {%options})

The same, but dies unless the status is 0; returns the output.

=cut

sub client_ok
{
	my $result = client(@_);

	return $result->{out} if $result->{status} == 0;
	croak "dfsmr ended with status $result->{status}: $result->{err}";
}

=pod

=back

=head1 METHODS

=over

=item pid, out, err

The process; what it has printed so far.

=cut

sub pid { return $_[0]{pid}; }
sub out { return -e $_[0]{out} ? slurp_file($_[0]{out}) : ''; }
sub err { return -e $_[0]{err} ? slurp_file($_[0]{err}) : ''; }

=pod

=item signal($name)

Send it a signal.

=cut

sub signal
{
	my ($self, $name) = @_;

	kill $name, $self->{pid} or croak "kill: $!";
	return;
}

=pod

=item wait

Wait for its end; returns its status as a shell has it.

=cut

sub wait
{
	my ($self) = @_;

	return $self->{status} if defined $self->{status};
	wait_until { waitpid($self->{pid}, POSIX::WNOHANG()) != 0 } 'the client ends';
	return $self->{status} = $? & 127 ? 128 + ($? & 127) : $? >> 8;
}

=pod

=back

=cut

sub DESTROY
{
	my ($self) = @_;

	# Whoever is on the way out keeps his status.
	local ($?, $!);
	return if defined $self->{status} || !$self->{pid};
	kill 'KILL', $self->{pid};
	waitpid($self->{pid}, 0);
	return;
}

1;
