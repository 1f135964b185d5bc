# tclsh suite.tcl --suite FOLDER... [--skipped N] [--quick|--try] [FILE...]: the part of redis-compat/suite that runs tests.
#
# The suites' test_helper.tcl is made of two programs: one that hands out files and hears what became of each test, over a
# socket, and one that runs a file (--client). We are the first: so every test's name and outcome come as messages, a
# test that says nothing for a while is known by name, and the server can be a fresh one for each file.
#
# --singledb: the numbered databases are one store, so what needs several is left out. --ignore-encoding: how values of other types are
# encoded is not asked. --no-latency: nor how quick the machine is.
# In external mode the suite talks to a server of ours. In spawn mode (files in ::spawned) it starts its own, with options that it
# writes: spawned-server stands in place of the original's program.
# A test during which the server dies or nothing moves for SUITE_IDLE seconds (300) has failed; the file is run again, on
# a fresh server, without it.

set here [file dirname [file normalize [info script]]]
set top [file dirname $here]
foreach part {test resp server} { source [file join $top tests lib $part.tcl] }
proc emit {args} {}     ;# there is no tests/run to tell

set all_files {unit/type/stream unit/type/stream-cgroups unit/type/string unit/type/incr unit/multi unit/keyspace unit/quit unit/info-command unit/protocol
    unit/introspection unit/introspection-2 unit/scan unit/expire unit/other unit/slowlog unit/latency-monitor unit/pubsub unit/pubsubshard unit/tracking
    unit/auth unit/limits unit/networking}
# Their tests, or all that is of use in them, are left out in external mode.
set spawned {unit/pubsubshard unit/auth unit/limits unit/networking}
# What these tags stand for is not in the server: they ask for DEBUG's parts, replicas, RDB and AOF files, the keys' memory.
set denied {-needs:repl -needs:save -needs:pfdebug -needs:config-maxmemory}
# Of DEBUG there are SLEEP and little else: these files need no more.
set with_debug {unit/multi unit/slowlog unit/latency-monitor}
set idle [expr {[info exists env(SUITE_IDLE)] ? $env(SUITE_IDLE) : 300}]
set attempts 8
set suites {}; set files {}; set skipped 0; set quick 0; set try 0
for {set i 0} {$i < $argc} {incr i} {
    switch -glob -- [lindex $argv $i] {
        --suite { lappend suites [lindex $argv [incr i]] }
        --skipped { set skipped [lindex $argv [incr i]] }
        --quick { set quick 1; set files [lrange $all_files 0 1] }
        --try { set try 1 }
        -* { puts stderr "unknown option [lindex $argv $i]: see the head of redis-compat/suite"; exit 2 }
        default { lappend files [lindex $argv $i] }
    }
}
set full [expr {$files eq "" && !$try}]
if {$files eq ""} { set files $all_files }

