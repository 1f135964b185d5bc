#!/bin/sh
# Prose in README.md, docs/ and the other pages is wrapped at 100 columns, so that it can be read in a terminal and in a
# diff. Tables, code blocks and headings are not prose. Links between pages lead to a file and a heading that are there.
# Prints what is not so; exit status 1 if anything is. With a directory as argument, checks that tree instead of this one.
cd "${1:-$(dirname "$0")/..}" || exit 2
command -v perl >/dev/null || { echo "perl is missing"; exit 2; }
exec perl -CSD -Mutf8 - README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md docs/*.md \
    src/README.md tests/README.md bench/README.md redis-compat/README.md <<'PERL'
use strict;
use warnings;
my $status = 0;
my (%anchors, @links);
sub complain { print "@_\n"; $status = 1 }

for my $page (@ARGV) {
    open(my $in, '<', $page) or do { complain("$page: $!"); next };
    my ($fenced, $blank, $in_list) = (0, 1, 0);
    while (my $line = <$in>) {
        chomp $line;
        if ($line =~ /^\s*```/) { $fenced = !$fenced; $blank = 0; next }
        next if $fenced;
        if ($line =~ /^\s*$/) { $blank = 1; next }
        if ($line =~ /^#+\s+(.*)/) {
            (my $anchor = lc $1) =~ s/[^\w\- ]//g;
            $anchor =~ tr/ /-/;
            $anchors{"$page#$anchor"} = 1;
            ($blank, $in_list) = (1, 0);
            next;
        }
        # Four blanks begin a block of code, but in a list its continuation.
        if ($line =~ /^ {4}/ && !$in_list) { next if $blank }
        $in_list = 1 if $line =~ /^\s*([*-]|\d+\.)\s/;
        $in_list = 0 if $blank && $line =~ /^\S/ && $line !~ /^([*-]|\d+\.)\s/;
        my $code = $blank && $line =~ /^ {4}/ && !$in_list;
        $blank = 0;
        push @links, [$page, $., $1] while $line =~ /\]\(([^)\s]+)\)/g;
        next if $code || $line =~ /^\s*\|/;
        complain("$page:$.: " . length($line) . " columns, more than 100") if length($line) > 100;
    }
}
for my $link (@links) {
    my ($page, $number, $to) = @$link;
    next if $to =~ /^\w+:/;
    my ($path, $anchor) = split /#/, $to, 2;
    (my $dir = $page) =~ s{[^/]*$}{};
    my $file = $path eq '' ? $page : "$dir$path";
    1 while $file =~ s{[^/]+/\.\./}{};
    $file =~ s{/$}{};
    if (!-e $file) { complain("$page:$number: there is no $file"); next }
    next if !defined $anchor || !grep { $_ eq $file } @ARGV;
    complain("$page:$number: $file has no heading #$anchor") unless $anchors{"$file#$anchor"};
}
exit $status;
PERL
