# Faults of the disk.
#
# Appends from all connections while the journal's disk fails; -IOERR is an answer. Then the fault
# ends, writes must resume, and the log must hold what the model held, unchanged, then what was
# acknowledged, each once, and nothing that was not sent. Afterwards the model goes on from there.
proc fault_round {} {
    global clients log names
    set old [llength $log]
    fault [format "match -journal.d\n%s after %d %s" [pick {{fail sync EIO} {fail write EIO} {torn write ENOSPC} {fail write ENOSPC} {fail all EIO}}] \
        [rand_below 4] [pick {"" "count 1" "count 2"}]]
    set sent {}
    foreach c $clients {
        set name [pick $names]
        while {[key_type $name] eq "string"} { set name [pick $names] }
        set last [stream_last $name]
        set version [expr {$last eq "" ? "empty" : $last}]
        for {set n [expr {5 + [rand_below 15]}]} {$n > 0} {incr n -1} {
            # Chains of expected versions on one stream, and others anywhere.
            set chained [rand_below 2]
            set token f[incr ::token]
            set options [dict create type [pick {fault.a fault.b}] metadata $token payload [string repeat p [rand_below 3000]]]
            if {[rand_below 2]} { dict set options event_id [uuid] }
            set words [list EAPPEND [expr {$chained ? $name : [random_name]}] [dict get $options type] {*}[option_words $options]]
            if {$chained} {
                lappend words EXPECTED_VERSION $version
                set version [expr {$version eq "empty" ? 0 : $version + 1}]
            }
            $c send {*}$words
            lappend sent $c $words $options $token
        }
    }
    set acked [dict create]
    set options_of [dict create]
    foreach {c words options token} $sent {
        set reply [$c read_typed]
        incr ::commands
        dict set options_of $token [list [lindex $words 1] $options]
        if {[lindex $reply 0] eq "error"} {
            if {![regexp {^(IOERR|WRONGVER|WRONGTYPE) } [lindex $reply 1]]} { fail "during a fault: [shorten $words]: [lindex $reply 1]" }
            if {[string match IOERR* [lindex $reply 1]]} { incr ::ioerrs }
        } else {
            dict set acked $token [untyped $reply]
        }
    }
    # Reads go on, and see all of the past; deliveries may be lost.
    check_log [pick $clients] $old
    no_fault
    set id [uuid]
    set options [dict create type probe metadata f[incr ::token] payload "" event_id $id]
    dict set options_of f$::token [list probe-stream $options]
    wait_for "appends are taken again" {[lindex [set reply [[lindex $clients 0] typed EAPPEND probe-stream probe EVENT_ID $id METADATA f$::token PAYLOAD ""]] 0] ne "error"}
    dict set acked f$::token [untyped $reply]
    check_log [pick $clients] $old
    set deliveries $::soft
    foreach e [log_from [pick $clients] $old] {
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
        assert_equal [llength $log] [field $e partition_sequence] "sequence after a fault"
        model_add $name $options $e
        check_event $e
    }
    if {[dict size $acked]} { fail "acknowledged during a fault, and lost: [shorten $acked]" }
    # Groups tell how many entries they are behind: now that the model has all of these.
    set ::soft $deliveries
    adopt_groups [pick $clients]
    set ::learned [llength $log]
    incr ::faults
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

