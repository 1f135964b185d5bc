# What the server tells about itself: INFO, COMMAND, SLOWLOG, MONITOR, TIME, DBSIZE; and the
# commands that are locked by an option.

with_server {} {
    test "INFO has the sections, each with its fields" {
        append_events [srv default_client] s 10
        set info [r INFO]
        foreach section {Server Clients Memory Store Journal Cache Stats} { assert_match "*# $section\r\n*" $info }
        foreach name {redis_version process_id tcp_port uptime_in_seconds connected_clients blocked_clients maxclients
            used_memory total_connections_received total_commands_processed role loading} {
            assert {[info_field [srv default_client] $name] ne ""} "INFO has no $name"
        }
        # Clients compare them.
        foreach {- name version} [regexp -all -inline -line {^(\w+_version):(.*?)\r$} $info] {
            assert_regexp {^\d+(\.\d+\.\d+)?$} $version $name
        }
        assert_equal [srv pid] [info_field [srv default_client] process_id]
        assert_equal [srv port] [info_field [srv default_client] tcp_port]
        foreach line [split [string map {\r\n \n} $info] \n] {
            assert {$line eq "" || [string index $line 0] eq "#" || [regexp {^[A-Za-z0-9_.|-]+:} $line]} "line: $line"
        }
    }
    test "INFO's sections come in Redis' order, ours among them" {
        set all [list Server Clients Memory Persistence Store Journal Cache Stats Subscriptions Replication CPU Modules Commandstats \
            Errorstats Latencystats Cluster Keyspace]
        set titles {}
        foreach {- title} [regexp -all -inline -line {^# (\w+)} [r INFO everything]] { lappend titles $title }
        assert_equal $all $titles
        set titles {}
        foreach {- title} [regexp -all -inline -line {^# (\w+)} [r INFO]] { lappend titles $title }
        assert_equal [lsearch -all -inline -not -regexp $all {Commandstats|Latencystats}] $titles
    }
    test "INFO section by section, several, all, and unknown" {
        foreach section {server clients memory store journal cache stats} {
            set text [r INFO $section]
            assert_match "# *" $text $section
            assert_equal 1 [regexp -all -line {^# } $text] $section
        }
        assert_equal 2 [regexp -all -line {^# } [r INFO server CLIENTS]]
        assert_equal "" [r INFO nosuchsection]
        assert_match "*# Commandstats*" [r INFO all]
        assert_match "*# Commandstats*" [r INFO everything]
        assert {![string match "*# Commandstats*" [r INFO]]}
        with_clients c {
            $c HELLO 3
            assert_equal verbatim [lindex [$c typed INFO server] 0]
        }
    }
    test "INFO's numbers about store and journal move" {
        set before [r INFO store journal]
        append_events [srv default_client] moves 100
        r ESYNC
        assert {$before ne [r INFO store journal]}
    }
    test "commandstats, errorstats and latencystats count" {
        r CONFIG RESETSTAT
        for {set i 0} {$i < 5} {incr i} { r EAPPEND counted t }
        catch {r EAPPEND counted t EXPECTED_VERSION 99}
        catch {r EAPPEND counted}
        catch {r NOSUCHCOMMAND}
        set c [srv default_client]
        assert_regexp {^calls=[67],usec=\d+,usec_per_call=[0-9.]+,rejected_calls=[01],failed_calls=[12]} [info_field $c cmdstat_eappend commandstats]
        assert_equal "count=1" [info_field $c errorstat_WRONGVER errorstats]
        assert_regexp {^count=\d+} [info_field $c errorstat_ERR errorstats]
        assert_regexp {^p50=[0-9.]+,p99=[0-9.]+,p99\.9=[0-9.]+} [info_field $c latency_percentiles_usec_eappend latencystats]
        r CONFIG SET latency-tracking-info-percentiles "50.0 99.90  1e2"
        assert_equal {latency-tracking-info-percentiles {50 99.9 100}} [r CONFIG GET latency-tracking-info-percentiles]
        assert_regexp {^p50=[0-9.]+,p99\.9=[0-9.]+,p100=[0-9.]+$} [info_field $c latency_percentiles_usec_eappend latencystats]
        assert {[info_field $c total_error_replies stats] >= 2}
        assert_equal "" [info_field $c cmdstat_nosuchcommand commandstats]
    }
    test "Unknown commands, too few and too many arguments: Redis' own texts" {
        assert_equal "ERR value is not an integer or out of range" [r err MEMORY USAGE counted SAMPLES x]
        foreach words {{SAMPLES} {SAMPLES -1} {NOPE 1}} { assert_equal "ERR syntax error" [r err MEMORY USAGE counted {*}$words] }
        assert_equal "ERR unknown command 'foo', with args beginning with: 'a' 'b' 'c' " [r err foo a b c]
        assert_equal "ERR wrong number of arguments for 'time' command" [r err TIME 1]
        assert_match "ERR unknown command '[string repeat x 128]'*" [r err [string repeat x 300]]
        set long [r err foo {*}[lrepeat 100 [string repeat y 20]]]
        assert {[string length $long] < 400} $long
    }
    test "TIME is seconds and microseconds" {
        set before [clock seconds]
        lassign [r TIME] s us
        assert_range $before [clock seconds] $s
        assert_range 0 999999 $us
        assert_equal bulk [lindex [r typed TIME] 1 0 0]
    }
    test "DBSIZE counts streams" {
        assert_equal int [lindex [r typed DBSIZE] 0]
        set n [r DBSIZE]
        r EAPPEND brand-new t
        r EAPPEND brand-new t
        assert_equal [expr {$n + 1}] [r DBSIZE]
    }
    test "COMMAND lists every command in Redis' shape" {
        set all [r COMMAND]
        assert_equal [llength $all] [r COMMAND COUNT]
        assert {[llength $all] > 25}
        foreach entry $all {
            assert {[llength $entry] >= 6} $entry
            lassign $entry name arity flags first last step
            assert_regexp {^[a-z]+$} $name
            assert {$arity != 0 && [string is integer -strict $arity]} $entry
            assert {$last >= -1 && $first >= 0 && $step >= 0} $entry
        }
        set names [lsort [lmap e $all {lindex $e 0}]]
        # As with Redis, LIST names the subcommands too.
        assert_equal $names [lsort [lsearch -all -inline -not [r COMMAND LIST] *|*]]
        foreach name {eappend emappend eget escan epscan esver epseq estreams einfo esync backup ping echo quit reset select auth
            hello client command info dbsize time slowlog monitor debug flushall flushdb config shutdown} {
            assert {$name in $names} "COMMAND LIST has no $name"
        }
    }
    test "COMMAND INFO of known and unknown names" {
        set reply [r typed COMMAND INFO ping nosuch eappend]
        assert_equal 3 [llength [lindex $reply 1]]
        assert_equal {nullarray {}} [lindex $reply 1 1]
        lassign [lindex [r COMMAND INFO eappend] 0] name arity flags first last step
        assert_equal eappend $name
        assert_equal -3 $arity
        assert_equal {1 1 1} [list $first $last $step]
        assert {"write" in $flags}
        lassign [lindex [r COMMAND INFO escan] 0] name arity flags
        assert {"readonly" in $flags}
    }
    test "COMMAND DOCS has the nested shape" {
        set docs [r COMMAND DOCS eappend ping nosuch]
        assert_equal 4 [llength $docs]
        set doc [dict get $docs eappend]
        foreach name {summary group} { assert {[dict exists $doc $name]} "$name in $doc" }
        assert {[string length [dict get $doc summary]] > 10}
        assert {[llength [r COMMAND DOCS]] == 2 * [r COMMAND COUNT]}
        with_clients c {
            $c HELLO 3
            assert_equal map [lindex [$c typed COMMAND DOCS ping] 0]
        }
    }
    test "COMMAND GETKEYS finds the streams" {
        assert_equal {my-stream} [r COMMAND GETKEYS EAPPEND my-stream t PAYLOAD x]
        assert_equal {my-stream} [r COMMAND GETKEYS ESCAN my-stream - +]
        assert_match "ERR *" [r err COMMAND GETKEYS PING]
        assert_match "ERR *" [r err COMMAND GETKEYS NOSUCH a]
        assert_match "ERR *" [r err COMMAND GETKEYS EAPPEND]
        assert_match "ERR unknown subcommand*" [r err COMMAND NOPE]
    }
    test "COMMAND says what becomes of keys, and where they stand" {
        foreach {expected command} {
            {{s {RW update}}} {XADD s * f v}
            {{s {RW delete}}} {XTRIM s MAXLEN 1}
            {{s RO}} {XLEN s}
            {{s {RO access}}} {XRANGE s - +}
            {{s {RW insert}}} {EAPPEND s t}
            {{s {RM delete}}} {EDELETE s}
            {{a {RO access}} {b {RO access}}} {XREAD COUNT 1 STREAMS a b 0 0}
            {{a {RW access delete}} {b {OW update}}} {RENAME a b}
            {{a {OW update}} {b {OW update}}} {MSET a 1 b 2}
        } {
            assert_equal $expected [r COMMAND GETKEYSANDFLAGS {*}$command] $command
        }
        set specs [lindex [r COMMAND INFO xreadgroup] 0 8]
        assert_equal 1 [llength $specs]
        assert_equal {type keyword spec {keyword STREAMS startfrom 4}} [dict get [lindex $specs 0] begin_search]
        assert_equal {type range spec {lastkey -1 keystep 1 limit 2}} [dict get [lindex $specs 0] find_keys]
        set specs [lindex [r COMMAND INFO rename] 0 8]
        assert_equal {1 2} [lmap spec $specs {dict get $spec begin_search spec index}]
        set stream [r COMMAND LIST FILTERBY ACLCAT stream]
        foreach name {eappend escan xadd xreadgroup xgroup|create xinfo|stream} { assert {$name in $stream} $name }
    }
    test "SLOWLOG keeps the slow commands" {
        r CONFIG SET slowlog-log-slower-than 0
        r SLOWLOG RESET
        r ECHO slow-marker
        r EAPPEND slow-s t PAYLOAD [string repeat x 1000]
        set entries [r SLOWLOG GET 10]
        assert {[r SLOWLOG LEN] >= 2}
        set found 0
        foreach e $entries {
            lassign $e id time usec words addr name
            assert {$usec >= 0 && $time > 1000000000}
            if {$words eq {ECHO slow-marker}} { incr found; assert_match 127.0.0.1:* $addr }
            foreach w $words { assert {[string length $w] < 300} "long arguments are cut" }
        }
        assert_equal 1 $found
        assert_equal 1 [llength [r SLOWLOG GET 1]]
        r CONFIG SET slowlog-max-len 3
        for {set i 0} {$i < 10} {incr i} { r PING }
        assert_equal 3 [r SLOWLOG LEN]
        r CONFIG SET slowlog-log-slower-than -1
        assert_equal OK [r SLOWLOG RESET]
        r PING
        assert_equal 0 [r SLOWLOG LEN]
        assert {[llength [r SLOWLOG HELP]] > 2}
        assert_match ERR* [r err SLOWLOG NOPE]
    }
    test "RESET ends MONITOR, and is not shown to itself" {
        with_clients {m other} {
            $m MONITOR
            assert_equal RESET [$m RESET]
            r PING
            assert_equal hello [$m ECHO hello]
            $other MONITOR
            $m RESET
            assert_match {* "RESET"} [$other read]
        }
    }
    test "MONITOR shows what waits for CLIENT PAUSE WRITE once" {
        with_clients {m c other} {
            $other XADD s-1 * f v
            $c HELLO 3
            set id [field [$c ESUBSCRIBE s-* FROM START CHECKPOINT shown] id]
            $m MONITOR
            $other CLIENT PAUSE 86400000 WRITE
            $c send EACK $id 0
            $c taken
            $other CLIENT UNPAUSE
            $c read
            $other ECHO last
            set shown {}
            while {![string match {*"ECHO" "last"} [set line [$m read]]]} { lappend shown [lindex $line 3] }
            assert_equal 1 [llength [lsearch -all $shown EACK]] $shown
        }
    }
    test "MONITOR shows the commands of others, without passwords" {
        with_clients m {
            assert_equal OK [$m MONITOR]
            with_clients other {
                $other ECHO "from other\n"
                catch {$other AUTH default topsecret}
                $other PING
            }
            set lines {}
            while {1} {
                set line [$m read]
                lappend lines $line
                if {[string match {*"PING"} $line]} break
            }
            set all [join $lines \n]
            assert_regexp {^\d+\.\d+ \[0 127\.0\.0\.1:\d+\] "ECHO" "from other\\n"} [lsearch -inline $lines *ECHO*]
            assert {![string match *topsecret* $all]} $all
        }
        assert_equal PONG [r PING]
    }
    test "DEBUG is locked, and the refusal says how to unlock" {
        assert_regexp {^ERR .*DEBUG.*enable-debug-command} [r err DEBUG SLEEP 0]
        assert_match "ERR*" [r err CONFIG SET enable-debug-command yes]
    }
    test "FLUSHALL and FLUSHDB are locked, and the refusal says how to unlock" {
        r EAPPEND keep t
        foreach cmd {FLUSHALL FLUSHDB} {
            assert_match "*enable-flush*" [r err $cmd]
        }
        assert_equal 0 [r ESVER keep]
    }
    test "SHUTDOWN with options that contradict each other stops nothing" {
        foreach options {{ABORT NOW} {NOW ABORT} {ABORT SAVE} {NOSAVE SAVE} {SAVE FORCE NOSAVE} {NOPE} {ABORT NOPE} {NOW NOW NOPE}} {
            assert_equal "ERR syntax error" [r err SHUTDOWN {*}$options] $options
        }
        foreach options {ABORT {abort ABORT}} { assert_equal "ERR No shutdown in progress." [r err SHUTDOWN {*}$options] }
        assert_equal PONG [r PING]
    }
    test "SHUTDOWN ends the server cleanly" {
        r EAPPEND last t
        srv expect_end
        with_clients c {
            $c send SHUTDOWN nosave NOW force NOW
            assert_equal "exit 0" [srv wait_end]
        }
        srv drop_client
        srv start
        assert_equal 0 [r ESVER last]
    }
}

with_server {enable-debug-command yes enable-flush yes} {
    test "With the option DEBUG works" {
        assert_equal OK [r DEBUG SLEEP 0]
        assert_match ERR* [r err DEBUG NOSUCH]
    }
    test "With the option FLUSHALL empties the store, also for later starts" {
        append_events [srv default_client] a 20
        append_events [srv default_client] b 20
        set id [field [r EAPPEND a t EVENT_ID [uuid]] event_id]
        r ESYNC
        append_events [srv default_client] c 20
        assert_equal OK [r FLUSHALL]
        assert_equal {} [r ESVER a]
        assert_equal {} [r ESVER c]
        assert_equal {} [r EPSEQ 0]
        assert_equal {} [r EGET $id]
        assert_equal 0 [r DBSIZE]
        assert_equal {} [field [r EPSCAN 0 - +] events]
        assert_equal {0 0} [list [field [r EAPPEND a t] stream_version] [field [r ESCAN a - +] has_more]]
        assert_equal 0 [r EPSEQ 0]
        srv crash
        assert_equal 0 [r ESVER a]
        assert_equal 0 [r EPSEQ 0]
        assert_equal {} [r ESVER b]
        assert_equal 1 [r DBSIZE]
        assert_equal OK [r FLUSHDB]
        srv restart
        assert_equal 0 [r DBSIZE]
        # What was flushed is not a duplicate.
        assert_equal 0 [field [r EAPPEND a t EVENT_ID $id] stream_version]
    }
}
