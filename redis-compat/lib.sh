# redis-compat/lib.sh: what clients/run and frameworks/run share; bash. They source it, with `here` set to their folder, and
# define `prepare NAME`, which installs a program with the functions below and says how it is run:
#
#   command, after   the words in front of the port and behind it
#   options          what cairn-server is to be started with besides
#   broken           why our own program does not build: it has failed
#   why              with status 1: why the program cannot be had here: it is skipped, loudly
#
# Then `run_each NAME...`: each program has a server of its own, in a new directory. What it prints on a line decides:
#
#   version WORDS    what it consists of
#   restart          the server is stopped and started again on the same data and port; the program then hears "restarted"
#   crash            the same, but it is killed with -9
#   tried: WORDS     and `missing: WORDS`, `care: WORDS`: kept in `said`, for frameworks/run's table
#   done             must be the last line
#
# A line for each, `ok|FAIL|SKIP name version protocol`; the last line is `N passed, N failed, N skipped`.
# CAIRN_SERVER names the server; a valkey-server or redis-server there shows that the programs are right.

server=${CAIRN_SERVER:-$here/../../src/cairn-server}
case $server in /*) ;; *) server=$PWD/$server ;; esac
[ -x "$server" ] || { echo "$server is missing: run make"; exit 2; }
installed=$here/installed
limit=${CLIENT_LIMIT:-90}   # seconds for a program, with the restart

dir=$(mktemp -d)
pid= client=
finish() {
    [ -n "$client" ] && kill -9 "$client" 2>/dev/null
    [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 2' INT TERM

# is_original: the server is no Cairn, but what it follows.
is_original() { [[ ${server##*/} =~ ^(valkey|redis)-server$ ]]; }

# wants_cairn: for programs about what only one of both has: messages of events, or errors where Cairn lacks a command.
wants_cairn() { ! is_original || { why="it is about what ${server##*/} does otherwise"; return 1; }; }

# --- installing: below $installed, from lists of pinned versions, once for each state of these lists. Folders and files are
# given as seen from $here.

# needs TOOL...: are they there?
needs() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { why="no $tool on this machine"; return 1; }
    done
}
# try WORDS...: runs them, quietly; the reason is the first line that looks like one.
try() {
    timeout 400 "$@" >"$dir/install.log" 2>&1 && return 0
    why=$(grep -iE 'error|fail|not found|unreachable' "$dir/install.log" | head -1 | cut -c1-200)
    why="$(basename "$1"): ${why:-$(tail -1 "$dir/install.log" | cut -c1-200)}"
    return 1
}
# made FOLDER FILE...: the folder is complete, and made from these files. fresh: is it so, and from these files as they are now?
sum() { cat "$@" | sha256sum | cut -d' ' -f1; }
fresh() { [ "$(cat "$1/made" 2>/dev/null)" = "$(sum "${@:2}")" ]; }
made() { sum "${@:2}" >"$1/made"; }

# python_program NAME LIST SCRIPT: with the packages of the list, and the modules of ours in the folder python.
python_program() {
    local list=$here/$2 to=$installed/$1
    needs python3 || return 1
    if ! fresh "$to" "$list"; then
        rm -rf "$to"
        try python3 -m pip install -q --require-hashes --only-binary :all: --target "$to" -r "$list" || return 1
        made "$to" "$list"
    fi
    command=(env PYTHONPATH="$to:$here/python" PYTHONDONTWRITEBYTECODE=1 python3 "$here/$3")
}
# node_program NAME FOLDER SCRIPT [FILE...]: with what the folder's package.json and package-lock.json name; the script finds
# the files beside itself. All are given as seen from the folder.
node_program() {
    local list=("$here/$2/package.json" "$here/$2/package-lock.json") to=$installed/$1 file
    needs node npm || return 1
    if ! fresh "$to" "${list[@]}"; then
        rm -rf "$to"
        mkdir -p "$to"
        cp "${list[@]}" "$to"
        try npm ci --prefix "$to" --ignore-scripts --no-audit --no-fund || return 1
        made "$to" "${list[@]}"
    fi
    for file in "${@:3}"; do cp "$here/$2/$file" "$to"; done
    command=(node "$to/${3##*/}")
}
# go_program FOLDER MOD PROGRAM SOURCE: a program of ours, with the modules of a go.mod.
go_program() {
    needs go || return 1
    mkdir -p "$installed/go"
    cd "$here/$1" || return 1
    # Nothing is updated, no other Go is fetched, and the modules can be removed like other files.
    export GOTOOLCHAIN=local GOMODCACHE="$installed/go/modules" GOFLAGS="-mod=readonly -modcacherw -modfile=$2"
    try go mod download || return 1
    try go build -o "$installed/go/$3" "$4" || { broken=$why; cat "$dir/install.log"; }
    command=("$installed/go/$3")
}
# java_program NAME FOLDER POM CLASS SOURCE...: a program of ours, with what a pom.xml names.
java_program() {
    local to=$installed/$1 pom=$here/$2/$3 class=$4 sources=("${@:5}")
    needs java javac mvn || return 1
    if ! fresh "$to" "$pom"; then
        rm -rf "$to"
        try mvn -B -q -f "$pom" -Dmaven.repo.local="$installed/maven" dependency:copy-dependencies -DoutputDirectory="$to" ||
            return 1
        made "$to" "$pom"
    fi
    try javac -d "$to" -cp "$to/*" "${sources[@]/#/$here/$2/}" || { broken=$why; cat "$dir/install.log"; }
    command=(java -cp "$to:$to/*" "$class")
}
# rust_program NAME FOLDER PROGRAM: a program of ours.
rust_program() {
    needs cargo || return 1
    mkdir -p "$installed/$1"
    export CARGO_TARGET_DIR=$installed/$1
    cd "$here/$2" && try cargo fetch --locked || return 1
    try cargo build -q --offline --locked || { broken=$why; cat "$dir/install.log"; }
    unset CARGO_TARGET_DIR
    command=(env RUST_BACKTRACE=0 "$installed/$1/debug/$3")
}

