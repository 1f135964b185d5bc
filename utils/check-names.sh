#!/bin/sh
# A file that a comment or a page names is there: `journal.c`, `stream/group/cgroup.h`. A name may begin at any folder
# of its path. Prints what is not so; exit status 1 if anything is.
cd "${1:-$(dirname "$0")/..}" || exit 2
command -v perl >/dev/null || { echo "perl is missing"; exit 2; }
exec perl - <<'PERL'
use strict;
use warnings;
my ($status, %there, @texts) = (0);
open(my $files, '-|', qw(find src bench tests -type f)) or die "find: $!";
while (my $path = <$files>) {
    chomp $path;
    push @texts, $path if $path =~ /\.[ch]$/ || $path eq 'src/README.md';
    next unless $path =~ /\.[ch]$/;
    my @parts = split m{/}, $path;
    $there{join '/', @parts[$_ .. $#parts]} = 1 for 0 .. $#parts;
}
push @texts, glob('docs/*.md CONTRIBUTING.md tests/README.md bench/README.md');
for my $path (sort @texts) {
    open(my $in, '<', $path) or die "$path: $!";
    while (my $line = <$in>) {
        next if $line =~ /^\s*#\s*include/;
        while ($line =~ m{(?<![\w./<*-])((?:[a-z]\w*/)*[a-z]\w{2,}\.[ch])\b(?![(\w])}g) {
            next if $there{$1};
            print "$path:$.: there is no $1\n";
            $status = 1;
        }
    }
}
exit $status;
PERL
