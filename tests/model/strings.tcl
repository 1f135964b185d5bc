# The family of strings: SET with its options, SETNX GETSET GETDEL GETEX MSET MSETNX, INCR
# and its kin, APPEND SETRANGE; GET MGET STRLEN GETRANGE LCS. Each check knows what the key was and says what it is now.

proc random_string_name {} { return [expr {[rand_below 6] ? "str-[rand_below 4]" : [random_key]}] }
proc random_string_value {} { return [pick [list 007 "" [string repeat v [rand_below 3000]] [rand_below 100] 1.25 -7]] }
proc string_now {name {missing ""}} {
    if {![dict exists $::strings $name]} { return $missing }
    return [dict get $::strings $name]
}

proc random_string_write {} {
    set name [random_string_name]
    set value [random_string_value]
    switch [rand_below 11] {
        0 - 1 {
            set condition [pick [list {} {} NX XX [list IFEQ [string_now $name]] {IFEQ other}]]
            set until [pick [list {} {} KEEPTTL [list PXAT [random_deadline]] [list EXAT [expr {[random_deadline] / 1000 + 1}]]]]
            set get [pick {{} {} GET}]
            set words [list SET $name $value {*}[pick [list [concat $condition $get $until] [concat $until $condition $get]]]]
            return [list $words [list check_set_if $name $value $condition $get $until]]
        }
        2 { return [list [list SETNX $name $value] [list check_setnx [list $name $value]]] }
        3 {
            set pairs [list $name $value [random_string_name] [random_string_value]]
            return [pick [list [list [list MSET {*}$pairs] [list check_mset $pairs]] [list [list MSETNX {*}$pairs] [list check_setnx $pairs]]]]
        }
        4 { return [list [list GETSET $name $value] [list check_getset $name $value]] }
        5 { return [list [list GETDEL $name] [list check_getdel $name]] }
        6 {
            set until [pick [list {} PERSIST [list PXAT [random_deadline]]]]
            return [list [list GETEX $name {*}$until] [list check_getex $name $until]]
        }
        7 - 8 {
            set by [expr {[rand_below 2000] - 1000}]
            set command [pick [list {INCR 1} {DECR -1} [list INCRBY $by $by] [list DECRBY [expr {-$by}] $by]]]
            return [list [list [lindex $command 0] $name {*}[lrange $command 1 end-1]] [list check_incr $name [lindex $command end]]]
        }
        9 {
            set by [pick {0.25 -1.5 3 1e2 0}]
            return [list [list INCRBYFLOAT $name $by] [list check_incrbyfloat $name $by]]
        }
        10 {
            set at [rand_below 40]
            return [pick [list [list [list APPEND $name $value] [list check_put $name end $value]] \
                [list [list SETRANGE $name $at $value] [list check_put $name $at $value]]]]
        }
    }
}

proc random_string_read {} {
    set name [random_string_name]
    set other [random_string_name]
    set first [expr {[rand_below 40] - 20}]
    set last [expr {[rand_below 40] - 20}]
    switch [rand_below 5] {
        0 { return [list [list GET $name] [list check_value_of $name]] }
        1 { return [list [list MGET $name $other] [list check_mget [list $name $other]]] }
        2 { return [list [list STRLEN $name] [list check_strlen $name]] }
        3 { return [list [list [pick {GETRANGE SUBSTR}] $name $first $last] [list check_getrange $name $first $last]] }
        4 { return [list [list LCS $name $other] [list check_lcs $name $other]] }
    }
}

# ---- checks ----

proc is_stream {name reply what} {
    if {[key_type $name] ne "stream"} { return 0 }
    expect_error WRONGTYPE* $reply "$what of a stream"
    return 1
}
proc expect_string {name reply what} {
    if {[key_type $name] eq "none"} { expect_null $reply $what } else { expect [dict get $::strings $name] $reply $what }
}
# ms "": none; long ago: it is gone at once.
proc set_string {name value {ms ""}} {
    drop_key $name
    if {$ms eq "" || $ms >= 1700000000000} { dict set ::strings $name $value }
    if {$ms ne "" && $ms >= 1700000000000} { dict set ::deadlines $name $ms }
    hard
}
proc change_string {name value} {
    dict set ::strings $name $value
    hard
}

