# Real servers for the tests: each has its own fresh directory, a free port, an option file and
# a log. A server object survives its process: it can be stopped, killed and started again on
# the same store.
#
# Options are `name value` lines of the option file. Names that begin with a dash are ours:
#   -args LIST   further words for the command line
#   -env LIST    NAME VALUE ... for the process
#   -limit TEXT  a ulimit command run before the server ("ulimit -Sn 1024")
#   -dir PATH    use this directory (and the store in it) instead of a fresh one
#
# The process is a pipe of ours (its standard input), so that closing the pipe tells how it ended.

set ::servers {}       ;# every server object of this process
set ::server_count 0

proc server_binary {} {
    set binary [expr {[info exists ::env(CAIRN_SERVER)] ? $::env(CAIRN_SERVER) : "src/cairn-server"}]
    if {[string first / $binary] >= 0} { set binary [file normalize [file join $::top $binary]] }
    return $binary
}

# A port nobody listens on. Each process of the tests draws from a stretch of numbers of its own: it is whose that can listen on
# the stretch's first one, until it ends.
set ::port_count 320
proc claim_ports {} {
    for {set i 0} {$i < 62} {incr i} {
        set first [expr {11000 + (([pid] + $i) % 62) * $::port_count}]
        if {![catch {socket -server list -myaddr 127.0.0.1 $first}]} { return $first }
    }
    error "no free stretch of ports"
}
proc free_port {} {
    if {![info exists ::port_first]} { set ::port_next [set ::port_first [claim_ports]] }
    for {set i 1} {$i < $::port_count} {incr i} {
        incr ::port_next
        if {$::port_next == $::port_first + $::port_count} { set ::port_next [expr {$::port_first + 1}] }
        if {![catch {socket -server list -myaddr 127.0.0.1 $::port_next} s]} {
            close $s
            return $::port_next
        }
    }
    error "no free port"
}

# Whether the servers' stores are in PostgreSQL: `tests/run` with STORE=postgres. Each has a schema of its own.
proc in_postgres {} { expr {[info exists ::env(STORE)] && $::env(STORE) eq "postgres"} }
# Whether what they acknowledge goes to a journal first: with PostgreSQL, when DURABILITY=journal is set as well.
proc in_journal {} { expr {![in_postgres] || ([info exists ::env(DURABILITY)] && $::env(DURABILITY) eq "journal")} }
proc schema_of {dir} { format t_%08x [zlib crc32 $dir] }
# A program that is to run with a cluster begins anew in one, if need be.
proc with_postgres {} {
    if {![in_postgres] || [info exists ::env(CAIRN_TEST_POSTGRES)]} return
    set words [list [file join $::top tests lib postgres] run [info nameofexecutable] $::argv0 {*}$::argv]
    exit [expr {[catch {exec {*}$words >@stdout 2>@stderr <@stdin} _ opts] ? 1 : 0}]
}
# What the options mean for such a store.
proc options_for_store {options} {
    if {![in_postgres]} { return $options }
    if {[dict exists $options store]} {
        if {[string match sqlite:* [dict get $options store]]} { skip unless sqlite "such a store is named" }
        return $options
    }
    if {![in_journal] && [dict exists $options durability] && [dict get $options durability] ne "backend"} {
        skip unless journal "durability [dict get $options durability]"
    }
    return $options
}

