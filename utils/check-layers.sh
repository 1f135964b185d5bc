#!/bin/sh
# Includes go only downward (src/README.md), and each library is known to few files. Prints what breaks the
# rules; exit status 1 if anything does.
cd "$(dirname "$0")/.." || exit 2
status=0
complain() { echo "$1"; status=1; }
may_include() { # layer, allowed layers as an alternation
    bad=$(grep -nE '^#include "' src/"$1"/*.[ch] | grep -vE "#include \"($2)/") || return 0
    complain "src/$1 may include only $2:
$bad"
}
may_include base 'base'
may_include proto 'base|proto'
may_include store 'base|store'
may_include stream 'base|store|stream'
may_include server 'base|proto|store|stream|server'
only_in() { # header, files as an alternation
    bad=$(grep -rnE "#include <$1" src | grep -vE "^src/($2)") || return 0
    complain "<$1> belongs only in $2:
$bad"
}
only_in 'event2/' 'server/loop\.c'
only_in 'sqlite3\.h' 'store/sqlite'
only_in 'isa-l' 'store/(segment|journal)'
only_in 'uuid/' 'base/uuid\.c'
only_in 'pthread\.h' 'store/|base/(log|reserve)\.c'
only_in 'jemalloc/' 'base/reserve\.c'
only_in 'xxhash\.h' 'base/hash\.[ch]|store/event\.c'
bad=$(grep -rlE '_internal\.h"' src/server src/stream 2>/dev/null | xargs -r grep -nE '#include "store/[a-z_]*internal\.h"') &&
    complain "store's internals are used outside:
$bad"
exit $status
