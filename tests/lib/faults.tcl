# A faulty disk for a server: the control file of tests/shim's diskshim.so. With PostgreSQL the disk is somebody else's; what can be
# held there are commits: that is what a held sync of the journal is then. With a journal in front of it, that is on this one's.

# Runs body with a server under the shim; `fault` changes its rules.
proc with_faulty_server {options body} {
    set dir [file join $::work_dir faulty[incr ::server_count]]
    file mkdir $dir
    set ::control [file join $dir control]
    set ::shim_stats [file join $dir stats]
    if {![in_journal]} {
        set ::faulty_db [file join $dir cairn.db]
        dict set options -dir $dir
        # What is held is held for as long as the test takes.
        set options [dict merge {outage-reply-ms 0} $options]
        try { uplevel 1 [list with_server $options $body] } finally { no_fault }
        return
    }
    no_fault
    set options [options_with_shim $options diskshim [list DISKSHIM_CONTROL $::control DISKSHIM_STATS $::shim_stats]]
    dict set options -dir $dir
    if {[in_postgres]} { set options [dict merge {outage-reply-ms 0} $options] }
    uplevel 1 [list with_server $options $body]
}
# The rules from now on; replaced in one step. Those of a disk that is slow anyway come last, so that rule 1 is the text's first.
proc fault {text} {
    if {![in_journal]} { return [fault_in_postgres $text] }
    set first [lindex [lsearch -all -inline -not -glob [split $text \n] "#*"] 0]
    if {[in_postgres] && $first ne "" && ![string match "match *-journal.d*" $first]} { skip unless disk $first }
    set text "# rules [incr ::fault_number]\n$text"
    if {[slow_disk] ne ""} { append text "\nmatch *\n[slow_disk]" }
    write_file $::control.new "$text\n"
    file rename -force $::control.new $::control
}
proc no_fault {} { fault "# no fault" }
set ::held_commits ""
proc fault_in_postgres {text} {
    set rules [lsearch -all -inline -not -glob [split $text \n] "#*"]
    if {$::held_commits ne ""} { release_commits $::held_commits }
    set ::held_commits ""
    if {$rules eq ""} return
    if {[lrange $rules 1 end] ne {{hold sync}}} { skip unless disk [join [lrange $rules 1 end] ", "] }
    set ::held_commits [hold_commits $::faulty_db]
}
# The counters: a list of calls and hits of rule n. None as long as the server still counts by the rules of before.
proc fault_counts {n} {
    skip unless journal "how often it was"
    if {![regexp -line "^generation \\d+ # rules $::fault_number *$" [read_file $::shim_stats]]} { return {0 0} }
    if {![regexp -line "^rule $n calls (\\d+) hits (\\d+)" [read_file $::shim_stats] all calls hits]} { return {0 0} }
    return [list $calls $hits]
}
