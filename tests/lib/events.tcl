# Words that the tests of the E commands share: maps of replies, uuids, pages, SQL.

# A random uuid (version 4 in form).
proc uuid {} {
    set hex [format %08x%04x4%03x%01x%03x%06x%06x \
        [rand_below 4294967296] [rand_below 65536] [rand_below 4096] [expr {8 + [rand_below 4]}] \
        [rand_below 4096] [rand_below 16777216] [rand_below 16777216]]
    regexp {^(.{8})(.{4})(.{4})(.{4})(.{12})$} $hex all a b c d e
    return $a-$b-$c-$d-$e
}
proc rand_below {n} { return [expr {int(rand() * $n)}] }
proc pick {list} { return [lindex $list [rand_below [llength $list]]] }

set ::uuid_pattern {^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$}
set ::entry_id_pattern {^[0-9]+-[0-9]+$}

# The value of one field of a map reply; an error names what is missing.
proc field {map name} {
    if {![dict exists $map $name]} { fail "no field $name in [shorten $map]" }
    return [dict get $map $name]
}
# The same, or "" when it is absent.
proc field_or_empty {map name} {
    if {[dict exists $map $name]} { return [dict get $map $name] }
    return ""
}
proc has_field {map name} { return [dict exists $map $name] }

# From a page (ESCAN, EPSCAN): one field of every event.
proc page_field {page name} {
    return [lmap e [field $page events] {field $e $name}]
}
proc page_versions {page} { return [page_field $page stream_version] }
proc page_sequences {page} { return [page_field $page partition_sequence] }

# Appends n events of type t with payload "s-i"; pipelined. Returns the replies' maps.
proc append_events {c stream n {type t} args} {
    set commands {}
    for {set i 0} {$i < $n} {incr i} {
        lappend commands [list EAPPEND $stream $type PAYLOAD "$stream/$i" {*}$args]
    }
    set out {}
    foreach reply [pipeline $c $commands] {
        if {[lindex $reply 0] eq "error"} { fail "EAPPEND: [lindex $reply 1]" }
        lappend out [untyped $reply]
    }
    return $out
}

# A typed reply as plain values.
proc untyped {reply} {
    lassign $reply type value
    switch $type {
        array - map - set - push { return [lmap v $value {untyped $v}] }
        default { return $value }
    }
}
# Field of a typed map (RESP3 map, or a flat array), typed; "" when absent.
proc typed_field {reply name} {
    foreach {k v} [lindex $reply 1] {
        if {[lindex $k 1] eq $name} { return $v }
    }
    return ""
}
proc typed_keys {reply} {
    set keys {}
    foreach {k v} [lindex $reply 1] { lappend keys [lindex $k 1] }
    return $keys
}

# All events of a stream by pages of `count`.
proc scan_all {c stream {count 500} args} {
    set events {}
    set start 0
    while {1} {
        set page [$c ESCAN $stream $start + COUNT $count {*}$args]
        set got [field $page events]
        lappend events {*}$got
        if {![field $page has_more]} { return $events }
        if {[llength $got] == 0} { fail "ESCAN $stream $start says has_more with an empty page" }
        set start [expr {[field [lindex $got end] stream_version] + 1}]
    }
}
proc log_scan_all {c {count 500} args} {
    set events {}
    set start 0
    while {1} {
        set page [$c EPSCAN 0 $start + COUNT $count {*}$args]
        set got [field $page events]
        lappend events {*}$got
        if {![field $page has_more]} { return $events }
        if {[llength $got] == 0} { fail "EPSCAN $start says has_more with an empty page" }
        set start [expr {[field [lindex $got end] partition_sequence] + 1}]
    }
}

