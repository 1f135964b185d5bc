# Pages that show sessions: every command in them runs, and must print what stands there.
#
#   set ::page docs/commands.md; set ::here {}     the page's name; what it calls by name, here
#   foreach {line block} [page_blocks [page_text]] { run_block $block }
#
# A block is indented by four blanks. Its first line is `$ command`, for the shell, or `> command`,
# for a redis-cli in RESP3; `$ redis-cli -p 6390` in front of a `>` says how that is started. What
# stands behind a command is what it prints; a command that ends in a backslash goes on in the next
# line. Other blocks show no session.
#
# What a server makes up (ids, times, timelines) may differ, but always in the same way: an id that stands in
# two places of the page is one id here, too. A line with nothing but an ellipsis stands for any
# lines; one that ends a line, for the rest of it. redis-cli writes blanks at the ends of some
# lines; they do not count.

proc page_text {} { return [encoding convertfrom utf-8 [read_file [file join $::top $::page]]] }

# A list of: line number in the text, block (a list of lines).
proc page_blocks {text} {
    set blocks {}
    set block {}
    set number 0
    foreach line [split "$text\nend" \n] {
        incr number
        if {[regexp {^    (.*)$} $line -> shown]} {
            if {$block eq ""} { set first $number }
            lappend block $shown
        } elseif {$line ne "" && $block ne ""} {
            lappend blocks $first $block
            set block {}
        }
    }
    return $blocks
}
proc shows_session {block} { return [regexp {^[$>] } [lindex $block 0]] }

set ::made_up {\m(?:01[0-9a-f]{6}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|1[0-9]{12}(?:-[0-9]+)?|[0-9a-f]{8}(?!-))\M}

# What the page calls by name, for what it is here. Returns whether the line is what the page says.
proc same_line {expected actual} {
    set expected [string trimright $expected]
    set actual [string trimright $actual]
    set theirs [regexp -all -inline $::made_up $expected]
    set ours [regexp -all -inline $::made_up $actual]
    if {[string index $expected end] eq "…"} {
        set length [string length [regsub -all $::made_up [string range $expected 0 end-1] #]]
        set ours [lrange $ours 0 [llength $theirs]-1]
        set same [string equal -length $length [regsub -all $::made_up $expected #] [regsub -all $::made_up $actual #]]
    } else {
        set same [expr {[regsub -all $::made_up $expected #] eq [regsub -all $::made_up $actual #]}]
    }
    if {!$same} { return 0 }
    foreach a $theirs b $ours {
        if {[dict exists $::here $a] && [dict get $::here $a] ne $b} { return 0 }
    }
    foreach a $theirs b $ours { dict set ::here $a $b }
    return 1
}
proc must_be {expected actual what} {
    set i 0
    set skipping 0
    foreach line $expected {
        if {[string trim $line] eq "…"} { set skipping 1; continue }
        while {$skipping && $i < [llength $actual] && ![same_line $line [lindex $actual $i]]} { incr i }
        if {$i >= [llength $actual] || ![same_line $line [lindex $actual $i]]} {
            fail "$what\n$::page says: $line\nbut printed is: [join [lrange $actual $i end] \n]"
        }
        incr i
        set skipping 0
    }
    if {!$skipping && $i < [llength $actual]} {
        fail "$what\nprinted, but not in $::page: [join [lrange $actual $i end] \n]"
    }
}

# The command, with the names that things have here. (A time is the front of an entry id: the
# longest name first.)
proc as_here {command} {
    set names [lsort -decreasing -command {apply {{a b} {expr {[string length $a] - [string length $b]}}}} [dict keys $::here]]
    return [string map [concat {*}[lmap name $names {list $name [dict get $::here $name]}]] $command]
}
proc run_shown {command} {
    set command [as_here $command]
    set command [string map [list "redis-cli " "redis-cli --no-raw " "-p 6390" "-p [srv port]"] $command]
    set command "cd [srv dir]; $command"
    exec bash -c $command </dev/null >[file join [srv dir] shown] 2>@1
    return [split [string trimright [encoding convertfrom utf-8 [read_file [file join [srv dir] shown]]] \n] \n]
}
# Lines that are typed into one redis-cli.
proc run_typed {redis_cli lines} {
    write_file [file join [srv dir] typed] [encoding convertto utf-8 "[as_here [join $lines \n]]\n"]
    # How long a command took is shown when that was long.
    return [lsearch -all -inline -not -regexp [run_shown "$redis_cli <typed"] {^\([0-9.]+s\)$}]
}

# The block's commands: a list of {prompt command, what it prints}.
proc block_steps {block} {
    set steps {}
    set open 0
    foreach line $block {
        if {$open} {
            append command \n$line
        } elseif {[regexp {^(?:\(TX\))?([$>]) (.*)$} $line -> prompt text]} {
            if {[info exists command]} { lappend steps $command $expected }
            set command "$prompt $text"
            set expected {}
        } else {
            lappend expected $line
        }
        set open [expr {$expected eq "" && [string index $line end] eq "\\"}]
    }
    return [lappend steps $command $expected]
}

proc run_block {block} {
    set redis_cli "redis-cli -3 -p 6390"
    if {[string match {$ redis-cli *} [lindex $block 0]] && [string match {> *} [lindex $block 1]]} {
        set redis_cli [string range [lindex $block 0] 2 end]
        set block [lrange $block 1 end]
    }
    set steps [block_steps $block]
    if {[lsearch -regexp $steps {^> (?:MULTI|WATCH)}] >= 0} { ;# one connection has to do it all
        set lines [lmap {command _} $steps { string range $command 2 end }]
        must_be [concat {*}[dict values $steps]] [run_typed $redis_cli $lines] [join $lines \n]
        return
    }
    foreach {command expected} $steps {
        set text [string range $command 2 end]
        if {[string index $command 0] eq "$"} {
            must_be $expected [run_shown $text] $text
        } else {
            must_be $expected [run_typed $redis_cli [list $text]] $text
        }
    }
}

# The program in a language that stands below a heading (a line of the page), for this server.
proc page_program {heading language} {
    set below [string range [page_text] [string first "\n$heading\n" [page_text]] end]
    if {![regexp "\\n```$language\\n(.*?)\\n```\\n" $below -> code]} { fail "$::page has no program in $language below $heading" }
    return [string map [list 6390 [srv port]] $code]
}
proc write_program {name code} {
    set chan [open [file join [srv dir] $name] w]
    fconfigure $chan -encoding utf-8
    puts $chan $code
    close $chan
}
# Debian's own, wherever another python3 stands in front of it.
proc python_with_redis {} {
    foreach at {/usr/bin/python3 python3} {
        if {![catch {exec $at -c "import redis"}]} { return $at }
    }
    skip "no redis-py on this machine (Debian: python3-redis)"
}
# Lets programs in the server's directory import node-redis, from where redis-compat/clients/run or Debian put it.
proc node_with_redis {} {
    if {[catch {exec node --version}]} { skip "no node on this machine" }
    set installed [file join $::top redis-compat/clients/installed/node/node_modules]
    foreach at [list $installed/node-redis-6 $installed/node-redis-4 /usr/share/nodejs/redis] {
        if {![file exists $at]} continue
        file mkdir [file join [srv dir] node_modules]
        file link -symbolic [file join [srv dir] node_modules redis] $at
        return
    }
    skip "no node-redis on this machine (redis-compat/clients/run gets it; Debian: node-redis)"
}
