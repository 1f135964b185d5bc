# Who may connect: addresses, the unix socket, protected mode, browsers.

# An address of this machine that is not of the loopback interface.
proc outside_address {} {
    foreach a [exec hostname -I] { if {![string match *:* $a]} { return $a } }
    skip "this machine has only the loopback interface"
}
proc need_ipv6 {} {
    if {[catch {socket -server list -myaddr ::1 0} s]} { skip "no IPv6: $s" }
    close $s
}
# Whether the server answers at that address, or the text of its error.
proc answers {host {port ""}} {
    if {[catch {Client new $host [expr {$port eq "" ? [srv port] : $port}]} c]} { return no }
    try {
        return [expr {[catch {$c PING} reply] ? $reply : $reply eq "PONG"}]
    } finally { $c destroy }
}
# One line over a unix socket, which Tcl has none of.
proc over_unix {path command} { exec redis-cli -s $path {*}$command 2>@1 }

# ---- browsers ----

with_server {journal-segment-bytes 1mb} {
    test "POST and Host: as commands end the connection, and nothing behind them is run" {
        set page "Content-Type: text/plain\r\n\r\nEDELETE order-1\r\nXADD evil * from web-page\r\n"
        foreach lines {
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n" "GET / HTTP/1.1\r\nhOsT: 127.0.0.1\r\n" "post\r\n"
            "*1\r\n\$4\r\nPOST\r\n" "*2\r\n\$5\r\nhost:\r\n\$1\r\nx\r\n" "MULTI\r\nPost / HTTP/1.1\r\n"
        } {
            r DEL order-1
            r EAPPEND order-1 t
            with_clients c {
                $c write $lines$page
                assert {[$c closed]} "still open behind $lines"
            }
            assert_equal {1 0} [list [r EXISTS order-1] [r EXISTS evil]] $lines
        }
        # What only looks like it is an unknown command, or data.
        assert_match "ERR unknown command*" [r err POSTS]
        assert_match "ERR unknown command*" [r err Host]
        assert_equal POST [r ECHO POST]
    }
    test "It is said in the log, once a minute at most, and who it was" {
        set said [regexp -all {Possible SECURITY ATTACK detected} [srv new_log]]
        assert_range 1 6 $said ;# six tries: more than one line only if they took minutes
        assert_match "*Connection from 127.0.0.1:* aborted.*" [srv new_log]
    }
}
with_server {requirepass secret journal-segment-bytes 1mb} {
    test "Before AUTH as well" {
        with_clients c {
            $c write "POST / HTTP/1.1\r\nAUTH secret\r\nXADD evil * a b\r\n"
            assert_equal {} [$c rest]
        }
        r AUTH secret
        assert_equal 0 [r EXISTS evil]
    }
}

# ---- protected mode ----

with_server {bind "* -::*" journal-segment-bytes 1mb} {
    test "Without a password, only this machine may connect; the start says so" {
        set outside [outside_address]
        assert_match "*# protected-mode: no password is set*published port*" [srv new_log]
        set text [answers $outside]
        assert_match "DENIED Cairn is running in protected mode*CONFIG SET protected-mode no*--protected-mode no*docker run -p*" $text
        foreach local {127.0.0.1 127.8.9.1} { assert_equal 1 [answers $local] $local }
        assert_match "*protected-mode: a connection from $outside:* is refused*" [srv new_log]
        assert {[info_field [srv default_client] rejected_connections stats] > 0}
        if {![catch need_ipv6]} { assert_equal 1 [answers ::1] }
    }
    test "A password, or protected-mode no, opens it, and at run time" {
        set outside [outside_address]
        r CONFIG SET requirepass secret
        assert_match "NOAUTH*" [answers $outside]
        r CONFIG SET requirepass ""
        assert_match "DENIED*" [answers $outside]
        assert_equal {protected-mode yes} [r CONFIG GET protected-mode]
        r CONFIG SET protected-mode no
        assert_equal 1 [answers $outside]
        assert_match "*# no password is set, and protected-mode is no*" [srv new_log]
        r CONFIG SET protected-mode yes
        assert_match "DENIED*" [answers $outside]
    }
}
with_server {journal-segment-bytes 1mb} {
    test "With the loopback interface alone nothing is warned of" {
        assert {![string match "* # *" [srv new_log]]} [srv new_log]
        r CONFIG SET requirepass secret
        r CONFIG SET requirepass ""
        assert {![string match "* # *" [srv new_log]]} [srv new_log]
    }
}

