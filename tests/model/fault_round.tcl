# Faults of the disk.
#
# Appends from all connections while the journal's disk fails; -IOERR is an answer. Then the fault
# ends, writes must resume, and the log must hold what the model held, unchanged, then what was
# acknowledged, each once, and nothing that was not sent. Afterwards the model goes on from there.
#
# Beside them, others append and read behind it in a group of a virtual stream: what they were given of events that
# never came to be is taken back, and no other event is passed over (virtual_faults.tcl).

# One append; notes what it is in `options_of`.
proc fault_append {name expected} {
    upvar options_of options_of
    set token f[incr ::token]
    set options [dict create type [pick {fault.a fault.b x}] metadata $token payload [string repeat p [rand_below 3000]]]
    if {[rand_below 2]} { dict set options event_id [uuid] }
    set words [list EAPPEND $name [dict get $options type] {*}[option_words $options]]
    if {$expected ne ""} { lappend words EXPECTED_VERSION $expected }
    dict set options_of $token [list $name $options]
    return [list $words $token]
}
# Chains of expected versions on one stream, and others anywhere. Returns what was sent: client words token.
proc send_faulty_appends {} {
    upvar options_of options_of
    set sent {}
    foreach c $::clients {
        set name [pick $::names]
        while {[key_type $name] eq "string"} { set name [pick $::names] }
        set last [stream_last $name]
        set version [expr {$last eq "" ? "empty" : $last}]
        for {set n [expr {5 + [rand_below 15]}]} {$n > 0} {incr n -1} {
            if {[rand_below 2]} {
                lassign [fault_append $name $version] words token
                set version [expr {$version eq "empty" ? 0 : $version + 1}]
            } else {
                lassign [fault_append [random_name] ""] words token
            }
            $c send {*}$words
            lappend sent $c $words $token
        }
    }
    return $sent
}
# The reply of a command that was sent beside a fault: "" when it is -IOERR.
proc faulty_reply {c words} {
    set reply [$c read_typed]
    incr ::commands
    if {[lindex $reply 0] ne "error"} { return $reply }
    if {![regexp {^(IOERR|WRONGVER|WRONGTYPE) } [lindex $reply 1]]} { fail "during a fault: [shorten $words]: [lindex $reply 1]" }
    if {[string match IOERR* [lindex $reply 1]]} { incr ::ioerrs }
    return ""
}
# Those that were acknowledged: token reply.
proc read_faulty_appends {sent} {
    set acked [dict create]
    foreach {c words token} $sent {
        set reply [faulty_reply $c $words]
        if {$reply ne ""} { dict set acked $token [untyped $reply] }
    }
    return $acked
}
proc fault_round {} {
    global clients log
    set old [llength $log]
    set options_of [dict create]
    set readers [begin_faulty_readers]
    fault [format "match -journal.d\n%s after %d %s" [pick {{fail sync EIO} {fail write EIO} {torn write ENOSPC} {fail write ENOSPC} {fail all EIO}}] \
        [rand_below 4] [pick {"" "count 1" "count 2"}]]
    set read [send_faulty_reads $readers]
    set acked [read_faulty_appends [send_faulty_appends]]
    # Reads go on, and see all of the past; deliveries may be lost.
    check_log [pick $clients] $old
    no_fault
    set id [uuid]
    set options [dict create type probe metadata f[incr ::token] payload "" event_id $id]
    dict set options_of f$::token [list probe-stream $options]
    wait_for "appends are taken again" {[lindex [set reply [[lindex $clients 0] typed EAPPEND probe-stream probe EVENT_ID $id METADATA f$::token PAYLOAD ""]] 0] ne "error"}
    dict set acked f$::token [untyped $reply]
    set acked [dict merge $acked [read_faulty_appends [lindex $read 0]]]
    set given [read_faulty_reads [lindex $read 1]]
    check_log [pick $clients] $old
    set deliveries $::soft
    foreach e [log_from [pick $clients] $old] { adopt_event $e }
    if {[dict size $acked]} { fail "acknowledged during a fault, and lost: [shorten $acked]" }
    # Groups tell how many entries they are behind: now that the model has all of these.
    set ::soft $deliveries
    adopt_faulty_groups [pick $clients] $readers $given
    adopt_groups [pick $clients]
    set ::learned [llength $log]
    incr ::faults
}
# An event that the log has after the fault.
proc adopt_event {e} {
    upvar options_of options_of acked acked
    set token [field $e metadata]
    if {![dict exists $options_of $token]} { fail "the log has an event that nobody sent, or twice: [shorten $e]" }
    lassign [dict get $options_of $token] name options
    dict unset options_of $token
    assert_equal $name [field $e stream_id]
    if {[dict exists $acked $token]} {
        set map [dict get $acked $token]
        foreach key {event_id partition_sequence stream_version timestamp entry_id} { assert_equal [field $map $key] [field $e $key] "$key of $token, as acknowledged" }
        dict unset acked $token
    }
    assert_equal [llength $::log] [field $e partition_sequence] "sequence after a fault"
    model_add $name $options $e
    check_event $e
}
# The first n events of the log are the model's.
proc check_log {c n} {
    set page [$c EPSCAN 0 [expr {max(0, $n - 60)}] + COUNT 60]
    foreach e [field $page events] { if {[field $e partition_sequence] < $n} { check_event $e } }
}
proc log_from {c start} {
    set events {}
    while {1} {
        set page [$c EPSCAN 0 $start + COUNT 500]
        lappend events {*}[field $page events]
        if {![field $page has_more]} { return $events }
        set start [expr {[field [lindex $events end] partition_sequence] + 1}]
    }
}
