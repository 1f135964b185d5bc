#!/bin/sh
# The rooms of src/ and which of them may include which (src/README.md has the picture). Prints what breaks a
# rule; exit status 1 if anything does. With a directory as argument, checks that tree instead of this one.
#
#   1. A room includes itself, base, and what its row below names: never what stands above it.
#   2. internal.h belongs to its room and the rooms inside it.
#   3. Each library is known to few files.
#   4. No folder holds more than 40 files, no .c file more than 600 lines.
cd "${1:-$(dirname "$0")/..}" || exit 2
status=0
complain() { echo "$1"; status=1; }

# room: the rooms (or single headers) that it may include. `x/*` is x and every room inside it.
rooms='
base            :
proto           :
record          :
store/journal   : record
store/sqlite    : record store/backend.h store/changes.h store/type_set.h
store/memory    : record store/backend.h
store/postgres  : record store/backend.h store/changes.h store/type_set.h
store           : record store/journal/journal.h
stream          : record store stream/*
stream/gone     : record store stream
stream/group    : record store stream stream/gone
stream/ids      : record store stream stream/gone
stream/dump     : record stream stream/*
config          : store
server          : proto record store stream/* config server/*
server/client   : proto record store stream/* config server/*
server/command  : proto record store stream/* config server/*
server/wait     : proto record store stream/* config server/*
server/stats    : proto record store stream/* config server/*
server/pubsub   : proto record store stream/* config server/*
server/subscription : proto record store stream/* config server/*
server/tracking : proto record store stream/* config server/*
commands        : proto record store stream/* config server/* commands/redis/absent.h
commands/event  : proto record store stream/* config server/* commands
commands/stream : proto record store stream/* config server/* commands commands/event
commands/keys   : proto record store stream/* config server/* commands commands/event commands/stream
commands/connection : proto record store stream/* config server/* commands
commands/admin  : proto record store stream/* config server/* commands commands/event commands/stream commands/keys
commands/pubsub : proto record store stream/* config server/* commands
commands/redis  : proto record store stream/* config server/* commands
tool            : record store
main.c          : server config
cairn.c         : tool
'

bad=$(grep -rnE '^#include "' --include='*.[ch]' src | awk -v rooms="$rooms" '
    BEGIN {
        n = split(rooms, rows, "\n")
        for (i = 1; i <= n; i++) {
            if (split(rows[i], half, ":") < 2) continue
            gsub(/ /, "", half[1])
            known[half[1]] = 1
            may[half[1]] = " base " half[1] " " half[2] " "
        }
    }
    {
        split($0, part, ":")
        from = part[1]; sub(/^src\//, "", from)
        room = from
        if (!sub(/\/[^\/]*$/, "", room)) room = from
        header = $0; sub(/^[^"]*"/, "", header); sub(/".*$/, "", header)
        to = header; sub(/\/[^\/]*$/, "", to)
        if (!(room in known)) { print "src/" room " is in no row of utils/check-layers.sh"; next }
        ok = 0
        count = split(may[room], list, " ")
        for (i = 1; i <= count && !ok; i++) {
            if (list[i] == to || list[i] == header) ok = 1
            if (sub(/\/\*$/, "", list[i]) && (to == list[i] || index(to, list[i] "/") == 1)) ok = 1
        }
        if (!ok) print "src/" from ":" part[2] ": src/" room " may not include " header
        if (header ~ /(^|\/)internal\.h$/ && room != to && index(room, to "/") != 1)
            print "src/" from ":" part[2] ": " header " belongs to src/" to " and the rooms inside it"
    }' | sort -u)
[ -z "$bad" ] || complain "$bad"

only_in() { # header, files as an alternation
    bad=$(grep -rnE --include='*.[ch]' "#include <$1" src | grep -vE "^src/($2)") || return 0
    complain "<$1> belongs only in $2:
$bad"
}
only_in 'event2/' 'server/loop\.c'
only_in 'sqlite3\.h' 'store/sqlite/'
only_in 'libpq-fe\\.h|<postgresql/' 'store/postgres/'
only_in 'isa-l' 'store/journal/|stream/dump/'
only_in 'uuid/' 'base/uuid\.c'
only_in 'pthread\.h' 'store/|base/(log|reserve)\.c'
only_in 'jemalloc/' 'base/reserve\.c'
only_in 'xxhash\.h' 'base/hash\.[ch]|record/event\.c'

for dir in $(find src -type d); do
    n=$(find "$dir" -maxdepth 1 -name '*.[ch]' | wc -l)
    [ "$n" -le 40 ] || complain "$dir holds $n files: more than 40"
done
for file in $(find src -name '*.c'); do
    n=$(wc -l <"$file")
    [ "$n" -le 600 ] || complain "$file has $n lines: more than 600"
done
exit $status