proc shim_library {name} {
    set named CAIRN_[string toupper $name]
    if {[info exists ::env($named)]} { return [file normalize $::env($named)] }
    set built [file join $::top build $name.so]
    if {[file exists $built]} { return $built }
    set own [file join $::work_dir $name.so]
    if {![file exists $own]} {
        set dir [file join $::top tests shim]
        set sources [list [file join $dir $name.c]]
        if {$name eq "diskshim"} { lappend sources [file join $dir rules.c] }
        exec gcc -std=gnu11 -O2 -D_GNU_SOURCE -pthread -fPIC -shared {*}$sources -o $own -ldl
    }
    return $own
}
# A sanitizer's runtime must come first.
proc preload_words {{name diskshim}} {
    set words {}
    if {![catch {exec ldd [lindex [server_binary] 0]} text]} {
        foreach {all path} [regexp -all -inline {=> (\S*lib[at]san\S*)} $text] { lappend words $path }
    }
    lappend words [shim_library $name]
    return [join $words " "]
}
# The options of a server that runs under that shim, too; vars: further NAME VALUE ... for it.
proc options_with_shim {options name vars} {
    set env [expr {[dict exists $options -env] ? [dict get $options -env] : ""}]
    if {[dict exists $env LD_PRELOAD]} {
        dict append env LD_PRELOAD " [shim_library $name]"
    } else {
        dict set env LD_PRELOAD [preload_words $name]
    }
    dict set options -env [dict merge $env $vars]
    return $options
}
# CAIRN_TEST_SYNC_US: every server's disk is that slow. The rule for it, or "".
proc slow_disk {} {
    if {![info exists ::env(CAIRN_TEST_SYNC_US)]} { return "" }
    return "delay_us sync $::env(CAIRN_TEST_SYNC_US)"
}

# R, S, D, Z ... of a process, or "" when it is gone.
proc process_state {pid} {
    if {[catch {open /proc/$pid/stat} f]} { return "" }
    set failed [catch {read $f} text]
    close $f
    if {$failed} { return "" }
    return [string index $text [expr {[string last ")" $text] + 2}]]
}

proc read_file {path} {
    set f [open $path rb]
    set data [read $f]
    close $f
    return $data
}
proc write_file {path data} {
    set f [open $path wb]
    puts -nonewline $f $data
    close $f
}