# not-applicable.txt: "[file]" or "[suite file]" opens a section; then "NAME  # REASON" lines. A dict: section -> names.
proc read_not_applicable {path} {
    set section ""
    set found {}
    foreach line [split [read_file $path] \n] {
        if {$line eq "" || [string match "# *" $line]} continue
        if {[regexp {^\[(.+)\]$} $line all section]} continue
        if {![regexp {^(.*\S)  # \S} $line all name]} { error "$path: no reason on the line \"$line\"" }
        dict lappend found $section [encoding convertfrom utf-8 $name]
    }
    return $found
}

proc server_options {} {
    switch -glob [file tail [server_binary]] {
        valkey-server - redis-server { return {save {""}} }
        default { return {enable-flush yes enable-debug-command yes} }
    }
}

# --- one attempt at one file: what is running is in ::now

# The other side of the socket has connected, or has something to say.
proc accept_helper {channel address port} {
    set ::now(channel) $channel
    fconfigure $channel -encoding binary     ;# line ends as sockets have them: the lengths count characters
    fileevent $channel readable [list hear $channel]
}
proc hear {channel} {
    set length [gets $channel]
    if {$length eq ""} {
        fileevent $channel readable {}
        set ::now(end) "the suite's process ended"
        return
    }
    lassign [read $channel $length] status data
    set ::now(heard) [clock seconds]
    switch $status {
        ready {
            set order [list run $::now(file)]
            puts -nonewline $channel "[string length $order]\n$order"
            flush $channel
        }
        testing { set ::now(test) $data }
        ok { lappend ::now(rows) [list passed $data ""]; set ::now(test) "" }
        skip { lappend ::now(rows) [list left-out $data ""] }
        ignore {
            if {[regexp {^(.*): ((?:Not supported|Tag: |large memory|Other server).*)$} $data all name why]} {
                lappend ::now(rows) [list tag $name $why]
            } else {
                lappend ::now(rows) [list block "" $data]
            }
        }
        err {
            # "NAME in tests/FILE", then the reason.
            set lines [split $data \n]
            set name [string map [list " in tests/$::now(file).tcl" ""] [lindex $lines 0]]
            if {$::now(test) eq ""} { set name "(outside the tests) $name" }
            # Of an error that is no assertion the helper cuts ten characters off, then says it again in full.
            lassign [lrange $lines 1 2] why full
            if {$why ne "" && [string match "*[string range $why end-20 end]" $full]} { set why $full }
            lappend ::now(rows) [list failed $name $why]
            set ::now(test) ""
        }
        server-spawned { lappend ::now(pids) [lindex $data 0] }
        server-killed { set ::now(pids) [lsearch -all -inline -not -exact $::now(pids) $data] }
        exception { set ::now(end) "exception: [join [lrange [split $data \n] 0 3] { }]" }
        done { set ::now(end) done }
    }
}
proc watch {server} {
    if {$server ne "" && ![$server alive]} {
        # What the helper heard of it comes first.
        after 500 {set ::now(end) crash}
    } elseif {[clock seconds] - $::now(heard) > $::idle} {
        set ::now(end) hang
    } else {
        after 200 [list watch $server]
    }
}

# Runs file of the suite in folder without the tests in without. Returns how it ended; rows are in now(rows).
proc attempt {folder file without} {
    array unset ::now
    array set ::now [list file $file test "" rows {} end "" heard [clock seconds] pids {}]
    set work [file join $::work_dir suite]
    file delete -force $work
    file mkdir [file join $work src]
    file copy [file join $folder tests] $work
    file mkdir [file join $work tests tmp]
    file copy [file join $folder src commands] [file join $work src]
    foreach conf [glob -nocomplain [file join $folder *.conf]] { file copy $conf $work }
    # A bare machine may not know the name localhost.
    set helper [file join $work tests test_helper.tcl]
    write_file $helper [string map {"socket localhost" "socket 127.0.0.1"} [read_file $helper]]
    # keyspace.tcl sets an option of lists outside its tests, where an error ends the file. It is about encodings only.
    set out [open [file join $work tests support util.tcl] a]
    puts $out {
        rename config_set config_set_any
        proc config_set {param args} {
            if {$param ne "list-max-listpack-size"} { config_set_any $param {*}$args }
        }
    }
    close $out
    set list [file join $work without]
    set out [open $list w]
    fconfigure $out -encoding utf-8
    puts -nonewline $out [join $without \n]
    close $out

    set server ""
    set tags $::denied
    if {$file ni $::with_debug} { lappend tags -needs:debug }
    if {$file in $::spawned} {
        free_port     ;# claims a stretch of ports
        set where [list --baseport [expr {$::port_first + 1}] --portcount [expr {$::port_count - 2}]]
        foreach name {valkey-server redis-server} { put_server $work/src/$name }
    } else {
        set server [[Server new [server_options]] start]
        set where [list --host 127.0.0.1 --port [$server port]]
    }
    set listener [socket -server accept_helper -myaddr 127.0.0.1 0]
    set port [lindex [fconfigure $listener -sockname] 2]
    set before [pwd]
    cd $work
    set helper [exec [info nameofexecutable] tests/test_helper.tcl {*}$where --client $port \
                    --single $file --durable --singledb --ignore-encoding --no-latency --tags $tags --skipfile $list </dev/null >>$work/log 2>@1 &]
    cd $before
    set timer [after 200 [list watch $server]]
    while {$::now(end) eq ""} { vwait ::now(end) }
    set end $::now(end)
    if {$end eq "hang" && $::now(test) eq ""} { set end "nothing moved for $::idle s" }
    if {[regexp {^(the suite's|nothing moved)} $end] && ($server eq "" || [$server alive])} {
        append end ": [string range [read_file $work/log] end-300 end]"
    }
    foreach id [after info] { after cancel $id }
    catch {exec kill -9 $helper}
    catch {close $::now(channel)}
    close $listener
    if {$server eq ""} {
        foreach pid $::now(pids) { catch {exec kill -9 $pid} }
        set ::now(trouble) [trouble_of_spawned $work]
        return $end
    }
    # A server that is dying writes its report.
    if {![$server alive]} { set end crash; after 300 }
    set ::now(trouble) [$server trouble]
    $server kill9
    set dir [$server dir]
    $server destroy
    file delete -force $dir
    return $end
}

# What the suite starts in spawn mode: the original itself, or Cairn by spawned-server.
proc put_server {path} {
    if {[file tail [server_binary]] eq "cairn-server"} {
        write_file $path "#!/bin/sh\nexec env CAIRN_SERVER=[server_binary] $::here/spawned-server \"\$@\"\n"
        file attributes $path -permissions 0755
    } else {
        file link -symbolic $path [exec sh -c {command -v "$1"} sh [server_binary]]
    }
}

# "", or the line of a log that tells of a crash.
proc trouble_of_spawned {work} {
    foreach log [glob -nocomplain $work/tests/tmp/*/stdout $work/tests/tmp/*/stderr] {
        if {[regexp -line {^.*(Sanitizer|runtime error:|[Aa]ssertion|ASSERT).*$} [read_file $log] hit]} { return "the log says: $hit" }
    }
    return ""
}

# All of file: attempts until one goes through. Returns rows {outcome name reason}.
proc run_file {folder file without} {
    set bad {}
    for {set i 0} {$i < $::attempts} {incr i} {
        set end [attempt $folder $file [concat $without [lmap row $bad {lindex $row 1}]]]
        set rows $::now(rows)
        if {$end eq "done"} {
            if {$::now(trouble) ne ""} { lappend bad [list failed "(the server's log)" $::now(trouble)] }
            break
        }
        set test $::now(test)
        switch $end {
            crash {
                # The suite may have gone on, failing, until we saw it: the first that lost its connection is meant.
                foreach row $rows {
                    if {[lindex $row 0] eq "failed" && [regexp {I/O error|refused|reset by peer|broken pipe|reading reply} [lindex $row 2]]} {
                        set test [lindex $row 1]
                        break
                    }
                }
                set why "the server died: $::now(trouble)"
            }
            hang { set why "nothing moved for $::idle s" }
            default { set why $end }
        }
        if {$test eq ""} {
            lappend rows [list failed "(outside the tests)" "the file ended early: $why"]
            break
        }
        lappend bad [list failed $test $why]
        puts "   $test: [lindex [split $why \n] 0]; again without it"
    }
    set names [lmap row $bad {lindex $row 1}]
    return [concat [lmap row $rows {if {[lindex $row 0] eq "left-out" && [lindex $row 1] in $names} continue; set row}] $bad]
}

# --- the whole

# The commands without which nothing in the suites' stream files means anything: which of them the server has not.
proc missing {} {
    set server [[Server new [server_options]] start]
    set missing {}
    foreach command {xadd xreadgroup xgroup xautoclaim xinfo multi del} {
        if {[lindex [[$server default_client] COMMAND INFO $command] 0] eq ""} { lappend missing [string toupper $command] }
    }
    $server kill9
    $server destroy
    return $missing
}

set ::work_dir [file join [expr {[info exists env(TMPDIR)] ? $env(TMPDIR) : "/tmp"}] cairn-suite.[pid]]
file mkdir $::work_dir
proc run_all {} {
    global suites files not_applicable try
    set results {}
    set used {}
    foreach folder $suites {
        set suite [file tail $folder]
        foreach file $files {
            if {![file exists [file join $folder tests $file.tcl]]} { error "$suite has no file $file" }
            set names {}
            foreach section [list $file "$suite $file"] {
                if {[dict exists $not_applicable $section]} { lappend names {*}[dict get $not_applicable $section] }
            }
            set start [clock seconds]
            puts "$suite $file"
            flush stdout
            set rows [run_file $folder $file [expr {$try ? {} : $names}]]
            foreach outcome {passed failed left-out tag block} { set n($outcome) 0 }
            foreach row $rows {
                lassign $row outcome name why
                incr n($outcome)
                if {$outcome eq "left-out"} { lappend used $file $name }
                if {$outcome eq "failed"} { puts "   FAILED [expr {$name in $names ? {(not applicable) } : {}}]$name\n          [shorten $why 400]" }
                if {$try && $outcome eq "passed" && $name in $names} { puts "   passes, though in not-applicable.txt: $name" }
            }
            puts "   $n(passed) passed, $n(failed) failed, $n(left-out) not applicable, by tag $n(tag) tests and $n(block) blocks ([expr {[clock seconds] - $start}] s)"
            flush stdout
            lappend results [list $suite $file $rows]
        }
    }
    return [list $results $used]
}

# Lines of not-applicable.txt that met no test.
proc idle_lines {not_applicable used} {
    set idle {}
    foreach {file name} $used { set met([lindex $file end],$name) 1 }
    dict for {section names} $not_applicable {
        foreach name $names {
            if {![info exists met([lindex $section end],$name)]} { lappend idle "\[$section\] $name" }
        }
    }
    return $idle
}

proc results_page {results} {
    set page "# What Valkey's and Redis' own test suites say

Written by `redis-compat/suite`; do not edit. The suites run in external mode, each file on a fresh server.
In spawn mode, where the suite starts servers with options of its own: [join $::spawned {, }].
*Not applicable*: named, with the reason, in `not-applicable.txt`. *By tag*: tests and whole blocks that the suite itself leaves
out for a server that it has not started, or that ask for DEBUG, replicas, RDB and AOF files or `maxmemory`.

| suite | file | passed | failed | not applicable | by tag: tests, blocks |
|---|---|---:|---:|---:|---:|
"
    set failing ""
    foreach result $results {
        lassign $result suite file rows
        foreach outcome {passed failed left-out tag block} {
            set n($outcome) [llength [lsearch -all -index 0 -exact $rows $outcome]]
        }
        append page "| $suite | $file | $n(passed) | $n(failed) | $n(left-out) | $n(tag), $n(block) |\n"
        foreach row $rows {
            if {[lindex $row 0] eq "failed"} { append failing "* $suite, $file: `[lindex $row 1]`\n" }
        }
    }
    append page "\n## Failing\n\n[expr {$failing eq "" ? "None.\n" : $failing}]"
}

try {
    set not_applicable [read_not_applicable [file join $here not-applicable.txt]]
    set failed 0
    set passed 0
    if {[set missing [missing]] ne ""} {
        puts "SKIPPED: the server has no $missing"
        incr skipped [llength $suites]
    } else {
        lassign [run_all] results used
        foreach result $results {
            incr passed [llength [lsearch -all -index 0 -exact [lindex $result 2] passed]]
            incr failed [llength [lsearch -all -index 0 -exact [lindex $result 2] failed]]
        }
        if {$full && $skipped == 0} {
            foreach line [idle_lines $not_applicable $used] {
                puts "FAILED not-applicable.txt names what is no test: $line"
                incr failed
            }
            # Only what the server of this project does is worth keeping.
            if {[file tail [server_binary]] eq "cairn-server"} {
                write_file [file join $here RESULTS.md] [encoding convertto utf-8 [results_page $results]]
            }
        }
    }
} finally {
    foreach s $::servers { catch {$s kill9} }
    file delete -force $::work_dir
}
puts "$passed passed, $failed failed[expr {$skipped ? ", $skipped skipped" : ""}]"
exit [expr {$failed > 0}]
