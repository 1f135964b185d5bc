#!/bin/sh
# Installs the packages of packages.txt that are missing (Debian, Ubuntu). Needs root (or sudo) only when something is.
#   deps/install.sh          everything: to build and to test
#   deps/install.sh build    only what building takes
set -eu
list=$(dirname "$0")/packages.txt
if [ "${1:-all}" = build ]; then
    wanted=$(sed '/^# to test/,$d' "$list" | grep -v '^#')
else
    wanted=$(grep -v '^#' "$list")
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "deps/install.sh knows only Debian and Ubuntu (there is no apt-get here): install what" \
        "your system calls these packages of Debian, then run make (make test DEPS=true):" $wanted >&2
    exit 1
fi

# Of another architecture it is no help: only ours, and what is the same for all.
machine=$(dpkg --print-architecture)
missing=
for p in $wanted; do
    dpkg-query -W -f='${Status} ${Architecture}\n' "$p" 2>/dev/null |
        grep -qE " ok installed (all|$machine)\$" || missing="$missing $p"
done
[ -z "$missing" ] && exit 0

install="apt-get install -y --no-install-recommends$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null || ! sudo true; then
        echo "as root: apt-get update && $install" >&2
        exit 1
    fi
fi
echo "installing:$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# A server that the tests start themselves must not be running as a service: no service is started,
# unless the machine has a rule of its own for that.
policy=${CAIRN_POLICY_RC_D:-/usr/sbin/policy-rc.d}
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod +x "$policy"
fi
$as_root env DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null && exit 0
echo "apt-get failed (on Ubuntu the packages are in universe). As root: apt-get update && $install" >&2
exit 1
