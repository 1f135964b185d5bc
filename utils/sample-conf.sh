#!/bin/sh
# Prints the sample option file, or compares it with the one in the tree:
#   utils/sample-conf.sh > cairn.conf     after an option has changed
#   utils/sample-conf.sh --check          fails when cairn.conf is not what the server prints
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
server=${CAIRN_SERVER:-src/cairn-server}
case $server in
/*) ;;
*) server=$top/$server ;;
esac
case ${1-} in
"") exec "$server" --sample-conf ;;
--check)
    "$server" --sample-conf | diff -u "$top/cairn.conf" - && exit 0
    echo "cairn.conf is out of date: run utils/sample-conf.sh > cairn.conf" >&2
    exit 1
    ;;
*)
    echo "usage: $0 [--check]" >&2
    exit 2
    ;;
esac
