# The guard for speed (bench/instructions --check), by what it makes of tables: nothing is measured here.

set ::guard [file join $::top bench instructions]

# A table of two rows.
proc table {name append range {with "gcc 12.2.0; glibc 2.36"}} {
    set path [file join $::work_dir $name]
    set out [open $path w]
    puts $out "# with $with\n# why: a test\nappend-1 $append EAPPEND P=1\nxrange-100 $range XRANGE of 100, an entry"
    close $out
    return $path
}
# {exit status, output} of a comparison.
proc guard {table measured} {
    set failed [catch {exec $::guard --compare $table $measured 2>@1} text opts]
    if {!$failed} { return [list 0 $text] }
    return [list [lindex [dict get $opts -errorcode] 2] $text]
}

test "What is as in the table passes" {
    lassign [guard [table t 4000.0 500.0] [table m 4000.0 500.0]] status text
    assert_equal 0 $status $text
    assert_match "*2 passed, 0 failed" $text
}
test "A table that is 3 % too low fails, and names the row" {
    lassign [guard [table t 3880.0 500.0] [table m 4000.0 500.0]] status text
    assert_equal 1 $status $text
    assert_match "*EAPPEND P=1 *+3.09 %  MORE\n*" $text
    assert_match "*1 passed, 1 failed*" $text
}
test "Two per cent are let through, a little more is not" {
    lassign [guard [table t 1000.0 500.0] [table m 1020.0 510.0]] status text
    assert_equal 0 $status $text
    lassign [guard [table t 1000.0 500.0] [table m 1000.0 510.1]] status text
    assert_equal 1 $status $text
}
test "What takes less passes, and the table is to be updated" {
    lassign [guard [table t 4000.0 500.0] [table m 3880.0 500.0]] status text
    assert_equal 0 $status $text
    assert_match "*-3.00 %  less: --update the table*" $text
}
test "Figures of another compiler or library are only reported" {
    lassign [guard [table t 3000.0 500.0 "gcc 13.2.0; glibc 2.36"] [table m 4000.0 500.0]] status text
    assert_equal 0 $status $text
    assert_match "*Only reported*gcc 13.2.0; glibc 2.36*" $text
    assert_match "*0 passed, 0 failed, 2 skipped" $text
}
test "A row without a figure fails, and so does a figure without its row" {
    set one [table one 4000.0 500.0]
    exec sed -i /xrange/d $one
    foreach pair [list [list $one [table two 4000.0 500.0]] [list [table two 4000.0 500.0] $one]] {
        lassign [guard {*}$pair] status text
        assert_equal 1 $status $text
        assert_match "*xrange-100 is not *" $text
    }
}
