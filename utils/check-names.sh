#!/bin/sh
# A file that a comment or a page names is there: `journal.c`, `stream/group/cgroup.h`. A name may begin at any folder
# of its path. Prints what is not so; exit status 1 if anything is.
cd "${1:-$(dirname "$0")/..}" || exit 2
command -v perl >/dev/null || { echo "perl is missing"; exit 2; }
exec perl - <<'PERL'
use strict;
use warnings;
use File::Find;
my ($status, %there, @texts) = (0);
find({no_chdir => 1, wanted => sub {
    return unless -f;
    push @texts, $_ if /\.[ch]$/ || m{^src/README\.md$};
    return unless /\.[ch]$/;
    my @parts = split m{/};
    $there{join '/', @parts[$_ .. $#parts]} = 1 for 0 .. $#parts;
}}, qw(src bench tests));
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
