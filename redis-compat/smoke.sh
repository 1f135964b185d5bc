#!/bin/sh
# Debian's redis-cli and redis-benchmark against a real cairn-server: does what an operator types work?
#
#   sh redis-compat/smoke.sh [server-binary]
#
# Starts the server on a free port in a new directory, runs the checks below one after the other, stops it with
# SHUTDOWN, removes the directory and prints `N passed, N failed`. Needs redis-tools, sqlite3 and bash (for /dev/tcp).
# What these tools cannot tell (they hide types, they give up silently) is in tests/server.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
server=${1:-$here/src/cairn-server}
case $server in /*) ;; *) server=$PWD/$server ;; esac
for tool in redis-cli redis-benchmark sqlite3 bash timeout; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: run deps/install.sh"; exit 2; }
done
[ -x "$server" ] || { echo "$server is missing: run make"; exit 2; }

dir=$(mktemp -d)
pid=
passed=0 failed=0
finish() {
    [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 2' INT TERM

good() { passed=$((passed + 1)); echo "ok $1"; }
bad() {
    failed=$((failed + 1))
    echo "FAILED $1"
    printf '%s\n' "$out" | head -20 | sed 's/^/    /'
}
# run NAME COMMAND...: the command's output is in $out, its exit status in $status. Only what hangs takes $patience.
patience=$((300 * ${CAIRN_TEST_SLOW:-1}))
run() {
    name=$1
    shift
    out=$(timeout $patience "$@" 2>&1)
    status=$?
}
# What must be so of the last run. has and hasnt take extended regular expressions, matched line by line.
is() { if [ $status -eq 0 ] && [ "$out" = "$1" ]; then good "$name"; else bad "$name: not '$1' (exit status $status)"; fi; }
has() {
    if [ $status -ne "${2:-0}" ]; then bad "$name: exit status $status"
    elif printf '%s\n' "$out" | grep -Eq -- "$1"; then good "$name"
    else bad "$name: no line like '$1'"; fi
}
hasnt() {
    if [ $status -ne 0 ]; then bad "$name: exit status $status"
    elif printf '%s\n' "$out" | grep -Eq -- "$1"; then bad "$name: a line like '$1'"
    else good "$name"; fi
}
# until_so COMMAND...: waits until it succeeds.
until_so() {
    tries=0
    until "$@"; do
        [ $tries -lt $((patience * 10)) ] || return 1
        tries=$((tries + 1))
        sleep 0.1
    done
}
# watch NAME PATTERN COMMAND...: a command that goes on for ever, until its output has a line like the pattern. What there is
# to see is done by meanwhile(), if need be.
meanwhile() { :; }
watch() {
    name=$1 pattern=$2
    shift 2
    "$@" >watched 2>&1 &
    watched=$!
    meanwhile
    until_so grep -Eq -- "$pattern" watched
    kill $watched 2>/dev/null
    wait $watched 2>/dev/null
    out=$(cat watched) status=0
    has "$pattern"
}
sequence() { redis-cli -p "$port" EPSEQ 0; }

# ---- the server ----
cd "$dir" || exit 2
port=$(bash -c 'while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done; echo $port')
"$server" --port "$port" --store sqlite:./cairn.db --unixsocket ./socket --enable-debug-command local >log 2>&1 &
pid=$!
started() { grep -q 'Ready to accept connections' log || ! kill -0 "$pid" 2>/dev/null; }
until_so started
grep -q 'Ready to accept connections' log || { cat log; echo "0 passed, 1 failed"; exit 1; }
cli() { run "$1" redis-cli -p "$port" "$@"; }

# ---- redis-cli, one command at a time ----
cli PING; is PONG
run "a message comes back" redis-cli -p "$port" PING 'hello there'; is 'hello there'
run "unix socket" redis-cli -s ./socket PING; is PONG
run "EAPPEND" redis-cli -p "$port" EAPPEND order-1 order.created EXPECTED_VERSION EMPTY PAYLOAD '{"total":42}'
has '^stream_version$'
run "EAPPEND in RESP3 is a map" redis-cli --no-raw -3 -p "$port" EAPPEND order-1 order.paid PAYLOAD '{"by":"card"}'
has '# stream_version => \(integer\) 1$'
run "a wrong expected version" redis-cli -e -p "$port" EAPPEND order-1 order.paid EXPECTED_VERSION 0
has '^WRONGVER current stream version is 1 but expected 0 for partition key [0-9a-f-]{36} and stream id order-1$' 1
id=7d9f1a52-3c64-4b0e-8f21-5a6b7c8d9e0f
run "an append with an id" redis-cli -p "$port" EAPPEND order-1 order.sent EVENT_ID $id PAYLOAD a; has "^$id\$"
first=$out
run "repeated, it answers the same" redis-cli -p "$port" EAPPEND order-1 order.sent EVENT_ID $id PAYLOAD a; is "$first"
run "the id with other content" redis-cli -e -p "$port" EAPPEND order-1 order.sent EVENT_ID $id PAYLOAD b
has "^DUPLICATEID $id" 1
run "ESCAN in RESP2" redis-cli -p "$port" ESCAN order-1 - +; has '^\{"total":42\}$'
run "ESCAN in RESP3" redis-cli --no-raw -3 -p "$port" ESCAN order-1 0 0; has '# payload => "\{\\"total\\":42\}"$'
run "JSON of a RESP3 reply" redis-cli --json -3 -p "$port" ESVER order-1; is 2
run "a filter" redis-cli -p "$port" ESCAN order-1 - + TYPE '*.paid'; has '^\{"by":"card"\}$'
run "null" redis-cli --no-raw -3 -p "$port" ESVER nosuch; is '(nil)'
printf 'a\0b\r\nc' >binary
run "a payload from standard input" sh -c "redis-cli -p $port -x EAPPEND bin t PAYLOAD <binary"; has '^stream_version$'
run "its bytes are as they were" redis-cli --no-raw -p "$port" ESCAN bin - +; has '"a\\x00b\\r\\nc"'
run "a database number" redis-cli -n 3 -p "$port" ESVER order-1; is 2
run "repeat with -r" redis-cli -r 3 -p "$port" EAPPEND thrice t; has '^2$'
run "unknown command" redis-cli -e -p "$port" NOSUCH a b
has "^ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ?$" 1
run "INFO" redis-cli -p "$port" INFO store; has '^streams:3'
run "CONFIG GET" redis-cli -p "$port" CONFIG GET durability; is "durability
journal"
run "ESYNC" redis-cli -p "$port" ESYNC; is OK
run "sqlite3 reads the same" sqlite3 -readonly cairn.db \
    "SELECT version, type, payload FROM cairn_events WHERE stream = 'order-1' AND version = 1"
is '1|order.paid|{"by":"card"}'

# ---- the stream commands ----
run "XADD" redis-cli -p "$port" XADD readings 1-1 celsius 21; is 1-1
run "XRANGE" redis-cli -p "$port" XRANGE readings - +; is '1-1
celsius
21'
run "an event, by entry id" redis-cli -p "$port" XRANGE order-1 - + COUNT 1; has '^order.created$'
run "an entry, by version" redis-cli -p "$port" ESCAN readings - +; has '^\{"celsius":"21"\}$'
run "XREAD BLOCK, woken" sh -c "redis-cli -p $port XREAD BLOCK 20000 STREAMS readings '\$' & sleep 0.3
    redis-cli -p $port XADD readings 2-1 celsius 22 >/dev/null; wait"
is 'readings
2-1
celsius
22'
run "a transaction" sh -c "printf 'MULTI\nXADD readings 3-1 celsius 23\nXLEN readings\nEXEC\n' | redis-cli -p $port | tail -2"
is '3-1
3'
run "--scan" sh -c "redis-cli -p $port --scan --pattern 'r*'"; is readings
run "--bigkeys" redis-cli -p "$port" --bigkeys; has '^Biggest stream found .* entries$'
run "--memkeys" redis-cli -p "$port" --memkeys; has '^Biggest stream found .* bytes$'

# ---- redis-cli in other ways ----
printf 'EAPPEND lines t PAYLOAD 1\nEAPPEND lines t PAYLOAD "2 3"\nESVER lines\n' >commands
run "commands from standard input" sh -c "redis-cli -p $port <commands | tail -1"; is 1
run "HELP, out of COMMAND DOCS" sh -c "printf 'HELP EAPPEND\n' | redis-cli -p $port"
has 'stream type \[EVENT_ID event-id\].*\[PAYLOAD payload\]'
run "HELP @event" sh -c "printf 'HELP @event\n' | redis-cli -p $port"; has 'EPSCAN'
if command -v script >/dev/null; then
    run "hints while typing" sh -c "(sleep 1; printf 'ESCAN '; sleep 0.5; printf '\003') |
        TERM=xterm script -qec 'stty cols 250; redis-cli -p $port' /dev/null"
    out=$(printf '%s' "$out" | tr '\r' '\n')
    [ $status -eq 0 ] || status=0 # control-C ends it
    has 'stream start end .*\[REV\]'
fi
before=$(sequence)
i=0
while [ $i -lt 1000 ]; do
    printf '*5\r\n$7\r\nEAPPEND\r\n$5\r\npiped\r\n$1\r\nt\r\n$7\r\nPAYLOAD\r\n$3\r\nabc\r\n'
    i=$((i + 1))
done >piped
run "--pipe of RESP" sh -c "redis-cli -p $port --pipe <piped"; has '^errors: 0, replies: 1000$'
run "--pipe of inline commands" sh -c "yes 'EAPPEND piped t PAYLOAD \"a b\"' | head -500 | redis-cli -p $port --pipe"
has '^errors: 0, replies: 500$'
name="all of them are there" out="$before to $(sequence)" status=0
if [ "$(sequence)" -eq $((before + 1500)) ]; then good "$name"; else bad "$name"; fi
run "--rdb has nothing to give" redis-cli -p "$port" --rdb dump.rdb; has 'SYNC|PSYNC|ERR' 1
run "--latency-history" timeout -s INT 2 redis-cli -p "$port" --latency-history -i 1 </dev/null
status=0 # it goes on until it is ended
hasnt '[Ee]rror|ERR'
run "--intrinsic-latency" redis-cli --intrinsic-latency 1; has 'total runs'
run "--latency" redis-cli -p "$port" --latency --raw -i 0.2; has '^[0-9]+ [0-9]+ [0-9.]+ [0-9]+$'
watch "--stat" '^[0-9]+ +[0-9.]+[KMG]? +[0-9]+ +[0-9]+ +[0-9]+ \(\+[0-9]+\) +[0-9]+' stdbuf -oL redis-cli -p "$port" --stat -i 1
is_watching() { redis-cli -p "$port" CLIENT LIST | grep -q ' flags=O'; }
meanwhile() { until_so is_watching && redis-cli -p "$port" ESVER watched >/dev/null; }
watch "MONITOR" '\[0 127\.0\.0\.1:[0-9]+\] "ESVER" "watched"$' stdbuf -oL redis-cli -p "$port" MONITOR

# ---- inline commands on a bare socket ----
# inline TEXT: what a connection answers to the text, until the server closes it.
inline() { timeout $patience bash -c "exec 3<>/dev/tcp/127.0.0.1/$port && printf '%b' \"\$0\" >&3 && cat <&3" "$1" | tr -d '\r'; }
name="inline PING and QUIT" status=0 out=$(inline 'PING\r\nQUIT\r\n')
is '+PONG
+OK'
name="inline, line feed alone, quotes" out=$(inline 'ECHO "a b"\nQUIT\n')
is '$3
a b
+OK'
name="inline EAPPEND" out=$(inline "EAPPEND inl t PAYLOAD 'x y'\r\nESVER inl\r\nQUIT\r\n")
has '^:0$'
name="unbalanced quotes" out=$(inline 'ECHO "a\r\n')
is '-ERR Protocol error: unbalanced quotes in request'
name="garbage behind an array's star" out=$(inline '*1\r\n!\r\n')
is "-ERR Protocol error: expected '\$', got '!'"

# ---- redis-benchmark ----
bench() { # NAME ARGUMENTS...
    name=$1
    shift
    out=$(timeout $patience redis-benchmark -p "$port" -c 20 --csv "$@" 2>&1)
    status=$?
}
bench "redis-benchmark -t ping" -t ping -n 5000; has '^"PING_MBULK","[0-9.]+"'
bench "-P 16" -t ping -n 16000 -P 16; has '^"PING_MBULK","[0-9.]+"'
for how in "" "-P 16" "-3" "-3 -P 16"; do
    before=$(sequence)
    # shellcheck disable=SC2086
    bench "EAPPEND ${how:-one at a time}" -n 4000 -r 1000 $how EAPPEND bench:__rand_int__ t PAYLOAD xxx
    hasnt '[Ee]rror'
    name="EAPPEND ${how:-one at a time}: every one counts" out="$before to $(sequence)"
    if [ "$(sequence)" -eq $((before + 4000)) ]; then good "$name"; else bad "$name"; fi
done
bench "-t set,get,incr" -t set,get,incr -n 3000 -r 100; has '^"INCR","[0-9.]+"'
bench "-t mset" -t mset -n 1000 -r 100; has '^"MSET \(10 keys\)","[0-9.]+"'
# Those of the tests that are commands of Cairn's, of which -t knows no names.
while read -r command; do
    # shellcheck disable=SC2086
    bench "redis-benchmark $command" -n 1000 -r 100 -P 4 $command; hasnt '[Ee]rror'
done <<'END'
APPEND text:__rand_int__ x
STRLEN text:__rand_int__
SETRANGE text:__rand_int__ 5 y
GETRANGE text:__rand_int__ 0 3
GETSET text:__rand_int__ z
DECRBY count:__rand_int__ 3
INCRBYFLOAT float:__rand_int__ 0.5
EXPIRE text:__rand_int__ 100
EXISTS text:__rand_int__ count:__rand_int__
PUBLISH channel:__rand_int__ text
XRANGE xbench:__rand_int__ - + COUNT 10
XLEN xbench:__rand_int__
END
for how in "" "-P 16" "-3"; do
    before=$(sequence)
    # shellcheck disable=SC2086
    bench "XADD ${how:-one at a time}" -n 4000 -r 1000 $how XADD xbench:__rand_int__ '*' field value
    hasnt '[Ee]rror'
    name="XADD ${how:-one at a time}: every one counts" out="$before to $(sequence)"
    if [ "$(sequence)" -eq $((before + 4000)) ]; then good "$name"; else bad "$name"; fi
done
bench "ESCAN" -n 2000 -r 1000 ESCAN bench:__rand_int__ - +; hasnt '[Ee]rror'
run "random names are many streams" redis-cli -p "$port" ESTREAMS 0 MATCH 'bench:*' COUNT 100000
out=$(printf '%s\n' "$out" | grep -c '^bench:')
if [ "$out" -ge 900 ]; then good "$name"; else bad "$name"; fi

# ---- the end ----
events=$(($(sequence) + 1))
run "SHUTDOWN" redis-cli -p "$port" SHUTDOWN; hasnt .
wait "$pid"
status=$? out=$(cat log) name="exit status 0"
pid=
has 'everything is applied; goodbye$'
run "everything is in the database" sqlite3 -readonly cairn.db 'SELECT count(*) FROM events'; is $events
run "a server that is not there" redis-cli -p "$port" PING; has 'Connection refused' 1

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
