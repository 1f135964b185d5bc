# What waits for which stage: WAITAOF for the journal, ESYNC for the backend; bounds that are not numbers of events.

with_server {apply-delay-ms 60000} {
    test "WAITAOF answers when the journal has it, whatever the backend does" {
        set hold [hold_database [srv db]]
        set replies [pipeline [srv default_client] {{EAPPEND w t} {WAITAOF 1 0 0}}]
        assert_equal {array {{int 1} {int 0}}} [lindex $replies 1]
        assert_equal 0 [sql_value [srv db] "SELECT count(*) FROM cairn_events"]
        release_database $hold
    }
    test "ESYNC does not wait for the delay of the applier, and says when it gives up" {
        append_events [srv default_client] w 10
        assert_equal OK [r ESYNC]
        assert_equal {OK} [r ESYNC 1]
    }
}

with_server {cache-bytes 1mb} {
    test "The largest COUNT reads everything, from disk as from memory" {
        append_events [srv default_client] w 4
        foreach where {memory disk} {
            set page [r ESCAN w - + COUNT 18446744073709551615]
            assert_equal {0 1 2 3} [page_versions $page] $where
            assert_equal 0 [field $page has_more] $where
            srv restart
        }
    }
    test "COUNT 0 is refused: a loop over pages without events would not end" {
        foreach command {{ESCAN w - +} {ESCAN none - +} {ESCAN w + - REV} {EPSCAN 0 - +}} {
            foreach filter {{} {TYPE *}} {
                assert_equal "INVALIDARG COUNT must be at least 1" [r err {*}$command COUNT 0 {*}$filter]
            }
        }
        assert_equal "INVALIDARG COUNT must be between 1 and 100000" [r err ESTREAMS 0 COUNT 0]
    }
    test "A DUPLICATEID of an event without an id names none" {
        set id [uuid]
        set key [uuid]
        r EMAPPEND $key m t EVENT_ID $id m u
        assert_error "DUPLICATEID (event 2 of 2)*" {r EMAPPEND $key m t EVENT_ID $id m u}
    }
    test "A backup that cannot be written says so as itself" {
        skip unless backup "its error"
        assert_error "ERR backup failed:*" {r BACKUP /does/not/exist/backup.db}
    }
}
