#!/bin/sh
# utils/check-libs.sh CC [MALLOC [POSTGRES]]: whether the compiler and all that is linked are there. Names what is
# missing and the command that installs it, which the linker's words do not.
cc=$1 malloc=${2--ljemalloc} postgres=${3-yes}
say() { echo "$1: sh deps/install.sh build" >&2; exit 1; }
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT || exit 1

# links HEADERS FLAGS: whether a program with these headers builds.
links() {
    { for header in $1; do echo "#include <$header>"; done; echo 'int main(void) { return 0; }'; } >"$dir/a.c"
    $cc -D_GNU_SOURCE -o "$dir/a" "$dir/a.c" $2 2>/dev/null
}

# library, header, flags
libs="libevent event2/event.h -levent_core
sqlite3 sqlite3.h -lsqlite3
libisal isa-l/crc.h -lisal
libuuid uuid/uuid.h -luuid
jemalloc jemalloc/jemalloc.h $malloc
xxhash xxhash.h"
[ "$postgres" = no ] || libs="$libs
libpq postgresql/libpq-fe.h -lpq"

links "$(echo "$libs" | cut -d' ' -f2)" "$(echo "$libs" | cut -d' ' -f3-)" && exit 0
command -v "${cc%% *}" >/dev/null || say "${cc%% *} is missing"
links "stdio.h sys/random.h" "" || say "$cc makes no program (the C library's headers may be missing)"
echo "$libs" | while read -r name header flags; do
    links "$header" "$flags" || echo "$name"
done >"$dir/missing"
[ -s "$dir/missing" ] || say "the libraries do not go together with $cc"
[ "$(wc -l <"$dir/missing")" -eq 1 ] && are=is || are=are
say "$(paste -sd' ' "$dir/missing") $are missing"
