#!/bin/bash
# tests/setup.sh: what a newcomer meets before the first test runs: deps/install.sh, make's words, tests/run
# without a server, make install. On a machine of its own making: apt-get, dpkg-query, id and sudo are
# stand-ins in a PATH that has nothing else but a few tools. Ends with `N passed, N failed`.
top=$(cd "$(dirname "$0")/.." && pwd)
unset MAKEFLAGS MAKELEVEL MFLAGS CAIRN_SERVER WERROR V OPT CFLAGS CPPFLAGS LDFLAGS PREFIX DESTDIR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# check SENTENCE COMMAND...: the command must succeed.
check() {
    local sentence=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL  $sentence"
        echo "      status $status; printed:"
        sed 's/^/      /' "$dir/out"
        [ ! -s "$dir/calls" ] || sed 's/^/      called: /' "$dir/calls"
    fi
}
# run COMMAND...: its output goes to $dir/out, its exit status to $status.
run() { "$@" >"$dir/out" 2>&1 </dev/null; status=$?; }
ends() { [ $status -eq "$1" ]; }
one_line() { [ "$(wc -l <"$dir/out")" -eq 1 ] && grep -qE -- "$1" "$dir/out"; }
prints() { grep -qE -- "$1" "$dir/out"; }
silent() { [ ! -s "$dir/out" ]; }
called() { grep -qE -- "$1" "$dir/calls"; }
never() { ! "$@"; }

# ---- deps/install.sh ----

