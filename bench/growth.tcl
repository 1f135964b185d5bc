# The growth rows of bench/long: what an operation costs when the thing that it works on is small, and when it is large.
#
# A row makes a thing of each size, does the same operations to each, and divides the processor time of the loop's thread
# (user and system) by their number. That time is the loop's alone: neither the disk nor other programs are in it, but the
# processor's caches are, which hold 10,000 of a thing and not a million. So twice is normal, and a row fails when an
# operation on the largest costs more than its factor times one on the smallest (three, where nothing else is said).

set sizes {10000 100000 1000000}

# ---- a row

# What is measured is in ::server (as start_cairn gives it), a connection to it in ::s.

# name, what: for the line. options: -sizes LIST, -factor F, -conf {option value ...}, -apply 0 (what was prepared is not
# applied before); -prepare, -operate: scripts that find the size in n. -operate ends with the number of its operations.
proc growth {name what args} {
    array set o [list -sizes $::sizes -factor 3 -conf {} -prepare {} -operate {} -apply 1]
    array set o $args
    set costs {}
    expr {srand(1)} ;# the same random numbers each time
    foreach n $o(-sizes) {
        serve -conf $o(-conf)
        apply [list n $o(-prepare)] $n
        if {$o(-apply)} { talk [request ESYNC] }
        set ::begin [loop_ns]
        set ::remark ""
        set done [apply [list n $o(-operate)] $n]
        lappend costs [expr {([loop_ns] - $::begin) / double($done)}]
        disperse
        close $::s
        stop_server $::server
        file delete -force [dict get $::server dir]
        note [format "%-4s %4s: %6.0f ns%s" $name [size_text $n] [lindex $costs end] $::remark]
    }
    set ratio [expr {[lindex $costs end] / [lindex $costs 0]}]
    say [format "%-4s %s: %s ns; ratio %.2f, at most %s: %s%s" $name $what \
        [join [lmap n $o(-sizes) c $costs {format "%s %.0f" [size_text $n] $c}] ", "] $ratio $o(-factor) \
        [verdict [expr {$ratio <= $o(-factor)}]] $::remark]
}
proc serve {args} {
    array set o [list -dir "" -conf {}]
    array set o $args
    set ::server [start_cairn -dir $o(-dir) -conf [list cache-bytes 4gb {*}$o(-conf)] -limit_ms 120000]
    set ::s [talk_open]
}
# Nanoseconds that the loop's thread has run.
proc loop_ns {} {
    set pid [dict get $::server pid]
    return [lindex [read_file /proc/$pid/task/$pid/schedstat] 0]
}
proc size_text {n} {
    if {$n >= 1000000} { return [expr {$n / 1000000}]M }
    return [expr {$n >= 1000 ? "[expr {$n / 1000}]k" : $n}]
}
proc dice {n} { return [expr {int(rand() * $n)}] }

# ---- a client that sends many commands at once

proc talk_open {} {
    set s [socket 127.0.0.1 [dict get $::server port]]
    fconfigure $s -translation binary -buffering full -buffersize 1000000
    return $s
}
proc request {args} {
    set out "*[llength $args]\r\n"
    foreach a $args { append out "\$[string length $a]\r\n$a\r\n" }
    return $out
}
# Sends requests (bytes) and reads until all are answered. An error among the answers is one here, unless it begins with
# `allowed`.
proc talk {bytes {allowed "-"}} {
    set end end-[incr ::talks]
    puts -nonewline $::s $bytes[request ECHO $end]
    flush $::s
    for {set line ""} {$line ne "$end\r"} {gets $::s line} {
        if {[string index $line 0] eq "-" && ![string match -$allowed* $line]} { error "an operation failed: $line" }
        if {[eof $::s]} { error "the server closed the connection" }
    }
}
set talks 0

# Commands for i = from .. to - 1, `portion` at once. `command` is a script that finds i and n, and gives the words.
proc talk_each {from to portion command {allowed "-"}} {
    set n [uplevel 1 {set n}]
    for {set i $from} {$i < $to} {} {
        set all {}
        for {set end [expr {min($i + $portion, $to)}]} {$i < $end} {incr i} { lappend all [request {*}[eval $command]] }
        talk [join $all ""] $allowed
    }
    return [expr {$to - $from}]
}

