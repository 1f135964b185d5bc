#!/bin/sh
# Installs the Debian packages of packages.txt that are missing. Needs root (or sudo) only when something is.
#   deps/install.sh          everything: to build and to test
#   deps/install.sh build    only what building takes
set -eu
list=$(dirname "$0")/packages.txt
if [ "${1:-all}" = build ]; then
    wanted=$(sed '/^# to test/,$d' "$list" | grep -v '^#')
else
    wanted=$(grep -v '^#' "$list")
fi
missing=
for p in $wanted; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# A server that the tests start themselves must not be running as a service: no service is started.
printf '#!/bin/sh\nexit 101\n' | $as_root tee /usr/sbin/policy-rc.d >/dev/null
$as_root chmod +x /usr/sbin/policy-rc.d
rc=0
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || rc=$?
$as_root rm -f /usr/sbin/policy-rc.d
exit $rc
