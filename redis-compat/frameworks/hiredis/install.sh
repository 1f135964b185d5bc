# The library's source comes with Python's package of the same name; the adapter for libevent is Debian's.
wants_cairn || return 1
debian_packages hiredis-adapter libhiredis-dev && needs python3 cc tar || return 1
local list=$here/hiredis/requirements.txt to=$installed/hiredis from=$installed/hiredis/vendor/hiredis
if ! fresh "$to" "$list"; then
    rm -rf "$to"
    mkdir -p "$to"
    try python3 -m pip download -q --require-hashes --no-deps --no-binary :all: -d "$to" -r "$list" || return 1
    try tar -xzf "$to"/hiredis-*.tar.gz -C "$to" --strip-components=1 || return 1
    mkdir -p "$from/adapters"
    cp "$installed/hiredis-adapter/root/usr/include/hiredis/adapters/libevent.h" "$from/adapters" || return 1
    made "$to" "$list"
fi
try cc -std=c99 -D_GNU_SOURCE -w -I"$from" -o "$to/day" "$here/hiredis/day.c" \
    "$from"/{alloc,async,hiredis,net,read,sds,sockcompat}.c -levent || { broken=$why; cat "$dir/install.log"; }
command=("$to/day")
