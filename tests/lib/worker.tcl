# Runs one test file in this process: tclsh worker.tcl TOP WORK_DIR FILE ?name value ...?
# Started by tests/run, which reads what it prints.

lassign $argv top work_dir_arg test_file
set ::top $top
set lib [file dirname [file normalize [info script]]]
foreach part {test resp server events cluster} { source [file join $lib $part.tcl] }
set ::work_dir $work_dir_arg
file mkdir $::work_dir
array set settings {only "" slow 1 valgrind 0 seed 1}
array set settings [lrange $argv 3 end]
set ::only $settings(only)
set ::slow $settings(slow)
set ::valgrind $settings(valgrind)
expr {srand($settings(seed))}
fconfigure stdout -buffering line -encoding utf-8

if {[catch {skipping {source -encoding utf-8 $test_file}} message opts]} {
    report_failure "(outside the tests)" "$message\n[dict get $opts -errorinfo]"
}
foreach s $::servers {
    catch {$s kill9}
}
emit done
exit [expr {$::failures > 0}]
