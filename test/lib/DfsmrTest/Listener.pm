
=pod

=head1 NAME

DfsmrTest::Listener - sessions that listen to changes, and what they have heard

=head1 SYNOPSIS

  my $live = listener($node);
  sql($node, "SELECT dfsmr.start('m')");
  wait_for_seq($live, $seq);
  is($live->{seen}[-1]{kind}, 'start', 'it is told');

=head1 FUNCTIONS

=over

=cut

package DfsmrTest::Listener;

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Exporter 'import';
use JSON::PP;

our @EXPORT = qw(listener seen wait_for_seq);

=pod

=item listener($node, %options)

A listener, and the notifications that it has received so far, none yet.  Options
are those of a session; C<listen> is another statement than LISTEN that makes it one.

=cut

sub listener
{
	my ($node, %options) = @_;
	my $listen = delete $options{listen} // 'LISTEN dfsmr';
	my $session = session($node, %options);

	$session->query($listen);
	return { session => $session, seen => [] };
}

=pod

=item seen($listener)

Take up what came since; returns all: the columns of each change, with C<pid> of
the sender and C<length> of the payload.

=cut

sub seen
{
	my ($listener) = @_;
	my $out = $listener->{session}->query('SELECT 1');

	while ($out =~ /^Asynchronous notification "dfsmr" with payload "(.*)" received from server process with PID (\d+)\.$/mg)
	{
		my ($payload, $pid) = ($1, $2);
		push @{ $listener->{seen} },
		  { %{ JSON::PP->new->decode($payload) }, pid => $pid, length => length $payload };
	}
	return $listener->{seen};
}

=pod

=item wait_for_seq($listener, $seq)

Wait until the change of that number is heard of.

=back

=cut

sub wait_for_seq
{
	my ($listener, $seq) = @_;

	wait_until { grep { $_->{seq} == $seq } @{ seen($listener) } } "change $seq is published";
	return;
}

1;
