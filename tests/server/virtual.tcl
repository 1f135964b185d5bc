# Virtual streams in the X commands: @all, @category:NAME, @type:PATTERN, @stream:PATTERN. (@view:NAME: virtual_views.tcl.)

source [file join $::top tests lib faults.tcl]

# The values of one field, of entries as XRANGE returns them.
proc entry_fields {entries name} { return [lmap e $entries {dict get [lindex $e 1] $name}] }
proc entry_ids {entries} { return [lmap e $entries {lindex $e 0}] }
# The entries of XREAD and XREADGROUP on one key; "" for nothing.
proc entries_of {reply} { return [lindex $reply 0 1] }
# The sequences in ids of the log.
proc sequences_of {entries} { return [lmap e $entries {lindex [split [lindex $e 0] -] 1}] }
proc stream_names {entries} { return [entry_fields $entries @stream] }
proc blocked {} { return [info_field [srv default_client] blocked_clients] }
# What a consumer gets until there is nothing more.
proc read_all_new {c key group consumer {count 10}} {
    set got {}
    while {[set entries [entries_of [$c XREADGROUP GROUP $group $consumer COUNT $count STREAMS $key >]]] ne ""} {
        lappend got {*}[sequences_of $entries]
    }
    return $got
}

with_server {} {
    r EAPPEND order-1 order.created PAYLOAD a
    r XADD order-2 5-1 color red
    r EAPPEND cart-1 cart.created
    r EAPPEND order order.paid
    r XADD order-1 * size 3

    test "A virtual stream has the entries of others, behind @stream and @id" {
        set entries [r XRANGE @category:order - +]
        assert_equal {0 1 3 4} [sequences_of $entries]
        assert_equal {order-1 order-2 order order-1} [stream_names $entries]
        assert_equal {@stream order-2 @id 5-1 color red} [lindex $entries 1 1]
        assert_equal {@stream @id event_id type version payload} [dict keys [lindex $entries 0 1]]
        assert_equal [lindex [r XRANGE order-1 - +] 0 0] [dict get [lindex $entries 0 1] @id]
        assert_equal {0 1 2 3 4} [sequences_of [r XRANGE @all - +]]
        assert_equal {0 2} [sequences_of [r XRANGE @type:*.created - +]]
        assert_equal {0 1 4} [sequences_of [r XRANGE @stream:order-? - +]]
        assert_equal {4 3 1 0} [sequences_of [r XREVRANGE @category:order + -]]
        assert_equal {4 3} [sequences_of [r XREVRANGE @category:order + - COUNT 2]]
        assert_equal {0 1} [sequences_of [r XRANGE @category:order - + COUNT 2]]
        assert_equal {} [r XRANGE @category:nobody - +]
    }
    test "Ids are pairs of a time and a sequence; any two numbers are one" {
        foreach where {memory disk} {
            set ids [entry_ids [r XRANGE @all - +]]
            lassign [split [lindex $ids 0] -] first
            lassign [split [lindex $ids 4] -] last
            assert_equal [lrange $ids 1 3] [entry_ids [r XRANGE @all [lindex $ids 1] [lindex $ids 3]]]
            assert_equal [lrange $ids 2 4] [entry_ids [r XRANGE @all ([lindex $ids 1] +]]
            assert_equal [lrange $ids 0 2] [entry_ids [r XRANGE @all - ([lindex $ids 3]]]
            assert_equal $ids [entry_ids [r XRANGE @all $first-0 $last]]
            assert_equal {} [r XRANGE @all 1000 2000]
            assert_equal {} [r XRANGE @all [expr {$last + 1}] +]
            assert_equal $ids [entry_ids [r XRANGE @all [expr {$first - 1}]-99 +]]
            assert_equal $ids [entry_ids [entries_of [r XREAD STREAMS @all 0]]]
            assert_equal [lrange $ids 3 4] [entry_ids [entries_of [r XREAD STREAMS @all [lindex $ids 2]]]]
            assert_equal $ids [entry_ids [entries_of [r XREAD STREAMS @all 1000]]] "a bare number is ms"
            r ESYNC
            srv restart
        }
    }
    test "A range by time begins with the first event that was recorded then" {
        set last [lindex [split [lindex [r XREVRANGE @all + - COUNT 1] 0 0] -] 0]
        wait_for "the clock to move on" {[clock milliseconds] > $last}
        r EAPPEND late-1 t
        set at [lindex [split [lindex [r XREVRANGE @all + - COUNT 1] 0 0] -] 0]
        assert_equal 5 [sequences_of [r XRANGE @all $at +]]
        assert_equal {0 1 2 3 4} [sequences_of [r XRANGE @all - [expr {$at - 1}]]]
    }
    test "XREAD takes virtual and other streams, and names them as they were sent" {
        set reply [r XREAD STREAMS @category:cart order-2 @type:none 0 0 0]
        assert_equal {@category:cart order-2} [lmap one $reply {lindex $one 0}]
        with_clients c {
            $c HELLO 3
            assert_equal map [lindex [$c typed XREAD STREAMS @category:cart 0] 0]
        }
        assert_equal {} [r XREAD STREAMS @category:cart $]
        assert_equal 2 [sequences_of [entries_of [r XREAD STREAMS @category:cart +]]]
        assert_equal {} [r XREAD STREAMS @category:none +]
    }
    test "XREAD BLOCK waits for what comes, from `$` on, matching or not" {
        with_clients {c d} {
            $c send XREAD BLOCK 0 STREAMS @all order-2 $ $
            $d send XREAD BLOCK 0 STREAMS @category:cart @type:rare $ $
            wait_for "both to wait" {[blocked] == 2}
            r EAPPEND order-9 t
            assert_equal order-9 [stream_names [entries_of [$c read]]]
            assert [$d silent]
            r EAPPEND user-1 rare
            assert_equal user-1 [stream_names [entries_of [$d read]]]
            $c send XREAD BLOCK 0 STREAMS @type:never order-2 $ $
            wait_for "it to wait" {[blocked] == 1}
            r XADD order-2 * a b
            assert_equal order-2 [lindex [$c read] 0 0]
            $c send XREAD BLOCK 1 STREAMS @type:never $
            assert_equal {} [$c read]
        }
    }
    test "An id in the future has nothing behind it, also not what comes" {
        set later [expr {[clock milliseconds] + 3600000}]
        with_clients c {
            $c send XREAD BLOCK 0 STREAMS @all $later
            wait_for "it to wait" {[blocked] == 1}
            r EAPPEND now-1 t
            assert [$c silent]
        }
        assert_equal {} [r XREAD STREAMS @all $later]
    }
    test "XLEN and XINFO STREAM count what is there, before and behind the database" {
        foreach where {memory disk} {
            assert_equal [llength [r XRANGE @all - +]] [r XLEN @all]
            assert_equal 2 [r XLEN @type:*.created]
            assert_equal 0 [r XLEN @category:none]
            set info [r XINFO STREAM @category:cart]
            assert_equal {length radix-tree-keys radix-tree-nodes last-generated-id max-deleted-entry-id} [lrange [dict keys $info] 0 4]
            assert_equal {entries-added recorded-first-entry-id groups first-entry last-entry} [lrange [dict keys $info] 5 end]
            assert_equal {1 0-0 0} [lmap k {length max-deleted-entry-id groups} {dict get $info $k}]
            assert_equal [lindex [r XREVRANGE @all + - COUNT 1] 0 0] [dict get $info last-generated-id]
            assert_equal 2 [sequences_of [list [dict get $info last-entry]]]
            assert_equal 1 [llength [dict get [r XINFO STREAM @category:cart FULL] entries]]
            r ESYNC
            srv restart
        }
        assert_equal {} [dict get [r XINFO STREAM @category:none] first-entry]
    }
    test "A virtual stream is a stream that always exists and never expires" {
        assert_equal {stream 3 -1 -1 -1} [list [r TYPE @all] [r EXISTS @all @type:none @stream:x* nobody] \
            [r TTL @category:order] [r PTTL @all] [r EXPIRETIME @all]]
        assert_equal {stream 1} [list [r OBJECT ENCODING @all] [r OBJECT REFCOUNT @all]]
        assert_equal 0 [r MEMORY USAGE @all]
    }
}

# Each command with keys, and what it does with a virtual name.
set virtual_table {
    {EAPPEND @ t}                       {VIRTUAL change the streams*}
    {EMAPPEND * ok t @ t}               {VIRTUAL change the streams*}
    {ESCAN @ - +}                       {VIRTUAL use EREAD*}
    {EINFO @}                           {VIRTUAL use EREAD*}
    {ESVER @}                           {VIRTUAL use EREAD*}
    {ETRUNCATE @ BEFORE 1}              {VIRTUAL use EREAD*}
    {EDELETE @}                         {VIRTUAL change the streams*}
    {XADD @ * a b}                      {VIRTUAL change the streams*}
    {XDEL @ 1-1}                        {VIRTUAL change the streams*}
    {XDELEX @ IDS 1 1-1}                {VIRTUAL change the streams*}
    {XTRIM @ MAXLEN 1}                  {VIRTUAL change the streams*}
    {XSETID @ 9-9}                      {VIRTUAL change the streams*}
    {XCFGSET @ IDMP-MAXSIZE 5}          {VIRTUAL change the streams*}
    {XACKDEL @ g IDS 1 1-1}             {VIRTUAL change the streams*}
    {DEL ok @}                          {VIRTUAL change the streams*}
    {UNLINK ok @}                       {VIRTUAL change the streams*}
    {RENAME @ x}                        {VIRTUAL change the streams*}
    {RENAME ok @}                       {VIRTUAL change the streams*}
    {RENAMENX ok @}                     {VIRTUAL change the streams*}
    {COPY @ x}                          {VIRTUAL change the streams*}
    {COPY ok @}                         {VIRTUAL change the streams*}
    {DUMP @}                            {VIRTUAL read the streams*}
    {RESTORE @ 0 x}                     {VIRTUAL change the streams*}
    {SET @ v}                           {VIRTUAL change the streams*}
    {MSET ok v @ v}                     {VIRTUAL change the streams*}
    {INCR @}                            {VIRTUAL change the streams*}
    {APPEND @ a}                        {VIRTUAL change the streams*}
    {DECR @}                            {VIRTUAL change the streams*}
    {DECRBY @ 1}                        {VIRTUAL change the streams*}
    {INCRBY @ 1}                        {VIRTUAL change the streams*}
    {INCRBYFLOAT @ 1}                   {VIRTUAL change the streams*}
    {GETDEL @}                          {VIRTUAL change the streams*}
    {GETEX @}                           {VIRTUAL change the streams*}
    {GETSET @ v}                        {VIRTUAL change the streams*}
    {MSETNX ok v @ v}                   {VIRTUAL change the streams*}
    {PSETEX @ 1 v}                      {VIRTUAL change the streams*}
    {SETEX @ 1 v}                       {VIRTUAL change the streams*}
    {SETNX @ v}                         {VIRTUAL change the streams*}
    {SETRANGE @ 0 v}                    {VIRTUAL change the streams*}
    {GETRANGE @ 0 1}                    {VIRTUAL read the streams*}
    {SUBSTR @ 0 1}                      {VIRTUAL read the streams*}
    {STRLEN @}                          {VIRTUAL read the streams*}
    {LCS ok @}                          {VIRTUAL read the streams*}
    {GET @}                             {VIRTUAL read the streams*}
    {MGET ok @}                         {VIRTUAL read the streams*}
    {EXPIRE @ 10}                       {VIRTUAL change the streams*}
    {PEXPIRE @ 10}                      {VIRTUAL change the streams*}
    {EXPIREAT @ 10}                     {VIRTUAL change the streams*}
    {PEXPIREAT @ 10}                    {VIRTUAL change the streams*}
    {PERSIST @}                         {VIRTUAL change the streams*}
    {WATCH @}                           {VIRTUAL watch the streams*}
    {XREAD STREAMS @ 0}                 served
    {XRANGE @ - +}                      served
    {XREVRANGE @ + -}                   served
    {XLEN @}                            served
    {XINFO STREAM @}                    served
    {XINFO GROUPS @}                    served
    {XINFO CONSUMERS @ g}               served
    {XGROUP CREATECONSUMER @ g c}       served
    {XGROUP SETID @ g 0}                served
    {XGROUP STATS @ g}                  served
    {XREADGROUP GROUP g c STREAMS @ >}  served
    {XPENDING @ g}                      served
    {XACK @ g 1-1}                      served
    {XNACK @ g FAIL IDS 1 1-1}          served
    {XCLAIM @ g c 0 1-1}                served
    {XAUTOCLAIM @ g c 0 0}              served
    {XGROUP DELCONSUMER @ g c}          served
    {XGROUP DESTROY @ other}            served
    {XGROUP CREATE @ other 0}           served
    {TYPE @}                            served
    {EXISTS @}                          served
    {TOUCH @}                           served
    {TTL @}                             served
    {PTTL @}                            served
    {EXPIRETIME @}                      served
    {PEXPIRETIME @}                     served
    {OBJECT ENCODING @}                 served
    {OBJECT FREQ @}                     {ERR An LFU*}
    {OBJECT IDLETIME @}                 served
    {OBJECT REFCOUNT @}                 served
    {MEMORY USAGE @}                    served
}

with_server {} {
    r XADD ok 1-1 a b
    r EVIEW SET orders CATEGORY order

    test "Each command serves virtual names or refuses them; nothing of one that refuses is done" {
        foreach name {@category:order @view:orders} {
            r XGROUP CREATE $name g 0
            foreach {command want} $::virtual_table {
                set words [lmap word $command {expr {$word eq "@" ? $name : $word}}]
                if {$want ne "served"} {
                    assert_match $want [r err {*}$words] $words
                } elseif {[catch {r {*}$words} error]} {
                    fail "$words: $error"
                }
            }
        }
        assert_equal {{1-1 {a b}}} [r XRANGE ok - +]
        assert_equal {ok} [r KEYS *]
    }
    test "The table has each command that takes keys" {
        set seen {}
        foreach {command want} $::virtual_table {
            set container [expr {[lindex $command 0] in {XGROUP XINFO OBJECT MEMORY}}]
            lappend seen [string tolower [join [lrange $command 0 $container] |]]
        }
        foreach command [r COMMAND] {
            foreach one [list $command {*}[lindex $command 9]] {
                if {[lindex $one 3] == 0 && [lindex $one 0] ni {xread xreadgroup emappend}} continue
                if {[llength [lindex $one 9]]} continue
                if {[lindex $one 0] ni $seen} { fail "[lindex $one 0] is not in the table" }
            }
        }
    }
    test "Any other name that begins with @ is refused by every command that takes keys" {
        foreach {command want} $::virtual_table {
            foreach name {@ @x @All @category: @type: @category @view: @View:orders} {
                set words [lmap word $command {expr {$word eq "@" ? $name : $word}}]
                assert_match "VIRTUAL unknown virtual stream '$name'*" [r err {*}$words] $words
            }
        }
        assert_match "VIRTUAL unknown virtual stream '@view:vvv*@view:NAME" [r err XRANGE @view:[string repeat v 507] - +]
        foreach command {{XGROUP CREATE @category:order-1 g $} {XREAD STREAMS @category:order-1 0}} {
            assert_match "VIRTUAL '@category:order-1' selects nothing, as a category has no '-'*" [r err {*}$command]
        }
        foreach command {{XREAD STREAMS ok @x 0 0} {EXISTS ok @x} {XREADGROUP GROUP g c STREAMS @category:order @x > >}} {
            assert_match "VIRTUAL unknown*" [r err {*}$command]
        }
        r EAPPEND plain @payload PAYLOAD @x
        r XADD plain * @field @value
    }
    test "In MULTI it is refused when it is queued, and EXEC is aborted" {
        r MULTI
        assert_match "VIRTUAL*" [r err XADD @all * a b]
        r SET ok2 v
        assert_match "EXECABORT*" [r err EXEC]
        assert_equal {} [r GET ok2]
    }
    test "redis-cli needs no quotes for the names" {
        foreach shell {sh bash} {
            set out [exec $shell -c "redis-cli -p [srv port] XADD order-7 1-1 a b >/dev/null; redis-cli -p [srv port] XREAD STREAMS @category:order 0"]
            assert_match "*@category:order*@stream*order-7*" $out
        }
    }
}

# ---- groups ----

with_server {} {
    foreach i {1 2 3 4 5 6} { r EAPPEND order-$i t PAYLOAD $i }
    r EAPPEND cart-1 t

    test "A group on a virtual stream needs no stream, takes MKSTREAM, and begins where it is told" {
        r XGROUP CREATE @category:order saga 0 MKSTREAM ENTRIESREAD 5
        r XGROUP CREATE @category:order late $
        assert_match BUSYGROUP* [r err XGROUP CREATE @category:order saga 0]
        assert_equal {} [r XREADGROUP GROUP late w STREAMS @category:order >]
        set entries [entries_of [r XREADGROUP GROUP saga w1 COUNT 2 STREAMS @category:order >]]
        assert_equal {0 1} [sequences_of $entries]
        assert_equal {order-1 order-2} [stream_names $entries]
        set entries [entries_of [r XREADGROUP GROUP saga w2 COUNT 2 STREAMS @category:order >]]
        assert_equal {2 3} [sequences_of $entries]
        assert_match "NOGROUP*" [r err XREADGROUP GROUP none w STREAMS @category:order >]
        assert_match "NOGROUP*" [r err XREADGROUP GROUP saga w STREAMS @category:cart >]
    }
    test "Its row is in no list of keys and in no count of them" {
        assert_equal 7 [r DBSIZE]
        assert_equal {} [lsearch -all -inline [r KEYS *] @*]
        assert_equal {} [lsearch -all -inline [lindex [r SCAN 0 COUNT 1000] 1] @*]
        assert_match "*keys=7,*" [r INFO keyspace]
        for {set i 0} {$i < 50} {incr i} { assert {![string match @* [r RANDOMKEY]]} }
        r ESYNC
        assert_equal 7 [sql_value [srv db] "SELECT count(*) FROM cairn_streams"]
        assert_equal 7 [sql_value [srv db] "SELECT streams FROM cairn_status"]
        assert_equal 2 [sql_value [srv db] "SELECT count(*) FROM cairn_groups WHERE stream = '@category:order'"]
        srv restart
        assert_equal 7 [r DBSIZE]
        assert_equal {} [lsearch -all -inline [r KEYS *] @*]
        assert_equal {} [lsearch -all -inline [lindex [r SCAN 0 COUNT 1000] 1] @*]
    }
    test "What is pending is read again, acknowledged and claimed as on streams" {
        assert_equal {0 1} [sequences_of [entries_of [r XREADGROUP GROUP saga w1 STREAMS @category:order 0]]]
        set ids [entry_ids [entries_of [r XREADGROUP GROUP saga w1 STREAMS @category:order 0]]]
        assert_equal 4 [lindex [r XPENDING @category:order saga] 0]
        assert_equal 1 [r XACK @category:order saga [lindex $ids 0] 5-5]
        assert_equal 3 [llength [r XPENDING @category:order saga - + 10]]
        set claimed [r XCLAIM @category:order saga w3 0 [lindex $ids 1]]
        assert_equal [list [lindex $ids 1]] [entry_ids $claimed]
        assert_equal order-2 [stream_names $claimed]
        lassign [r XAUTOCLAIM @category:order saga w4 0 0 COUNT 2] next entries gone
        assert_equal {1 2} [sequences_of $entries]
        assert_equal 3 [lindex [split $next -] 1]
        assert_equal [list [lindex $ids 1]] [r XCLAIM @category:order saga w1 0 [lindex $ids 1] JUSTID]
        assert_equal 1 [r XNACK @category:order saga FAIL IDS 1 [lindex $ids 1]]
        set entries [entries_of [r XREADGROUP GROUP saga w5 CLAIM 0 COUNT 1 STREAMS @category:order >]]
        assert_equal 1 [sequences_of $entries]
        assert_equal 4 [llength [lindex $entries 0]]
    }
    test "FORCE takes only what exists and is selected" {
        set all [entry_ids [r XRANGE @all - +]]
        assert_equal {} [r XCLAIM @category:order saga w9 0 [lindex $all 6] FORCE]
        assert_equal {} [r XCLAIM @category:order saga w9 0 1-5 FORCE]
        assert_equal 5 [sequences_of [r XCLAIM @category:order saga w9 0 [lindex $all 5] FORCE]]
        assert_equal 1 [r XACK @category:order saga [lindex $all 5]]
        assert_equal 0 [r XNACK @category:order saga FAIL IDS 1 [lindex $all 6] FORCE]
    }
    test "NOACK leaves nothing pending, and > goes on behind it" {
        set entries [entries_of [r XREADGROUP GROUP saga w1 NOACK STREAMS @category:order >]]
        assert_equal {4 5} [sequences_of $entries]
        assert_equal {} [r XREADGROUP GROUP saga w1 STREAMS @category:order >]
    }
    test "XINFO shows groups and consumers; their lag is known once they have looked at everything" {
        set saga [lindex [r XINFO GROUPS @category:order] 1]
        assert_equal {saga {} 0} [lmap k {name entries-read lag} {dict get $saga $k}]
        assert_equal 2 [dict get [r XINFO STREAM @category:order] groups]
        assert_equal [dict get [r XINFO STREAM @category:order] last-generated-id] [dict get $saga last-delivered-id]
        assert {"w1" in [lmap one [r XINFO CONSUMERS @category:order saga] {dict get $one name}]}
        assert_equal 0 [dict get [r XGROUP STATS @category:order saga] backlog]
        assert {[r MEMORY USAGE @category:order] > 0}
    }
    test "The lag of a group is null while there is something that it has not looked at" {
        r XGROUP CREATE @category:lag g $
        foreach n {1 2 3} { r EAPPEND lag-1 t }
        assert_equal {} [dict get [lindex [r XINFO GROUPS @category:lag] 0] lag]
        r XREADGROUP GROUP g w COUNT 1 STREAMS @category:lag >
        assert_equal {} [dict get [lindex [r XINFO GROUPS @category:lag] 0] lag]
        r XREADGROUP GROUP g w STREAMS @category:lag >
        assert_equal 0 [dict get [lindex [r XINFO GROUPS @category:lag] 0] lag]
        r EAPPEND other-1 t
        assert_equal {} [dict get [r XGROUP STATS @category:lag g] backlog]
        assert_equal {} [r XREADGROUP GROUP g w STREAMS @category:lag >]
        assert_equal 0 [dict get [r XGROUP STATS @category:lag g] backlog]
        r DEL lag-1 other-1
        r XGROUP DESTROY @category:lag g
    }
    test "SETID goes back and ahead, by id and by time" {
        r XGROUP SETID @category:order late 0
        assert_equal {0 1 2 3 4 5} [read_all_new r @category:order late w]
        set ids [entry_ids [r XRANGE @category:order - +]]
        r XGROUP SETID @category:order late [lindex $ids 3]
        assert_equal {4 5} [read_all_new r @category:order late w]
        r XGROUP SETID @category:order late TIME [lindex [split [lindex $ids 0] -] 0]
        assert_equal 0 [lindex [read_all_new r @category:order late w] 0]
        r XGROUP SETID @category:order late $
        assert_equal {} [read_all_new r @category:order late w]
    }
    test "With its last group a virtual stream is gone" {
        r XGROUP DESTROY @category:order late
        assert_equal 1 [r XGROUP DESTROY @category:order saga]
        assert_equal 0 [r XGROUP DESTROY @category:order saga]
        assert_equal {} [r XINFO GROUPS @category:order]
        r ESYNC
        assert_equal 0 [sql_value [srv db] "SELECT count(*) FROM streams WHERE name LIKE '@%'"]
        assert_equal 7 [sql_value [srv db] "SELECT streams FROM cairn_status"]
        assert_equal 7 [r DBSIZE]
    }
}

with_server {} {
    test "Consumers that wait get what comes, each event once" {
        r XGROUP CREATE @category:order saga $
        with_clients {a b c} {
            foreach one {a b c} { [set $one] send XREADGROUP GROUP saga $one BLOCK 0 COUNT 1 STREAMS @category:order > }
            wait_for "all to wait" {[blocked] == 3}
            r EAPPEND cart-1 t
            foreach one {a b c} { assert [[set $one] silent] }
            r EAPPEND order-1 t
            assert_equal 1 [sequences_of [entries_of [$a read]]]
            r EMAPPEND * order-2 t order-3 t
            set got [list {*}[sequences_of [entries_of [$b read]]] {*}[sequences_of [entries_of [$c read]]]]
            assert_equal {2 3} [lsort $got]
        }
        wait_for "nobody to wait" {[blocked] == 0}
    }
    test "Out of what comes at once, who waits gets each event of his once and in order, before and behind others" {
        r XGROUP CREATE @type:mine mine $
        set sent 0
        set wanted {}
        with_clients {a} {
            set ask {XREADGROUP GROUP mine a NOACK COUNT 3 BLOCK 0 STREAMS @type:mine >}
            $a send {*}$ask
            for {set round 0} {$round < 60} {incr round} {
                # In each round others stand in front, between and behind: in two frames, and one of them alone.
                set burst {}
                for {set i 0} {$i < 1 + $round % 13} {incr i} {
                    set mine [expr {($round * 7 + $i * $i * 5) % 4 == 0}]
                    if {$mine} { lappend wanted [incr sent] }
                    lappend burst EVENT burst-$i [expr {$mine ? "mine" : "other"}] PAYLOAD [expr {$mine ? $sent : 0}]
                }
                set all [concat {*}$burst]
                r EMAPPEND * {*}$all
                r EAPPEND burst-0 other
                while {[llength $wanted] > 0} {
                    set got [entry_fields [entries_of [$a read]] payload]
                    assert_equal [lrange $wanted 0 [llength $got]-1] $got
                    set wanted [lrange $wanted [llength $got] end]
                    $a send {*}$ask
                }
            }
            assert {$sent > 50}
            assert [$a silent]
        }
        wait_for "nobody to wait" {[blocked] == 0}
        r XGROUP DESTROY @type:mine mine
    }
    test "A group that goes, or is set back, is told to who waits in it" {
        with_clients {a b} {
            $a send XREADGROUP GROUP saga a BLOCK 0 COUNT 1 STREAMS @category:order >
            wait_for "it to wait" {[blocked] == 1}
            r XGROUP SETID @category:order saga 0
            assert_equal 1 [sequences_of [entries_of [$a read]]]
            r XGROUP SETID @category:order saga $
            $b send XREADGROUP GROUP saga a BLOCK 0 STREAMS @category:order >
            wait_for "it to wait" {[blocked] == 1}
            r XGROUP DESTROY @category:order saga
            assert_error "NOGROUP*" {$b read}
        }
    }
    test "In MULTI a group reads what the transaction appended, and DISCARD leaves it where it was" {
        r XGROUP CREATE @stream:multi* g $
        r MULTI
        r EAPPEND multi-1 t
        r XREADGROUP GROUP g w BLOCK 0 STREAMS @stream:multi* >
        r XREADGROUP GROUP g w BLOCK 0 STREAMS @stream:multi* >
        lassign [r EXEC] appended first second
        assert_equal multi-1 [stream_names [entries_of $first]]
        assert_equal {} $second
        r EAPPEND multi-2 t
        r MULTI
        r XREADGROUP GROUP g w STREAMS @stream:multi* >
        r EAPPEND multi-2 t EXPECTED_VERSION 77
        catch {r EXEC}
        assert_equal multi-2 [stream_names [entries_of [r XREADGROUP GROUP g w STREAMS @stream:multi* >]]]
        assert_equal 2 [lindex [r XPENDING @stream:multi* g] 0]
    }
    test "An append and the reading of its group go in one pipeline" {
        r XGROUP CREATE @stream:pipe* g $
        set replies [pipeline [srv default_client] {{EAPPEND pipe-1 t} {XREADGROUP GROUP g w STREAMS @stream:pipe* >} {XADD pipe-2 * a b} {XREADGROUP GROUP g w STREAMS @stream:pipe* >}}]
        assert_equal {pipe-1 pipe-2} [lmap i {1 3} {stream_names [entries_of [untyped [lindex $replies $i]]]}]
    }
    test "Selectors see the name that a stream has now; what is pending stays" {
        r XGROUP CREATE @category:ren g $
        r EAPPEND early-1 t
        r EAPPEND ren-1 t
        r EAPPEND other-1 t
        r EAPPEND ren-2 t
        set first [entries_of [r XREADGROUP GROUP g w COUNT 1 STREAMS @category:ren >]]
        assert_equal ren-1 [stream_names $first]
        r RENAME ren-1 gone-1     ;# is pending: stays
        r RENAME ren-2 gone-2     ;# not delivered yet: is not any more
        r RENAME other-1 ren-3    ;# in front of the position: is now
        assert_equal ren-3 [stream_names [entries_of [r XREADGROUP GROUP g w STREAMS @category:ren >]]]
        assert_equal {gone-1 ren-3} [stream_names [entries_of [r XREADGROUP GROUP g w STREAMS @category:ren 0]]]
        r RENAME early-1 ren-9    ;# below the position: is not delivered
        assert_equal {} [r XREADGROUP GROUP g w STREAMS @category:ren >]
        assert_equal {ren-9 ren-3} [stream_names [r XRANGE @category:ren - +]]
    }
    test "What was loaded for a command stays when others use up what may be looked at in a turn" {
        append_events [srv default_client] cold-1 30000
        srv restart
        append_events [srv default_client] warm-1 40000
        with_clients {a b reader} {
            foreach c [list $a $b] {
                for {set i 0} {$i < 400} {incr i} { $c send XREVRANGE @stream:nope* + - }
                $c send PING
            }
            $reader send XREAD COUNT 10 STREAMS @category:cold 0
            assert_equal [lrepeat 10 cold-1] [stream_names [entries_of [$reader read]]]
            foreach c [list $a $b] { assert {![string match *PONG* [read [$c channel]]]} "it was answered when nobody looked any more" }
        }
    }
    test "What a rename brings in behind what a group was given is delivered, though it had been looked at: polled, waited for, from disk" {
        foreach way {polled waited disk} {
            set name in_$way
            r XGROUP CREATE @category:$name g $
            with_clients c {
                if {$way eq "waited"} { $c send XREADGROUP GROUP g w COUNT 1 BLOCK 0 STREAMS @category:$name > ; $c taken }
                r MULTI
                for {set i 0} {$i < 20} {incr i} { r EAPPEND $name-1 t }
                r EAPPEND other_$way-1 t
                r EXEC
                if {$way eq "disk"} { srv restart }
                if {$way ne "waited"} { r XREADGROUP GROUP g w COUNT 1 STREAMS @category:$name > } else { $c read }
            }
            r RENAME other_$way-1 $name-2
            set rest {}
            while {[set more [r XREADGROUP GROUP g w COUNT 1 STREAMS @category:$name >]] ne ""} { lappend rest {*}[stream_names [entries_of $more]] }
            assert_equal [list {*}[lrepeat 19 $name-1] $name-2] $rest $way
        }
    }
    test "An event that was removed is given as gone, and an erased one with its origin" {
        foreach where {memory disk} {
            r XGROUP CREATE @category:rem g$where $
            r XADD rem-$where 1-1 a b
            r XADD rem-$where 2-1 a b
            r XADD rem-$where 3-1 a b
            r XADD rem-$where 4-1 a b
            r EAPPEND rem-$where t PAYLOAD secret
            set entries [entries_of [r XREADGROUP GROUP g$where w STREAMS @category:rem >]]
            assert_equal 5 [llength $entries]
            set ids [entry_ids $entries]
            r XDEL rem-$where 2-1 3-1 4-1
            r EERASE [dict get [lindex $entries 4 1] event_id]
            if {$where eq "disk"} { r ESYNC; srv restart }
            set again [entries_of [r XREADGROUP GROUP g$where w STREAMS @category:rem 0]]
            assert_equal [list [lindex $ids 1] {}] [lindex $again 1]
            assert_equal {rem-%s {}} [list rem-%s [dict get [lindex $again 4 1] payload]]
            assert_equal rem-$where [dict get [lindex $again 4 1] @stream]
            assert_equal {} [r XCLAIM @category:rem g$where x 0 [lindex $ids 1]]
            lassign [r XAUTOCLAIM @category:rem g$where x 0 0 COUNT 2] next claimed gone
            assert_equal [list [lindex $ids 2]] $gone
            assert_equal [list [lindex $ids 0] [lindex $ids 4]] \
                [lsort [entry_ids [entries_of [r XREADGROUP GROUP g$where y CLAIM 0 STREAMS @category:rem >]]]]
            assert_equal 2 [lindex [r XPENDING @category:rem g$where] 0]
        }
    }
    test "What was removed is not given again, in whatever way it went" {
        foreach {how words} {
            XTRIM {XTRIM way MAXLEN 0} MINID {XADD way MINID 9-1 * c d} ETRUNCATE {ETRUNCATE way BEFORE 3} XDEL {XDEL way 1-1 2-1}
            DEL {DEL way} EDELETE {EDELETE way} SET {SET way v} PEXPIREAT {PEXPIREAT way 1} RENAME {RENAME over way}
        } {
            r DEL way over
            r XGROUP CREATE @category:way $how $
            foreach id {1-1 2-1} { r XADD way $id a b }
            r XADD over 1-1 a b
            set ids [entry_ids [entries_of [r XREADGROUP GROUP $how w STREAMS @category:way >]]]
            r {*}$words
            assert_equal [lmap id $ids {list $id {}}] [entries_of [r XREADGROUP GROUP $how w STREAMS @category:way 0]] $how
            assert_equal {} [r XCLAIM @category:way $how w 0 [lindex $ids 0]] $how
            assert_equal [list 0-0 {} [lindex $ids 1]] [r XAUTOCLAIM @category:way $how w 0 0] $how
            assert_equal [r XLEN @category:way] [llength [r XRANGE @category:way - +]] $how
        }
    }
    test "Dead letters are in no virtual stream but one that asks for them" {
        r XADD dlq:order-1:saga 1-1 type dead
        r XADD dlq-not 1-1 type dead
        assert_equal dlq-not [stream_names [r XRANGE @type:dead - +]]
        assert_equal dlq-not [stream_names [r XRANGE @stream:dlq* - +]]
        assert_equal {dlq:order-1:saga} [stream_names [r XRANGE @stream:dlq:* - +]]
        assert {"dlq:order-1:saga" ni [stream_names [r XRANGE @all - +]]}
        assert_equal 2 [llength [field [r EREAD FROM 0 TYPE dead] events]]
    }
    test "There are at most a thousand groups on virtual streams" {
        set have [llength [r XINFO GROUPS @category:rem]]
        set made 0
        while {[catch {r XGROUP CREATE @category:limit g[incr made] 0} error] == 0} {}
        assert_match "TOOLARGE virtual streams have at most 1000 groups*" $error
        assert {$made > 900}
        srv restart
        assert_match "TOOLARGE*" [r err XGROUP CREATE @all g 0]
        r XGROUP DESTROY @category:limit g1
        r XGROUP CREATE @all g 0
        assert_match "TOOLARGE*" [r err XGROUP CREATE @all h 0]
    }
}

# History on disk, then live; several consumers, appends beside, and a cache that evicts all the time.
with_server {cache-bytes 1mb} {
    test "From history to live each event is delivered once, in order, whatever leaves memory" {
        set n 3000
        for {set i 0} {$i < $n} {incr i 100} {
            set commands {}
            for {set k $i} {$k < $i + 100} {incr k} {
                lappend commands [list EAPPEND [expr {$k % 3 ? "noise-$k" : "order-[expr {$k % 7}]"}] t PAYLOAD [string repeat x 600]]
            }
            pipeline [srv default_client] $commands
        }
        r ESYNC
        r XGROUP CREATE @category:order saga 0
        set got {}
        with_clients {a b c writer} {
            set at $n
            set wanted [expr {$n / 3}]
            while {[llength $got] < $wanted + 200} {
                foreach one {a b c} { [set $one] send XREADGROUP GROUP saga $one BLOCK 20 COUNT 37 STREAMS @category:order > }
                if {$at < $n + 600} {
                    set commands {}
                    for {set k 0} {$k < 30} {incr k; incr at} {
                        lappend commands [list EAPPEND [expr {$at % 3 ? "noise" : "order-[expr {$at % 7}]"}] t PAYLOAD [string repeat x 600]]
                    }
                    pipeline $writer $commands
                }
                foreach one {a b c} {
                    set entries [entries_of [[set $one] read]]
                    if {$entries eq ""} continue
                    lappend got {*}[sequences_of $entries]
                    r XACK @category:order saga {*}[entry_ids $entries]
                }
            }
        }
        set want {}
        for {set k 0} {$k < $n + 600} {incr k 3} { lappend want $k }
        assert_equal [llength $want] [llength $got]
        assert_equal $want [lsort -integer $got]
        assert_equal 0 [lindex [r XPENDING @category:order saga] 0]
    }
    test "A group that finds nothing in a long history says so only when it has looked at all of it" {
        r XGROUP CREATE @type:rare g 0
        assert_equal {} [r XREADGROUP GROUP g w STREAMS @type:rare >]
        r EAPPEND x rare
        assert_equal x [stream_names [entries_of [r XREADGROUP GROUP g w STREAMS @type:rare >]]]
    }
    test "Where it has looked to is kept over a clean restart, where nothing matched" {
        r XGROUP CREATE @type:later g 0
        assert_equal {} [r XREADGROUP GROUP g w STREAMS @type:later >]
        srv restart
        set position [sql_value [srv db] "SELECT last_delivered FROM cairn_groups WHERE stream = '@type:later'"]
        assert {[lindex [split $position -] 1] > 3000} $position
        r EAPPEND x later
        assert_equal x [stream_names [entries_of [r XREADGROUP GROUP g w STREAMS @type:later >]]]
    }
}

with_server {} {
    test "After kill -9 a group goes on: nothing that was acknowledged comes again, nothing is lost" {
        r XGROUP CREATE @category:order saga 0
        set acked {}
        for {set round 0} {$round < 6} {incr round} {
            set commands {}
            for {set i 0} {$i < 20} {incr i} { lappend commands [list EAPPEND order-$i t] }
            pipeline [srv default_client] $commands
            set entries [entries_of [r XREADGROUP GROUP saga w COUNT 15 STREAMS @category:order >]]
            set ids [lrange [entry_ids $entries] 0 9]
            r XACK @category:order saga {*}$ids
            lappend acked {*}[sequences_of [lrange $entries 0 9]]
            srv crash
            assert_equal 0 [llength [lmap id $ids {if {[llength [r XPENDING @category:order saga $id $id 1]] == 0} continue; set id}]]
        }
        set rest [sequences_of [entries_of [r XREADGROUP GROUP saga w STREAMS @category:order 0]]]
        lappend rest {*}[read_all_new r @category:order saga w]
        set want {}
        for {set i 0} {$i < 120} {incr i} { lappend want $i }
        assert_equal $want [lsort -integer [list {*}$acked {*}$rest]]
    }
}

# A position moves over a prefix of the log only: when what it has moved over is taken back, so is it.
set journal "match -journal.d"
with_faulty_server {journal-segment-bytes 1mb disk-free-min 0} {
    append_events [srv default_client] before 20
    r XGROUP CREATE @all g $
    test "A sync that fails while a group reads behind its own append loses no event of others" {
        with_clients {a b} {
            fault "$journal\nhold sync"
            $a send EAPPEND theirs t
            $a taken
            $b send EAPPEND mine t
            $b send XREADGROUP GROUP g w COUNT 10 STREAMS @all >
            $b taken
            fault "$journal\nfail write EIO\nfail sync EIO"
            foreach c {a b b} { catch {[set $c] read} }
            no_fault
        }
        wait_for "writes again" {[catch {r EAPPEND after t}] == 0}
        r EAPPEND last t
        set there [sequences_of [r XRANGE @all - +]]
        set delivered [lsort -integer -unique [list {*}[sequences_of [entries_of [r XREADGROUP GROUP g w STREAMS @all 0]]] \
            {*}[read_all_new r @all g w]]]
        assert_equal [lmap q $there {if {$q < 20} continue; set q}] $delivered
    }
    test "Who waits in a group is woken when the event is durable, not before" {
        with_clients {c writer} {
            read_all_new r @all g w
            $c send XREADGROUP GROUP g c BLOCK 0 STREAMS @all >
            wait_for "it to wait" {[blocked] == 1}
            fault "$journal\nhold sync"
            $writer send EAPPEND held t
            $writer taken
            assert [$c silent]
            no_fault
            assert_equal held [stream_names [entries_of [$c read]]]
            $writer read
        }
    }
    test "Over a failed sync a wait in a group goes on" {
        r ESYNC ;# else what was delivered last may come again
        with_clients c {
            $c send XREADGROUP GROUP g c BLOCK 0 STREAMS @all >
            wait_for "it to wait" {[blocked] == 1}
            fault "$journal\nfail sync EIO"
            assert_match "IOERR*" [r err EAPPEND lost t]
            no_fault
            wait_for "writes again" {[catch {r EAPPEND kept t}] == 0}
            assert_equal kept [stream_names [entries_of [$c read]]]
        }
    }
}

with_server {enable-flush yes} {
    test "FLUSHALL drops the groups, and a reader goes on with the new log" {
        append_events [srv default_client] order-1 5
        r XGROUP CREATE @category:order g 0
        with_clients {c d} {
            $c send XREADGROUP GROUP g w BLOCK 0 STREAMS @category:none @category:order > >
            assert_error NOGROUP* {$c read}
            read_all_new r @category:order g w
            $c send XREADGROUP GROUP g w BLOCK 0 STREAMS @category:order >
            $d send XREAD BLOCK 0 STREAMS @category:order $
            wait_for "both to wait" {[blocked] == 2}
            r FLUSHALL
            assert_error NOGROUP* {$c read}
            r EAPPEND order-2 t
            assert_equal order-2 [lindex [stream_names [entries_of [$d read]]] 0]
        }
        assert_equal {} [r XINFO GROUPS @category:order]
    }
}

# Where words select, such a name would select nothing, for ever.
with_server {} {
    test "The words that select take no virtual name, and say what to use" {
        r EAPPEND order-1 t
        foreach {value use} {
            @all "use the pattern *, or no word at all" @category:order "use CATEGORY order" @type:a.* "use TYPE a.*"
            @stream:order-* "use STREAM order-*" @view:v "use VIEW v"
        } {
            set text "VIRTUAL '$value' is no stream: $use"
            foreach command {
                {EREAD FROM START STREAM} {EREAD FROM START CATEGORY} {EPSCAN 0 - + STREAM} {ESUBSCRIBE}
                {ESUBSCRIBE order-1 STREAM} {EVIEW SET v STREAM}
            } {
                assert_equal $text [r err {*}$command $value] $command
            }
        }
        foreach value {@ @x @old-*} {
            assert_equal "VIRTUAL '$value': no stream has a name that begins with '@'" [r err EREAD FROM START STREAM order-1 STREAM $value]
        }
        with_clients c {
            $c HELLO 3
            assert_equal "VIRTUAL '@category:order' is no stream: use CATEGORY order of ESUBSCRIBE" [$c err ESUB @category:order]
            assert_match "VIRTUAL '@all' is no stream*" [$c err ESUB order-1 @all FROM LATEST]
        }
        assert_equal {} [lindex [r EVIEW LIST 0] 1]
        assert_equal {} [dict get [r EREAD FROM START TYPE @all] events] ;# a type may be called so
    }
}

# An earlier version let streams have such names.
with_server {} {
    test "A stream that has such a name from before can be read, renamed and deleted, and nothing else" {
        r XADD old 1-1 a b
        r XADD older 1-1 c d
        r SET text v
        r ESYNC
        srv stop
        foreach {old new} {old @old older @all text @text} { sql_change [srv db] "UPDATE streams SET name = '$new' WHERE name = '$old'" }
        srv new_log
        srv start
        assert_match "*3 streams or strings have a name that begins with '@'*" [srv new_log]
        assert_equal {{1-1 {a b}}} [r XRANGE @old - +]
        assert_equal {{1-1 {c d}}} [r XRANGE @all - +]
        assert_equal {v stream 2} [list [r GET @text] [r TYPE @old] [r EXISTS @old @all]]
        foreach command {{XADD @old * a b} {XGROUP CREATE @old g 0} {RENAME text2 @old} {COPY @old x} {EXPIRE @text 5} {SET @text w} {RENAME @old @text}} {
            assert_match "VIRTUAL *" [r err {*}$command] $command
        }
        foreach selection {{STREAM @old} {STREAM @ol?} {STREAM @all STREAM @old*}} n {1 1 2} {
            assert_equal $n [llength [dict get [r EREAD FROM START {*}$selection] events]] $selection
        }
        assert_equal 1 [llength [dict get [r EREAD FROM START CATEGORY @old] events]]
        assert_match "VIRTUAL '@category:old' is no stream: use CATEGORY old" [r err EREAD FROM START CATEGORY @category:old]
        r RENAME @old fresh
        assert_equal 1 [r DEL @text]
        r RENAME @all was-all
        assert_equal {{1-1 {a b}}} [r XRANGE fresh - +]
        srv restart
        assert_equal {fresh was-all} [lsort -unique [stream_names [r XRANGE @all - +]]]
        assert_match "VIRTUAL unknown*" [r err XRANGE @old - +]
    }
}

foreach {how moved} {"SETID back" {r XGROUP SETID @category:order g 0} "DESTROY and CREATE" {
    r MULTI
    r XGROUP DESTROY @category:order g
    r XGROUP CREATE @category:order g 0
    r EXEC
}} {
    with_server {} {
        test "Whoever still waits is given the next of them, when the group goes back ($how)" {
            for {set i 0} {$i < 5} {incr i} { r EAPPEND order-$i t }
            r XGROUP CREATE @category:order g $
            with_clients {a b} {
                foreach c [list $a $b] {
                    $c send XREADGROUP GROUP g w COUNT 1 BLOCK 0 STREAMS @category:order >
                    incr waiting
                    wait_for "it waits" {[blocked] == $waiting}
                }
                unset waiting
                uplevel #0 $moved
                set first [$a read]
                set told [list [sequences_of [entries_of $first]]]
                lappend told [sequences_of [entries_of [$b read]]]
                r EAPPEND order-9 t
                lappend told {*}[lmap e [read_all_new r @category:order g w] {set e}]
                assert_equal {0 1 2 3 4 5} $told
            }
        }
    }
}
with_server {} {
    test "What a transaction saw and took back is delivered afterwards" {
        for {set i 0} {$i < 6} {incr i} { r EAPPEND order-0 t }
        r XGROUP CREATE @category:order g 0
        r ECHECKPOINT SET p 1
        r ESYNC
        srv restart
        assert_equal 0 [sequences_of [entries_of [r XREADGROUP GROUP g w COUNT 1 STREAMS @category:order >]]]
        foreach change {{RENAME order-0 x-0} {DEL order-0} {XTRIM order-0 MAXLEN 0}} {
            r MULTI
            r {*}$change
            r XREADGROUP GROUP g w STREAMS @category:order >
            r ECHECKPOINT SET p 2 IF 5
            assert_match "STALE *" [r err EXEC]
        }
        assert_equal {1 2 3 4 5} [read_all_new r @category:order g w]
    }
    test "A transaction that removes what the group has found is given what comes behind it" {
        r XADD order-1 * a b
        r XGROUP SETID @category:order g 0
        r ESYNC
        srv restart
        assert_equal 0 [sequences_of [entries_of [r XREADGROUP GROUP g w COUNT 1 STREAMS @category:order >]]]
        r MULTI
        r DEL order-0
        r XREADGROUP GROUP g w COUNT 2 STREAMS @category:order >
        assert_equal 6 [sequences_of [entries_of [lindex [r EXEC] 1]]]
        r EAPPEND order-0 t
        assert_equal 7 [read_all_new r @category:order g w]
    }
    test "XCLAIM of much replies what is of the log, too" {
        r XGROUP CREATE @category:big g 0
        for {set i 0} {$i < 3} {incr i} { r XADD big-$i * a [string repeat x 600000] }
        for {set ids {}} {[llength $ids] < 3} {} {
            lappend ids {*}[entry_ids [entries_of [r XREADGROUP GROUP g w STREAMS @category:big >]]]
        }
        set claimed [r XCLAIM @category:big g v 0 {*}$ids]
        assert_equal $ids [entry_ids $claimed]
        assert_equal {big-0 big-1 big-2} [stream_names $claimed]
    }
}
with_server {} {
    test "What a reply has no room for comes with the next one" {
        for {set i 0} {$i < 4} {incr i} { r EAPPEND order-$i t }
        r XGROUP CREATE @category:order g 0
        assert_equal {0 1} [sequences_of [entries_of [r XREADGROUP GROUP g w COUNT 2 STREAMS @category:order >]]]
        assert_equal {0 1} [sequences_of [entries_of [r XREADGROUP GROUP g v COUNT 2 CLAIM 0 STREAMS @category:order >]]]
        assert_equal {2 3} [read_all_new r @category:order g w]
        r EAPPEND cart-1 t
        foreach key {@category:order @category:cart} { r XGROUP CREATE $key h 0 }
        assert_equal {0 1 2} [sequences_of [entries_of [r XREADGROUP GROUP h w MAXCOUNT 3 STREAMS @category:order @category:cart > >]]]
        assert_equal 4 [read_all_new r @category:cart h w]
        assert_equal 3 [read_all_new r @category:order h w]
    }
    test "CLAIM looks on behind very many pending entries that do not exist any more" {
        foreach {key name} {@category:claim claim-1 plain plain} {
            set commands {}
            for {set i 1} {$i <= 5000} {incr i} { lappend commands [list XADD $name $i-0 n $i] }
            set kept [expr {$name eq "plain" ? "plain" : "claim-2"}]
            for {set i 5001} {$i <= 5020} {incr i} { lappend commands [list XADD $kept $i-0 n $i] }
            foreach group {idle released old block} {
                lappend commands [list XGROUP CREATE $key $group 0] {*}[lrepeat 6 [list XREADGROUP GROUP $group a COUNT 1000 STREAMS $key >]]
            }
            lappend commands [list XGROUP DELCONSUMER $key released a RELEASE]
            pipeline [srv default_client] $commands
            if {$name eq "plain"} { r XTRIM plain MAXLEN 20 } else { r DEL $name }
            foreach {group block} {idle {} released {} block {BLOCK 3600000} old {}} {
                if {$group eq "old"} { r ESYNC; srv restart }
                foreach count {1 10} {
                    set entries [entries_of [r XREADGROUP GROUP $group b COUNT $count {*}$block CLAIM 0 STREAMS $key >]]
                    assert_equal $count [llength $entries] "$key $group"
                }
                assert_equal 20 [lindex [r XPENDING $key $group] 0] "$key $group"
            }
            # All of them are gone: only then is there nothing.
            r DEL $kept
            if {$name ne "plain"} { assert_equal {{} 0} [list [r XREADGROUP GROUP idle b COUNT 1 CLAIM 0 STREAMS $key >] [lindex [r XPENDING $key idle] 0]] }
        }
    }
    test "So it does when the one before has taken all that a reply may hold" {
        for {set i 0} {$i < 3} {incr i} { r XADD big-$i * a [string repeat x 4000000] }
        foreach key {@category:big @category:cart} { r XGROUP CREATE $key k 0 }
        set read [r XREADGROUP GROUP k w STREAMS @category:big @category:cart > >]
        assert_equal @category:big [lindex $read 0 0]
        assert_equal {1 4} [list [llength $read] [read_all_new r @category:cart k w]]
    }
}
with_server {} {
    test "What cannot be read is an error, also for who waits, and what stands before it is delivered" {
        for {set i 0} {$i < 4} {incr i} { r EAPPEND order-$i t }
        r EAPPEND cart-0 t
        r XGROUP CREATE @category:order g 0
        srv stop
        skip unless sqlite "PostgreSQL takes no uuid that is none"
        exec sqlite3 [srv db] "UPDATE events SET event_id = x'00' WHERE sequence = 3"
        srv start
        foreach wait {{} {BLOCK 0}} {
            assert_match "READERR *" [r err XREADGROUP GROUP g w {*}$wait STREAMS @category:order >]
        }
        assert_equal {0 1} [sequences_of [entries_of [r XREADGROUP GROUP g w COUNT 2 STREAMS @category:order >]]]
        srv stop
        exec sqlite3 [srv db] "UPDATE events SET event_id = randomblob(16) WHERE sequence = 3"
        srv start
        assert_equal {2 3} [read_all_new r @category:order g w]
    }
}
with_server {} {
    test "A group that waits has looked at what came meanwhile, and says so; a stop keeps it" {
        r XGROUP CREATE @category:order g 0
        r XGROUP CREATE @category:cart g 0
        with_clients {a b} {
            $a send XREADGROUP GROUP g w BLOCK 0 STREAMS @category:order >
            $b send XREADGROUP GROUP g w BLOCK 0 STREAMS @category:cart >
            wait_for "they wait" {[blocked] == 2}
            for {set i 0} {$i < 5} {incr i} { r EAPPEND other-$i t }
            set last [dict get [r XINFO STREAM @all] last-generated-id]
            wait_for "it was looked at for both" {
                [lmap key {@category:order @category:cart} { lrange [lindex [r XINFO GROUPS $key] 0] 6 end }] eq
                [lrepeat 2 [list last-delivered-id $last entries-read {} lag 0]]
            }
            assert_equal 0 [dict get [r XGROUP STATS @category:order g] backlog]
        }
        srv restart
        assert_equal [list $last $last] [sql [srv db] "SELECT last_delivered FROM cairn_groups"]
    }
    test "What many keys of one command wait for is bounded together" {
        set keys {}
        for {set i 0} {$i < 600} {incr i} { lappend keys "@stream:*[string repeat x-$i- 60]*" }
        assert_equal {} [r XREAD STREAMS {*}$keys {*}[lrepeat 600 $]]
        assert_match "INVALIDARG too many or too long patterns to wait for*" [r err XREAD BLOCK 1 STREAMS {*}$keys {*}[lrepeat 600 $]]
        assert_equal {} [r XREAD BLOCK 1 STREAMS [lindex $keys 0] $]
    }
    test "A search takes as many turns as it has to" {
        r EAPPEND rare-1 rare
        append_events r many 25000
        assert_equal rare-1 [stream_names [entries_of [r XREAD STREAMS @type:r* +]]]
        assert_equal {} [r XREAD STREAMS @type:never* +]
        # It is found at once, and not looked for again in each turn, with no end.
        r EAPPEND last-1 last
        foreach name {@type:last @type:la* @stream:last-*} {
            assert_equal last-1 [stream_names [entries_of [r XREAD STREAMS $name +]]]
            assert_equal last-1 [stream_names [entries_of [r XREAD COUNT 1 STREAMS $name 0]]]
        }
        set info [r XINFO STREAM @type:r*]
        assert_equal {1 rare-1 rare-1} [list [dict get $info length] {*}[stream_names [list [dict get $info first-entry] [dict get $info last-entry]]]]
        assert_equal {} [dict get [r XINFO STREAM @type:never*] last-entry]
        set keys [lmap i {1 2 3 4 5 6 7 8} {string cat @type:never- $i *}]
        assert_equal rare-1 [stream_names [entries_of [r XREAD STREAMS {*}$keys @type:r* {*}[lrepeat 9 0]]]]
        r MULTI
        r XREAD STREAMS @type:r* +
        r XINFO STREAM @type:r*
        assert_equal rare-1 [stream_names [entries_of [lindex [r EXEC] 0]]]
    }
}
with_server {} {
    test "The lag of a group counts what it has found on disk and not delivered" {
        for {set i 0} {$i < 5} {incr i} { r EAPPEND order-$i t }
        r ESYNC
        srv restart
        r XGROUP CREATE @category:order g 0
        foreach left {4 3} {
            r XREADGROUP GROUP g w COUNT 1 STREAMS @category:order >
            assert_equal $left [dict get [lindex [r XINFO GROUPS @category:order] 0] lag]
            assert_equal $left [dict get [r XGROUP STATS @category:order g] backlog]
        }
    }
}
with_server {enable-flush yes apply-delay-ms 60000} {
    test "What was removed or flushed does not count, though the database has it still" {
        for {set i 0} {$i < 6} {incr i} { r XADD order-1 $i-1 a b }
        r XADD cart-1 1-1 a b
        r ESYNC
        r XDEL order-1 2-1 3-1
        assert_equal {4 4} [list [r XLEN @category:order] [r XLEN order-1]]
        assert_equal 5 [r XLEN @all]
        r XTRIM order-1 MAXLEN 1
        assert_equal {1 2} [list [r XLEN @stream:order-*] [dict get [r XINFO STREAM @all] length]]
        r DEL cart-1
        assert_equal 1 [r XLEN @all]
        r ESYNC
        r FLUSHALL
        for {set i 0} {$i < 3} {incr i} { r XADD order-2 $i-1 a b }
        assert_equal {3 3} [list [r XLEN @all] [llength [r XRANGE @all - +]]]
    }
}
with_server {enable-flush yes} {
    test "FLUSHALL drops a group that is not in memory, also while the database still has it" {
        r EAPPEND order-1 t
        r XGROUP CREATE @all g 0
        r XREADGROUP GROUP g c STREAMS @all >
        r ESYNC
        srv restart
        set hold [hold_database [srv db]]
        r FLUSHALL
        assert_equal {} [r XINFO GROUPS @all]
        assert_match "NOGROUP *" [r err XREADGROUP GROUP g c STREAMS @all >]
        assert_equal OK [r XGROUP CREATE @all g 0]
        assert_equal {} [r XPENDING @all g - + 10]
        release_database $hold
        r EAPPEND order-2 t
        assert_equal {order-2} [stream_names [entries_of [r XREADGROUP GROUP g c STREAMS @all >]]]
        srv restart
        assert_equal {1} [lmap g [r XINFO GROUPS @all] {dict get $g pending}]
    }
}

with_server {} {
    proc append_thousands {stream n} {
        set bytes [resp_command EMAPPEND * {*}[concat {*}[lrepeat 1000 [list EVENT $stream t]]]]
        [srv default_client] write [resp_command CLIENT REPLY OFF][string repeat $bytes $n][resp_command CLIENT REPLY ON]
        assert_equal OK [[srv default_client] read]
    }
    test "What the database has not got yet is counted over several turns, and as of one moment" {
        set hold [hold_database [srv db]]
        append_thousands order-1 23
        append_thousands cart-1 23
        set before [info_field r resumed_commands stats]
        assert_equal 46000 [r XLEN @type:t]
        assert_equal 3 [expr {[info_field r resumed_commands stats] - $before}]
        # (What goes by names waits for the database, but not for long.)
        assert_equal {23000 23000} [list [r XLEN @category:order] [dict get [r XINFO STREAM @stream:cart-*] length]]
        with_clients {a b} {
            $a send XLEN @all
            $a send XLEN @type:t
            pipeline $b {MULTI {DEL order-1} {DEL cart-1} EXEC}
            release_database $hold
            assert {[$a read] in {0 46000}}
            assert {[$a read] in {0 46000}}
        }
        assert_equal {0 0} [list [r XLEN @all] [r XLEN @type:t]]
    }
    test "Who counts what is in one transaction with it counts that, too" {
        set hold [hold_database [srv db]]
        append_thousands order-1 21
        r MULTI
        r EAPPEND order-1 t
        r EAPPEND order-2 t
        r XLEN @category:order
        assert_equal 21002 [lindex [r EXEC] 2]
        release_database $hold
    }
}
with_server {reader-threads 1} {
    test "A count, and what is told with it, are of one moment while events are added and applied" {
        with_clients {a b c d w} {
            for {set i 0} {$i < 50} {incr i} {
                foreach asker {a b c d} { [set $asker] send XINFO STREAM @all }
                set appends {}
                for {set k 0} {$k < 5} {incr k} { lappend appends "EAPPEND s-$k t" ESYNC "EAPPEND s-$k t" }
                pipeline $w $appends
                foreach asker {a b c d} {
                    set info [[set $asker] read]
                    set last [lindex [split [dict get $info last-generated-id] -] 1]
                    set length [dict get $info length]
                    if {$length > 0} { assert_equal $last [expr {$length - 1}] }
                }
            }
        }
    }
}
# How many of the ids lie beyond one, compared as pairs.
proc ids_beyond {ids position} {
    lassign [split $position -] ms seq
    return [llength [lmap id $ids { lassign [split $id -] m s; if {$m < $ms || ($m == $ms && $s <= $seq)} continue; set id }]]
}
with_server {} {
    test "SQL shows how many events of the store a group is behind, wherever it stands" {
        for {set i 0} {$i < 60} {incr i} {
            r XADD order-1 $i-1 a b
            if {$i % 10 == 9} { # so that some, and not all of them, were recorded in the same ms
                set at [clock milliseconds]
                wait_for "the clock to move on" {[clock milliseconds] > $at}
            }
        }
        set ids [entry_ids [r XRANGE @all - +]]
        lassign [split [lindex $ids 30] -] ms
        set most 18446744073709551615
        set positions [list 0 $ 5-5 {*}[lmap i {0 1 9 10 30 58 59} {lindex $ids $i}] $ms-0 $ms-$most [expr {$ms - 1}]-500 [expr {$ms + 1}]-2 \
            99999999999999-0 $most-$most]
        set n 0
        foreach position $positions { r XGROUP CREATE @all g[incr n] $position }
        r XGROUP CREATE order-1 g 0
        foreach round {all removed} {
            r ESYNC
            foreach row [sql [srv db] "SELECT last_delivered, behind FROM cairn_groups WHERE stream = '@all'"] {
                lassign $row position behind
                # When the events there were recorded nobody knows once they are removed.
                if {$round eq "removed" && $position ni $ids} continue
                assert_equal [ids_beyond $ids $position] $behind $row
            }
            assert_equal "" [sql_value [srv db] "SELECT behind FROM cairn_groups WHERE stream = 'order-1'"]
            # Removed events are behind all the same: they have positions.
            r XDEL order-1 28-1 29-1 30-1 31-1 59-1
        }
        r XGROUP SETID @all g1 $
        r EAPPEND order-2 t
        r ESYNC
        assert_equal 1 [sql_value [srv db] "SELECT behind FROM cairn_groups WHERE name = 'g1'"]
    }
}

source -encoding utf-8 [file join $::top tests lib page.tcl]
set ::page docs/subscriptions.md
set ::here {}
with_server {store sqlite:./cairn.db} {
    foreach {line block} [page_blocks [page_text]] {
        if {![shows_session $block]} continue
        test "docs/subscriptions.md, line $line: [string range [lindex $block 0] 2 70]" { run_block $block }
    }
}
