# The program is ../hiredis', with the library of Debian's package.
wants_cairn || return 1
debian_packages hiredis-debian libhiredis-dev && needs cc || return 1
local to=$installed/hiredis-debian usr=$installed/hiredis-debian/root/usr
try cc -std=c99 -D_GNU_SOURCE -w -I"$usr/include/hiredis" -o "$to/day" "$here/hiredis/day.c" \
    "$usr"/lib/*/libhiredis.a -levent || { broken=$why; cat "$dir/install.log"; }
command=("$to/day")
