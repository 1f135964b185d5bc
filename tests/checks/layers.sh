#!/bin/sh
# utils/check-layers.sh finds what it is there for: each fault is made in a copy of src/, one at a time.
# Ends with "N passed, N failed".
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# fault NAME FILE LINE WANTED: with LINE at the end of FILE, the check fails and says WANTED.
fault() {
    rm -rf "$work/src" && cp -r "$top/src" "$work/src" && rm -f "$work/src/cairn-server"
    mkdir -p "$(dirname "$work/src/$2")"
    printf '%b\n' "$3" >>"$work/src/$2"
    if out=$(sh "$top/utils/check-layers.sh" "$work"); then
        echo "FAIL $1: nothing was found" && failed=$((failed + 1))
    elif ! echo "$out" | grep -qF "$4"; then
        echo "FAIL $1: found something else: $out" && failed=$((failed + 1))
    else
        echo "ok $1" && passed=$((passed + 1))
    fi
}

fault "an upward include" store/store.c '#include "stream/model.h"' \
    'src/store may not include stream/model.h'
fault "an upward include between rooms of one layer" server/client/reply.c \
    '#include "commands/event/args.h"' 'src/server/client may not include commands/event/args.h'
fault "a sideways include" commands/event/scan.c '#include "commands/keys/keys.h"' \
    'src/commands/event may not include commands/keys/keys.h'
fault "another room's internal.h" stream/load.c '#include "store/internal.h"' \
    'store/internal.h belongs to src/store and the rooms inside it'
fault "the internal.h of a room inside" stream/load.c '#include "stream/group/internal.h"' \
    'stream/group/internal.h belongs to src/stream/group and the rooms inside it'
fault "a backend that knows the store" store/sqlite/read.c '#include "store/store.h"' \
    'src/store/sqlite may not include store/store.h'
fault "a room that no row names" queue/queue.c '#include "base/base.h"' 'src/queue is in no row'
fault "a library in another file" stream/load.c '#include <sqlite3.h>' 'belongs only in store/sqlite/'
fault "a file that is too long" base/buf.c "$(yes '/* */' | head -600 | tr '\n' ' ' | sed 's| |\\n|g')" \
    'more than 600'
rm -rf "$work/src" && cp -r "$top/src" "$work/src" && rm -f "$work/src/cairn-server"
for i in $(seq 41); do echo '/* */' >"$work/src/base/x$i.h"; done
if sh "$top/utils/check-layers.sh" "$work" | grep -q 'more than 40'; then
    echo "ok a folder that is too full" && passed=$((passed + 1))
else
    echo "FAIL a folder that is too full" && failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
