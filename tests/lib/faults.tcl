# A faulty disk for a server: tests/shim's diskshim.so and its control file.

proc shim_library {} {
    if {[info exists ::env(CAIRN_DISKSHIM)]} { return [file normalize $::env(CAIRN_DISKSHIM)] }
    set built [file join $::top build diskshim.so]
    if {[file exists $built]} { return $built }
    set own [file join $::work_dir diskshim.so]
    if {![file exists $own]} {
        set dir [file join $::top tests shim]
        exec gcc -std=gnu11 -O2 -D_GNU_SOURCE -pthread -fPIC -shared [file join $dir diskshim.c] [file join $dir rules.c] -o $own -ldl
    }
    return $own
}
# A sanitizer's runtime must come first.
proc preload_words {} {
    set words {}
    if {![catch {exec ldd [lindex [server_binary] 0]} text]} {
        foreach {all path} [regexp -all -inline {=> (\S*lib[at]san\S*)} $text] { lappend words $path }
    }
    lappend words [shim_library]
    return [join $words " "]
}

# Runs body with a server under the shim; `fault` changes its rules.
proc with_faulty_server {options body} {
    set dir [file join $::work_dir faulty[incr ::server_count]]
    file mkdir $dir
    set ::control [file join $dir control]
    set ::shim_stats [file join $dir stats]
    write_file $::control "# no fault\n"
    dict set options -env [list LD_PRELOAD [preload_words] DISKSHIM_CONTROL $::control DISKSHIM_STATS $::shim_stats]
    dict set options -dir $dir
    uplevel 1 [list with_server $options $body]
}
# The rules from now on; replaced in one step.
proc fault {text} {
    write_file $::control.new "$text\n"
    file rename -force $::control.new $::control
}
proc no_fault {} { fault "# no fault [incr ::fault_count]" }
# The counters: a list of calls and hits of rule n.
proc fault_counts {n} {
    if {![regexp -line "^rule $n calls (\\d+) hits (\\d+)" [read_file $::shim_stats] all calls hits]} { return {0 0} }
    return [list $calls $hits]
}
