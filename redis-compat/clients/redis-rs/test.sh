#!/bin/sh
# redis-rs' own tests of streams: test.sh FOLDER, as ../run has made it. Their servers are of CAIRN_SERVER; RESP is the protocol.
# Left out is one that wants XINFO STREAM to have IDMP's fields before it was used: older clients refuse fields that they do
# not know (docs/commands.md, XINFO).
set -u
version=$(sed -n 's/^redis = .*"=\([^"]*\)".*/\1/p' "$1/Cargo.toml")
PATH=$(dirname "$0"):$PATH PROTOCOL=RESP${RESP:-2} RUST_BACKTRACE=0 \
    cargo test -q --offline --locked --manifest-path "$1/Cargo.toml" --test test_streams -- \
    --test-threads 2 --exact --skip idempotency_tests::test_xcfgset >"$1/log" 2>&1 || { cat "$1/log" >&2; exit 1; }
echo "version $version RESP${RESP:-2}, its own tests: $(sed -n 's/^test result: ok\. \([0-9]* passed\).*/\1/p' "$1/log")"
echo done
