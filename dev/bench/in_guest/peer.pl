#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
# What vsmtprelay does, the way its peers do it: DB_File on the live file, in place and without a lock. libdb flushes on untie.
#     peer.pl add PATH ADDRESS TICKS | peer.pl expire PATH MINUTES | peer.pl list PATH
use strict;
use warnings;
use DB_File;
use Fcntl;

my ($work, $path, @arguments) = @ARGV;
my %relayers;
tie %relayers, 'DB_File', $path, $work eq 'list' ? O_RDONLY : O_RDWR, 0640, $DB_HASH or die "$path: $!\n";
if ($work eq 'add') {
    $relayers{$arguments[0]} = $arguments[1];
} elsif ($work eq 'expire') {
    my $limit = time() - 60 * $arguments[0];
    while (my ($address, $ticks) = each %relayers) {
        delete $relayers{$address} if $ticks <= $limit;
    }
} else {
    my $limit = time();
    while (my ($address, $ticks) = each %relayers) {
        print '# timestamp (UTC): ', scalar gmtime $ticks, "\n$address $ticks\n" if $ticks <= $limit;
    }
}
untie %relayers;
