# What bench/compare and bench/long share: servers of both kinds in fresh directories, runs of the
# load generator, medians, the table. Nothing here knows a figure that was not just measured.

package require Tcl 8.6

set ::top [file dirname [file dirname [file normalize [info script]]]]

# First of: the environment's word, the candidates that exist.
proc tool {variable args} {
    if {[info exists ::env($variable)]} { return [file normalize $::env($variable)] }
    foreach candidate $args {
        set path [file join $::top $candidate]
        if {[file exists $path]} { return $path }
    }
    error "[lindex $args 0] is not built (or say where it is in \$$variable)"
}
proc bench_binary {} { return [tool CAIRN_BENCH bench/cairn-bench build/cairn-bench] }
proc shim_library {} { return [tool DISKSHIM build/diskshim.so] }
proc server_binary {} { return [tool CAIRN_SERVER src/cairn-server] }

proc note {text} { puts stderr $text }

proc read_file {path} {
    set f [open $path]
    set text [read $f]
    close $f
    return $text
}
proc write_file {path text} {
    set f [open $path.new w]
    puts -nonewline $f $text
    close $f
    file rename -force $path.new $path
}

# ---- work directory: everything of a run is below it, both servers on the same file system

proc make_work_dir {} {
    set base [expr {[info exists ::env(TMPDIR)] ? $::env(TMPDIR) : "/tmp"}]
    set ::work [string trim [exec mktemp -d [file join $base cairn-compare.XXXXXX]]]
    set ::serial 0
}
proc fresh_dir {name} {
    set dir [file join $::work $name-[incr ::serial]]
    file mkdir $dir
    return $dir
}
proc remove_work_dir {} {
    if {[info exists ::work]} { file delete -force $::work }
}

# ---- servers: a dict of kind, pid, port, dir, log (and control, with the shim)

proc free_port {} {
    set s [socket -server list -myaddr 127.0.0.1 0]
    set port [lindex [fconfigure $s -sockname] 2]
    close $s
    return $port
}