# Connections that send `command` (a script, as above) and wait.
proc crowd {n command} {
    for {set i 0} {$i < $n} {incr i} {
        set c [talk_open]
        lappend ::crowd $c
        puts -nonewline $c [request {*}[eval $command]]
        flush $c
        if {$i % 100 == 99} { talk [request PING] }
    }
    talk [request PING]
}
# Nothing is applied until disperse.
proc hold_database {} {
    set ::hold [open "|sqlite3 [dict get $::server dir]/cairn.db 2>@1" r+]
    fconfigure $::hold -buffering line
    puts $::hold ".timeout 60000\nBEGIN IMMEDIATE;\nSELECT 'held';"
    if {[gets $::hold] ne "held"} { error "the database could not be held" }
}
proc disperse {} {
    foreach c $::crowd { close $c }
    set ::crowd {}
    if {$::hold ne ""} { close $::hold }
    set ::hold ""
}
set hold ""
set crowd {}
set crowds {100 1000 4000} ;# each is a connection, and a descriptor here too

# ---- things

proc entries {n} { talk_each 0 $n 2000 { list XADD s [expr {$i + 1}]-1 v x } }
proc pend {n} {
    entries $n
    talk [request XGROUP CREATE s g 0]
    for {set i 0} {$i < $n} {incr i 10000} { talk [request XREADGROUP GROUP g c COUNT 10000 STREAMS s >] }
}
proc pend_scattered {n} {
    pend $n
    talk_each 0 $n 2000 { list XCLAIM s g c 0 [expr {$i + 1}]-1 IDLE [dice 1000000000] JUSTID }
}
# Every second entry of 2 n is gone.
proc holes {n} {
    entries [expr {2 * $n}]
    for {set i 0} {$i < $n} {incr i 500} {
        set ids {}
        for {set k $i} {$k < $i + 500} {incr k} { lappend ids [expr {2 * $k + 1}]-1 }
        talk [request XDEL s {*}$ids]
    }
}
proc id_text {i} { return [format 00000000-0000-4000-8000-%012d $i] }

# Milliseconds that another connection waited longest while this was done.
proc longest_wait {bytes} {
    set other [talk_open]
    puts -nonewline $::s $bytes
    flush $::s
    fconfigure $::s -blocking 0
    set longest 0
    while {[set got [read $::s 1]] eq ""} {
        set begin [clock microseconds]
        puts -nonewline $other [request PING]
        flush $other
        gets $other
        set longest [expr {max($longest, [clock microseconds] - $begin)}]
    }
    fconfigure $::s -blocking 1
    close $other
    return [expr {$longest / 1000.0}]
}

# ---- the rows

