# A RESP client for the tests: RESP2 and RESP3, one class over one socket.
#
# A client is an object. Every method written in lower case is the client's own; any other
# word is a command: [$c EAPPEND s t] sends it and returns the reply. Replies come in three forms:
#   read   plain Tcl values: nil is the empty string, a map and an array are lists, a boolean is
#          1 or 0; an error reply is a Tcl error with errorcode REPLY
#   typed  {type value} pairs all the way down, so that a test can tell `$` from `+`
#   raw    the exact bytes of one reply
# The socket does not block: a missing reply is an error when our patience ends, and output that
# the server does not take yet waits in the channel while replies are read.
# Arguments are bytes: what is not ASCII must be encoded by the caller.

proc resp_command {args} {
    set out "*[llength $args]\r\n"
    foreach a $args {
        append out "\$" [string length $a] "\r\n" $a "\r\n"
    }
    return $out
}

oo::class create Client {
    variable chan address timeout woken recording bytes pushes

    constructor {host port} {
        set address [list $host $port]
        set timeout [patience]
        set recording 0
        set pushes {}
        # An absolute path is a unix socket: Tcl has none, so socat-less tests use TCP only.
        set chan [socket $host $port]
        fconfigure $chan -translation binary -blocking 0 -buffersize 65536
    }
    destructor { catch {close $chan} }

    method unknown {name args} {
        my send $name {*}$args
        return [my read]
    }

    method channel {} { return $chan }
    method close {} { my destroy }

    # Sends one command without reading its reply.
    method send {args} {
        my write [resp_command {*}$args]
    }
    # Sends bytes as they are.
    method write {data} {
        puts -nonewline $chan $data
        flush $chan
        unsent $chan
    }

    method read {} { return [my Reply 0] }
    method read_typed {} { return [my Reply 1] }
    method read_raw {} {
        set recording 1
        set bytes ""
        try { my Parse 1 } finally { set recording 0 }
        return $bytes
    }
    method typed {args} {
        my send {*}$args
        return [my read_typed]
    }
    method raw {args} {
        my send {*}$args
        return [my read_raw]
    }
    # The text of an error reply; a test error when the reply is none.
    method err {args} {
        set reply [my typed {*}$args]
        if {[lindex $reply 0] ne "error"} {
            fail "[lindex $args 0] should have failed, but answered [shorten $reply]"
        }
        return [lindex $reply 1]
    }
    # The next push message (RESP3), as a list.
    method push {} {
        if {[llength $pushes] == 0} {
            set reply [my Parse 0]
            if {![info exists woken(push)] || !$woken(push)} { fail "expected a push, got [shorten $reply]" }
            return $reply
        }
        set pushes [lassign $pushes first]
        return $first
    }
    # The push messages that came before the last reply.
    method pushed {} {
        set all $pushes
        set pushes {}
        return $all
    }
    # What comes next, pushed or replied.
    method next_value {} {
        if {[llength $pushes] > 0} { return [my push] }
        return [my Parse 0]
    }
    # Reads n bytes, whatever they are.
    method bytes {n} { return [my Bytes $n] }

    # Says that nothing more will be sent, when all has been taken; replies can still be read.
    method half_close {} {
        fconfigure $chan -blocking 1
        flush $chan
        fconfigure $chan -blocking 0
        ::close $chan write
    }
    # All replies until the server closes the connection; an error as its text.
    method rest {} {
        set replies {}
        while {1} {
            if {[catch {my read} reply opts] && [dict get $opts -errorcode] ne "REPLY"} {
                if {[dict get $opts -errorcode] eq "CLIENT EOF"} { return $replies }
                return -options $opts $reply
            }
            lappend replies $reply
        }
    }
    # Whether the server closes the connection; what it still sends is thrown away.
    method closed {} {
        set until [expr {[clock milliseconds] + $timeout}]
        while {[clock milliseconds] < $until} {
            if {[catch {read $chan}] || [eof $chan]} { return 1 }
            after 5
        }
        return 0
    }
    # Waits until the server has taken all that was sent so far, by any client: it answers later questions of somebody else.
    method taken {} {
        set other [Client new {*}$address]
        try { for {set i 0} {$i < 3} {incr i} { $other PING } } finally { $other destroy }
    }
    # Whether nothing has come although the server has taken all that was sent.
    method silent {} {
        my taken
        after 20 ;# what leaves a little late leaves wrongly, too
        set data [read $chan 1]
        return [expr {$data eq "" && ![eof $chan]}]
    }

    method Reply {typed} {
        while {1} {
            set woken(push) 0
            set reply [my Parse $typed]
            if {!$woken(push)} { return $reply }
            lappend pushes $reply
        }
    }

    # Waits for input: as a coroutine by yielding, so that many clients can run side by side;
    # else in the event loop.
    method Wait {} {
        set co [info coroutine]
        if {$co ne ""} {
            set timer [after $timeout [list $co timeout]]
            fileevent $chan readable [list $co data]
            set woken(state) [yield]
            if {$woken(state) eq "stop"} { return -code error -errorcode {CLIENT EOF} "stopped" }
            fileevent $chan readable {}
            after cancel $timer
            if {$woken(state) eq "timeout"} {
                return -code error -errorcode {CLIENT TIMEOUT} "no reply within $timeout ms"
            }
            return
        }
        set var [my varname woken](state)
        set timer [after $timeout [list set $var timeout]]
        fileevent $chan readable [list set $var data]
        vwait $var
        fileevent $chan readable {}
        after cancel $timer
        if {$woken(state) eq "timeout"} {
            return -code error -errorcode {CLIENT TIMEOUT} "no reply within $timeout ms"
        }
    }

    method Line {} {
        while {[gets $chan line] < 0} {
            if {[eof $chan]} {
                return -code error -errorcode {CLIENT EOF} "the server closed the connection"
            }
            my Wait
        }
        if {$recording} { append bytes $line "\n" }
        if {[string index $line end] ne "\r"} {
            return -code error -errorcode {CLIENT EOF} "a reply line without CR LF: [shorten $line]"
        }
        return [string range $line 0 end-1]
    }

    method Bytes {n {record 1}} {
        set data [read $chan $n]
        while {[string length $data] < $n} {
            if {[eof $chan]} {
                return -code error -errorcode {CLIENT EOF} "the server closed the connection"
            }
            my Wait
            append data [read $chan [expr {$n - [string length $data]}]]
        }
        if {$recording && $record} { append bytes $data }
        return $data
    }

    # The items of an aggregate. The common ones are read here, without a call for each: pages of
    # events are tens of thousands of small values.
    method Items {n typed} {
        set items {}
        for {set i 0} {$i < $n} {incr i} {
            if {[gets $chan line] < 0} { set line [my Line]\r } elseif {$recording} { append bytes $line "\n" }
            switch -exact -- [string index $line 0] {
                "+" { set item [string range $line 1 end-1]; set type simple }
                ":" { set item [string range $line 1 end-1]; set type int }
                "\$" {
                    set len [string range $line 1 end-1]
                    if {$len < 0} {
                        set item ""
                        set type null
                    } else {
                        set type bulk
                        incr len 2
                        set item [read $chan $len]
                        if {[string length $item] < $len} {
                            append item [my Bytes [expr {$len - [string length $item]}] 0]
                        }
                        if {$recording} { append bytes $item }
                        set item [string range $item 0 end-2]
                    }
                }
                default {
                    if {[catch {my Value [string range $line 0 end-1] $typed} item opts]} {
                        if {[dict get $opts -errorcode] ne "REPLY"} { return -options $opts $item }
                    }
                    lappend items $item
                    continue
                }
            }
            # Not by expr: it would rewrite what looks like a number.
            if {$typed} { lappend items [list $type $item] } else { lappend items $item }
        }
        return $items
    }

    # One reply of any type.
    method Parse {typed} { return [my Value [my Line] $typed] }

    # The value whose first line is at hand.
    method Value {line typed} {
        set rest [string range $line 1 end]
        switch -exact -- [string index $line 0] {
            "+" { set type simple; set value $rest }
            ":" { set type int; set value $rest }
            "\$" {
                if {$rest < 0} {
                    set type null; set value ""
                } else {
                    set type bulk
                    set value [string range [my Bytes [expr {$rest + 2}]] 0 end-2]
                }
            }
            "*" {
                if {$rest < 0} {
                    set type nullarray; set value ""
                } else {
                    set type array; set value [my Items $rest $typed]
                }
            }
            "-" { set type error; set value $rest }
            "_" { set type null3; set value "" }
            "#" { set type bool; set value [expr {$rest eq "t"}] }
            "%" { set type map; set value [my Items [expr {$rest * 2}] $typed] }
            "~" { set type set; set value [my Items $rest $typed] }
            "," { set type double; set value $rest }
            "(" { set type big; set value $rest }
            "=" {
                set type verbatim
                set value [string range [my Bytes [expr {$rest + 2}]] 0 end-2]
                if {!$typed} { set value [string range $value 4 end] }
            }
            "!" {
                set type error
                set value [string range [my Bytes [expr {$rest + 2}]] 0 end-2]
            }
            ">" {
                set type push
                set value [my Items $rest $typed]
                set woken(push) 1
            }
            "|" {
                my Items [expr {$rest * 2}] $typed
                return [my Parse $typed]
            }
            default {
                return -code error -errorcode {CLIENT PROTOCOL} "not RESP: [shorten $line]"
            }
        }
        if {$typed} { return [list $type $value] }
        if {$type eq "error"} { return -code error -errorcode REPLY $value }
        return $value
    }
}

# Sends all commands (a list of argument lists) at once and returns the list of typed replies.
proc pipeline {c commands} {
    set out ""
    foreach cmd $commands { append out [resp_command {*}$cmd] }
    $c write $out
    set replies {}
    foreach cmd $commands { lappend replies [$c read_typed] }
    return $replies
}
