#!/bin/sh
# Every C file is formatted as .clang-format says, by clang-format 14 (Debian 12's). Other versions
# format otherwise, so with one of them nothing is checked.
cd "$(dirname "$0")/.." || exit 2
wanted=14
tool=clang-format-$wanted
command -v $tool >/dev/null || tool=clang-format
command -v $tool >/dev/null || { echo "clang-format is missing: sh deps/install.sh"; exit 1; }
version=$($tool --version | sed -E 's/.*version ([0-9]+).*/\1/')
if [ "$version" != $wanted ]; then
    echo "format not checked: clang-format $version is here, $wanted is wanted"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
$tool --dry-run --Werror $(find src tests bench -name '*.[ch]') 2>&1 |
    grep -E 'error' | cut -d: -f1 | sort | uniq -c | sed 's/$/ not formatted/' | head -20 | {
    out=$(cat); [ -z "$out" ] || { echo "$out"; exit 1; }; }
