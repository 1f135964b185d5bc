#!/bin/sh
# The table of frameworks in docs/clients.md names the programs that redis-compat/frameworks has, and no others, once each.
# Prints what is not so; exit status 1 if anything is. With a directory as argument, checks that tree instead of this one.
cd "${1:-$(dirname "$0")/..}" || exit 2
programs=$(ls redis-compat/frameworks/*/install.sh 2>/dev/null | cut -d/ -f3 | sort)
rows=$(sed -n '/^<!-- frameworks: /,/^<!-- end of frameworks -->/s/^| `\([^`]*\)` .*/\1/p' docs/clients.md | sort)
[ "$programs" = "$rows" ] && exit 0
echo "docs/clients.md: its table of frameworks is another one than the folders (redis-compat/frameworks/run --table NAME writes a row)"
echo "folders:" $programs
echo "rows:   " $rows
exit 1
