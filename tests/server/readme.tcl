# The session of README.md, as a reader would type it: every command runs against a fresh server, and must print what stands there.
# lib/page.tcl says how.
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
    test "README.md has a session" { assert {[llength $blocks] > 8} }
    foreach block $blocks {
        set first [lindex $block 0]
        if {[string match "* cairn-server*" $first]} {
            test "README.md: killed after one more append, the server starts as shown" {
                r EAPPEND order-1 order.shipped
                srv crash
                set from [lsearch $block {$ *}]
                set shown [expr {$from < 0 ? $block : [lrange $block 0 $from-1]}]
                # Process and time stand in front; how long it took is not a promise.
                set log {}
                foreach line [lsearch -all -inline [split [srv new_log] \n] "* \* *"] {
                    lappend log [regsub {^.*?(?=\* )} $line ""]
                }
                set clean {}
                foreach line [concat $shown] {
                    if {$line ne ""} { lappend clean [string map [list 6390 [srv port]] [regsub { in \d+ ms} $line " in N ms"]] }
                }
                must_be $clean [lmap line $log {regsub { in \d+ ms} $line " in N ms"}] "the log"
                if {$from >= 0} { run_block [lrange $block $from end] }
            }
        } else {
            test "README.md: [string range $first 2 80]" { run_block $block }
        }
    }
}
