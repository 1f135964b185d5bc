#!/bin/sh
# Checks diskshim.so through exercise.c. Prints `N passed, N failed`.
#   DISKSHIM=build/diskshim.so tests/shim/selftest.sh    (built here when not given)
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0
flags="-std=gnu11 -O2 -D_GNU_SOURCE -pthread"

${CC:-gcc} $flags "$here/exercise.c" -o "$dir/exercise" || exit 1
if [ -z "$DISKSHIM" ]; then
    DISKSHIM=$dir/diskshim.so
    ${CC:-gcc} $flags -fPIC -shared "$here/diskshim.c" "$here/rules.c" -o "$DISKSHIM" -ldl || exit 1
fi
DISKSHIM=$(realpath "$DISKSHIM")
control=$dir/control
stats=$dir/stats

# begin FILE CALL...: starts it, end waits for it: the results in $out, one line a call without the times. run: both.
begin() {
    file=$1
    shift
    rm -f "$stats"
    LD_PRELOAD=$DISKSHIM DISKSHIM_CONTROL=$control DISKSHIM_STATS=$stats \
        "$dir/exercise" "$dir/$file" "$@" >"$dir/out" 2>"$dir/err" &
    pid=$!
}
so_far() { sed 's/ [0-9.]*$//' "$dir/out" | tr '\n' ';'; }
end() {
    wait $pid 2>/dev/null
    status=$?
    out=$(so_far)
}
run() {
    begin "$@"
    end
}
# until_so NAME VALUE COMMAND...: waits until it says so; a minute at the most, which only a hang takes.
until_so() {
    name=$1 value=$2 tries=0
    shift 2
    while [ "$("$@" 2>/dev/null)" != "$value" ] && [ $tries -lt 3000 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
    check "$name" "$value" "$("$@")"
}

rules() { printf '%s\n' "$@" >"$control.new" && mv "$control.new" "$control"; }

check() { # NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
    fi
}

took() { awk -v n="$1" 'NR == n { print int($3) }' "$dir/out"; }
at_least() { [ "$1" -ge "$2" ] && echo yes || echo "no: $1"; }
stat_of() { sed -n "s/^$1 \(.*[0-9]\) *$/\1/p" "$stats"; }

run plain create write pwrite writev pwritev fdatasync fsync ftruncate fallocate posix_fallocate rename unlink
check 'without a control file everything passes' \
    'create 0;write 1000;pwrite 1000;writev 1000;pwritev 1000;fdatasync 0;fsync 0;ftruncate 0;fallocate 0;posix_fallocate 0;rename 0;unlink 0;' "$out"

for c in write pwrite writev pwritev; do
    rules 'fail write ENOSPC'
    run f1 create $c
    check "$c fails" "create 0;$c ENOSPC;" "$out"
done
for c in fdatasync fsync; do
    rules 'fail sync EIO'
    run f2 create write $c
    check "$c fails" "create 0;write 1000;$c EIO;" "$out"
done
for c in ftruncate fallocate posix_fallocate; do
    rules 'fail alloc ENOSPC'
    run f3 create $c write
    check "$c fails" "create 0;$c ENOSPC;write 1000;" "$out"
done
rules 'fail open EMFILE'
run f4 create
check 'creating fails' 'create EMFILE;' "$out"
run plain2 open
check 'opening what is not there is not the shim'"'"'s' 'open ENOENT;' "$out"
rules 'fail rename EACCES'
run f5 create rename
check 'rename fails' 'create 0;rename EACCES;' "$out"
rules 'fail all EROFS after 1'
run f6 create write fsync
check 'class all, after the first call of any class' 'create 0;write EROFS;fsync EROFS;' "$out"
rules 'fail write EIO after 2 count 1'
run f7 create write write write write
check 'after and count' 'create 0;write 1000;write 1000;write EIO;write 1000;' "$out"

rules 'short write after 1 count 1'
run s1 create write writev write
check 'short write' 'create 0;write 1000;writev 500;write 1000;' "$out"
check 'short write: bytes in the file' 2500 "$(stat -c %s "$dir/s1")"
rules 'torn write EIO'
run s2 create writev
check 'torn write fails' 'create 0;writev EIO;' "$out"
check 'torn write: half is there' 500 "$(stat -c %s "$dir/s2")"

rules 'match *.db *.db-wal' 'fail write EIO' 'match -journal.d/' 'fail sync EIO'
mkdir -p "$dir/x.db-journal.d"
run x.db create write fsync
check 'pattern: database' 'create 0;write EIO;fsync 0;' "$out"
run x.db-wal create write
check 'pattern: second of a line' 'create 0;write EIO;' "$out"
run x.db-journal.d/0001 create write fsync
check 'substring: journal' 'create 0;write 1000;fsync EIO;' "$out"
run other create write fsync
check 'neither' 'create 0;write 1000;fsync 0;' "$out"
rules 'match target' 'fail rename EIO'
run a-target create rename
check 'rename matches by name' 'create 0;rename EIO;' "$out"
rules 'match .other' 'fail write EIO'
run renamed create write rename write
check 'an open file is known by its new name' 'create 0;write 1000;rename 0;write EIO;' "$out"
rules 'match .second' 'fail write EIO'
run first create write second write
check 'a descriptor used again for another file' 'create 0;write 1000;second 0;write EIO;' "$out"

rules 'delay_us sync 30000'
run d1 create write fdatasync
check 'delay' yes "$(at_least "$(took 3)" 30)"
check 'no delay elsewhere' 'calls 1 hits 1' "$(stat_of 'rule 1')"
rules 'delay_us sync 20000' 'delay_us all 20000'
run d2 create fsync
check 'delays add up' yes "$(at_least "$(took 2)" 40)"

rules 'hold sync'
begin h1 create write fdatasync write
until_so 'a sync is held' 'calls 1 hits 1' stat_of 'rule 1'
check 'nothing goes on meanwhile' 'create 0;write 1000;' "$(so_far)"
rules '# released'
end
check 'hold ends when its line goes' 'create 0;write 1000;fdatasync 0;write 1000;' "$out"
rules 'hold sync'
begin h2 create fdatasync fdatasync write
until_so 'the first of two is held' 'calls 1 hits 1' stat_of 'rule 1'
rules 'hold sync go 1'
until_so 'the one that waits goes on, the next is held' 'create 0;fdatasync 0;' so_far
until_so 'and is counted' 'calls 1 hits 1' stat_of 'rule 1'
rules 'hold sync go 0'
until_so 'a text that lets none go on' 'calls 0 hits 0' stat_of 'rule 1'
check 'holds it still' 'create 0;fdatasync 0;' "$(so_far)"
rules 'hold sync go 2'
end
check 'go lets as many go on as it says' 'create 0;fdatasync 0;fdatasync 0;write 1000;' "$out"
rules '# nothing'
begin c1 create write "await:$dir/go-1" write
until_so 'the first write is done' 'create 0;write 1000;' so_far
rules 'fail write EIO'
touch "$dir/go-1"
end
check 'a change is seen by the next call' "create 0;write 1000;await:$dir/go-1 0;write EIO;" "$out"
printf 'fail write EIO\n' >"$control"
begin c2 create write "await:$dir/go-2" write
until_so 'the first write fails' 'create 0;write EIO;' so_far
printf 'fail write EFBIG\n' >"$control"
touch "$dir/go-2"
end
check 'a change in place too' "create 0;write EIO;await:$dir/go-2 0;write EFBIG;" "$out"

rules 'kill write after 1'
run k1 create write write
check 'kill' 'create 0;write 1000;' "$out"
check 'killed with SIGKILL' 137 "$status"

rules 'fail all EIO'
run n1 socket
check 'sockets are left alone' 'socket 1000;' "$out"
rules 'match t1' 'count write'
run t1 create threads
check 'threads' 'create 0;threads 0;' "$out"
check 'counts of a rule' 'calls 4000 hits 4000' "$(stat_of 'rule 1')"
check 'counts of a class' 4000 "$(stat_of write)"
check 'counts of opens' 1 "$(stat_of open)"
check 'generation' 1 "$(stat_of generation)"
rules 'fail write EIO after 2' 'nonsense here' 'fail sync'
run b1 create write
check 'bad lines are named' 2 "$(grep -c 'bad line' "$dir/err")"
check 'and the others count' 'calls 1 hits 0' "$(stat_of 'rule 1')"
rules 'match nowhere' 'fail all EIO'
DISKSHIM_STATIC=1 run q1 create write fsync
check 'static rules' 'create 0;write 1000;fsync 0;' "$out"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
