# A wall clock that steps, for a server: the control file of tests/shim's clockshim.so.

# Runs body with a server under the shim, whose clock is right at first. What the server measures by its monotonic clock goes on.
proc with_moved_clock {options body} { uplevel 1 [list with_server [moved_clock $options] $body] }
# The options for it: with_faulty_server takes them as well.
proc moved_clock {options} {
    set ::clock_control [file join $::work_dir clock[incr ::server_count]]
    clock_ahead 0
    return [options_with_shim $options clockshim [list CLOCKSHIM_CONTROL $::clock_control]]
}
proc clock_control {ahead stands} {
    # In place: the server has the file mapped.
    set f [open $::clock_control {RDWR CREAT BINARY}]
    puts -nonewline $f [binary format mm $ahead $stands]
    close $f
}
# From the next turn of the server on, its clock is that many ms ahead of the true one (negative: behind).
proc clock_ahead {ms} { clock_control $ms 0 }
# It stands still at what the true clock says, or so many ms ahead of that.
proc clock_stands {{ahead 0}} { clock_control 0 [expr {[clock milliseconds] + $ahead}] }
