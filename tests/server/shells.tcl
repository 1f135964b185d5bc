# The shell commands of the pages mean the same in each shell that a reader may have: run as they stand, with nothing quoted
# that a page does not quote, sh, bash and zsh pass the very same words to the very same programs. zsh refuses a pattern that
# no file matches; all three replace one that some file matches; `>` and an unset `$x` are gone before a program sees them.
#
# No program runs. In their place a recorder is called, by every name; each of its records is one call: name, words, input.
source -encoding utf-8 [file join $::top tests lib page.tcl]

set ::dir [file join $::work_dir shells]
file mkdir $::dir
set ::shells {}
foreach {name command} {sh dash bash {bash --norc --noprofile} zsh {zsh -f}} {
    if {![catch {exec {*}$command -c true}]} { lappend ::shells $name $command }
}

# What a page may call. (A command that is not here is not found, and the test says so.)
set ::programs {redis-cli cairn-server cairn sqlite3 sed grep sort head cp mv mkdir date docker find psql createdb pg_dump pg_restore pg_basebackup}
proc make_recorder {} {
    write_file [file join $::dir recorder] {#!/bin/sh
# A call is known by its words. Two of a pipe come in either order: each has a file.
record=$(/bin/mktemp "$RECORDS/XXXXXXXX")
{ printf '%s' "${0##*/}"; printf '\0%s' "$@"; printf '\0input: '; /bin/cat; } >"$record"
}
    file attributes [file join $::dir recorder] -permissions 0755
    file mkdir [file join $::dir programs]
    foreach program $::programs { file link -symbolic [file join $::dir programs $program] [file join $::dir recorder] }
}

# The calls that a shell makes of the commands, sorted, each {name words... input}; in a directory that has the files. What
# the shell itself says is an error, and so is a file that is there afterwards and was not before.
proc calls {shell commands {files {}}} {
    foreach folder {records here} {
        file delete -force [file join $::dir $folder]
        file mkdir [file join $::dir $folder]
    }
    foreach file [concat cairn.db $files] { close [open [file join $::dir here $file] w] }
    set before [lsort [glob -nocomplain -tails -directory [file join $::dir here] * .*]]
    # Nobody is killed. What is not set is a mistake of the page's.
    set around "set -u; kill() { redis-cli kill \"\$@\"; }; $commands"
    write_file [file join $::dir script] [encoding convertto utf-8 $around\n]
    set status [catch {
        exec env -i HOME=/home/reader RECORDS=[file join $::dir records] PATH=[file join $::dir programs] \
            {*}[as_path $shell] -c "cd '[file join $::dir here]' && eval \"\$(/bin/cat '[file join $::dir script]')\"" \
            </dev/null 2>@1
    } said]
    if {$status || $said ne ""} { fail "says: $said" }
    assert_equal $before [lsort [glob -nocomplain -tails -directory [file join $::dir here] * .*]] "files"
    set all {}
    foreach record [glob -nocomplain -directory [file join $::dir records] *] {
        lappend all [split [encoding convertfrom utf-8 [read_file $record]] \0]
    }
    return [lsort $all]
}
# The shell's own path: PATH has only the recorder.
proc as_path {shell} { return [lreplace $shell 0 0 [exec sh -c "command -v [lindex $shell 0]"]] }

# The names of files that the words would stand for, if the page did not quote them.
proc matching_files {calls} {
    set files {}
    foreach call $calls {
        if {[lindex $call 0] ni {redis-cli cairn-server}} continue
        foreach word [lrange $call 1 end-1] {
            if {[regexp {[*?]} $word] && ![regexp {[/\n]} $word]} { lappend files [string map {* x ? x} $word] }
        }
    }
    return [lsort -unique $files]
}

# Runs the commands in each shell, in a directory without and with files that unquoted words would stand for.
proc same_in_all {commands} {
    set expected [calls [dict get $::shells sh] $commands]
    set traps [matching_files $expected]
    dict for {name shell} $::shells {
        foreach there [lsort -unique [list {} $traps]] {
            if {$name eq "sh" && $there eq ""} continue
            if {[catch {calls $shell $commands $there} got]} { fail "$name: $got\n    $commands" }
            assert_equal $expected $got "$name, in a directory with [list $there]: $commands"
        }
    }
    return $expected
}

# The commands of a block that are for a shell, as one script; what stands behind a command is what it prints.
proc shell_script {block} {
    set lines {}
    foreach {command _} [block_steps $block] {
        if {[string match {$ *} $command]} { lappend lines [string range $command 2 end] }
    }
    return [join $lines \n]
}

make_recorder
set ::pages [concat README.md redis-compat/README.md [lsort [glob -directory $::top -tails docs/*.md]]]

test "There are three shells" {
    assert {[dict exists $::shells sh] && [dict exists $::shells bash]}
    if {![dict exists $::shells zsh]} { skip "no zsh on this machine (Debian: zsh): only sh and bash were tried" }
}
test "What a shell does not pass on as it stands is found" {
    foreach command {
        "redis-cli XADD jobs * a 1"
        "redis-cli XRANGE @type:order.* - +"
        "redis-cli XREADGROUP GROUP g c STREAMS @all >"
        "redis-cli XREADGROUP GROUP g c STREAMS @all > "
        "redis-cli XGROUP CREATE \$all saga 0"
        "redis-cli XGROUP CREATE \$category-order saga 0"
        "redis-cli EPSCAN 0 - + TYPE order.?"
        "redis-cli EAPPEND s t PAYLOAD {\"a\":1} && redis-cli ECHO {1,2}"
    } {
        # A word that is right, where the shell is the one that reads it so.
        set found [catch {
            same_in_all $command
            assert_equal [list [concat redis-cli [lrange [split $command] 1 end] {{input: }}]] [calls [dict get $::shells sh] $command]
        }]
        assert {$found} $command
    }
}
test "@all, @category:NAME, \$ and + at a word's end need no quotes in any shell" {
    foreach words {
        {XGROUP CREATE @category:order saga 0}
        {XREAD BLOCK 5000 STREAMS @all $}
        {XREAD STREAMS @category:order @type:order.paid @stream:order-1 $ $ +}
        {XRANGE @category:order - +}
        {ESCAN order-1 - +}
        {EREAD FROM 17@9f3b2c1d CATEGORY order}
    } {
        assert_equal [list [list redis-cli {*}$words "input: "]] [same_in_all "redis-cli $words"]
    }
}
foreach ::page $::pages {
    foreach {line block} [page_blocks [page_text]] {
        if {![shows_session $block]} continue
        set script [shell_script $block]
        if {$script eq ""} continue
        test "$::page, line $line: sh, bash and zsh pass the same words: [string range [lindex [split $script \n] 0] 0 60]" {
            assert {[llength [same_in_all $script]] > 0}
        }
    }
}
# In a sentence, or in a table.
test "Commands of redis-cli inside sentences of the pages mean the same in sh, bash and zsh" {
    set tried 0
    foreach ::page $::pages {
        foreach {_ command} [regexp -all -inline {`((?:[A-Z_]+=\S+ )?redis-cli -[^`]+)`} [page_text]] {
            same_in_all [string map {\n " "} $command]
            incr tried
        }
    }
    assert {$tried > 2}
}
