# The family of keys: DEL EXISTS TYPE RENAME RENAMENX DBSIZE, deadlines, SET GET, the E face of removal: ETRUNCATE EERASE
# EDELETE; and FLUSHALL.

set flushes 0

proc random_key {} {
    switch [rand_below 4] {
        0 { return str-[rand_below 4] }
        1 { return [random_entry_name] }
    }
    return [random_name]
}
# Deadlines are far away, or over already: a key must never go by itself while the test runs.
proc random_deadline {} { return [pick {1 1000 4102444800000 5000000000000 9999999999999}] }

proc random_key_write {} {
    set name [random_key]
    switch [rand_below 14] {
        0 { return [list [list DEL $name new-[rand_below 3000]] [list check_del $name]] }
        1 {
            set to [random_key]
            return [list [list [set how [pick {RENAME RENAMENX}]] $name $to] [list check_rename $how $name $to]]
        }
        2 { set ms [random_deadline]; return [list [list PEXPIREAT $name $ms] [list check_expire $name $ms]] }
        3 { set s [expr {[random_deadline] / 1000 + 1}]; return [list [list EXPIREAT $name $s] [list check_expire $name [expr {$s * 1000}]]] }
        4 - 5 { return [list [list PERSIST $name] [list check_persist $name]] }
        6 - 7 {
            # Mostly names that are for strings: the others' events would be gone.
            if {[rand_below 5]} { set name str-[rand_below 4] }
            set value [pick [list 007 "" [string repeat v [rand_below 3000]] [rand_below 100]]]
            return [list [list SET $name $value] [list check_set $name $value]]
        }
        8 - 9 {
            set name [random_name]
            set last [stream_last $name]
            set version [expr {$last eq "" ? [rand_below 4] : max(0, $last - [rand_below 8])}]
            return [list [list ETRUNCATE $name BEFORE $version] [list check_etruncate $name $version]]
        }
        10 {
            set name [random_entry_name]
            set id [random_id $name]
            return [list [list ETRUNCATE $name BEFORE ENTRY $id] [list check_etruncate_entry $name $id]]
        }
        11 - 12 {
            set sequence [expr {[llength $::log] ? [rand_below [llength $::log]] : -1}]
            set e [lindex $::log $sequence]
            if {$e eq "" || ![dict exists $e event_id]} { return [list [list EERASE [uuid]] {check_eerase -1}] }
            return [list [list EERASE [dict get $e event_id]] [list check_eerase $sequence]]
        }
        13 {
            set expected [random_expected $name]
            set words [list EDELETE $name]
            if {$expected ne ""} { lappend words EXPECTED_VERSION $expected }
            return [list $words [list check_edelete $name $expected]]
        }
    }
}
proc random_key_read {} {
    set name [random_key]
    switch [rand_below 6] {
        0 { return [list [list EXISTS $name $name] [list check_value EXISTS [list key_count $name 2]]] }
        1 { return [list [list TYPE $name] [list check_value TYPE [list key_type $name]]] }
        2 { return [list [list PEXPIRETIME $name] [list check_value PEXPIRETIME [list deadline $name 1]]] }
        3 { return [list [list EXPIRETIME $name] [list check_value EXPIRETIME [list deadline $name 1000]]] }
        4 { return [list DBSIZE [list check_value DBSIZE {llength_of key_names}]] }
        5 { if {[rand_below 3]} { set name str-[rand_below 4] }; return [list [list GET $name] [list check_value_of $name]] }
    }
}
proc key_count {name n} { return [expr {[key_type $name] eq "none" ? 0 : $n}] }
proc llength_of {script} { return [llength [$script]] }
proc deadline {name unit} {
    if {[key_type $name] eq "none"} { return -2 }
    if {![dict exists $::deadlines $name]} { return -1 }
    # Redis rounds to the nearest second.
    return [expr {([dict get $::deadlines $name] + $unit / 2) / $unit}]
}

# ---- checks ----