proc run_G1 {} {
    growth G1 "XCLAIM of any entry with any IDLE, by pending entries" -prepare { pend $n } -operate {
        talk_each 0 20000 500 { list XCLAIM s g c 0 [expr {[dice $n] + 1}]-1 IDLE [dice 1000000000] JUSTID }
    }
}
# An entry stands in three indexes, each searched by halving: among a million, almost every step looks at something that is
# in no cache, among 10,000 none does. (3.4 and 4.3 were seen.)
proc run_G2 {} {
    growth G2 "XACK of any entry, by pending entries with scattered times" -factor 5 -prepare { pend_scattered $n } -operate {
        talk_each 0 10000 500 { list XACK s g [expr {[dice $n] + 1}]-1 }
    }
}
proc run_G3 {} {
    growth G3 "loading a group, a pending entry with scattered times" -prepare { pend_scattered $n } -operate {
        close $::s
        stop_server $::server TERM
        serve -dir [dict get $::server dir]
        set ::begin [loop_ns]
        set ::remark [format " (others waited %.1f ms at most)" [longest_wait [request XPENDING s g]]]
        return $n
    }
}
proc run_G4 {} {
    growth G4 "an append, by erased events that are not applied" -apply 0 \
        -conf {pinned-bytes-max 4gb journal-bytes-max 16gb} -prepare {
        hold_database
        talk_each 0 $n 1000 { list EAPPEND s t EVENT_ID [id_text $i] PAYLOAD x }
        talk_each 0 $n 1000 { list EERASE [id_text $i] }
    } -operate {
        talk_each 0 1000 1 { list EAPPEND a t PAYLOAD x }
    }
}
proc run_G5 {} {
    growth G5 "a transaction that trims all and is undone, by events" -prepare { entries $n } -operate {
        for {set i 0} {$i < 500} {incr i} {
            talk [request MULTI][request XTRIM s MAXLEN 0][request EAPPEND z t EXPECTED_VERSION 9][request EXEC] WRONGVER
        }
        return $i
    }
}
proc run_G6 {} {
    growth G6 "an append, by connections that wait in ESYNC" -apply 0 -sizes $::crowds -factor 1.5 -prepare {
        hold_database
        talk [request EAPPEND a t PAYLOAD x]
        crowd $n { list ESYNC }
    } -operate {
        talk_each 0 2000 1 { list EAPPEND a t PAYLOAD x }
    }
}
proc run_G7 {} {
    growth G7 "an entry delivered to one, by connections that wait to claim in its group" -sizes $::crowds -factor 1.5 -prepare {
        talk [request XGROUP CREATE s g 0 MKSTREAM]
        talk [request XADD s * v x][request XREADGROUP GROUP g c STREAMS s >]
        crowd $n { list XREADGROUP GROUP g c$i BLOCK 0 CLAIM 3600000 STREAMS s > }
    } -operate {
        talk_each 0 90 1 { list XADD s * v x }
    }
}
proc run_G8 {} {
    growth G8 "XDEL of any entry, by holes" -prepare { holes $n } -operate {
        talk_each 0 5000 1 { list XDEL s [expr {2 * [dice $n] + 2}]-1 }
    }
}
proc run_G9 {} {
    growth G9 "XADD MAXLEN, by holes" -prepare { holes $n } -operate {
        talk_each 0 5000 1 { list XADD s MAXLEN [expr {$n - 5}] * v x }
    }
}
proc run_G10 {} {
    growth G10 "a consumer made and removed, by consumers of the group" -prepare {
        talk [request XGROUP CREATE s g 0 MKSTREAM]
        talk_each 0 $n 2000 { list XGROUP CREATECONSUMER s g c[dice 1000000000] }
    } -operate {
        expr {[talk_each 0 2000 100 { list XGROUP CREATECONSUMER s g new$i }] +
            [talk_each 0 2000 100 { list XGROUP DELCONSUMER s g new$i }]}
    }
}
proc run_G11 {} {
    growth G11 "a group made and removed, by groups of the stream" -prepare {
        talk [request XADD s * v x]
        talk_each 0 $n 2000 { list XGROUP CREATE s g[dice 1000000000]-$i 0 }
    } -operate {
        expr {[talk_each 0 2000 100 { list XGROUP CREATE s new$i 0 }] +
            [talk_each 0 2000 100 { list XGROUP DESTROY s new$i }]}
    }
}
proc run_G12 {} {
    growth G12 "XADD with MAXLEN, by groups of the stream" -prepare {
        talk [request XADD s * v x]
        talk_each 0 $n 2000 { list XGROUP CREATE s g$i 0 }
    } -operate {
        talk_each 0 5000 100 { list XADD s MAXLEN 5 * v x }
    }
}
proc run_G13 {} {
    growth G13 "EXISTS of names that do not exist, by those asked for" -prepare {
        talk_each 0 $n 2000 { list EXISTS nothing-$i }
    } -operate {
        set ::remark [format " (%.0f MB resident)" [memory_mb $::server]]
        talk_each 0 20000 500 { list EXISTS nothing-[dice $n] }
    }
}
proc run_G14 {} {
    growth G14 "EXISTS of names that do not exist, when not all streams are in memory, by those asked for" -prepare {
        talk_each 0 10000 1000 { list XADD s$i * v x }
        close $::s
        stop_server $::server TERM
        serve -dir [dict get $::server dir]
        talk_each 0 $n 2000 { list EXISTS nothing-$i }
    } -operate {
        set ::remark [format " (%.0f MB resident)" [memory_mb $::server]]
        talk_each 0 5000 500 { list EXISTS never-$i }
    }
}
proc run_G15 {} {
    growth G15 "XADD to any stream, by streams" -prepare {
        talk_each 0 $n 2000 { list XADD s$i * v x }
    } -operate {
        talk_each 0 20000 500 { list XADD s[dice $n] * v x }
    }
}
proc run_G16 {} {
    # Each finds a connection that is in no cache.
    growth G16 "CLIENT UNBLOCK, by connections" -sizes $::crowds -prepare { crowd $n { list PING } } -operate {
        talk_each 0 20000 100 { list CLIENT UNBLOCK [expr {[dice $n] + 1}] }
    }
}
proc run_G17 {} {
    growth G17 "XADD to a watched key, by keys that are watched" -prepare {
        for {set i 0} {$i < $n} {incr i 1000} {
            set keys {}
            for {set k $i} {$k < $i + 1000} {incr k} { lappend keys s$k }
            talk [request WATCH {*}$keys]
        }
    } -operate {
        talk_each 0 20000 500 { list XADD s[dice $n] * v x }
    }
}
proc run_G18 {} {
    growth G18 "reading a stream backwards that is on disk, an entry of a page of 100, by entries" -prepare {
        entries $n
    } -operate {
        close $::s
        stop_server $::server TERM
        serve -dir [dict get $::server dir]
        set ::begin [loop_ns]
        for {set i $n} {$i > 0} {incr i -100} { talk [request XREVRANGE s $i-1 - COUNT 100] }
        return $n
    }
}
proc run_G19 {} {
    growth G19 "a deadline set anew, by keys with deadlines" -prepare {
        talk_each 0 $n 2000 { list SET k$i v EX [expr {10000 + [dice 1000000]}] }
    } -operate {
        talk_each 0 20000 500 { list EXPIRE k[dice $n] [expr {10000 + [dice 1000000]}] }
    }
}
proc run_G20 {} {
    growth G20 "XREAD of an idle stream and others, by keys named, a key" -sizes {100 1000 10000} -prepare {
        talk_each 0 $n 2000 { list XADD s$i 1-1 v x }
    } -operate {
        set keys {}
        set ids {}
        for {set i 0} {$i < $n} {incr i} { lappend keys s$i; lappend ids 1-1 }
        for {set i 0} {$i < 100} {incr i} { talk [request XREAD STREAMS {*}$keys {*}$ids] }
        return [expr {100 * $n}]
    }
}
proc run_G21 {} {
    growth G21 "SCAN of a page of 10, by streams that are not applied" -apply 0 \
        -conf {pinned-bytes-max 8gb journal-bytes-max 16gb} -prepare {
        hold_database
        talk_each 0 $n 2000 { list XADD s$i * v x }
    } -operate {
        talk_each 0 2000 1 { list SCAN [dice $n] COUNT 10 }
    }
}
proc run_G22 {} {
    growth G22 "XREADGROUP of idle streams, by keys named, a key" -sizes {100 1000 10000} -prepare {
        talk_each 0 $n 2000 { list XGROUP CREATE s$i g 0 MKSTREAM }
    } -operate {
        set keys {}
        set ids {}
        for {set i 0} {$i < $n} {incr i} { lappend keys s$i; lappend ids > }
        for {set i 0} {$i < 20} {incr i} { talk [request XREADGROUP GROUP g c STREAMS {*}$keys {*}$ids] }
        return [expr {20 * $n}]
    }
}
proc run_G23 {} {
    growth G23 "XADD, by subscriptions to other streams" -sizes {1000 10000 100000} \
        -conf {max-client-subscriptions 1000000 max-subscriptions 1000000} -prepare {
        talk [request HELLO 3]
        talk_each 0 $n 2000 { list ESUB other-$i }
    } -operate {
        talk_each 0 20000 100 { list XADD s$i * v x }
    }
}
proc run_G24 {} {
    growth G24 "ECHECKPOINT SET of any, by checkpoints" -prepare {
        talk_each 0 $n 2000 { list ECHECKPOINT SET consumer-$i 0 }
    } -operate {
        talk_each 0 20000 100 { list ECHECKPOINT SET consumer-[dice $n] 0 }
    }
}
# A copy does not know where references to what is gone have led to.
proc run_G25 {} {
    growth G25 "XADD with DELREF, by references to entries that are gone" -prepare {
        pend $n
        talk_each 1 $n 2000 { list XDEL s [expr {$i + 1}]-1 }
        talk [request XACK s g 1-1][request COPY s t]
    } -operate {
        talk_each 0 2000 100 { list XADD t DELREF MAXLEN 1000000 * v x }
    }
}
proc run_G26 {} {
    growth G26 "XLEN of a category, an event that is not applied" -apply 0 \
        -conf {pinned-bytes-max 4gb journal-bytes-max 16gb} -prepare {
        hold_database
        talk_each 0 $n 1000 { list EAPPEND order-[expr {$i % 100}] t PAYLOAD x }
    } -operate {
        set ::remark [format " (others waited %.1f ms at most)" [longest_wait [request XLEN @category:order]]]
        return $n
    }
}
proc run_G27 {} {
    growth G27 "ESUBS LIST, a subscription" -sizes {1000 10000 100000} \
        -conf {max-client-subscriptions 1000000 max-subscriptions 1000000} -prepare {
        talk [request HELLO 3]
        talk_each 0 $n 2000 { list ESUB other-$i }
    } -operate {
        set ::remark [format " (others waited %.1f ms at most)" [longest_wait [request ESUBS LIST]]]
        return $n
    }
}
# Whichever end they stand at.
proc run_G28 {} {
    growth G28 "XPENDING of the few that are idle long enough, by pending entries" -prepare {
        pend $n
        for {set i 0} {$i < 10} {incr i} { talk [request XCLAIM s g d 0 [expr {$n - 10 * $i}]-1 IDLE 100000000 JUSTID] }
    } -operate {
        talk_each 0 2000 100 { list XPENDING s g IDLE 90000000 - + 100 }
    }
}
proc run_G29 {} {
    growth G29 "XADD with ACKED, by pending entries that are gone" -prepare {
        pend $n
        talk_each 0 $n 2000 { list XDEL s [expr {$i + 1}]-1 }
        talk [request XADD s ACKED MAXLEN 10 * v x]
    } -operate {
        talk_each 0 2000 100 { list XADD s ACKED MAXLEN 10 * v x }
    }
}
# Once the stream has been looked through, which each XADD does for a thousand entries.
proc run_G30 {} {
    growth G30 "XADD with ACKED, by pending entries" -prepare {
        pend $n
        talk_each 0 [expr {$n / 1000 + 1}] 100 { list XADD s ACKED MAXLEN 10 * v x }
    } -operate {
        talk_each 0 2000 100 { list XADD s ACKED MAXLEN 10 * v x }
    }
}
# Names of one length, as they are the same number of bytes then.
proc name_of {kind i} { return [format %s-%08d $kind $i] }
# Listens on a connection that nothing is sent to afterwards; its replies are read by the way.
proc listen_to {command n} {
    set ::ears [talk_open]
    lappend ::crowd $::ears
    for {set i 0} {$i < $n} {incr i 1000} {
        set names {}
        for {set k $i} {$k < $i + 1000} {incr k} { lappend names [eval $command] }
        puts -nonewline $::ears [request {*}[lindex $names 0 0] {*}[lmap name $names {lindex $name 1}]]
        flush $::ears
        for {set k 0} {$k < 1000} {incr k} { for {set line 0} {$line < 6} {incr line} { gets $::ears } }
    }
}
set ears_conf {standing-bytes-max 4gb clients-bytes-max 4gb}
proc run_G31 {} {
    growth G31 "PUBLISH to a channel with one listener, by channels" -conf $::ears_conf -prepare {
        listen_to { list SUBSCRIBE [name_of c $k] } $n
    } -operate {
        talk_each 0 20000 100 { list PUBLISH [name_of c [dice $n]] x }
    }
}
proc run_G32 {} {
    growth G32 "PUBLISH that no pattern fits, by patterns" -conf $::ears_conf -prepare {
        listen_to { list PSUBSCRIBE [name_of c $k]:* } $n
    } -operate {
        talk_each 0 20000 100 { list PUBLISH [name_of c [dice $n]] x }
    }
}
# One at a time, so that each is sent by itself.
proc run_G33 {} {
    growth G33 "PUBLISH to one channel, a delivery, by its listeners" -sizes $::crowds -conf {maxclients 5000} -prepare {
        crowd $n { list SUBSCRIBE x }
    } -operate {
        set times [expr {200000 / $n}]
        talk_each 0 $times 1 { list PUBLISH x x }
        # The last one who began to listen has got all of them.
        set all [request subscribe x]:1\r\n[string repeat [request message x x] $times]
        read [lindex $::crowd end] [string length $all]
        return [expr {$times * $n}]
    }
}
proc run_G34 {} {
    growth G34 "SET of a tracked key and GET again, by tracked keys" -conf {tracking-table-max-keys 2000000} -prepare {
        talk_each 0 $n 2000 { list SET [name_of k $i] v }
        set ::ears [talk_open]
        lappend ::crowd $::ears
        puts -nonewline $::ears [request CLIENT ID]
        flush $::ears
        talk [request CLIENT TRACKING ON REDIRECT [string trim [gets $::ears] ":\r"]]
        talk_each 0 $n 2000 { list GET [name_of k $i] }
    } -operate {
        talk_each 0 10000 50 { set key [name_of k [dice $n]]; list SET $key v }
        talk_each 0 10000 50 { list GET [name_of k [dice $n]] }
        return 20000
    }
}
# The group is not in memory, and stays away.
proc run_G35 {} {
    growth G35 "EVIEW DEL without FORCE, by pending entries of the view's group" -prepare {
        entries $n
        talk [request EVIEW SET v STREAM s][request XGROUP CREATE @view:v g 0]
        for {set i 0} {$i < $n} {incr i 10000} { talk [request XREADGROUP GROUP g c COUNT 10000 STREAMS @view:v >] }
    } -operate {
        close $::s
        stop_server $::server TERM
        serve -dir [dict get $::server dir]
        set ::begin [loop_ns]
        set ::remark [format " (others waited %.1f ms at most)" [longest_wait [request EVIEW DEL v]]]
        gets $::s
        return [talk_each 0 2000 100 { list EVIEW DEL v } INUSE]
    }
}
proc growth_rows {} {
    set rows [lmap p [info procs run_G*] {string range $p 4 end}]
    return [lsort -dictionary $rows]
}
