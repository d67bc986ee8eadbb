# What README.md tells people to paste into psql works as it stands: the tour,
# from CREATE EXTENSION to DROP EXTENSION, and enforce() on a table with bad rows.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$ENV{DFSMR_ROOT}/README.md");
my $node = new_dfsmr_node('main');
$node->start;

# The SQL blocks of the section with that heading.
sub blocks
{
	my ($heading) = @_;
	my ($section) = $readme =~ /^## \Q$heading\E\n(.*?)(?=^## )/ms
	  or die "README.md has no section \"$heading\"";
	my @blocks = $section =~ /^```sql\n(.*?)^```$/msg;

	return join('', @blocks);
}

# Paste them into the psql of a database of their own; returns the output.
sub paste
{
	my ($heading, $db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	my ($rc, $out, $err) = $node->psql($db, blocks($heading), on_error_stop => 0);
	unlike($err, qr/ERROR|WARNING|FATAL|invalid/, "$heading: no errors");
	return $out;
}

my $out = paste('A tour of five minutes', 'tour');

like($out, qr/^A-1\|check\|ready\|0\|/m, 'tour: looks before it claims');
like($out, qr/^A-2 is mine until /m, 'tour: the one with priority comes first');
like($out, qr/^A-1 is back, visit 3, with .*no answer from the shop/m,
	'tour: the error came back by itself');
like($out, qr/^A-3\|review\|parked$/m, 'tour: the large one is parked');
like($out, qr/\|signal\|review\|accept\|pack\|.*\|an old customer$/m,
	'tour: the history tells');

$out = paste('A table of your own', 'tickets');

like($out, qr/opne/, 'enforce: the report lists what offends');
like($out, qr/^2\|no coffee at all\|assigned$/m, 'enforce: a bad row was repaired');

# And what it says it refuses, it refuses, in these words.
my ($statement, $message) = $readme =~ /^=# (UPDATE ticket .*;)\nERROR:  (.*)$/m;
like(sql_error($node, $statement, db => 'tickets'),
	qr/ERROR:  23514: \Q$message\E\n/, 'enforce: the error is the one in README.md');

done_testing();