# The value of a script, at the time of the reply.
proc check_value {what script words reply} { expect [{*}$script] $reply $words }
proc check_value_of {name words reply} {
    switch [key_type $name] {
        string { expect [dict get $::strings $name] $reply "GET $name" }
        none { expect_null $reply "GET $name" }
        stream { expect_error WRONGTYPE* $reply "GET of a stream" }
    }
}
proc check_del {name words reply} {
    set n 0
    foreach key [lsort -unique [lrange $words 1 end]] {
        if {[key_type $key] eq "none"} continue
        incr n
        drop_key $key
    }
    expect $n $reply [shorten $words]
    if {$n} hard
}
proc check_rename {how from to words reply} {
    if {[key_type $from] eq "none"} { expect_error "ERR no such key" $reply $how; return }
    if {$how eq "RENAMENX"} {
        set done [expr {$from ne $to && [key_type $to] eq "none"}]
        expect $done $reply "RENAMENX $from $to"
        if {!$done} return
    } else {
        expect OK $reply "RENAME $from $to"
    }
    rename_key $from $to
    if {$from ne $to} hard
}
proc check_expire {name ms words reply} {
    if {[key_type $name] eq "none"} { expect 0 $reply [shorten $words]; return }
    expect 1 $reply [shorten $words]
    if {$ms < 1700000000000} { drop_key $name } else { dict set ::deadlines $name $ms }
    hard
}
proc check_persist {name words reply} {
    set had [dict exists $::deadlines $name]
    expect $had $reply "PERSIST $name"
    dict unset ::deadlines $name
    if {$had} hard
}
proc check_set {name value words reply} {
    expect OK $reply "SET $name"
    drop_key $name
    dict set ::strings $name $value
    hard
}
proc check_etruncate {name version words reply} {
    if {[wrong_type $name $reply]} return
    set n [trim_below $name $version]
    expect $n $reply [shorten $words]
    if {$n} hard
}
proc check_etruncate_entry {name id words reply} {
    if {[wrong_type $name $reply]} return
    set n [trim_before $name $id]
    expect $n $reply [shorten $words]
    if {$n} hard
}
proc check_eerase {sequence words reply} {
    set e [lindex $::log $sequence]
    if {$e eq "" || [dict exists $e erased]} { expect 0 $reply "EERASE of sequence $sequence"; return }
    expect 1 $reply "EERASE of sequence $sequence"
    foreach key {payload metadata} { dict set e $key "" }
    if {[dict exists $e fields]} { dict set e fields {} }
    dict set e erased 1
    touch $sequence
    lset ::log $sequence $e
    hard
}
proc check_edelete {name expected words reply} {
    if {[wrong_type $name $reply]} return
    set last [stream_last $name]
    if {![expectation_holds $expected $last]} { check_wrong_version $reply $name $last $expected; return }
    set there [expr {[key_type $name] ne "none"}]
    expect $there $reply [shorten $words]
    if {$there} { drop_key $name; hard }
}

# Everything goes, but views; what is there next has other positions.
proc flush_all {c} {
    assert_equal OK [$c FLUSHALL]
    subscribers_end
    foreach name {log times streams heads virtuals strings deadlines ids sent repeatable follow soft touched inside checkpoints} { set ::$name {} }
    set ::learned 0
    set ::made_last 0-0
    set ::timeline ""
    subscribe_all
    incr ::flushes
}
# SCAN, in pages, is all keys; ESTREAMS the streams.
proc check_key_lists {c} {
    foreach {command names filter pattern} {SCAN key_names {} * SCAN key_names {MATCH *-1} *-1 SCAN strings {TYPE string} *
            ESTREAMS streams {} * ESTREAMS streams {MATCH order-*} order-* ESTREAMS streams {MATCH *-1} *-1} {
        set want [expr {$names eq "key_names" ? [key_names] : [dict keys [set ::$names]]}]
        set found {}
        set cursor 0
        while {1} {
            lassign [$c $command $cursor COUNT [pick {5 30 1000}] {*}$filter] cursor page
            lappend found {*}$page
            if {$cursor eq "0"} break
        }
        assert_equal [lsort [lsearch -all -inline -glob $want $pattern]] [lsort $found] "$command $filter"
    }
}