bin=$dir/bin
# stand_in NAME: standard input is a shell script of that name.
stand_in() { { echo '#!/bin/sh'; cat; } >"$bin/$1" && chmod +x "$bin/$1"; }
# Everything is installed; root.
machine() {
    rm -rf "$bin" "$dir/installed" "$dir/policy"
    mkdir "$bin"
    : >"$dir/calls"
    for tool in sh sed grep dirname env tee chmod rm cat; do ln -s "$(command -v $tool)" "$bin/$tool"; done
    for p in $(grep -v '^#' "$top/deps/packages.txt"); do echo "$p install ok installed amd64"; done >"$dir/installed"
    stand_in dpkg <<<'echo amd64'
    # Only as it is called: -W -f=FORMAT NAME.
    stand_in dpkg-query <<<"grep \"^\$3 \" $dir/installed | sed \"s/^\$3 //\""
    stand_in id <<<'echo 0'
    stand_in apt-get <<<"echo apt-get \$* >>$dir/calls; [ ! -e $dir/policy ] || cat $dir/policy >>$dir/calls"
}
user() { stand_in id <<<'echo 1000'; }
sudo_is_there() { stand_in sudo <<<"echo sudo \$* >>$dir/calls; \"\$@\""; }
package() { # NAME [STATUS ARCHITECTURE]: what dpkg knows of it now
    sed -i "/^$1 /d" "$dir/installed"
    [ $# -eq 1 ] || echo "$1 $2 $3" >>"$dir/installed"
}
deps() { run env -i PATH="$bin" CAIRN_POLICY_RC_D="$dir/policy" sh "$top/deps/install.sh" "$@"; }

machine; user; deps
check "When nothing is missing, install.sh says and does nothing" ends 0
check "... no word" silent
check "... and no call" never called .

machine; package libisal-dev; package tcl; deps
check "As root it installs what is missing" ends 0
check "... says what" one_line '^installing: libisal-dev tcl$'
check "... all of it, and no more" called '^apt-get install .*--no-install-recommends libisal-dev tcl -qq$'
check "... after a look at the lists" called '^apt-get update'
check "... while no service may start" called '^exit 101$'
check "... and lifts that again" test ! -e "$dir/policy"
deps build
check "For building it leaves out what the tests take" one_line '^installing: libisal-dev$'

machine; package libisal-dev; echo 'mine' >"$dir/policy"; deps
check "A rule for services that was there stays" grep -qx mine "$dir/policy"

machine; package libisal-dev; stand_in apt-get <<<"[ \$1 != install ] || exit 100"; deps
check "When apt-get fails, install.sh does" ends 1
check "... and names the command" prints 'As root: apt-get update && apt-get install .* libisal-dev$'
check "... services may start again" test ! -e "$dir/policy"

machine; package libisal-dev; user; sudo_is_there; deps
check "A user with sudo installs by sudo" ends 0
check "... update" called '^sudo env DEBIAN_FRONTEND=noninteractive apt-get update'
check "... and install" called '^sudo env DEBIAN_FRONTEND=noninteractive apt-get install .* libisal-dev'

machine; package libisal-dev; package tcl; user; deps
check "A user without sudo is told at once" ends 1
check "... what to type as root, in a line" one_line '^as root: apt-get update && apt-get install -y --no-install-recommends libisal-dev tcl$'
check "... and nothing is tried" never called .

machine; package libisal-dev; user; stand_in sudo <<<'exit 1'; deps
check "A user whom sudo refuses is told the same" one_line '^as root: apt-get update && apt-get install '
check "... and it fails" ends 1

machine; package libisal-dev 'install ok installed' arm64; package uuid-dev 'deinstall ok config-files' amd64
package clang 'install ok installed' all; package gcc 'hold ok installed' amd64; deps
check "A package of another architecture, or of which only files are left, is missing; one for all, or held, is not" \
    one_line '^installing: libisal-dev uuid-dev$'
echo "libisal-dev install ok installed amd64" >>"$dir/installed"; deps
check "A package of two architectures is there" one_line '^installing: uuid-dev$'

machine; rm "$bin/apt-get" "$bin/dpkg" "$bin/dpkg-query"; deps build
check "Without apt-get it says in one line what is needed" one_line 'no apt-get.* gcc libc6-dev make libevent-dev .*uuid-dev$'
check "... and fails" ends 1

# ---- make ----

compiler() { stand_in cc <<<"for a; do case \$a in $1) echo 'ld: cannot find \$a' >&2; exit 1 ;; esac; done; exec $(command -v cc) \"\$@\""; }
make_one() { run make -C "$top" --no-print-directory BUILD="$dir/build" "$@" "$dir/build/base/err.o"; }

compiler -lisal; make_one CC="$bin/cc"
check "A missing library is named, with the command that installs it" prints '^libisal is missing: sh deps/install.sh build$'
check "... without the linker's words" never prints 'cannot find'
check "... and nothing is compiled" never prints 'CC '
compiler '-lisal | -luuid'; make_one CC="$bin/cc"
check "So are two" prints '^libisal libuuid are missing: sh deps/install.sh build$'
make_one CC="$bin/none"
check "So is the compiler" prints '/none is missing: sh deps/install.sh build$'

make_one
check "make prints a line a file" one_line '^  CC    src/base/err.c$'
rm "$dir/build/base/err.o"; make_one V=1
check "With V=1 it prints the command" prints ' -Wconversion .* -o .*err.o src/base/err.c$'
check "... in which warnings are no errors" never prints '-Werror'
rm "$dir/build/base/err.o"; make_one V=1 WERROR=1
check "With WERROR=1 they are" prints '-Werror'
rm "$dir/build/base/err.o"; make_one -s
check "With -s it prints nothing" silent
rm "$dir/build/base/err.o"; make_one V=1 CFLAGS=-DMINE CPPFLAGS=-DALSO
check "The builder's flags come on top of ours" prints '-Isrc .*-DALSO .*-std=gnu11 .*-DMINE'
rm "$dir/build/base/err.o"; make_one OPT=-Og && rm -f "$dir/build/base/hash.o" && run make -C "$top" -s BUILD="$dir/build" OPT=-Og WERROR=1 "$dir/build/base/hash.o"
check "xxhash compiles with -Og" ends 0

mkdir "$dir/formats"
printf '#!/bin/sh\necho Debian clang-format version 19.1.7\n' | tee "$dir/formats/clang-format" >"$dir/formats/clang-format-14"
chmod +x "$dir"/formats/*
run env PATH="$dir/formats:$PATH" sh "$top/utils/check-format.sh"
check "Another clang-format checks nothing, and says so" prints '^format not checked: clang-format 19 is here, 14 is wanted$'
check "... which is no failure" ends 0

# ---- tests/run ----

run env CAIRN_SERVER=src/none "$top/tests/run" xack
check "tests/run without a server says so in one line" one_line '^src/none is missing: run make$'
check "... and fails" ends 2
printf '#!/bin/sh\necho "error while loading shared libraries: libisal.so.2"\nexit 127\n' >"$dir/broken"
chmod +x "$dir/broken"
run env CAIRN_SERVER="$dir/broken" "$top/tests/run" xack
check "tests/run with a server that lacks a library says so in one line" one_line 'libisal.so.2.*: run sh deps/install.sh, then make$'
machine; run env -i PATH="$bin" "$top/tests/run" xack
check "tests/run without tclsh names the command" one_line '^tclsh is missing: sh deps/install.sh$'

# ---- make install ----

root=$dir/root
installs() { run make -C "$top" --no-print-directory DESTDIR="$root" "$@"; }
installs PREFIX=/opt/c install
check "make install puts files where PREFIX and DESTDIR say" ends 0
for file in bin/cairn-server bin/cairn bin/cairn-bench share/doc/cairn/{{README,CONTRIBUTING,CHANGELOG,SECURITY}.md,LICENSE,cairn.conf,cairn.service,docs/commands.md,redis-compat/README.md}; do
    check "... $file" test -s "$root/opt/c/$file"
done
check "... and nowhere else" [ "$(ls "$root" "$root/opt")" = "$(printf '%s:\nopt\n\n%s:\nc' "$root" "$root/opt")" ]
# links: the relative links of all installed pages, as PAGE LINK; dead_links: those that lead nowhere.
links() { (cd "$doc" && grep -oHP '\]\(\K[^)\s:#]+(?=(#[^)\s]*)?\))' $(find . -name '*.md') | tr : ' '); }
dead_links() { links | while read -r page to; do [ -e "$doc/$(dirname "$page")/$to" ] || echo "$page: $to"; done; }
doc=$root/opt/c/share/doc/cairn
run links
check "The installed pages have links" [ "$(wc -l <"$dir/out")" -gt 50 ]
run dead_links
check "... none of them dead" silent
run grep -r 'in the source' "$doc"
check "... what is only in the source is named" prints '/README.md:.*src/README.md \(in the source\)'
run "$root/opt/c/bin/cairn-server" --version
check "The installed server runs" prints '^Cairn server v='
run cat "$root/opt/c/share/doc/cairn/cairn.service"
check "The unit names the installed server" prints '^ExecStart=/opt/c/bin/cairn-server '
if command -v systemd-analyze >/dev/null; then
    # With the files for `systemctl edit` that the pages show. systemd wants the program to be there.
    mkdir -p "$dir/unit/cairn.service.d"
    sed "s:^ExecStart=:&$root:" "$doc/cairn.service" >"$dir/unit/cairn.service"
    for page in operations storage; do
        sed -n '/^        \[Service\]/,/^ \{0,7\}[^ ]/s/^        //p' "$top/docs/$page.md" >"$dir/unit/cairn.service.d/$page.conf"
        check "docs/$page.md shows what to add to the unit" grep -q '=' "$dir/unit/cairn.service.d/$page.conf"
    done
    run systemd-analyze verify "$dir/unit/cairn.service"
    check "systemd finds nothing wrong in the unit, nor in what is added to it" silent
fi
run diff <(sed 's/^    //' "$top/docs/operations.md" | sed -n '/^\[Unit\]/,/^WantedBy=/p') "$top/utils/systemd/cairn.service"
check "The page on running a server shows the unit as it is" silent
installs PREFIX=/opt/c uninstall
run find "$root" -not -type d -o -name '*cairn*'
check "make uninstall leaves nothing" silent
installs 'PREFIX=/opt/a&b' install
check "A PREFIX that a unit cannot name is refused" ends 2
check "... before anything is installed" [ ! -e "$root/opt/a&b" ]
installs install
check "Without PREFIX it is /usr/local" test -x "$root/usr/local/bin/cairn-server"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