# ---- addresses ----

test "Addresses are read as Redis reads them" {
    need_ipv6
    foreach {bind v4 v6} {
        "0.0.0.0 ::" 1 1  "* ::" 1 1  "* -::*" 1 1  "::*" no 1  "*" 1 no  "::1 127.0.0.1" 1 1
        "127.0.0.1 -::1" 1 1  "127.0.0.1 -192.0.2.77" 1 no  "127.0.0.1 127.0.0.1" 1 no
    } {
        with_server [list bind $bind journal-segment-bytes 1mb] {
            assert_equal [list $v4 $v6] [list [answers 127.0.0.1] [answers ::1]] $bind
        }
    }
}
test "The default is both loopback addresses" {
    need_ipv6
    set s [Server new {}]
    $s option -args [list --port [$s port] --store sqlite:[$s db] --journal-segment-bytes 1mb]
    write_file [$s conf_file] ""
    $s start 1
    assert_equal {1 1} [list [answers 127.0.0.1 [$s port]] [answers ::1 [$s port]]]
    assert_match "*ready to receive connections on 127.0.0.1:[$s port], \\\[::1\\\]:[$s port]\n*" [$s new_log]
    $s destroy
}
test "All addresses of a name are listened on" {
    need_ipv6
    set v6 [expr {[catch {exec getent ahostsv6 localhost} text] ? 0 : [regexp -line {^::1\s} $text]}]
    with_server {bind localhost journal-segment-bytes 1mb} {
        assert_equal 1 [answers 127.0.0.1]
        if {$v6} { assert_equal 1 [answers ::1] }
    }
}
test "An address that the machine has not stops the start, unless a - stands in front; one in use always does" {
    lassign [refused_start {bind 192.0.2.77}] how log
    assert_equal "exit 1" $how
    assert_match "*cannot listen on 192.0.2.77 port *: Cannot assign requested address*" $log
    assert_match "*nothing to listen on*" [lindex [refused_start {bind -192.0.2.77}] 1]
    assert_match "*bind no.such.host.invalid: *" [lindex [refused_start {bind no.such.host.invalid}] 1]
    set s [socket -server list -myaddr 127.0.0.1 0]
    assert_match "*in use*" [lindex [refused_start [list port [lindex [fconfigure $s -sockname] 2] bind "-127.0.0.1"]] 1]
    close $s
}

# ---- the unix socket ----

test "A dead socket is replaced, anything else at the path stops the start and stays" {
    with_server {unixsocket u.sock port 0 journal-segment-bytes 1mb} {
        assert_regexp {ready to receive connections on u\.sock\n} [srv new_log] "port 0 is no port"
        set path [srv dir]/u.sock
        assert_equal PONG [over_unix $path PING]
        # A second server: the first one's socket is left alone, and works.
        assert_match "*cannot listen on $path: another program does*" [lindex [refused_start [list unixsocket $path]] 1]
        assert_equal PONG [over_unix $path PING]
        srv kill9
        assert {[file exists $path]}
        srv start
        assert_equal PONG [over_unix $path PING]
        # Whoever has the path by now keeps it.
        file delete $path
        write_file $path precious
        assert_equal "exit 0" [srv stop]
        assert_equal precious [read_file $path]
        lassign [refused_start [list unixsocket $path]] how log
        assert_match "*cannot listen on $path: something that is no socket is there*" $log
        assert_equal precious [read_file $path]
        file delete $path
        srv start
        srv stop
        assert {![file exists $path]} "its own socket is removed"
    }
}
test "The rights of the socket are there before anybody can connect" {
    with_server {unixsocket u.sock unixsocketperm 700 journal-segment-bytes 1mb} {
        assert_equal 700 [format %o [expr {[file attributes [srv dir]/u.sock -permissions] & 0777}]]
    }
}
