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
    test "COUNT 0 says whether there is anything, with and without a filter" {
        foreach filter {{} {TYPE *}} {
            set page [r ESCAN w - + COUNT 0 {*}$filter]
            assert_equal {} [page_versions $page]
            assert_equal 1 [field $page has_more] $filter
            assert_equal 0 [field [r ESCAN none - + COUNT 0 {*}$filter] has_more] $filter
        }
    }
    test "A DUPLICATEID of an event without an id names none" {
        set id [uuid]
        set key [uuid]
        r EMAPPEND $key m t EVENT_ID $id m u
        assert_error "DUPLICATEID (event 2 of 2)*" {r EMAPPEND $key m t EVENT_ID $id m u}
    }
    test "A backup that cannot be written says so as itself" {
        assert_error "ERR backup failed:*" {r BACKUP /does/not/exist/backup.db}
    }
}
