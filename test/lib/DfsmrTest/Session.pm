
=pod

=head1 NAME

DfsmrTest::Session - a psql that stays connected, to be asked or left waiting

=head1 SYNOPSIS

  my $s = session($node);                 # from DfsmrTest
  my $rows = $s->query('SELECT 1');       # dies if it fails
  is($s->sqlstate('SELECT 1/0'), '22012', 'it fails and goes on');

  $s->send("SELECT * FROM dfsmr.ready('w', wait => '5s')");
  ...
  my ($out, $err) = $s->result;           # waits for it

=head1 DESCRIPTION

Unlike PostgreSQL::Test::BackgroundPsql a session survives errors, tells them
with their SQLSTATE, can be waiting for an answer while the test does other
things, and says so when its server is killed.

=cut

package DfsmrTest::Session;

use strict;
use warnings FATAL => 'all';

use Carp;
use IPC::Run;
use Time::HiRes qw(sleep time);

=pod

=head1 METHODS

=over

=item DfsmrTest::Session->new($psql, $connstr, $deadline)

Connect; the deadline is how many seconds each answer may take.

=cut

sub new
{
	my ($class, $psql, $connstr, $deadline) = @_;
	my $self = bless {
		in => '',
		out => '',
		err => '',
		deadline => $deadline,
		count => 0,
		pending => 0
	}, $class;

	$self->{run} = IPC::Run::start(
		[
			$psql, '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $connstr,
			'-f', '-'
		],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err});
	$self->{pid} = $self->query('SELECT pg_backend_pid()');
	return $self;
}

=pod

=item $session->pid

The process id of its backend.

=cut

sub pid
{
	my ($self) = @_;

	return $self->{pid};
}

=pod

=item $session->send($sql)

Send statements and return at once.

=cut

sub send
{
	my ($self, $sql) = @_;
	my $mark = 'session mark ' . ++$self->{count};

	croak 'the session still waits for an answer' if $self->{pending};
	$self->{pending} = 1;
	$self->{mark} = $mark;
	$self->{in} .= "$sql\n;\n\\echo '$mark'\n\\warn '$mark'\n";
	eval { $self->{run}->pump_nb };
	return;
}

=pod

=item $session->is_done

Has the answer to what was sent arrived?  Does not wait.

=cut

sub is_done
{
	my ($self) = @_;

	eval { $self->{run}->pump_nb };
	return $self->_answered || !$self->is_alive;
}

=pod

=item $session->result

Wait for the answer to what was sent; (output, errors), without the last line
feed.  A connection that was lost is among the errors.

=cut

sub result
{
	my ($self) = @_;
	my $until = time + $self->{deadline};

	croak 'nothing was sent' unless $self->{pending};
	while (!$self->is_done)
	{
		die "no answer within $self->{deadline} s\n" if time > $until;
		sleep 0.002;
	}

	my ($out, $err, $mark) = @$self{qw(out err mark)};
	$self->{out} = $self->{err} = '';
	$self->{pending} = 0;
	s/^\Q$mark\E\n//m for $out, $err;
	chomp($out);
	return ($out, $err);
}

=pod

=item $session->try($sql)

send and result; also after an error the session goes on.

=cut

sub try
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->result;
}

=pod

=item $session->query($sql)

The output; dies if an ERROR or worse came, notices are none.

=cut

sub query
{
	my ($self, $sql) = @_;
	my ($out, $err) = $self->try($sql);

	die "$sql\nfailed: $err" if $err =~ /(?:ERROR|FATAL|PANIC|error):  ?/;
	return $out;
}

=pod

=item $session->sqlstate($sql)

The SQLSTATE of the first error, 00000 if there is none, and 08006 if the
connection was lost without one.

=cut

sub sqlstate
{
	my ($self, $sql) = @_;
	my (undef, $err) = $self->try($sql);

	return $1 if $err =~ /(?:ERROR|FATAL|PANIC):  ([0-9A-Z]{5}):/;
	return $err =~ /connection/ || !$self->is_alive ? '08006' : '00000';
}

=pod

=item $session->is_alive

Is psql still there?  It leaves when it has something to say and finds its
connection lost.

=cut

sub is_alive
{
	my ($self) = @_;

	return eval { $self->{run}->pumpable } ? 1 : 0;
}

=pod

=item $session->quit

Disconnect; harmless if the connection is lost.

=cut

sub quit
{
	my ($self) = @_;

	if ($self->is_alive)
	{
		$self->{in} .= "\\q\n";
		eval { $self->{run}->finish };
	}
	else
	{
		eval { $self->{run}->kill_kill };
	}
	return;
}

=pod

=item $session->kill

Kill psql itself, so that the server finds its client gone.

=back

=cut

sub kill
{
	my ($self) = @_;

	$self->{run}->kill_kill(grace => 0);
	return;
}

sub _answered
{
	my ($self) = @_;
	my $mark = $self->{mark};

	return $self->{out} =~ /^\Q$mark\E\n/m && $self->{err} =~ /^\Q$mark\E\n/m;
}

1;