oo::class create Server {
    variable dir port pid chan options status log log_seen client expected_end starts

    constructor {opts} {
        set options $opts
        set chan ""
        set pid 0
        set client ""
        set status ""
        set starts 0
        set expected_end 0
        if {[dict exists $opts -dir]} {
            set dir [dict get $opts -dir]
        } else {
            set dir [file join $::work_dir srv[incr ::server_count]]
        }
        file mkdir $dir
        set log [file join $dir log]
        set log_seen 0
        set port [expr {[dict exists $opts port] ? [dict get $opts port] : [free_port]}]
        lappend ::servers [self]
    }
    destructor {
        catch {my drop_client}
        catch {my kill9}
        set ::servers [lsearch -all -inline -not -exact $::servers [self]]
    }

    method dir {} { return $dir }
    method port {} { return $port }
    method pid {} { return $pid }
    method log_file {} { return $log }
    method conf_file {} { return [file join $dir cairn.conf] }
    method db {} { return [file join $dir cairn.db] }
    method store {} {
        if {![in_postgres]} { return sqlite:[my db] }
        return "$::env(CAIRN_TEST_POSTGRES)&schema=[schema_of $dir]"
    }
    # The journal is where it is beside a file.
    method postgres_lines {} {
        if {![in_postgres]} { return "" }
        set lines "journal-dir [my db]-journal.d\n"
        if {[in_journal] && ![dict exists $options durability]} { append lines "durability journal\n" }
        return $lines
    }
    method option {name value} { dict set options $name $value }
    method unset_option {name} { dict unset options $name }

    # The command line, without what -limit puts before it.
    method Command {} {
        set words {}
        set env [expr {[dict exists $options -env] ? [dict get $options -env] : ""}]
        if {[slow_disk] ne "" && ![dict exists $env LD_PRELOAD]} {
            set rules [file join $dir slow-disk]
            write_file $rules "[slow_disk]\n"
            lappend env LD_PRELOAD [preload_words] DISKSHIM_CONTROL $rules DISKSHIM_STATIC 1
        }
        if {$env ne ""} {
            lappend words env
            foreach {name value} $env { lappend words $name=$value }
        }
        if {[info exists ::valgrind] && $::valgrind} {
            lappend words valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
        }
        lappend words {*}[server_binary] [my conf_file]
        if {[dict exists $options -args]} { lappend words {*}[dict get $options -args] }
        return $words
    }

    method write_conf {} {
        set lines "port $port\nbind 127.0.0.1\n"
        if {![regexp {(redis|valkey)-server} [server_binary]] && ![dict exists $options store]} {
            append lines "store [my store]\n"
            append lines [my postgres_lines]
        }
        # No test is to depend on how quick the database is.
        set store [expr {[dict exists $options store] ? [dict get $options store] : [my store]}]
        if {[string match postgres:* $store]} { append lines "lease-ms 0\n" }
        dict for {name value} $options {
            if {[string index $name 0] ne "-" && $name ne "port"} { append lines "$name $value\n" }
        }
        write_file [my conf_file] $lines
    }

    # Starts the process without waiting for anything. keep_conf: the option file as it stands.
    method spawn {{keep_conf 0}} {
        if {!$keep_conf} { my write_conf }
        set words [my Command]
        if {[dict exists $options -limit]} {
            set words [list sh -c "[dict get $options -limit]; exec \"\$@\"" sh {*}$words]
        }
        if {[file exists $log]} { set log_seen [file size $log] }
        set expected_end 0
        set status ""
        set here [pwd]
        cd $dir
        try {
            set chan [open |[list {*}$words >>$log 2>@1] w]
        } finally { cd $here }
        set pid [lindex [pid $chan] end]
        incr starts
        emit server $pid $log
    }

    method start {{keep_conf 0}} {
        for {set tries 0} {$tries < 5} {incr tries} {
            my spawn $keep_conf
            if {[my wait_ready]} { return [self] }
            if {![string match -nocase "*in use*" [my new_log]] || [dict exists $options port]} { break }
            set port [free_port]
            set keep_conf 0
        }
        set tail [my log_tail]
        set expected_end 1
        error "the server did not start (status: $status)\n$tail"
    }

    # True when the log says that it is ready, false when the process has ended.
    method wait_ready {} {
        set until [expr {[clock milliseconds] + [patience]}]
        while {[clock milliseconds] < $until} {
            if {[regexp -nocase {ready to accept connections} [my new_log]]} { return 1 }
            if {![my alive]} {
                my wait_end
                # It may have said so and died at once.
                return 0
            }
            after 5
        }
        my kill9
        error "the server does not get ready\n[my log_tail]"
    }

    method alive {} {
        if {$chan eq ""} { return 0 }
        set state [process_state $pid]
        return [expr {$state ne "" && $state ne "Z"}]
    }

    # Waits for the process to end. Returns "exit N" or "signal NAME"; "" when it is still there.
    method wait_end {} {
        set until [expr {[clock milliseconds] + [patience]}]
        while {[my alive]} {
            if {[clock milliseconds] > $until} { return "" }
            after 2
        }
        if {$chan ne ""} {
            set status "exit 0"
            if {[catch {close $chan} message opts]} {
                set code [dict get $opts -errorcode]
                switch [lindex $code 0] {
                    CHILDSTATUS { set status "exit [lindex $code 2]" }
                    CHILDKILLED { set status "signal [lindex $code 2]" }
                    default { set status "exit 0" }
                }
            }
            set chan ""
        }
        return $status
    }
    method status {} { return $status }

    method signal {name} { exec kill -$name $pid }

    # A clean stop; returns how it ended.
    method stop {} {
        my drop_client
        if {$chan eq ""} { return $status }
        set expected_end 1
        catch {my signal TERM}
        if {[my wait_end] eq ""} {
            set tail [my log_tail]
            my kill9
            error "the server does not stop after SIGTERM\n$tail"
        }
        return $status
    }
    method kill9 {} {
        my drop_client
        if {$chan eq ""} { return }
        set expected_end 1
        catch {my signal KILL}
        my wait_end
    }
    # The test makes the server end by itself (SHUTDOWN, a refused start).
    method expect_end {} { set expected_end 1 }

    method restart {} {
        set how [my stop]
        if {$how ne "exit 0"} { fail "a clean stop ended with $how\n[my log_tail]" }
        my start
    }
    method crash {} {
        my kill9
        my start
    }

    # "" or what is wrong with the server: an end that nobody asked for, an assertion or a
    # sanitizer's report in the log.
    method trouble {} {
        set wrong ""
        if {$chan ne "" && ![my alive]} {
            my wait_end
            if {!$expected_end} { set wrong "the server ended by itself: $status" }
        }
        if {[string match "signal *" $status] && !$expected_end} {
            set wrong "the server died by $status"
        }
        set pattern {AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|runtime error:|[Aa]ssertion|ASSERT|double free|stack smashing|==[0-9]+== (Invalid|Conditional|definitely)}
        if {[file exists $log] && [regexp -line "^.*($pattern).*\$" [my new_log] hit]} {
            append wrong [expr {$wrong ne "" ? "; " : ""}] "the log says: $hit"
        }
        if {$wrong eq ""} { return "" }
        set tail [my log_tail]
        set log_seen [file size $log]
        return "$wrong\n$tail"
    }

    # What was logged since the last start.
    method new_log {} {
        if {![file exists $log]} { return "" }
        set f [open $log rb]
        seek $f $log_seen
        set text [read $f]
        close $f
        return $text
    }
    # The last lines of the log; of a sanitizer's report the first ones, which say what and where.
    method log_tail {{lines 30}} {
        if {![file exists $log]} { return "(no log)" }
        set all [split [string trimright [read_file $log]] "\n"]
        set from [expr {max(0, [llength $all] - $lines)}]
        set report [lsearch -regexp $all {(ERROR|WARNING): \w+Sanitizer|runtime error:}]
        if {$report >= 0} { set from [expr {min($from, $report)}] }
        return "--- [lindex [file split $log] end-1]/log:\n[join [lrange $all $from [expr {$from + $lines - 1}]] \n]\n---"
    }
    method wait_log {pattern} {
        set until [expr {[clock milliseconds] + [patience]}]
        while {![regexp -- $pattern [my new_log]]} {
            if {[clock milliseconds] > $until} { fail "the log does not say /$pattern/\n[my log_tail]" }
            after 10
        }
    }

    method client {} { return [Client new 127.0.0.1 $port] }
    # The client that `r` uses; made when first wanted.
    method default_client {} {
        if {$client eq ""} { set client [my client] }
        return $client
    }
    method drop_client {} {
        if {$client ne ""} { catch {$client destroy} }
        set client ""
    }

    # Kilobytes of a field of /proc/PID/status.
    method memory_kb {{field VmRSS}} {
        if {![regexp -line "^$field:\\s+(\\d+) kB" [read_file /proc/$pid/status] all kb]} { error "no $field" }
        return $kb
    }
}

