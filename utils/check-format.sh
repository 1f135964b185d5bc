#!/bin/sh
# Every C file is formatted as .clang-format says (clang-format 14, Debian 12's).
cd "$(dirname "$0")/.." || exit 2
clang-format --dry-run --Werror $(git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]') 2>&1 |
    grep -E 'error' | cut -d: -f1 | sort | uniq -c | sed 's/$/ not formatted/' | head -20 | {
    out=$(cat); [ -z "$out" ] || { echo "$out"; exit 1; }; }
