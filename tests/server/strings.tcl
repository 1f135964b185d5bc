# Strings, as far as users of streams have them.

with_server {} {
    test "SET and GET keep any bytes, over a crash and a restart" {
        set bytes "a\r\n\0\xff\xfe end"
        assert_equal OK [r SET s $bytes]
        assert_equal $bytes [r GET s]
        assert_equal OK [r SET empty ""]
        srv crash
        assert_equal [list $bytes ""] [list [r GET s] [r GET empty]]
        assert_equal {bulk {}} [r typed GET empty]
        assert_equal {null {}} [r typed GET none]
        r ESYNC
        srv restart
        assert_equal [list $bytes string] [list [r GET s] [r TYPE empty]]
        assert_equal {bulk {}} [r typed GET empty]
        assert_equal OK [r SET s new]
        assert_equal new [r GET s]
    }

    test "SET NX, XX, IFEQ and GET" {
        r DEL k
        assert_equal "\$-1\r\n" [r raw SET k v XX]
        assert_equal OK [r SET k v NX]
        assert_equal "\$-1\r\n" [r raw SET k w NX]
        assert_equal v [r GET k]
        assert_equal v [r SET k w GET]
        assert_equal w [r SET k x NX GET]
        assert_equal w [r GET k]
        assert_equal "\$-1\r\n" [r raw SET k2 x NX GET]
        assert_equal x [r GET k2]
        assert_equal "\$-1\r\n" [r raw SET k y IFEQ other]
        assert_equal OK [r SET k y IFEQ w]
        assert_equal y [r GET k]
    }

    test "SET with a time to live" {
        r SET k v EX 100000
        assert_range 99000 100000 [r TTL k]
        r SET k v PX 1000000
        assert_range 1 1000000 [r PTTL k]
        r SET k v EXAT 33177117420
        assert_equal 33177117420 [r EXPIRETIME k]
        r SET k v PXAT 33177117420000
        assert_equal 33177117420000 [r PEXPIRETIME k]
        r SET k w KEEPTTL
        assert_equal {w 33177117420000} [list [r GET k] [r PEXPIRETIME k]]
        r SET k w
        assert_equal -1 [r TTL k]
        assert_equal OK [r SET k v PXAT 1]
        assert_equal 0 [r EXISTS k]
    }

    test "MSET, MGET and INCR" {
        assert_equal OK [r MSET m-1 a m-2 b m-1 c]
        r EAPPEND m-3 t
        assert_equal {c b {} {}} [r MGET m-1 m-2 m-3 m-none]
        assert_equal "ERR wrong number of arguments for 'mset' command" [r err MSET a b c]
        assert_equal {1 2} [list [r INCR n] [r INCR n]]
        r SET n 10 PXAT 33177117420000
        assert_equal {11 11 33177117420000} [list [r INCR n] [r GET n] [r PEXPIRETIME n]]
        r SET n 9223372036854775807
        assert_equal "ERR increment or decrement would overflow" [r err INCR n]
        foreach value {x 1.5 " 1" 007 ""} {
            r SET n $value
            assert_equal "ERR value is not an integer or out of range" [r err INCR n]
        }
        assert_match "WRONGTYPE*" [r err INCR m-3]
        srv crash
        assert_equal {c b} [r MGET m-1 m-2]
    }

    test "SET's mistakes are Redis' errors" {
        foreach args {{NX XX} {EX} {EX 1 PX 1} {KEEPTTL EX 1} {NONSENSE} {NX IFEQ a} {PX 10 EXAT 10}} {
            assert_equal "ERR syntax error" [r err SET k v {*}$args]
        }
        assert_equal "ERR value is not an integer or out of range" [r err SET k v EX x]
        foreach args {{EX 0} {PX -1} {EX 9223372036854775807} {PX 9223372036854775807}} {
            assert_equal "ERR invalid expire time in 'set' command" [r err SET k v {*}$args]
        }
    }

    test "Commands on streams refuse a string, and GET a stream" {
        r SET str v
        r EAPPEND stream t
        set wrong "WRONGTYPE Operation against a key holding the wrong kind of value"
        foreach command {
            {EAPPEND str t} {ESCAN str - +} {ESVER str} {EINFO str} {ETRUNCATE str BEFORE 1} {EDELETE str} {GET stream}
            {SET stream v GET} {SET stream v IFEQ x}
        } {
            assert_equal $wrong [r err {*}$command]
        }
        assert_equal $wrong [r err EMAPPEND [uuid] stream a str b]
        assert_equal 0 [r ESVER stream]
    }

    test "SET takes the place of a stream" {
        append_events r was-stream 3
        assert_equal OK [r SET was-stream v]
        assert_equal {string v} [list [r TYPE was-stream] [r GET was-stream]]
        r DEL was-stream
        assert_equal 0 [field [r EAPPEND was-stream t] stream_version]
    }

    test "A transaction that is taken back leaves strings and streams as they were" {
        r SET u-1 old EX 100000
        append_events r u-2 3
        r MULTI
        r SET u-1 new
        r DEL u-2
        r SET u-2 string
        r SET u-3 x
        r RENAME u-3 u-4
        r EAPPEND u-5 t EXPECTED_VERSION 3
        assert_match "WRONGVER command 6 of 6*" [r err EXEC]
        assert_equal {old {0 1 2} 0} [list [r GET u-1] [page_versions [r ESCAN u-2 - +]] [r EXISTS u-3 u-4 u-5]]
        assert_range 99000 100000 [r TTL u-1]
        assert_equal 3 [field [r EAPPEND u-2 t] stream_version]
    }

    test "A value larger than a frame is refused" {
        r SET big [string repeat x 1000000]
        assert_equal 1000000 [string length [r GET big]]
        srv restart
        assert_equal 1000000 [string length [r GET big]]
    }
}

with_server {journal-segment-bytes 256kb journal-bytes-max 1mb} {
    test "A value larger than a frame is refused" {
        skip unless journal "frames of a MB"
        assert_match "TOOLARGE the value takes up to*" [r err SET big [string repeat x 300000]]
        assert_equal 0 [r EXISTS big]
    }

    test "A transaction larger than a frame is refused as a whole" {
        skip unless journal "frames of a MB"
        r MULTI
        r SET a [string repeat x 100000]
        r SET b [string repeat x 100000]
        assert_match "TOOLARGE the transaction takes more than*" [r err SET c [string repeat x 100000]]
        assert_equal "EXECABORT Transaction discarded because of previous errors." [r err EXEC]
        assert_equal 0 [r EXISTS a b c]
    }
}
