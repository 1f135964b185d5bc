# What the log must hold after a restart, compared with what producers.tcl noted.

set checked 0          ;# sequences below it were verified
set gaps 0             ;# of this round: sequences that are not there
set version_of {}      ;# stream -> next version, as verified
set entry_of {}        ;# stream -> its last entry id, as verified
set added_of {}        ;# trimmed stream -> how many events were ever added to it
array set event_at {}  ;# tag -> {sequence stream version event_id entry_id timestamp transaction}
array set trim_at {}   ;# the same for trimmed streams, of this round
set new_entries {}     ;# of this round: {stream entry_id} pairs of the streams that groups read
set outputs {}         ;# "stream source-id" -> 1: the worker's transaction is there
set total_acked 0

# For comparing entry ids.
proc id_key {id} {
    lassign [split $id -] ms seq
    return [expr {($ms << 64) | $seq}]
}
# The tag in a payload; that of an entry added with XADD is an object of its fields.
proc tag_of {payload} {
    if {[regexp {^\{"tag":"([^"]+)"} $payload all tag]} { return $tag }
    return $payload
}
proc is_trimmed {stream} { return [string match trim-* $stream] }

proc verify_place {e} {
    global version_of entry_of
    set stream [field $e stream_id]
    set version [field $e stream_version]
    set expected [expr {[dict exists $version_of $stream] ? [dict get $version_of $stream] : 0}]
    if {$version != $expected && ($version < $expected || ![is_trimmed $stream])} {
        fail "$stream has version $version where $expected was expected (sequence [field $e partition_sequence])"
    }
    dict set version_of $stream [expr {$version + 1}]
    set id [field $e entry_id]
    if {[dict exists $entry_of $stream] && [id_key $id] <= [id_key [dict get $entry_of $stream]]} {
        fail "$stream has the entry id $id after [dict get $entry_of $stream]"
    }
    dict set entry_of $stream $id
}
proc verify_event {e} {
    global event_at trim_at checked gaps
    set seq [field $e partition_sequence]
    if {$seq < $checked} { fail "sequence $seq where $checked was expected" }
    incr gaps [expr {$seq - $checked}]
    set checked [expr {$seq + 1}]
    verify_place $e
    set stream [field $e stream_id]
    set payload [field $e payload]
    set tag [tag_of $payload]
    if {[info exists event_at($tag)] || [info exists trim_at($tag)]} { fail "$tag is there twice, the second time at sequence $seq in $stream" }
    set place [list $seq $stream [field $e stream_version] [field $e event_id] [field $e entry_id] [field $e timestamp] [field $e transaction_id]]
    set ::at_sequence($seq) [list $stream [field $e entry_id]]
    if {[is_trimmed $stream]} { set trim_at($tag) $place } else { set event_at($tag) $place }
    if {$stream in $::entry_streams} { lappend ::new_entries $stream [field $e entry_id] @category:x [field $e recorded]-$seq }
    note_projected $seq $stream $payload
    if {[regexp {^out-(.*)$} $stream all source] && [regexp {"source":"([^"]+)"} $payload all id]} {
        if {[dict exists $::outputs [list $source $id]]} { fail "the worker's transaction for $source $id is there twice" }
        dict set ::outputs [list $source $id] 1
    }
    return $tag
}

# Atomic groups (g) and transactions (m): members are {index count sequence transaction}.
proc verify_whole {name members} {
    lassign [lindex $members 0] index count first transaction
    if {[llength $members] != $count} { fail "$name: [llength $members] of $count events are there: $members" }
    set at 0
    foreach m $members {
        if {[lindex $m 0] != $at || [lindex $m 2] != $first + $at} { fail "$name is not in one piece: $members" }
        if {[string match g* $name] && [lindex $m 3] ne $transaction} { fail "$name has several transaction ids: $members" }
        incr at
    }
}
# Reads what is new in the log.
proc read_log {c} {
    set start $::checked
    set wholes {}
    while {1} {
        set page [$c EPSCAN 0 $start + COUNT 1000]
        foreach e [field $page events] {
            set tag [verify_event $e]
            if {[regexp {^([gm]\d+)\.(\d+)\.(\d+)$} $tag all name index count]} {
                dict lappend wholes $name [list $index $count [field $e partition_sequence] [field $e transaction_id]]
            }
        }
        if {![field $page has_more]} break
        set start $::checked
    }
    dict for {name members} $wholes { verify_whole $name $members }
    assert_equal $::checked [expr {[$c EPSEQ 0] + 1}] "the end of the log"
}
# The log's gaps are what was trimmed, and each trimmed stream has what its MAXLEN leaves it.
proc verify_trimmed {c} {
    global added_of gaps trim_at
    set missing [expr {-[array size trim_at]}]
    foreach stream {trim-0 trim-1} {
        set info [$c EINFO $stream]
        if {$info eq ""} continue
        set added [expr {[field $info stream_version] + 1}]
        incr missing [expr {$added - ([dict exists $added_of $stream] ? [dict get $added_of $stream] : 0)}]
        dict set added_of $stream $added
        set length [$c XLEN $stream]
        assert_equal [field $info events] $length "XLEN $stream"
        if {$length < min(100, $added)} { fail "$stream has $length of $added entries, its MAXLEN was never below 100" }
    }
    assert_equal $gaps $missing "sequences that are not in the log, by the versions of the trimmed streams"
}
proc verify_acked {c} {
    global acked event_at trim_at
    set first_of {}
    foreach {tag reply} $acked {
        if {[info exists event_at($tag)]} {
            set place $event_at($tag)
        } elseif {[info exists trim_at($tag)]} {
            set place $trim_at($tag)
        } elseif {[string match t* $tag] && [dict size $reply] == 1} {
            lappend gone $tag [dict get $reply entry_id]
            continue
        } else { fail "$tag was acknowledged and is lost: $reply" }
        lassign $place seq stream version id entry timestamp
        foreach {name value} [list partition_sequence $seq stream_version $version event_id $id entry_id $entry timestamp $timestamp] {
            if {[dict exists $reply $name] && [dict get $reply $name] ne $value} {
                fail "$tag: the reply said $name [dict get $reply $name], the store says $value"
            }
        }
    }
    if {![info exists gone]} return
    # What is not there must be older than what a trimmed stream still has.
    set firsts [lmap stream {trim-0 trim-1} {lindex [$c XRANGE $stream - + COUNT 1] 0 0}]
    foreach {tag id} $gone {
        if {![info exists ::trimmed_tags($tag)]} { fail "$tag was acknowledged as $id and is lost" }
        set first [lindex $firsts $::trimmed_tags($tag)]
        if {[id_key $id] >= [id_key $first]} { fail "$tag was acknowledged as trim-$::trimmed_tags($tag) $id and is lost; the stream begins at $first" }
    }
}
# Some of what was verified in earlier rounds, through the other ways of reading.
proc verify_samples {c} {
    global event_at
    for {set i 0} {$i < 8} {incr i} {
        set tag t[rand_below [expr {$::next_tag + 1}]]
        if {![info exists event_at($tag)]} continue
        lassign $event_at($tag) seq stream version id entry
        assert_equal $tag [tag_of [field [$c EGET $id] payload]] "EGET $id"
        assert_equal $id [field [lindex [field [$c ESCAN $stream $version $version] events] 0] event_id] "ESCAN $stream $version"
        lassign [lindex [$c XRANGE $stream $entry $entry] 0] found fields
        assert_equal $entry $found "XRANGE $stream $entry"
        if {[dict exists $fields tag]} { assert_equal $tag [dict get $fields tag] } else { assert_equal $tag [dict get $fields payload] }
    }
}
# Reads what is new and checks all of it. Returns a line about it.
proc verify {c} {
    global checked acked gaps new_entries
    set first $checked
    set gaps 0
    set new_entries {}
    array unset ::trim_at
    read_log $c
    verify_trimmed $c
    verify_acked $c
    foreach tag $::refused {
        if {[info exists ::event_at($tag)]} { fail "$tag was refused, and is there: $::event_at($tag)" }
    }
    verify_samples $c
    verify_groups $c
    verify_projection $c
    verify_subscriber $c
    verify_strings $c
    verify_told $c
    set n [expr {[llength $acked] / 2}]
    incr ::total_acked $n
    set acked {}
    set ::refused {}
    return "[expr {$checked - $first}] new events, $n acknowledged"
}

# After a clean stop: the sqlite3 tool against what the wire said.
proc verify_sql {} {
    global s event_at
    set how [$s stop]
    if {$how ne "exit 0"} { fail "the clean stop ended with $how\n[$s log_tail]" }
    if {![in_postgres]} { assert_clean [$s db] }
    assert_equal closed [sql_value [$s db] "SELECT journal FROM cairn_status"]
    set n 0
    foreach row [sql [$s db] "SELECT payload, sequence, stream, version, event_id, entry_id, timestamp, transaction_id
            FROM cairn_events WHERE stream NOT LIKE 'trim-%'"] {
        set tag [tag_of [lindex $row 0]]
        if {![info exists event_at($tag)]} { fail "SQL has $row, which the wire had not" }
        if {$event_at($tag) ne [lrange $row 1 end]} { fail "SQL says $row, the wire said $event_at($tag)" }
        incr n
    }
    assert_equal [array size event_at] $n "rows in cairn_events"
    $s start
}