# debian_packages NAME PACKAGE...: those of the machine's Debian, unpacked below $installed/NAME/root; nothing is installed, and
# nobody has to be root. apt checks them against Debian's signature.
debian_packages() {
    local to=$installed/$1 package
    needs apt-get dpkg-deb || return 1
    if [ "$(cat "$to/packages" 2>/dev/null)" != "${*:2}" ]; then
        rm -rf "$to"
        mkdir -p "$to"
        cd "$to" && try apt-get download "${@:2}" || return 1
        for package in *.deb; do try dpkg-deb -x "$package" root || return 1; done
        rm -f ./*.deb
        echo "${*:2}" >packages
    fi
}

# --- the server

free_port() {
    while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
}
start_server() {
    local words=("$server" --port "$port") tries=0
    if is_original; then
        words+=(--save "" --appendonly yes)
    else
        words+=(--store sqlite:./cairn.db "${options[@]}")
    fi
    cd "$dir/data" && : >"$dir/log"
    "${words[@]}" >"$dir/log" 2>&1 &
    pid=$!
    until grep -qi 'ready to accept connections' "$dir/log"; do
        sleep 0.05
        tries=$((tries + 1))
        if [ $tries -gt 600 ] || ! kill -0 "$pid" 2>/dev/null; then return 1; fi
    done
}
# stop_server [SIGNAL]: what it was to die of is no failure.
stop_server() {
    [ -n "$pid" ] || return 0
    kill "-${1:-TERM}" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    local status=$?
    pid=
    [ "${1:-}" = KILL ] && [ $status -eq 137 ] && status=0
    return $status
}

# spoken: the protocols of the connections that are open, as the server sees them.
spoken() {
    local socket
    exec {socket}<>"/dev/tcp/127.0.0.1/$port" || return
    printf 'CLIENT LIST\r\nQUIT\r\n' >&"$socket"
    resp=$(cat <&"$socket" | grep -v 'cmd=client|list' | grep -o ' resp=[23]' | sort -u | tr -d '\n' | sed 's/ resp=/ RESP/g')
    exec {socket}>&-
}

# --- one program

# tour: runs command against a new server; version is what it said of itself. Returns 0, or 1 with why.
tour() {
    local last= line status signal
    rm -rf "$dir/data"
    mkdir -p "$dir/data"
    free_port
    start_server || { why="the server does not start: $(tail -1 "$dir/log")"; return 1; }
    coproc TOUR { exec timeout -k 5 "$limit" "${command[@]}" "$port" "${after[@]}" 2>"$dir/errors"; }
    client=$TOUR_PID
    # Its own descriptors bash closes as soon as the script ends, with what was not read yet.
    local in out
    exec {in}>&"${TOUR[1]}" {out}<&"${TOUR[0]}"
    while IFS= read -r -u "$out" line; do
        last=$line
        case $line in
            version\ *) version=${line#version } ;;
            tried:\ * | missing:\ * | care:\ *) said+=("$line") ;;
            restart | crash)
                spoken
                [ -z "${RESP:-}" ] || [ "$resp" = " RESP$RESP" ] || { why="it speaks$resp"; break; }
                [ "$line" = restart ] && signal=TERM || signal=KILL
                stop_server $signal || { why="the server ended with status $?"; break; }
                start_server || { why="the server does not start again: $(tail -1 "$dir/log")"; break; }
                echo restarted >&"$in"
                ;;
        esac
    done
    [ -n "$why" ] && kill "$client" 2>/dev/null
    wait "$client"
    status=$?
    client=
    exec {in}>&- {out}<&-
    if [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null; then
        why="the server died"
        pid=
    fi
    stop_server || why=${why:-the server ended with status $?}
    [ $status -eq 124 ] && why=${why:-"not done after $limit s"}
    [ $status -eq 0 ] && [ "$last" = done ] || why=${why:-"exit status $status"}
    [ -z "$why" ]
}

# went_well NAME: called after each program that did.
went_well() { :; }

# run_each NAME...: what stands behind a / is the protocol, which the program finds in RESP; without it the library's default.
# Returns 1 when one failed.
run_each() {
    local name passed=0 failed=0 skipped=0
    mkdir -p "$installed"
    for name; do
        command=() after=() options=() said=() why= broken= version= resp=
        unset RESP
        [ "${name%/*}" = "$name" ] || export RESP=${name#*/}
        if ! prepare "${name%/*}"; then
            echo "SKIP $name: $why"
            skipped=$((skipped + 1))
        elif why=$broken; [ -z "$broken" ] && tour; then
            echo "ok $name $version$resp"
            went_well "$name"
            passed=$((passed + 1))
        else
            echo "FAIL $name $version: $why"
            [ -s "$dir/errors" ] && tail -40 "$dir/errors" | sed 's/^/    /'
            [ "${why#the server}" != "$why" ] && tail -20 "$dir/log" | sed 's/^/    log: /'
            failed=$((failed + 1))
        fi
        rm -f "$dir/errors"
    done
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed -eq 0 ]
}