# A field of INFO, "" when there is none.
proc info_field {c name args} {
    foreach line [split [$c INFO {*}$args] \n] {
        if {[regexp {^([^:#]+):(.*)$} [string trimright $line \r] all key value] && $key eq $name} { return $value }
    }
    return ""
}

# psql's words for the schema that a server with this database has.
proc psql_words {db} {
    set uri [regsub {//cairn@} $::env(CAIRN_TEST_POSTGRES) {//admin@}]
    return [list env "PGOPTIONS=-c search_path=[schema_of [file dirname $db]]" psql -XqAt -v ON_ERROR_STOP=1 $uri]
}
# Rows of a query, read by the sqlite3 tool (or psql): one list per row, columns split at the separator.
proc sql {db query} {
    if {[in_postgres] && ![file exists $db]} {
        set out [exec {*}[psql_words $db] -F \x1f -R \x1e -c $query]
    } else {
        set out [exec sqlite3 -readonly -bail -separator \x1f -newline \x1e $db ".timeout 60000" $query]
    }
    set rows {}
    foreach row [split $out \x1e] {
        if {[string trim $row "\n"] ne ""} { lappend rows [split [string trim $row "\n"] \x1f] }
    }
    return $rows
}
proc columns_of {db table} {
    if {[in_postgres] && ![file exists $db]} {
        set rows [sql $db "SELECT attname FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0 ORDER BY attnum"]
    } else {
        set rows [sql $db "SELECT name FROM pragma_table_info('$table')"]
    }
    return [lmap row $rows {lindex $row 0}]
}
proc sql_value {db query} { return [lindex [sql $db $query] 0 0] }

# Changes the tables beside the server, which is stopped.
proc sql_change {db text} { exec {*}[expr {[in_postgres] ? [psql_words $db] : [list sqlite3 $db]}] << $text }

# Holds the database's write lock from outside, as a person in the sqlite3 tool might; the
# journal then collects what the applier cannot write. Returns a handle for release_database.
proc hold_database {db} {
    skip unless journal "what is held is acknowledged"
    if {[in_postgres]} { return [hold_commits $db] }
    set p [open |[list sqlite3 $db 2>@1] r+]
    fconfigure $p -buffering line
    puts $p ".timeout 60000"
    puts $p "BEGIN IMMEDIATE;\nSELECT 'locked';"
    set line [gets $p]
    if {$line ne "locked"} { error "sqlite3 did not get the lock: $line" }
    return $p
}
proc release_database {p} {
    if {[in_postgres]} { return [release_commits $p] }
    puts $p "ROLLBACK;\n.quit"
    catch {close $p}
}
# Holds every commit to a store in PostgreSQL, as somebody with a lock might; what is read goes on. Returns a handle for
# release_commits. Who held them before lets go: the second would wait for the first, for ever, as it is we who hold both.
array set ::commits_held {}
proc hold_commits {db} {
    if {[info exists ::commits_held($db)]} { release_commits $::commits_held($db) }
    set p [open |[list {*}[psql_words $db] 2>@1] r+]
    fconfigure $p -buffering line
    puts $p "SET lock_timeout = '[patience]ms'; BEGIN; LOCK TABLE store IN EXCLUSIVE MODE; SELECT 'locked';"
    set line [gets $p]
    if {$line ne "locked"} { error "psql did not get the lock: $line" }
    return [set ::commits_held($db) [list $p [incr ::hold_number]]]
}
proc release_commits {handle} {
    foreach {db held} [array get ::commits_held] {
        if {$held ne $handle} continue
        unset ::commits_held($db)
        puts [lindex $handle 0] "ROLLBACK;\n\\q"
        catch {close [lindex $handle 0]}
    }
}
# A person at the tool of the database: `puts` to it, `gets` what it prints.
proc sql_tool {db} {
    set p [open |[list {*}[expr {[in_postgres] ? [psql_words $db] : [list sqlite3 -readonly $db]}] 2>@1] r+]
    fconfigure $p -buffering line
    return $p
}
# Ends the session that writes to a store in PostgreSQL, as an administrator might.
proc end_session {db} {
    sql $db "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cairn' AND pid IN (SELECT pid FROM pg_locks
        WHERE locktype = 'advisory' AND ((classid::int8 << 32) | objid::int8) = hashtextextended('cairn ' || current_schema(), 0))"
}
# The folder of a server's journal, and its segment files, oldest write first.
proc journal_dir {s} {
    skip unless journal "its files"
    set found [glob -nocomplain -types d [$s db]*journal*]
    if {[llength $found] != 1} { fail "no journal folder beside [$s db]: [glob -nocomplain [$s db]*]" }
    return [lindex $found 0]
}
proc journal_files {s} {
    set files [glob -nocomplain -types f -directory [journal_dir $s] *]
    return [lsort -command {apply {{a b} {expr {[file mtime $a] - [file mtime $b]}}}} $files]
}
proc journal_bytes {s} {
    set sum 0
    foreach f [journal_files $s] { incr sum [file size $f] }
    return $sum
}
# Finds text in the journal: {file offset} or "".
proc journal_find {s text} {
    foreach f [journal_files $s] {
        set at [string first $text [read_file $f]]
        if {$at >= 0} { return [list $f $at] }
    }
    return ""
}
proc overwrite {path offset bytes} {
    set f [open $path r+b]
    seek $f $offset
    puts -nonewline $f $bytes
    close $f
}
# Everything that the wire says about the store, to compare before and after.
proc snapshot {c} {
    return [list [$c EPSEQ 0] [log_scan_all $c 1000]]
}
