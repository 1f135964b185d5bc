# The harness against any RESP server: CAIRN_SERVER=redis-server tests/run tests/lib/selftest/harness.tcl

with_server {} {
    test "The client reads the types of RESP2" {
        assert_equal PONG [r PING]
        assert_equal {simple PONG} [r typed PING]
        assert_equal {bulk hello} [r typed ECHO hello]
        assert_equal "\$5\r\nhello\r\n" [r raw ECHO hello]
        assert_match "ERR unknown command*" [r err NOSUCHCOMMAND]
        assert_error "ERR unknown command*" {r NOSUCHCOMMAND a b}
        assert_equal "a\r\nb\0c" [r ECHO "a\r\nb\0c"]
    }
    test "The client reads maps of RESP3" {
        with_clients c {
            set reply [$c HELLO 3]
            assert_equal 3 [dict get $reply proto]
            assert_equal map [lindex [$c typed HELLO 3] 0]
            assert_equal PONG [$c PING]
        }
    }
    test "A pipeline of many commands returns all the replies in order" {
        set commands {}
        for {set i 0} {$i < 20000} {incr i} { lappend commands [list ECHO $i] }
        set i 0
        foreach reply [pipeline [srv default_client] $commands] {
            if {$reply ne [list bulk $i]} { fail "reply $i is $reply" }
            incr i
        }
    }
    test "A restart keeps the port, a kill is noticed" {
        set port [srv port]
        srv restart
        assert_equal $port [srv port]
        assert_equal PONG [r PING]
        srv crash
        assert_equal PONG [r PING]
    }
}
