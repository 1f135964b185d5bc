#!/bin/sh
# Every C file is formatted as .clang-format says (clang-format 14, Debian 12's).
cd "$(dirname "$0")/.." || exit 2
command -v clang-format >/dev/null || { echo "clang-format is missing (deps/install.sh)"; exit 1; }
clang-format --dry-run --Werror $(find src tests bench -name '*.[ch]') 2>&1 |
    grep -E 'error' | cut -d: -f1 | sort | uniq -c | sed 's/$/ not formatted/' | head -20 | {
    out=$(cat); [ -z "$out" ] || { echo "$out"; exit 1; }; }
