# Stores that earlier servers wrote (tests/fixtures) open and read as they did then; and a store of a newer server is refused.

skip unless sqlite "stores of earlier servers, as files"

set fixtures [file join $::top tests fixtures]
source [file join $fixtures content.tcl]
source [file join $fixtures lib.tcl]
source [file join $::top tests lib tool.tcl]

# CRC32C of bytes as the journal has it: bits reflected, no inversion at the end.
proc crc32c {bytes} {
    set crc 0xffffffff
    binary scan $bytes cu* codes
    foreach code $codes {
        set crc [expr {$crc ^ $code}]
        for {set i 0} {$i < 8} {incr i} { set crc [expr {$crc & 1 ? ($crc >> 1) ^ 0x82f63b78 : $crc >> 1}] }
    }
    return $crc
}
# Raises the format of every segment that is in use, in both copies of its header. Returns the highest.
proc raise_journal_format {dir} {
    set highest 0
    foreach path [glob -directory $dir seg-*] {
        foreach at {0 2048} {
            set header [string range [read_file $path] $at [expr {$at + 127}]]
            if {[string range $header 0 7] ne "CairnJnl"} { continue }
            binary scan $header @8iu format
            set header [string replace $header 8 15 [binary format ii [incr format] 0]]
            set highest [expr {max($highest, $format)}]
            overwrite $path $at [string replace $header 12 15 [binary format i [crc32c $header]]]
        }
    }
    return $highest
}
proc unpacked {name} {
    set dir [file join $::work_dir fixture[incr ::fixture_count]]
    fixture_unpack [file join $::fixtures $name.tar.gz] $dir
    return [concat $::fixture_options [list -dir $dir]]
}

foreach archive [lsort [glob -directory $fixtures store-*.tar.gz]] {
    set name [file tail [string range $archive 0 end-7]]
    test "$name opens, reads as the server that wrote it did, and is whole" {
        with_server [unpacked $name] {
            if {[string match *-killed $name]} {
                assert_regexp {recovered \d\d+ frames from the journal} [srv new_log]
            } else {
                assert {![string match *recovered* [srv new_log]]}
            }
            assert_range 500 5000 [fixture_check [srv client] [file join $fixtures $name.replies.gz]] "replies of $name"
            srv restart
            fixture_check [srv client] [file join $fixtures $name.replies.gz]
            srv crash
            fixture_check [srv client] [file join $fixtures $name.replies.gz]
            # It goes on from there.
            set before [r EPSEQ 0]
            assert_equal [expr {$before + 1}] [field [r EAPPEND order-first order.more] partition_sequence]
            assert_match "PROTECTED *" [r err DEL ledger-first]
            srv stop
            assert_clean [srv db]
            assert_equal 1 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE type = 'order.more'"]
        }
    }
}

# Starts a server on the fixture and ends it as `how` says (stop, kill9); changes what it left by the script, which finds the
# database in db; then a start must be refused with a message that matches, and leave the files that `kept` lists as they are.
proc assert_refused {name how script kept message} {
    set options [unpacked $name]
    set db [file join [dict get $options -dir] cairn.db]
    set s [Server new $options]
    $s start
    [$s default_client] EAPPEND order-first order.more
    $s $how
    $s destroy
    eval $script
    set before [lmap f [eval $kept] {list $f [read_file $f]}]
    lassign [refused_start $options] status log
    assert_equal "exit 1" $status
    assert_match "*[subst -nobackslashes -nocommands $message]*" $log
    assert {$before eq [lmap f [eval $kept] {list $f [read_file $f]}]} "what was refused was changed"
}

test "A store whose schema is one version newer is refused by a message with both versions, and stays as it is" {
    assert_refused store-0.1-clean stop {
        set known [exec sqlite3 $db "PRAGMA user_version"]
        set newer [expr {$known + 1}]
        exec sqlite3 $db "UPDATE store SET schema_version = $newer; PRAGMA user_version = $newer"
    } {set db} {the store has schema version $newer, this server knows versions up to $known: use a newer server}
}

test "A journal whose format is one version newer is refused by a message with both versions, and stays as it is" {
    assert_refused store-0.1-killed kill9 {
        set newer [raise_journal_format $db-journal.d]
        set known [expr {$newer - 1}]
    } {lsort [glob $db-journal.d/*]} {has format $newer, this version knows $known: a newer server wrote it}
}
