# The program `cairn`, which lies beside the server.

proc tool_binary {} { return [file join [file dirname [lindex [server_binary] 0]] cairn] }

# Runs it. Returns its exit status, what it wrote, and its errors. env: NAME VALUE ... for it.
proc cairn {args} { return [cairn_with {} {*}$args] }
proc cairn_with {env args} {
    set said [file join $::work_dir tool.err]
    set words [lmap {name value} $env {string cat $name = $value}]
    set failed [catch {exec env {*}$words [tool_binary] {*}$args 2>$said} out options]
    set code [expr {$failed ? [dict get $options -errorcode] : "CHILDSTATUS 0 0"}]
    switch [lindex $code 0] {
        CHILDSTATUS { set status [lindex $code 2] }
        NONE { set status 0 }
        default { set status [lindex $code 2] }
    }
    if {$failed && $status ne "0"} { regsub {\n?child (process exited abnormally|killed: [^\n]*)$} $out "" out }
    return [list $status $out [read_file $said]]
}

# What is wrong with a store, as far as `cairn verify` sees: kinds of damage, each once.
proc damages {store} {
    lassign [cairn verify $store] status out err
    set kinds {}
    foreach line [split $out \n] {
        if {[regexp {^damage: ([a-z-]+):} $line all kind] && $kind ni $kinds} { lappend kinds $kind }
    }
    if {($status == 0) != ($kinds eq "") || $status ni {0 1}} { fail "cairn verify $store: status $status\n$out\n$err" }
    return $kinds
}
proc assert_clean {store} {
    lassign [cairn verify $store] status out err
    if {$status != 0} { fail "cairn verify $store: status $status\n[shorten $out 3000]\n$err" }
}
