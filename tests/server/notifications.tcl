# Keyspace notifications (notify-keyspace-events). The events' names and their order are redis-server 7.0's.

source [file join $::top tests lib faults.tcl]

proc listen {c command args} {
    $c send $command {*}$args
    foreach name $args { $c next_value }
}
# The next n messages on channels of events, as "event key".
proc told {c n} {
    set all {}
    while {[llength $all] < $n} {
        lassign [$c push] kind pattern channel key
        lappend all "[string range $channel [string length __keyevent@0__:] end] $key"
    }
    return $all
}
# What each command tells, and nothing else.
proc transcript {c pairs} {
    foreach {command expected} $pairs {
        r {*}$command
        assert_equal $expected [told $c [llength $expected]] $command
    }
    assert [$c silent]
}

with_server {enable-flush yes} {
    test "The option is written as Redis writes it" {
        assert_equal {} [lindex [r CONFIG GET notify-keyspace-events] 1]
        foreach {set get} {KA AK AKE AKE KEA AKE Kg$x g$xK KEx xKE nKE nKE KEAn AnKE KEAmn AnKEm lshzetmdnKE lshzetdnKEm KK K {} {}} {
            r CONFIG SET notify-keyspace-events $set
            assert_equal $get [lindex [r CONFIG GET notify-keyspace-events] 1]
        }
        assert_error "*Invalid event class character. Use 'Ag\$lshzxeKEtmdn'.*" {r CONFIG SET notify-keyspace-events KEq}
        assert_equal {} [lindex [r CONFIG GET notify-keyspace-events] 1]
    }
    test "K and E are two messages; without them, or with an empty option, there is none" {
        with_clients c {
            $c HELLO 3
            listen $c PSUBSCRIBE *
            r SET k v
            r CONFIG SET notify-keyspace-events A
            r SET k v
            assert [$c silent]
            r CONFIG SET notify-keyspace-events KEA
            r SET k v
            assert_equal {pmessage * __keyspace@0__:k set} [$c push]
            assert_equal {pmessage * __keyevent@0__:set k} [$c push]
            r CONFIG SET notify-keyspace-events KA
            r DEL k nothing
            assert_equal {pmessage * __keyspace@0__:k del} [$c push]
            r CONFIG SET notify-keyspace-events Et
            r SET k v
            r XADD s 1-1 a b
            assert_equal {pmessage * __keyevent@0__:xadd s} [$c push]
            assert [$c silent]
        }
        r FLUSHALL
    }
    r CONFIG SET notify-keyspace-events EAn

    # Each of those messages takes a turn of the loop, and there always is a next one.
    test "Who publishes without end does not keep what happens to keys from being told" {
        set name [string repeat a 2000]
        set pattern "*?[string repeat a 1000]"
        with_clients {c n one two} {
            listen $c PSUBSCRIBE ${pattern}b ${pattern}c
            listen $n SUBSCRIBE $name __keyevent@0__:set
            foreach p {one two} { [set $p] write [string repeat [resp_command PUBLISH $name x] 500] }
            assert_equal [list message $name x] [$n read]
            r SET told v
            set before 0
            while {[lindex [set message [$n read]] 1] eq $name} { incr before }
            assert_equal {message __keyevent@0__:set told} $message
            assert_range 0 998 $before
            foreach p {one two} { for {set i 0} {$i < 500} {incr i} { assert_equal 1 [[set $p] read] } }
        }
        r DEL told
    }
    test "Strings" {
        with_clients c {
            $c HELLO 3
            listen $c PSUBSCRIBE __keyevent@0__:*
            transcript $c {
                {SET a 1 EX 100}   {{new a} {set a} {expire a}}
                {SET a 2 KEEPTTL}  {{set a}}
                {SET a 2 NX}       {}
                {SETNX b 1}        {{new b} {set b}}
                {SETNX b 1}        {}
                {SETEX b 10 1}     {{set b} {expire b}}
                {GETSET b 2}       {{set b}}
                {MSET c 1 d 1}     {{new c} {set c} {new d} {set d}}
                {MSETNX c 1 e 1}   {}
                {GETEX c EX 10}    {{expire c}}
                {GETEX c PERSIST}  {{persist c}}
                {GETEX c PERSIST}  {}
                {GETEX c EXAT 1}   {{del c}}
                {GETDEL d}         {{del d}}
                {GETDEL d}         {}
                {INCR n}           {{new n} {incrby n}}
                {DECRBY n 3}       {{incrby n}}
                {INCRBYFLOAT n 1.5} {{incrbyfloat n}}
                {APPEND n x}       {{append n}}
                {SETRANGE n 0 zz}  {{setrange n}}
                {SETRANGE n 0 {}}  {}
            }
        }
        r FLUSHALL
    }
    test "Keys of any type" {
        r SET n 1
        r SET other 1
        set dump [r DUMP n]
        with_clients c {
            $c HELLO 3
            listen $c PSUBSCRIBE __keyevent@0__:*
            transcript $c [list \
                {RENAME n m}           {{new m} {rename_from n} {rename_to m}} \
                {RENAMENX m other}     {} \
                {COPY m z}             {{new z} {copy_to z}} \
                {COPY m z}             {} \
                {COPY m z REPLACE}     {{new z} {copy_to z}} \
                [list RESTORE q 0 $dump] {{new q} {restore q}} \
                {EXPIRE z 100}         {{expire z}} \
                {EXPIRE z 100 NX}      {} \
                {PERSIST z}            {{persist z}} \
                {PERSIST z}            {} \
                {EXPIRE z -1}          {{expired z}} \
                {DEL m q nothing}      {{del m} {del q}} \
                {UNLINK other}         {{del other}}]
        }
    }
    test "Streams" {
        with_clients c {
            $c HELLO 3
            listen $c PSUBSCRIBE __keyevent@0__:*
            transcript $c {
                {XADD x 1-1 a b}                        {{new x} {xadd x}}
                {XADD x MAXLEN 1 2-1 a b}               {{xadd x} {xtrim x}}
                {XTRIM x MAXLEN 0}                      {{xtrim x}}
                {XTRIM x MAXLEN 0}                      {}
                {XADD x 3-1 a b}                        {{xadd x}}
                {XDEL x 3-1}                            {{xdel x}}
                {XDEL x 3-1}                            {}
                {XGROUP CREATE x g $}                   {{xgroup-create x}}
                {XGROUP CREATE y g $ MKSTREAM}          {{new y} {xgroup-create y}}
                {XGROUP CREATECONSUMER x g c1}          {{xgroup-createconsumer x}}
                {XGROUP CREATECONSUMER x g c1}          {}
                {XGROUP SETID x g 0}                    {{xgroup-setid x}}
                {XGROUP DELCONSUMER x g c1}             {{xgroup-delconsumer x}}
                {XGROUP DELCONSUMER x g nobody}         {}
                {XGROUP DESTROY x g}                    {{xgroup-destroy x}}
                {XGROUP DESTROY x g}                    {}
                {XSETID x 9-9}                          {{xsetid x}}
                {XGROUP CREATE x g2 0}                  {{xgroup-create x}}
                {XADD x 10-1 a b}                       {{xadd x}}
                {XREADGROUP GROUP g2 c1 STREAMS x >}    {{xgroup-createconsumer x}}
                {XCLAIM x g2 c5 0 10-1}                 {{xgroup-createconsumer x}}
                {XAUTOCLAIM x g2 c6 0 0}                {{xgroup-createconsumer x}}
                {XACK x g2 10-1}                        {}
                {EAPPEND e t}                           {{new e} {xadd e}}
                {EMAPPEND * e t f t}                    {{xadd e} {new f} {xadd f}}
                {ETRUNCATE e BEFORE 1}                  {{xtrim e}}
                {EDELETE e}                             {{del e}}
                {XADD e 1-1 a b}                        {{new e} {xadd e}}
                {XDELEX e IDS 1 1-1}                    {{xdel e}}
            }
        }
    }
    test "What expires" {
        with_clients c {
            $c HELLO 3
            listen $c PSUBSCRIBE __keyevent@0__:exp*
            r SET gone v PX 1
            assert_equal {{expire gone} {expired gone}} [told $c 2]
        }
    }
    test "MULTI: in order, when EXEC has changed it, and none of what was discarded or failed" {
        with_clients {c writer} {
            $c HELLO 3
            listen $c PSUBSCRIBE __keyevent@0__:*
            $writer MULTI; $writer SET k 1; $writer INCR k; $writer DEL k
            assert [$c silent]
            $writer EXEC
            assert_equal {{new k} {set k} {incrby k} {del k}} [told $c 4]
            $writer MULTI; $writer SET k 1; $writer DISCARD
            $writer MULTI; $writer SET k 1; $writer EAPPEND s t EXPECTED_VERSION 7
            assert_error "*" {$writer EXEC}
            assert_equal 0 [r EXISTS k]
            assert [$c silent]
        }
    }
    test "Who changes and listens has the message behind the reply" {
        with_clients c {
            $c HELLO 3
            listen $c PSUBSCRIBE __keyevent@0__:*
            $c send SET own 1
            assert_equal OK [$c read]
            assert_equal {{new own} {set own}} [told $c 2]
        }
    }
}

with_faulty_server {notify-keyspace-events EA} {
    set journal "match -journal.d"
    test "It is told when it is durable, and what is void is not" {
        with_clients {c writer} {
            $c HELLO 3
            listen $c PSUBSCRIBE __keyevent@0__:*
            fault "$journal\nhold sync"
            $writer send SET k 1
            assert [$writer silent]
            assert [$c silent]
            no_fault
            assert_equal OK [$writer read]
            assert_equal {{set k}} [told $c 1]
            fault "$journal\nfail sync EIO"
            assert_match "IOERR*" [$writer err APPEND k 2]
            assert [$c silent]
            no_fault
            wait_for "writes again" {[catch {r INCR k}] == 0}
            assert_equal {{incrby k}} [told $c 1]
            assert_equal 2 [r GET k]
        }
    }
}