proc process_state {pid} {
    if {[catch {read_file /proc/$pid/stat} text]} { return "" }
    return [string index $text [expr {[string last ")" $text] + 2}]]
}
# A zombie may have threads that still hold its locks.
proc process_gone {pid} {
    if {[process_state $pid] ni {"" Z X}} { return 0 }
    return [expr {[llength [glob -nocomplain /proc/$pid/task/*]] <= 1}]
}

# The first line of the answer to an inline command, or "" when nobody answers.
proc ask {port command} {
    if {[catch {socket 127.0.0.1 $port} s]} { return "" }
    fconfigure $s -translation binary -buffering full
    if {[catch {puts -nonewline $s "$command\r\n"; flush $s; gets $s} line]} { set line "" }
    close $s
    return [string trimright $line "\r"]
}
# The whole of a bulk reply (INFO).
proc ask_bulk {port command} {
    set s [socket 127.0.0.1 $port]
    fconfigure $s -translation binary
    puts -nonewline $s "$command\r\n"
    flush $s
    set line [string trimright [gets $s] "\r"]
    set text $line
    if {[regexp {^\$(\d+)$} $line -> n]} { set text [read $s $n] }
    close $s
    return $text
}
# One field of INFO, or "".
proc info_field {port name} {
    if {[catch {ask_bulk $port INFO} text]} { return "" }
    if {[regexp -line "^$name:(.*?)\r?\$" $text -> value]} { return [string trim $value] }
    return ""
}

# Waits until the server answers PING; milliseconds since `begin_us`. Polls every ms at first.
proc wait_ready {pid port log begin_us {limit_ms 20000}} {
    while 1 {
        if {[ask $port PING] eq "+PONG"} {
            return [expr {([clock microseconds] - $begin_us) / 1000.0}]
        }
        if {[process_gone $pid]} { error "the server ended:\n[tail $log]" }
        if {[clock microseconds] - $begin_us > $limit_ms * 1000} {
            error "the server does not answer:\n[tail $log]"
        }
        after 1
    }
}
proc tail {path {lines 8}} {
    if {[catch {read_file $path} text]} { return "" }
    return [join [lrange [split [string trim $text] \n] end-[expr {$lines - 1}] end] \n]
}

# Starts `command` in dir. rules: "" for no shim; else the text of its control file; `live` lets the
# file be changed while the server runs (a little dearer for each call).
proc launch {kind command dir port rules live {limit_ms 20000}} {
    set log [file join $dir log]
    set prefix [list env -C $dir]
    set control ""
    if {$rules ne ""} {
        set control [file join $dir disk-control]
        write_file $control $rules
        lappend prefix LD_PRELOAD=[shim_library] DISKSHIM_CONTROL=$control
        if {!$live} { lappend prefix DISKSHIM_STATIC=1 }
    }
    set begin [clock microseconds]
    set pid [lindex [exec {*}$prefix {*}$command >>& $log &] 0]
    lappend ::started $pid
    set ready_ms [wait_ready $pid $port $log $begin $limit_ms]
    return [dict create kind $kind pid $pid port $port dir $dir log $log control $control \
        ready_ms $ready_ms]
}

# options: -dir D (a fresh one), -rules TEXT, -live 0|1, -conf {name value ...}
proc start_redis {args} {
    array set o [list -dir "" -rules "" -live 0 -conf {} -limit_ms 20000]
    array set o $args
    if {$o(-dir) eq ""} { set o(-dir) [fresh_dir redis] }
    set port [free_port]
    set command [list redis-server --port $port --bind 127.0.0.1 --dir $o(-dir) --save "" \
        --appendonly yes --appendfsync $::appendfsync --auto-aof-rewrite-percentage 0]
    foreach {name value} $o(-conf) { lappend command --$name $value }
    return [launch redis $command $o(-dir) $port $o(-rules) $o(-live) $o(-limit_ms)]
}
# What is not said in `conf` is Cairn's default, the size of the cache too.
proc cairn_command {binary dir port conf} {
    set command [list $binary --port $port --store sqlite:[file join $dir cairn.db] \
        --durability $::durability]
    foreach {name value} $conf { lappend command --$name $value }
    return $command
}
proc start_cairn {args} {
    array set o [list -binary [server_binary] -dir "" -rules "" -live 0 -conf {} -limit_ms 20000]
    array set o $args
    if {$o(-dir) eq ""} { set o(-dir) [fresh_dir cairn] }
    set port [free_port]
    set command [cairn_command $o(-binary) $o(-dir) $port $o(-conf)]
    return [launch cairn $command $o(-dir) $port $o(-rules) $o(-live) $o(-limit_ms)]
}

# What is compared: Redis and Cairn, or, with --binary-b, two builds of Cairn.
set ::sides {redis cairn}
set ::binary_b ""
proc kind_of {side} { return [expr {$side eq "redis" ? "redis" : "cairn"}] }
proc title_of {side} { return [string totitle $side] }
proc start_server {side args} {
    if {$side eq "b"} { lappend args -binary $::binary_b }
    return [start_[kind_of $side] {*}$args]
}

# Runs a program to its end in the server's directory, its output to the server's log.
proc run_logged {log args} {
    if {[catch {exec {*}$args >>& $log} message]} { error "$args\n$message\n[tail $log]" }
}

# how: KILL (the data is thrown away) or TERM (a clean shutdown). Milliseconds that it took.
proc stop_server {server {how KILL} {limit_s 600}} {
    set pid [dict get $server pid]
    set begin [clock microseconds]
    catch {exec kill -$how $pid}
    while {![process_gone $pid]} {
        if {[clock microseconds] - $begin > $limit_s * 1000000} {
            catch {exec kill -KILL $pid}
            error "the server did not stop:\n[tail [dict get $server log]]"
        }
        after 2
    }
    set ::started [lsearch -all -inline -not -exact $::started $pid]
    return [expr {([clock microseconds] - $begin) / 1000.0}]
}
# The end of a measurement. The page probe of regime.tcl comes first: what the server gives back is cheap to touch.
set ::pages {}
proc discard {server} {
    lappend ::pages [page_probe]
    stop_server $server
    file delete -force [dict get $server dir]
    catch {exec sync -f $::work}
}
# Whatever happened: nothing of ours stays behind.
proc clean_up {} {
    foreach pid $::started { catch {exec kill -KILL $pid} }
    set ::started {}
    after 50
    remove_work_dir
}
set ::started {}

# VmRSS or VmHWM of a server, in MB.
proc memory_mb {server {field VmRSS}} {
    regexp "$field:\\s+(\\d+) kB" [read_file /proc/[dict get $server pid]/status] -> kb
    return [expr {$kb / 1024.0}]
}

# ---- the page cache

# Out of the page cache, by the system if we may, else file by file.
proc drop_cache {dir} {
    exec sync
    if {![catch {write_proc /proc/sys/vm/drop_caches 3}]} { return "page cache dropped" }
    foreach file [exec find $dir -type f] {
        exec dd of=$file oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
    }
    return "files dropped from the page cache"
}
proc write_proc {path text} {
    set f [open $path w]
    puts $f $text
    close $f
}

# ---- processor time, in seconds

# Of all programs that this one has run to their end.
proc children_cpu {} {
    # Servers that were stopped are taken note of now, so that they do not count for what is run next.
    exec true
    set text [read_file /proc/[pid]/stat]
    set fields [split [string range $text [expr {[string last ")" $text] + 2}] end]]
    return [expr {([lindex $fields 13] + [lindex $fields 14]) / 100.0}]
}

proc process_cpu {pid} {
    set text [read_file /proc/$pid/stat]
    set fields [split [string range $text [expr {[string last ")" $text] + 2}] end]]
    return [expr {([lindex $fields 11] + [lindex $fields 12]) / 100.0}]
}
# Of its first thread, which in both servers is the one that talks to clients.
proc loop_cpu {pid} { return [expr {[lindex [read_file /proc/$pid/task/$pid/schedstat] 0] / 1e9}] }
# Of the whole machine: user, nice, system, interrupts.
proc machine_cpu {} {
    lassign [lrange [lindex [split [read_file /proc/stat] \n] 0] 1 7] user nice system idle io irq soft
    return [expr {($user + $nice + $system + $irq + $soft) / 100.0}]
}
# Waits until nobody else computes, for at most `limit_s`.
proc wait_quiet {{limit_s 20}} {
    set end [expr {[clock milliseconds] + $limit_s * 1000}]
    while {[clock milliseconds] < $end} {
        set before [machine_cpu]
        after 300
        if {([machine_cpu] - $before) / 0.3 < 0.25} { return 1 }
    }
    return 0
}

# ---- the load generators

# Runs cairn-bench; the result is a dict of the first role's figures, those of a second one under the key
# `second` (a dict), `series`, `seconds`, and the cores used by generator, server (its loop alone, too) and all others.
proc bench {server args} {
    set command [list [bench_binary] -p [dict get $server port] --json {*}$args]
    set pid [dict get $server pid]
    set begin [list [clock microseconds] [process_cpu $pid] [machine_cpu] [loop_cpu $pid]]
    if {[catch {exec {*}$command 2>@stderr} out]} {
        error "$command\n$out\n[tail [dict get $server log]]"
    }
    set end [list [clock microseconds] [process_cpu $pid] [machine_cpu] [loop_cpu $pid]]
    set wall [expr {([lindex $end 0] - [lindex $begin 0]) / 1e6}]
    lassign [lmap e [lrange $end 1 3] b [lrange $begin 1 3] {expr {($e - $b) / $wall}}] server_cpu machine loop
    set result [dict create]
    set roles {}
    foreach role [regexp -all -inline {\{"role":[^\}]*\}} $out] {
        set d [dict create]
        foreach {all name value} [regexp -all -inline {"(\w+)":"?([^,"\}]*)} $role] {
            dict set d $name $value
        }
        lappend roles $d
    }
    set result [lindex $roles 0]
    if {[llength $roles] > 1} { dict set result second [lindex $roles 1] }
    foreach name {seconds client_cpu} {
        regexp "\"$name\":(\[0-9.\]+)" $out -> value
        dict set result $name $value
    }
    dict set result server_cpu $server_cpu
    dict set result loop_cpu $loop
    dict set result other_cpu [expr {$machine - $server_cpu - [dict get $result client_cpu]}]
    regexp {"series":\[(.*)\]\}} $out -> series
    dict set result series {}
    foreach {all second} [regexp -all -inline {\[([^\]]*)\]} $series] {
        dict lappend result series [split $second ,]
    }
    return $result
}

# Adds server_us and client_us to a result: processor time for each `unit` (requests_per_s, events_per_s).
proc with_costs {result unit} {
    set rate [dict get $result $unit]
    foreach who {server client} {
        dict set result ${who}_us [expr {$rate > 0 ? [dict get $result ${who}_cpu] * 1e6 / $rate : 0}]
    }
    return $result
}

# redis-benchmark, its figures under the names of ours.
proc redis_benchmark {server requests depth args} {
    set pid [dict get $server pid]
    set begin [list [clock microseconds] [process_cpu $pid] [children_cpu] [machine_cpu]]
    set out [exec redis-benchmark -p [dict get $server port] -c 50 -P $depth -n $requests -r 10000 \
        --csv {*}$args 2>@stderr]
    set end [list [clock microseconds] [process_cpu $pid] [children_cpu] [machine_cpu]]
    set wall [expr {([lindex $end 0] - [lindex $begin 0]) / 1e6}]
    lassign [lmap e [lrange $end 1 3] b [lrange $begin 1 3] {expr {($e - $b) / $wall}}] server_cpu client_cpu machine
    set figures [regexp -all -inline {"([0-9.]+)"} [lindex [split [string trim $out] \n] end]]
    set values [lmap {all v} $figures {set v}]
    if {[llength $values] < 7} { error "redis-benchmark said: $out" }
    lassign [lrange $values end-6 end] rps avg min p50 p95 p99 max
    return [dict create requests_per_s $rps events_per_s $rps p50_us [expr {$p50 * 1000}] \
        p99_us [expr {$p99 * 1000}] max_us [expr {$max * 1000}] server_cpu $server_cpu \
        client_cpu $client_cpu other_cpu [expr {$machine - $server_cpu - $client_cpu}]]
}

# p50 of an fdatasync on the servers' file system, in us.
proc sync_probe {} {
    set out [exec [bench_binary] --sync-probe [file join $::work probe] --json]
    regexp {"p50_us":([0-9.]+)} $out -> p50
    return $p50
}

# ---- figures

proc median {values} {
    set sorted [lsort -real $values]
    set n [llength $sorted]
    if {$n == 0} { return 0 }
    set middle [expr {$n / 2}]
    if {$n % 2 == 1} { return [lindex $sorted $middle] }
    return [expr {([lindex $sorted $middle-1] + [lindex $sorted $middle]) / 2.0}]
}
proc median_of {results name} {
    return [median [lmap r $results {dict get $r $name}]]
}
proc rate_text {v} {
    if {$v >= 1e6} { return [format %.2fM [expr {$v / 1e6}]] }
    if {$v >= 1e4} { return [format %.1fk [expr {$v / 1e3}]] }
    return [format %.0f $v]
}
proc ms_text {us} {
    set ms [expr {$us / 1000.0}]
    if {$ms < 10} { return [format %.2f $ms] }
    return [format %.1f $ms]
}

# ---- output: to stdout, and with --save to a dated file as well

set ::report {}
proc say {text} {
    puts $text
    flush stdout
    lappend ::report $text
}
proc save_report {name} {
    set dir [file join $::top bench results]
    file mkdir $dir
    set path [file join $dir [clock format [clock seconds] -format %Y-%m-%d-%H%M]-$name.txt]
    write_file $path [join $::report \n]\n
    note "saved as $path"
}

proc first_line {args} {
    if {[catch {exec {*}$args 2>@1} out]} { return "unknown" }
    return [lindex [split $out \n] 0]
}
# Under which conditions the figures below were taken; redis: it is beside us.
proc say_conditions {{redis 1}} {
    set fs [lindex [split [exec df --output=fstype $::work] \n] 1]
    set cpus [exec nproc]
    set model unknown
    regexp -line {^model name\s*:\s*(.*)$} [read_file /proc/cpuinfo] -> model
    say "date        [clock format [clock seconds] -format {%Y-%m-%d %H:%M}]"
    say "machine     $cpus x $model, Linux [exec uname -r], file system $fs"
    if {$::binary_b eq "" && $redis} {
        say "Redis       [first_line redis-server --version]"
        say "            appendonly yes, appendfsync $::appendfsync, save \"\", no AOF rewrite"
    }
    if {![catch {server_binary} binary]} {
        say "Cairn       [first_line $binary --version], commit [first_line git -C $::top rev-parse --short HEAD]"
        if {$redis} { say "            durability $::durability, cache-bytes and all else as they are by default, where not said" }
    }
    if {$::binary_b ne ""} {
        # A path says something about this machine only.
        say "A           [file tail $binary]"
        say "B           [file tail $::binary_b], [first_line $::binary_b --version]"
    }
    set load [lindex [read_file /proc/loadavg] 0]
    say "load        $load before the start"
    if {$load > 0.7} { note "warning: the machine is not idle (load $load)" }
    if {$fs eq "tmpfs"} { note "warning: [file dirname $::work] is in memory: set TMPDIR to a disk" }
}
