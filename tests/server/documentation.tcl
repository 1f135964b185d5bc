# docs/commands.md: its examples print what stands there; no command and no option is missing in it.
# And no link of the documentation leads nowhere.
source -encoding utf-8 [file join $::top tests lib page.tcl]

# The page's sections, by heading: "### NAME" to the next heading.
proc page_sections {text} {
    set sections {}
    set name ""
    foreach line [split $text \n] {
        if {[regexp {^#+ (.*)$} $line -> name]} { set body "" } else { append body $line \n }
        if {$name ne ""} { dict set sections $name $body }
    }
    return $sections
}
proc has_word {text word} { return [regexp "(?:^|\[^A-Z0-9_-\])${word}(?:\$|\[^A-Z0-9_-\])" $text] }

# As GitHub makes anchors of headings.
proc anchors {text} {
    set all {}
    foreach {_ heading} [regexp -all -inline -line {^#+ (.*)$} $text] {
        lappend all [string map {" " -} [regsub -all {[^\w\- ]} [string tolower $heading] ""]]
    }
    return $all
}
proc without_code {text} {
    return [regsub -all {`[^`]+`} [regsub -all -line {^    .*$} $text ""] ""]
}

set ::page docs/commands.md
set ::here {}

with_server {store sqlite:./cairn.db enable-flush no} {
    set text [page_text]
    set sessions 0
    foreach {line block} [page_blocks $text] {
        if {![shows_session $block]} continue
        incr sessions
        test "docs/commands.md, line $line: [string range [lindex $block 0] 2 70]" { run_block $block }
    }
    test "docs/commands.md has examples" { assert {$sessions > 50} }

    test "docs/commands.md has every command and every subcommand" {
        set missing {}
        foreach name [r COMMAND LIST] {
            foreach word [split [string toupper $name] "|"] {
                if {![has_word $text $word]} { lappend missing $name }
            }
        }
        assert_equal {} $missing "not in the page"
    }

    # The sections of other commands of Redis only say what differs.
    test "A command's section in docs/commands.md has every word of its syntax" {
        set missing {}
        set looked_at 0
        foreach {heading body} [page_sections $text] {
            foreach name [split $heading ", "] {
                if {![regexp {^[A-Z]+$} $name]} continue
                incr looked_at
                foreach {_ token} [regexp -all -inline {\mtoken \{?([A-Z][A-Z_-]+)\M} [r COMMAND DOCS $name]] {
                    if {![has_word $body $token]} { lappend missing "$name $token" }
                }
            }
        }
        assert {$looked_at > 35}
        assert_equal {} $missing "not in the section"
    }
}

with_server {} {
    test "docs/commands.md: the worker retries, takes over and moves what cannot be done" {
        set python [python_with_redis]
        set code [page_program "### A worker" python]
        assert {[string first "IDLE = 3, 30000" $code] >= 0}
        write_program worker.py [string map {30000 30} $code]
        # Of a worker that is gone: one job to do, one that was removed meanwhile.
        r XADD mails * to a@example.org
        set removed [r XADD mails * to removed@example.org]
        r XGROUP CREATE mails senders 0
        r XREADGROUP GROUP senders gone STREAMS mails >
        r XDEL mails $removed
        set printed [file join [srv dir] printed]
        # Only one: two that are slow would take each other's jobs over.
        set worker [exec $python -B [file join [srv dir] worker.py] ann >$printed 2>@1 &]
        try {
            r XADD mails * to nobody also 7
            r XADD mails * to b@example.org
            wait_for "all of the jobs done or moved" {
                [r XLEN dlq:mails] == 1 && [lindex [r XPENDING mails senders] 0] == 0
                && [field [r XGROUP STATS mails senders] backlog] == 0
            }
        } finally {
            exec kill $worker
        }
        assert_equal {to nobody also 7 parked-from mails} [lindex [r XRANGE dlq:mails - +] 0 1]
        assert_equal {{no address: nobody} {no address: nobody} {no address: nobody} {sent to a@example.org} {sent to b@example.org}} \
            [lsort [split [string trim [read_file $printed]] \n]]
        write_program again.py [page_program "#### Dead letters, again" python]
        exec $python -B [file join [srv dir] again.py] 2>@1
        assert_equal {to nobody also 7} [lindex [r XREVRANGE mails + - COUNT 1] 0 1]
        assert_equal 0 [r XLEN dlq:mails]
    }
    test "docs/commands.md: the worker of a category does not read its dead letters again" {
        set python [python_with_redis]
        set code [page_program "### A worker" python]
        write_program worker.py [string map {30000 30 {STREAM, GROUP, DEAD, ME = "mails"} {STREAM, GROUP, DEAD, ME = "@category:mail"}} $code]
        r XADD mail-1 * to nobody
        set printed [file join [srv dir] of-category]
        set worker [exec $python -B [file join [srv dir] worker.py] ann >$printed 2>@1 &]
        try {
            wait_for "the job moved" { [r XLEN dlq:mails] == 1 }
            r XADD mail-2 * to c@example.org
            wait_for "the next one done" { [string match "*sent to c@example.org*" [read_file $printed]] }
        } finally {
            exec kill $worker
        }
        assert_equal {to nobody parked-from mail-1} [lindex [r XRANGE dlq:mails - +] 0 1]
        assert_equal {{no address: nobody} {no address: nobody} {no address: nobody} {sent to c@example.org}} \
            [split [string trim [read_file $printed]] \n]
    }
    test "docs/commands.md: the projection prints each event once, also when it is killed and goes on" {
        set python [python_with_redis]
        write_program projection.py [page_program "### EREAD" python]
        set printed [file join [srv dir] events]
        r EAPPEND order-1 order.created
        for {set run 1} {$run <= 2} {incr run} {
            set projection [exec $python -B [file join [srv dir] projection.py] >>$printed 2>@1 &]
            try {
                r EAPPEND order-$run order.paid
                r EAPPEND user-$run user.created
                wait_for "the position behind all events" { [r GET orders-read] eq "[field [r EREAD FROM NEW] head]@[info_field r timeline store]" }
            } finally {
                exec kill $projection
            }
        }
        assert_equal {{order-1 order.created} {order-1 order.paid} {order-2 order.paid}} [split [string trim [read_file $printed]] \n]
    }
    test "docs/subscriptions.md: the program with pushes prints each event, and goes on from its position" {
        set python [python_with_redis]
        set ::page docs/subscriptions.md
        set code [page_program "## By pushes" python]
        assert {[string first "% 100 ==" $code] >= 0}
        write_program pushes.py [string map {"% 100 ==" "% 2 =="} $code]
        set ::page docs/commands.md
        set printed [file join [srv dir] pushed]
        set head [field [r EREAD FROM NEW] head]
        r SET orders-seen $head
        for {set run 1} {$run <= 2} {incr run} {
            set program [exec $python -B [file join [srv dir] pushes.py] >>$printed 2>@1 &]
            try {
                r EAPPEND order-$run order.shipped
                r EAPPEND order-$run order.paid
                r EAPPEND user-$run user.created
                set head [field [r EREAD FROM NEW] head]
                wait_for "the position behind all events" { [lindex [split [r GET orders-seen] @] 0] == $head }
            } finally {
                exec kill $program
            }
        }
        assert_equal {{order-1 order.shipped} {order-1 order.paid} {order-2 order.shipped} {order-2 order.paid}} \
            [split [string trim [read_file $printed]] \n]
    }
    test "docs/pubsub.md: the program that listens prints what is published" {
        set python [python_with_redis]
        set ::page docs/pubsub.md
        write_program listens.py [page_program "# Channels: publish and subscribe" python]
        set ::page docs/commands.md
        set printed [file join [srv dir] heard]
        set program [exec $python -B [file join [srv dir] listens.py] >>$printed 2>@1 &]
        try {
            wait_for "it to listen" { [r PUBSUB NUMSUB orders] eq {orders 1} && [r PUBSUB NUMPAT] == 1 }
            r PUBLISH orders {{"total":42}}
            r PUBLISH alarm-1 fire
            wait_for "both to be printed" { [string match "*fire*" [read_file $printed]] }
            srv kill9
            srv start
            wait_for "it to listen again" { [r PUBSUB NUMSUB orders] eq {orders 1} && [r PUBSUB NUMPAT] == 1 }
            r PUBLISH alarm-2 again
            wait_for "that to be printed" { [string match "*again*" [read_file $printed]] }
        } finally {
            exec kill $program
        }
        assert_equal "orders {\"total\":42}\nalarm-1 fire\nalarm-2 again\n" [read_file $printed]
    }
    test "docs/pubsub.md: a question is answered, and without somebody who answers is an error" {
        set python [python_with_redis]
        set ::page docs/pubsub.md
        set asks [page_program "This one asks:" python]
        write_program answers.py [page_program "## A question and its answer" python]
        set ::page docs/commands.md
        write_program asks.py $asks
        regexp -line {^# prints: (.*)$} $asks -> printed
        catch { exec $python -B [file join [srv dir] asks.py] 2>@1 } said
        assert_match "*LookupError: nobody answers questions of price*" $said
        set program [exec $python -B [file join [srv dir] answers.py] >[file join [srv dir] answers] 2>@1 &]
        try {
            wait_for "it to listen" { [r PUBSUB NUMSUB price] eq {price 1} }
            assert_equal $printed [exec $python -B [file join [srv dir] asks.py] 2>@1]
        } finally {
            exec kill $program
        }
    }
    test "docs/pubsub.md: the program that listens to events prints them" {
        set python [python_with_redis]
        set ::page docs/pubsub.md
        write_program events.py [page_program "## Events as messages" python]
        set ::page docs/commands.md
        set printed [file join [srv dir] events_heard]
        set program [exec $python -B [file join [srv dir] events.py] >>$printed 2>@1 &]
        try {
            wait_for "it to listen" { [r PUBSUB NUMPAT] == 1 }
            r EAPPEND order-heard order.created PAYLOAD {{"total":42}}
            r XADD order-heard * type order.paid by card
            wait_for "both to be printed" { [string match "*order.paid*" [read_file $printed]] }
        } finally {
            exec kill $program
        }
        assert_equal "order-heard 0 order.created {'total': 42}\norder-heard 1 order.paid {'type': 'order.paid', 'by': 'card'}\n" [read_file $printed]
    }
    test "docs/pubsub.md: the program in Node hears channels and events, and again after a crash" {
        node_with_redis
        set ::page docs/pubsub.md
        write_program listens.mjs [page_program "## Events as messages" js]
        set ::page docs/commands.md
        set printed [file join [srv dir] heard_in_node]
        set program [exec env NODE_PATH=/usr/share/nodejs node [file join [srv dir] listens.mjs] >$printed 2>/dev/null &]
        try {
            for {set run 0} {$run <= 1} {incr run} {
                wait_for "it to listen" { [r PUBSUB NUMSUB orders] eq {orders 1} && [r PUBSUB NUMPAT] == 1 }
                r PUBLISH orders $run
                r EAPPEND order-node order.created PAYLOAD $run
                wait_for "both to be printed" { [string match "*orders $run\norder-node $run order.created $run\n*" [read_file $printed]] }
                if {$run == 0} { srv kill9; srv start }
            }
        } finally {
            exec kill $program
        }
    }
    test "docs/clients.md: redis-py's lock, with the class of the page" {
        set python [python_with_redis]
        set ::page docs/clients.md
        set code [page_program "## Locks" python]
        set ::page docs/commands.md
        write_program lock.py "$code
with store.lock('lock:report', timeout=30, lock_class=IfMine) as lock:
    other = store.lock('lock:report', timeout=30, lock_class=IfMine)
    print('another takes it:', other.acquire(blocking=False))
    lock.extend(600)
    print('longer:', store.pttl('lock:report') > 600000)
    lock.reacquire()
    print('as before:', store.pttl('lock:report') <= 30000)
print('again:', other.acquire(blocking_timeout=60))
store.set('lock:report', 'somebody else')
for call in (lambda: other.extend(1), other.reacquire, other.release):
    try:
        print(call())
    except LockNotOwnedError:
        print('not owned')
print(store.get('lock:report'))"
        assert_equal "at work, with the lock: True
another takes it: False
longer: True
as before: True
again: True
not owned
not owned
not owned
b'somebody else'" [exec $python -B [file join [srv dir] lock.py] 2>@1]
    }
    test "docs/clients.md: so many calls, and no more" {
        set python [python_with_redis]
        set ::page docs/clients.md
        set code [page_program "## Limits" python]
        set ::page docs/commands.md
        write_program limit.py $code
        regexp -line {^# prints: (.*)$} $code -> printed
        assert_equal $printed [exec $python -B [file join [srv dir] limit.py] 2>@1]
    }
    test "docs/clients.md: the bus answers a request, and parks what cannot be done" {
        set packages [file join $::top redis-compat/frameworks/installed/faststream]
        if {![file exists $packages]} { skip "no FastStream on this machine (redis-compat/frameworks/run faststream gets it)" }
        set ::page docs/clients.md
        set code [page_program "## An event bus" python]
        set again [page_program "`dlq:orders`. When the cause is gone, this sends such orders again, as they are:" python]
        set ::page docs/commands.md
        assert {[string first "min_idle_time=30000" $code] >= 0}
        write_program bus.py [string map {min_idle_time=30000 min_idle_time=30} $code]
        set printed [file join [srv dir] bus]
        set program [exec env PYTHONPATH=$packages python3 -B [file join [srv dir] bus.py] >$printed 2>@1 &]
        try {
            wait_for "all done or parked" {
                [r XLEN dlq:orders] == 1 && [lindex [r XPENDING orders mailing] 0] == 0
                && [string match "*an apple is 0.5\n*" [read_file $printed]]
            }
        } finally {
            exec kill $program
        }
        assert_match "*sent to ann@example.org\n*" [read_file $printed]
        set parked [lindex [r XRANGE dlq:orders - +] 0 1]
        assert_match "*no address: nobody*" $parked
        write_program again.py $again
        exec [python_with_redis] -B [file join [srv dir] again.py] 2>@1
        assert_equal 0 [r XLEN dlq:orders]
        assert_equal 3 [r XLEN orders]
        assert_equal $parked [lindex [r XREVRANGE orders + - COUNT 1] 0 1]
    }
    test "docs/clients.md: what Redis was sent and Cairn lacks is named, and what it has in streams and strings comes here" {
        if {[catch {exec redis-server --version}]} { skip "no redis-server on this machine" }
        set ::page docs/clients.md
        set asks [page_program "## Moving from Redis" sh]
        set moves [page_program "says more. Where Cairn has a password, add `AUTH` and it.)" sh]
        set ::page docs/commands.md
        set path [file join [srv dir] redis.sock]
        set redis [exec redis-server --port 0 --unixsocket $path --save "" --dir [srv dir] >/dev/null 2>@1 &]
        try {
            wait_for "Redis to answer" { ![catch {exec redis-cli -s $path PING} pong] && $pong eq "PONG" }
            foreach command {
                {SET moved:string hello EX 1000} {XADD moved:stream 1-1 a b} {XGROUP CREATE moved:stream g 0} {LPUSH moved:list a}
            } { exec redis-cli -s $path {*}$command }
            foreach {name code} [list asks $asks moves $moves] {
                write_program $name [string map [list "-p 6379" "-s $path"] $code]
            }
            assert_equal "lpush" [exec sh [file join [srv dir] asks] 2>@1]
            set said [exec sh [file join [srv dir] moves] 2>@1]
            assert_equal 2 [regexp -all -line {^OK$} $said] $said
            assert_match "*Cairn has no lists*" $said
        } finally {
            exec kill $redis
        }
        assert_equal hello [r GET moved:string]
        assert {[r TTL moved:string] > 0}
        assert_equal {{1-1 {a b}}} [r XRANGE moved:stream - +]
        assert_equal g [field [lindex [r XINFO GROUPS moved:stream] 0] name]
    }
    test "docs/clients.md: what a job library is told" {
        set ::page docs/clients.md
        foreach {line block} [page_blocks [page_text]] {
            if {[shows_session $block]} { run_block $block; incr shown }
        }
        set ::page docs/commands.md
        assert_equal 1 $shown
    }
    test "docs/commands.md: the program that erases a person's data erases all of it, and nothing else" {
        set python [python_with_redis]
        for {set i 0} {$i < 250} {incr i} { r EAPPEND customers bought PAYLOAD $i AGGREGATE [expr {$i % 2 ? "bob" : "ann"}] }
        write_program erase.py [page_program "### To erase a person's data" python]
        assert_equal "125 erased" [exec $python -B [file join [srv dir] erase.py] 2>@1]
        set expected {}
        for {set i 0} {$i < 250} {incr i} { lappend expected [expr {$i % 2 ? $i : ""}] }
        assert_equal $expected [page_field [r ESCAN customers - + COUNT 1000] payload]
    }
}

with_server {} {
    test "docs/subscriptions.md: the saga appends what follows once, also when it is delivered again" {
        set python [python_with_redis]
        set ::page docs/subscriptions.md
        write_program saga.py [page_program "### A saga" python]
        set ::page docs/commands.md
        set correlation [uuid]
        set cause [field [r EAPPEND order-11 order.created PAYLOAD 42 CORRELATION $correlation] event_id]
        # What it was given before it was stopped, and did not handle.
        r XGROUP CREATE @category:order saga 0
        r XREADGROUP GROUP saga ann COUNT 1 STREAMS @category:order >
        for {set run 1} {$run <= 2} {incr run} {
            set printed [file join [srv dir] saga-$run]
            set saga [exec $python -B [file join [srv dir] saga.py] ann >$printed 2>@1 &]
            try {
                r EAPPEND order-12 order.created PAYLOAD $run
                wait_for "all of it acknowledged" {
                    [set stats [r XGROUP STATS @category:order saga]] ne ""
                    && [field $stats backlog] eq "0" && [field $stats pending] == 0
                }
            } finally {
                exec kill $saga
            }
            assert_equal "" [read_file $printed]
            assert_equal 0 [r ESVER payment-11]
            assert_equal [expr {$run - 1}] [r ESVER payment-12]
            r XGROUP SETID @category:order saga 0
        }
        set payment [field [r ESCAN payment-11 - + FIELDS causation_id,correlation_id,payload] events]
        assert_equal [list [list $cause $correlation 42]] $payment
    }
}

proc page_rows {page heading} {
    set text [encoding convertfrom utf-8 [read_file [file join $::top $page]]]
    regexp "\n$heading\n(.*?)(?:\n#|$)" $text -> section
    return [lmap row [regexp -all -inline -line {^\| .*$} $section] {lmap cell [split $row |] {string trim $cell}}]
}
with_server {store sqlite:./cairn.db} {
    test "docs/storage.md has each column of cairn_events and each field under its names" {
        skip unless sqlite "the page of SQLite"
        r EAPPEND s t
        r ESYNC
        set rows [page_rows docs/storage.md "### The names of a field"]
        set columns [exec sqlite3 [srv db] "SELECT name FROM pragma_table_info('cairn_events')"]
        # The error of an unknown field names them all.
        regexp {expected one or more of (.*), with commas} [r err EGET [uuid] FIELDS nothing-such] -> fields
        foreach {cell names} [list 1 $columns 2 [string map {, ""} $fields]] {
            set there {}
            foreach row $rows {
                set both [lindex $row $cell]
                if {$cell == 2 && [string match "the same*" $both]} { set both [lindex $row 1] }
                if {[string match "in *" $both]} continue
                lappend there {*}[lmap {_ name} [regexp -all -inline {`([a-z_]+)`} $both] { set name }]
            }
            assert_equal [lsort $names] [lsort [lsearch -all -inline -not $there cairn_events]] "column $cell"
        }
    }
    test "docs/operations.md: CLIENT LIST tells who holds the memory" {
        for {set i 0} {$i < 32} {incr i} { r EAPPEND large t PAYLOAD [string repeat x 1000000] }
        with_clients hog {
            set id [$hog CLIENT ID]
            $hog send XRANGE large - +
            set info {[info_field [srv default_client] mem_clients_held memory]}
            wait_for "it holds what is not sent yet" {[subst $info] > 8000000}
            set sum 0
            foreach {_ bytes} [regexp -all -inline { tot-mem=(\d+) } [r CLIENT LIST]] { incr sum $bytes }
            assert {$sum >= [subst $info]} "$sum of [subst $info]"
            set ::page docs/operations.md
            foreach {line block} [page_blocks [page_text]] {
                if {![string match {$ redis-cli -p 6390 CLIENT LIST |*} [lindex $block 0]]} continue
                set shown [run_shown [string range [lindex $block 0] 2 end]]
                assert_equal 3 [llength $shown]
                assert_match "* id=$id 127.0.0.1:* omem=* xrange" [lindex $shown 0]
            }
            assert {[info exists shown]}
        }
    }
}

test "The links of the documentation lead somewhere" {
    set broken {}
    set looked_at 0
    foreach page [concat README.md [glob -directory $::top -tails docs/*.md]] {
        set text [encoding convertfrom utf-8 [read_file [file join $::top $page]]]
        foreach {_ target} [regexp -all -inline {\]\(([^()\s]+)\)} [without_code $text]] {
            if {[string match *:* $target]} continue
            incr looked_at
            lassign [split $target #] path anchor
            set file [file join $::top [file dirname $page] $path]
            if {$path eq ""} { set file [file join $::top $page] }
            if {![file exists $file]} { lappend broken "$page: $target"; continue }
            if {$anchor eq ""} continue
            set there [encoding convertfrom utf-8 [read_file $file]]
            if {$anchor ni [anchors $there]} { lappend broken "$page: $target" }
        }
    }
    assert {$looked_at > 100}
    assert_equal {} $broken "links"
}