proc check_set_if {name value condition get until words reply} {
    set what [shorten $words]
    set there [expr {[key_type $name] ne "none"}]
    lassign $condition how than
    if {($get ne "" || $how eq "IFEQ") && [is_stream $name $reply $what]} return
    switch $how {
        NX { set done [expr {!$there}] }
        XX { set done $there }
        IFEQ { set done [expr {$there && [dict get $::strings $name] eq $than}] }
        default { set done 1 }
    }
    if {$get ne ""} {
        expect_string $name $reply $what
    } elseif {$done} {
        expect OK $reply $what
    } else {
        expect_null $reply $what
    }
    if {!$done} return
    lassign $until unit ms
    switch $unit {
        EXAT { set ms [expr {$ms * 1000}] }
        KEEPTTL { set ms [expr {[dict exists $::deadlines $name] ? [dict get $::deadlines $name] : ""}] }
    }
    set_string $name $value $ms
}
proc check_setnx {pairs words reply} {
    set done 1
    foreach {name value} $pairs { if {[key_type $name] ne "none"} { set done 0 } }
    expect $done $reply [shorten $words]
    if {$done} { foreach {name value} $pairs { set_string $name $value } }
}
proc check_mset {pairs words reply} {
    expect OK $reply [shorten $words]
    foreach {name value} $pairs { set_string $name $value }
}
proc check_getset {name value words reply} {
    if {[is_stream $name $reply GETSET]} return
    expect_string $name $reply GETSET
    set_string $name $value
}
proc check_getdel {name words reply} {
    if {[is_stream $name $reply GETDEL]} return
    expect_string $name $reply "GETDEL $name"
    if {[key_type $name] ne "none"} { drop_key $name; hard }
}
proc check_getex {name until words reply} {
    if {[is_stream $name $reply GETEX]} return
    expect_string $name $reply [shorten $words]
    if {[key_type $name] eq "none" || $until eq ""} return
    lassign $until unit ms
    set_string $name [dict get $::strings $name] $ms
}
proc check_incr {name by words reply} {
    if {[is_stream $name $reply [lindex $words 0]]} return
    set value [string_now $name 0]
    if {![regexp {^(0|-?[1-9][0-9]{0,15})$} $value]} {
        expect_error "ERR value is not an integer or out of range" $reply "[shorten $words] of '$value'"
        return
    }
    expect [expr {$value + $by}] $reply "[shorten $words] of $value"
    change_string $name [expr {$value + $by}]
}
# What a double holds exactly is known; of the rest it is said that it is a number.
proc check_incrbyfloat {name by words reply} {
    if {[is_stream $name $reply [lindex $words 0]]} return
    set value [string_now $name 0]
    if {$value eq "" || [string match v* $value]} {
        expect_error "ERR value is not a valid float" $reply "[shorten $words] of '[shorten $value]'"
        return
    }
    if {[lindex $reply 0] eq "error"} {
        assert {![regexp {^-?[0-9]+$} $value]} "[shorten $words] of '[shorten $value]'"
        return
    }
    set sum [untyped $reply]
    if {[regexp {^-?[0-9]{1,10}(\.(25|5|75))?$} $value]} {
        regexp {^(-?)0*([0-9].*)$} $value - sign digits
        set wanted [expr {double("$sign$digits") + $by}]
        assert_equal [regsub {\.?0+$} [format %.4f $wanted] ""] $sum "[shorten $words] of '$value'"
    }
    change_string $name $sum
}
proc check_put {name at value words reply} {
    if {[is_stream $name $reply [lindex $words 0]]} return
    set was [string_now $name]
    if {$at eq "end"} { set at [string length $was] } elseif {$value eq ""} { expect [string length $was] $reply SETRANGE; return }
    append was [string repeat \0 [expr {max(0, $at - [string length $was])}]]
    set now [string range $was 0 [expr {$at - 1}]]$value[string range $was [expr {$at + [string length $value]}] end]
    expect [string length $now] $reply [shorten $words]
    change_string $name $now
}
proc check_strlen {name words reply} {
    if {[is_stream $name $reply STRLEN]} return
    expect [string length [string_now $name]] $reply "STRLEN $name"
}
proc check_getrange {name first last words reply} {
    if {[is_stream $name $reply GETRANGE]} return
    set value [string_now $name]
    set len [string length $value]
    if {$first < 0} { set first [expr {max(0, $len + $first)}] }
    if {$last < 0} { set last [expr {max(0, $len + $last)}] }
    # Redis looks at both as they were given before it does so.
    lassign [lrange $words 2 3] from to
    if {$from < 0 && $to < 0 && $from > $to} { set value "" }
    expect [string range $value $first $last] $reply [shorten $words]
}
proc check_lcs {name other words reply} {
    if {"stream" in [list [key_type $name] [key_type $other]]} {
        expect_error "ERR The specified keys must contain string values" $reply [shorten $words]
        return
    }
    set common [untyped $reply]
    set a [string_now $name]
    set b [string_now $other]
    # In MULTI what one turn can compare is bounded.
    if {[string match "TOOLARGE in MULTI *" $common] && ([string bytelength $a] + 1) * ([string bytelength $b] + 1) > 1 << 22} return
    foreach of [list $a $b] {
        set at 0
        foreach char [split $common ""] {
            set at [string first $char $of $at]
            if {$at < 0} { fail "[shorten $words]: '[shorten $common]' is no subsequence of '[shorten $of]'" }
            incr at
        }
    }
    if {[string length $a] * [string length $b] < 2000} { assert_equal [lcs_length $a $b] [string length $common] [shorten $words] }
}
proc lcs_length {a b} {
    set row [lrepeat [expr {[string length $b] + 1}] 0]
    foreach x [split $a ""] {
        set next 0
        set j 0
        foreach y [split $b ""] {
            lappend next [expr {$x eq $y ? [lindex $row $j] + 1 : max([lindex $row $j+1], [lindex $next $j])}]
            incr j
        }
        set row $next
    }
    return [lindex $row end]
}
