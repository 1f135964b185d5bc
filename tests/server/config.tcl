# Options: the file, the command line, CONFIG, and starts that must be refused.

proc config_get {name} {
    set pair [r CONFIG GET $name]
    if {[llength $pair] != 2} { fail "CONFIG GET $name: $pair" }
    return [lindex $pair 1]
}

with_server {maxclients 123 -args {--timeout 77 --slowlog-max-len 9}} {
    test "Options come from the file, and the command line has the last word" {
        assert_equal 123 [config_get maxclients]
        assert_equal 77 [config_get timeout]
        assert_equal 9 [config_get slowlog-max-len]
        assert_equal [srv port] [config_get port]
    }
    test "CONFIG GET takes patterns and several names, in any case" {
        array set got [r CONFIG GET max*]
        assert_equal 123 $got(maxclients)
        assert_equal 8388608 $got(max-event-bytes)
        array set two [r CONFIG GET PORT timeout nothing-such]
        assert_equal [list [srv port] 77] [list $two(port) $two(timeout)]
        assert_equal 2 [array size two]
        assert_equal {} [r CONFIG GET nothing-such]
        with_clients c {
            $c HELLO 3
            assert_equal map [lindex [$c typed CONFIG GET port] 0]
            assert_equal {map {}} [$c typed CONFIG GET nothing-such]
        }
    }
    test "CONFIG GET * names each option once, and every name is documented by the option table" {
        set names {}
        foreach {name value} [r CONFIG GET *] { lappend names $name }
        assert_equal [llength $names] [llength [lsort -unique $names]]
        foreach name {port bind unixsocket store durability maxclients timeout tcp-keepalive max-event-bytes proto-max-bulk-len
            default-resp requirepass strict-versioning cache-bytes journal-bytes-max journal-segment-bytes disk-free-min
            enable-debug-command enable-flush logfile slowlog-log-slower-than slowlog-max-len} {
            assert {$name in $names} "CONFIG GET * has no $name"
        }
    }
    test "Every value that CONFIG GET returns can be set again, or is named as fixed" {
        set settable 0
        foreach {name value} [r CONFIG GET *] {
            set reply [r typed CONFIG SET $name $value]
            if {$reply eq {simple OK}} {
                incr settable
                assert_equal $value [config_get $name] $name
            } else {
                assert_match "ERR*" [lindex $reply 1] $name
                assert {[regexp -nocase {immutable|fixed|start|can't set|cannot be} [lindex $reply 1]]} "$name: $reply"
            }
        }
        assert {$settable >= 8} "only $settable options can be set at run time"
        assert_equal PONG [r PING]
    }
    test "CONFIG SET of several options is all or nothing" {
        assert_equal OK [r CONFIG SET timeout 5 slowlog-max-len 50]
        assert_equal {5 50} [list [config_get timeout] [config_get slowlog-max-len]]
        assert_match ERR* [r err CONFIG SET timeout 6 slowlog-max-len nonsense]
        assert_equal {5 50} [list [config_get timeout] [config_get slowlog-max-len]]
    }
    test "CONFIG SET refuses what is unknown, out of range, or fixed" {
        assert_match "ERR Unknown option*nothing-such*" [r err CONFIG SET nothing-such 1]
        foreach {name value} {timeout -1 timeout abc timeout {} maxclients 0 maxclients 99999999999999999999 strict-versioning maybe
            default-resp 4 slowlog-max-len 1.5 max-event-bytes 0} {
            set before [config_get $name]
            assert_match "ERR*" [r err CONFIG SET $name $value] "$name $value"
            assert_equal $before [config_get $name]
        }
        assert_match "ERR*" [r err CONFIG SET port 1]
        assert_match "ERR*" [r err CONFIG SET store sqlite:/tmp/x]
        assert_match "ERR wrong number of arguments for 'config|set' command" [r err CONFIG SET timeout]
    }
    test "CONFIG SET refuses what a start would refuse beside another option" {
        set before [config_get journal-bytes-max]
        assert_equal "ERR CONFIG SET failed (possibly related to argument 'journal-bytes-max') - journal-bytes-max must be at least twice journal-segment-bytes" \
            [r err CONFIG SET journal-bytes-max [expr {2 * [config_get journal-segment-bytes] - 1}]]
        assert_equal $before [config_get journal-bytes-max]
        assert_equal OK [r CONFIG SET journal-bytes-max [expr {2 * [config_get journal-segment-bytes]}]]
        assert_equal OK [r CONFIG SET journal-bytes-max $before]
    }
    test "Sizes may carry units" {
        foreach {text bytes} {5mb 5242880 1gb 1073741824 100kb 102400 3000000 3000000 2m 2000000 64KB 65536} {
            assert_equal OK [r CONFIG SET proto-max-bulk-len [expr {$bytes < 1048576 ? "1mb" : $text}]]
            if {$bytes >= 1048576} { assert_equal $bytes [config_get proto-max-bulk-len] $text }
        }
    }
    test "CONFIG without, with unknown and with HELP subcommand" {
        assert_match "ERR wrong number of arguments for 'config' command" [r err CONFIG]
        assert_match "ERR unknown subcommand 'nope'. Try CONFIG HELP." [r err CONFIG nope]
        assert {[llength [r CONFIG HELP]] > 3}
    }
}

with_server {timeout 0} {
    test "CONFIG REWRITE keeps the file's lines and writes what was changed" {
        srv stop
        set f [open [srv conf_file] ab]
        puts $f "# a comment of the operator\n\nslowlog-max-len 11"
        close $f
        srv start 1
        r CONFIG SET slowlog-max-len 22
        r CONFIG SET maxclients 333
        r CONFIG SET requirepass "a \"quoted\" word"
        assert_equal OK [r CONFIG REWRITE]
        set text [read_file [srv conf_file]]
        assert_match "*# a comment of the operator*" $text
        assert_equal 1 [regexp -all -line {^slowlog-max-len } $text]
        assert_match "*slowlog-max-len 22*maxclients 333*" $text
        assert_match "*port [srv port]*" $text
        srv stop
        srv start 1
        assert_equal OK [r AUTH "a \"quoted\" word"]
        assert_equal {22 333} [list [config_get slowlog-max-len] [config_get maxclients]]
        assert_equal OK [r CONFIG REWRITE]
        assert_equal $text [read_file [srv conf_file]]
        r CONFIG SET requirepass ""
    }
    test "CONFIG RESETSTAT clears the counters" {
        r PING
        catch {r NONSENSE}
        assert {[info_field [srv default_client] cmdstat_ping commandstats] ne ""}
        assert_equal OK [r CONFIG RESETSTAT]
        assert_equal "" [info_field [srv default_client] cmdstat_ping commandstats]
        assert_equal "" [info_field [srv default_client] errorstat_ERR errorstats]
        assert_range 0 3 [info_field [srv default_client] total_commands_processed stats]
    }
    test "CONFIG SET acts at once" {
        r CONFIG SET max-event-bytes 1000
        assert_match TOOLARGE* [r err EAPPEND s t PAYLOAD [string repeat x 2000]]
        r CONFIG SET max-event-bytes 4000
        r EAPPEND s t PAYLOAD [string repeat x 2000]
    }
}

proc line_of {log} { expr {[regexp {(?:line |:)(\d+)\M} $log all n] ? $n : "none"} }
test "Mistakes in the file stop the start with file, line and reason" {
    # What stands in front is the test's: port, bind, store ...
    set first [line_of [lindex [refused_start {} "no-such-option 1\n"] 1]]
    foreach {line reason} {
        "no-such-option 1" {no-such-option}
        "timeout abc" {timeout}
        "timeout" {timeout}
        "timeout 1 2 3" {timeout}
        "maxclients -5" {maxclients}
        "maxclients 99999999999999999999999" {maxclients}
        "max-event-bytes 12xb" {max-event-bytes}
        "strict-versioning perhaps" {strict-versioning}
        "default-resp 7" {default-resp}
        "store nosuch:thing" {nosuch}
        "requirepass \"unbalanced" {quot|requirepass}
    } {
        lassign [refused_start {} "# a comment\n$line\n"] how log
        assert_match "exit \[1-9\]*" $how $line
        assert_regexp {cairn\.conf} $log $line
        assert_equal [expr {$first + 1}] [line_of $log] $line
        assert_regexp $reason $log $line
    }
}
test "Mistakes on the command line stop the start too" {
    foreach args {{--no-such-option 1} {--timeout abc} {--timeout} {--maxclients 0 --timeout 5} {--port 99999999}} {
        lassign [refused_start [list -args $args]] how log
        assert_match "exit \[1-9\]*" $how $args
        assert_regexp [string trimleft [lindex $args 0] -] $log $args
    }
}
test "A file that is not there stops the start" {
    set out ""
    catch {exec {*}[server_binary] [file join $::work_dir nowhere.conf] < /dev/null 2>@1} out opts
    assert_equal CHILDSTATUS [lindex [dict get $opts -errorcode] 0]
    assert_match "*nowhere.conf*" $out
}
test "A port that is taken stops the start and says so" {
    set s [socket -server list -myaddr 127.0.0.1 0]
    set port [lindex [fconfigure $s -sockname] 2]
    lassign [refused_start [list port $port]] how log
    close $s
    assert_match "exit \[1-9\]*" $how
    assert_regexp {(?i)in use} $log
}
test "--help and --version answer without starting" {
    set help [exec {*}[server_binary] --help 2>@1]
    foreach name {port store durability cache-bytes max-event-bytes} { assert_match "*$name*" $help }
    assert_regexp {\d+\.\d+} [exec {*}[server_binary] --version 2>@1]
}
test "The sample file starts a server as it stands" {
    set sample ""
    foreach name {cairn.conf src/cairn.conf utils/cairn.conf docs/cairn.conf} {
        if {[file exists [file join $::top $name]]} { set sample [file join $::top $name] }
    }
    if {$sample eq ""} { fail "no cairn.conf in the tree" }
    set s [Server new {}]
    # Port and store are given on the command line, so that tests can run side by side.
    $s option -args [list --port [$s port] --store sqlite:[$s db]]
    write_file [$s conf_file] [read_file $sample]
    $s start 1
    set c [$s client]
    assert_equal PONG [$c PING]
    # Every option is in it, as a comment or as a line.
    set text [read_file $sample]
    foreach {name value} [$c CONFIG GET *] {
        assert {[regexp -line "^#? ?$name\\M" $text]} "the sample file does not name $name"
    }
    $c close
    $s stop
    $s destroy
}
test "The log goes to logfile, one fact a line" {
    set s [Server new {}]
    set path [file join [$s dir] own.log]
    $s option logfile $path
    $s spawn
    wait_for "the server" { [file exists $path] && [string match "*Ready to accept connections*" [read_file $path]] }
    set text [read_file $path]
    assert_match "*ready to receive connections on *" $text
    assert_match "*Ready to accept connections*" $text
    $s stop
    $s destroy
}
