# The session of README.md, as a reader would type it: every command runs against a fresh server, and must print what stands there.
# lib/page.tcl says how. `$ redis-cli` is typed at a terminal: --no-raw stands for that here.
#
# The programs under "## From a program" run too, where their library is: Python's is a Debian package that the tests ask for;
# Node's is looked for where redis-compat/clients/run and Debian put it, and its test is skipped when it is in neither place.
source -encoding utf-8 [file join $::top tests lib page.tcl]

set ::page README.md

# The indented blocks under "## A session", in order: each a list of lines.
proc session_blocks {} {
    regexp {\n## A session\n(.*?)\n## } [page_text] -> session
    return [lmap {line block} [page_blocks $session] { set block }]
}

with_server {store sqlite:./cairn.db enable-flush no} {
    set blocks [session_blocks]
    set ::here {}
    set killed 0
    # The one line that a test must not run as it is: this server is killed, and no other.
    set kill { && kill -9 $server}
    test "README.md has a session" { assert {[llength $blocks] > 8} }
    foreach block $blocks {
        set first [lindex $block 0]
        if {[string match {\* cairn-server*} $first]} {
            test "README.md: killed after one more append, the server starts as shown" {
                assert {$killed}
                srv start
                set from [lsearch $block {$ *}]
                set shown [expr {$from < 0 ? $block : [lrange $block 0 $from-1]}]
                # Process and time stand in front; how long it took is not a promise.
                set log {}
                foreach line [lsearch -all -inline [split [srv new_log] \n] "* \* *"] {
                    lappend log [regsub {^.*?(?=\* )} $line ""]
                }
                set clean {}
                foreach line [concat $shown] {
                    # The test's own server listens on 127.0.0.1 alone.
                    set line [string map [list ", \[::1\]:6390" "" 6390 [srv port]] $line]
                    if {$line ne ""} { lappend clean [regsub { in \d+ ms} $line " in N ms"] }
                }
                must_be $clean [lmap line $log {regsub { in \d+ ms} $line " in N ms"}] "the log"
                if {$from >= 0} { run_block [lrange $block $from end] }
            }
        } else {
            test "README.md: [string range $first 2 80]" {
                set at [lsearch $block "*$kill"]
                if {$at < 0} {
                    run_block $block
                } else { ;# what is shown is appended, and not in the database yet
                    set find "[string range [lindex $block 0] 2 end]; echo \$server"
                    assert_equal [srv pid] [join [run_shown $find]] "the process that the page would kill"
                    set lock [hold_database [srv db]]
                    run_block [string map [list $kill ""] [lrange $block $at end]]
                    srv kill9
                    release_database $lock
                    set killed 1
                }
            }
        }
    }
}

# The program in a language, and what it says that it prints.
proc program {language} {
    set code [page_program "## From a program" $language]
    set printed [lmap {- text} [regexp -all -inline -line {^(?:#|//) prints: (.*)$} $code] { set text }]
    if {$printed eq ""} { fail "README.md does not say what the program in $language prints" }
    return [list $code [join $printed \n]]
}

with_server {} {
    test "README.md: the program in Python prints what it says" {
        set python [python_with_redis]
        lassign [program python] code printed
        write_program program.py $code
        assert_equal $printed [exec $python -B [file join [srv dir] program.py] 2>@1]
        assert_equal 0 [r ESVER order-2]
    }
    test "README.md: the program in Node prints what it says" {
        node_with_redis
        lassign [program js] code printed
        write_program program.mjs $code
        assert_equal $printed [exec env NODE_PATH=/usr/share/nodejs node [file join [srv dir] program.mjs] 2>@1]
        assert_equal 0 [r ESVER order-3]
    }
}
