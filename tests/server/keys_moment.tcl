# KEYS is of one moment, however long it takes to find the names: others are served meanwhile, and what they do is not told.

source [file join $::top tests lib faults.tcl]

# 20000 names, some of which do not match; the first slice is less than half of them, and the text is written in portions.
set filler [string repeat x 80]
proc name {i} { return n-[format %05d $i]-$::filler }
proc add_names {} {
    set commands {}
    for {set i 0} {$i < 20000} {incr i 500} {
        set words MSET
        for {set k $i} {$k < $i + 500} {incr k} { lappend words [name $k] v }
        lappend commands $words [list SET other-$i v]
    }
    pipeline [srv default_client] $commands
}
proc under_way {} { return [info_field [srv default_client] keys_under_way clients] }
# KEYS is sent and stands in the middle when this returns.
proc begin_keys {c pattern} {
    go_on
    r DEBUG HOLD-KEYS 1
    $c send KEYS $pattern
    wait_for "KEYS to be under way" { [under_way] == 1 }
}
proc go_on {} { r DEBUG HOLD-KEYS 0 }
proc void_something {} {
    fault "match -journal.d\nfail sync EIO"
    assert_match "IOERR*" [r err SET n-void-$::filler v]
    no_fault
    wait_for "the disk to work again" { ![catch {r SET works again}] }
}

with_faulty_server {enable-debug-command yes enable-flush yes disk-free-min 0} {
    foreach state {"on disk" "not applied"} {
        foreach {what change} {
            "nothing" {}
            "names that come and go" {
                r SET n-new v
                r DEL [name 1] [name 9001] [name 19998]
                r DEL [name 2] [name 19997]; r SET [name 2] new; r XADD [name 19997] * v x
                r RENAME [name 3] n-a; r RENAME [name 19996] n-b; r RENAME [name 9003] m; r RENAME other-0 n-c
                r RENAME [name 4] m; r RENAME [name 19995] [name 4]; r RENAME m [name 19995]
                r PEXPIREAT [name 5] 1; r PEXPIREAT [name 19994] 1
                pipeline [srv default_client] [list MULTI {SET n-newer v} [list DEL [name 6]] {KEYS n-new*} EXEC]
                if {$hold eq ""} { r ESYNC }
            }
            "all names going" {
                for {set i 0} {$i < 20000} {incr i 2000} {
                    set names {}
                    for {set k $i} {$k < $i + 2000} {incr k} { lappend names [name $k] }
                    r DEL {*}$names
                }
            }
        } {
            test "Beside a KEYS that is under way others are served, and it does not tell of $what ($state)" {
                r FLUSHALL
                r ESYNC
                set hold ""
                if {$state eq "not applied"} { set hold [hold_database [srv db]] }
                try {
                    add_names
                    if {$state eq "on disk"} { r ESYNC }
                    with_clients {a b} {
                        set before [lsort [$a KEYS n-*]]
                        assert_equal [lsort $before] [lsort [lmap i [lsearch -all [lrepeat 20000 {}] *] {name $i}]]
                        begin_keys $a n-*
                        eval $change
                        assert_equal PONG [$b PING]
                        assert [$a silent]
                        go_on
                        assert {$before eq [lsort [$a read]]} "the names are not as they were"
                        set now [lsort [$a KEYS n-*]]
                        assert {$now eq [lsort [$b KEYS n-*]]}
                        assert {($what eq "nothing") == ($now eq $before)}
                    }
                } finally {
                    if {$hold ne ""} { release_database $hold }
                }
            }
        }
    }
    test "A FLUSHALL or a void while it is under way begins it anew" {
        r FLUSHALL
        add_names
        with_clients a {
            begin_keys $a n-*
            void_something
            assert [$a silent]
            go_on
            assert_equal 20000 [llength [$a read]]
            begin_keys $a n-*
            r FLUSHALL
            go_on
            assert_equal {} [$a read]
        }
    }
    test "Who goes away while its KEYS is under way leaves nothing behind" {
        add_names
        foreach how {close kill} {
            set a [new_client]
            set id [$a CLIENT ID]
            begin_keys $a n-*
            if {$how eq "kill"} { r CLIENT KILL ID $id } else { go_on } ;# who only sends no more may still read
            $a destroy
            wait_for "it to be gone" { [under_way] == 0 }
        }
        with_clients {a b c} {
            r DEBUG HOLD-KEYS 1
            foreach client {a b c} { [set $client] send KEYS n-* }
            wait_for "three of them" { [under_way] == 3 }
            go_on
            foreach client {a b c} { assert_equal 20000 [llength [[set $client] read]] }
        }
        r DEBUG HOLD-KEYS 1
        set a [new_client]
        $a send KEYS n-*
        wait_for "KEYS to be under way" { [under_way] == 1 }
        srv restart
        assert_equal 0 [under_way]
        $a destroy
    }
    test "Changes that are not durable are not told, and one's own are" {
        with_clients {a b} {
            fault "match -journal.d\nhold sync"
            $a send SET n-held v
            $a send DEL [name 0]
            $a taken
            assert_equal 20000 [llength [$b KEYS n-*]]
            $a send KEYS n-*
            assert [$a silent]
            no_fault
            assert_equal {OK 1} [list [$a read] [$a read]]
            set mine [$a read]
            assert_equal 20000 [llength $mine]
            assert {"n-held" in $mine && [name 0] ni $mine}
        }
    }
    test "A reply that is not wanted, or is part of a transaction" {
        with_clients a {
            $a send CLIENT REPLY SKIP
            $a send KEYS n-*
            assert_equal PONG [$a PING]
            pipeline $a [list MULTI {KEYS n-*} [list DEL [name 1]] {KEYS n-*}]
            set reply [$a EXEC]
            assert_equal {20000 1 19999} [list [llength [lindex $reply 0]] [lindex $reply 1] [llength [lindex $reply 2]]]
        }
    }
}
