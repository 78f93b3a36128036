#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
# Stands in for the daemons of pop-before-smtp and DRAC: keeps their database as they do, in place and open all the time, with the
# addresses that it is given. Their values: the word ok; the time at which the entry expires, in 30 minutes from now.
#     predecessor.pl pop-before-smtp|drac PATH ADDRESS...
use strict;
use warnings;
use DB_File;
use Fcntl;

my ($program, $path, @addresses) = @ARGV;
my $btree = DB_File::BTREEINFO->new;
$btree->{psize} = 512;
my ($kind, $value) = $program eq 'drac' ? ($btree, time + 30 * 60) : ($DB_HASH, 'ok');
my $database = tie my %relayers, 'DB_File', $path, O_CREAT | O_RDWR, 0644, $kind or die "$path: $!\n";
$relayers{$_} = $value for @addresses;
$database->sync;
$SIG{TERM} = sub { undef $database; untie %relayers; exit };
sleep 3600 while 1;