set ::srv ""
# Runs body with a fresh server as the current one, which ends with the block.
proc with_server {options body} {
    set outer $::srv
    set ready 0
    skipping { set options [options_for_store $options]; set ready 1 }
    if {!$ready} return
    set s [Server new $options]
    set ::srv $s
    try {
        $s start
        skipping { uplevel 1 $body }
    } finally {
        set ::srv $outer
        if {[info object isa object $s]} {
            set how [$s stop]
            set wrong [$s trouble]
            if {$wrong eq "" && $how ni {"exit 0" "" "signal SIGKILL"}} {
                set wrong "the server's end after SIGTERM was: $how\n[$s log_tail]"
            }
            $s destroy
            if {$wrong ne ""} { report_failure "(clean stop)" $wrong }
        }
    }
}
proc srv {args} {
    if {[llength $args] == 0} { return $::srv }
    tailcall $::srv {*}$args
}
# A command through the current server's default client; and its other forms.
proc r {args} { tailcall [$::srv default_client] {*}$args }
proc new_client {} { return [$::srv client] }
# Runs body with new clients in the named variables, closed at the end.
proc with_clients {names body} {
    foreach name $names {
        upvar 1 $name v$name
        set v$name [new_client]
    }
    try { uplevel 1 $body } finally {
        foreach name $names { catch {[set v$name] destroy} }
    }
}

# Starts a server that must refuse; returns {status log}.
proc refused_start {options {write_conf ""}} {
    set s [Server new $options]
    try {
        if {$write_conf ne ""} {
            $s write_conf
            set f [open [$s conf_file] ab]
            puts -nonewline $f $write_conf
            close $f
            $s spawn 1
        } else {
            $s spawn
        }
        $s expect_end
        set how [$s wait_end]
        if {$how eq ""} { fail "the server should have refused to start\n[$s log_tail]" }
        return [list $how [$s new_log]]
    } finally { $s destroy }
}
