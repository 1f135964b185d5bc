# A TCP proxy for tests: tclsh proxy.tcl PORT TARGET_PORT. What it does with connections is said on its standard input, a
# line each; it answers `ok` when that is so.
#
#   pass           as they come (at first)
#   hang           nothing goes through any more, in either direction; new connections are accepted and hear nothing. Nobody is
#                  told: a cable that is cut
#   drop           those there are end; new ones pass
#   refuse         those there are end; new ones end at once
#   slow BYTES MS  so many bytes at a time, so many ms apart
#   target PORT    new connections go there
# It ends with its standard input.

lassign $argv port target
set mode pass
set portion 65536
set pause 0
array set other {}      ;# channel -> the other end, "" while there is none

proc accept {chan host port} {
    fconfigure $chan -translation binary -blocking 0 -buffering none
    if {$::mode eq "refuse"} { close $chan; return }
    set ::other($chan) ""
    if {$::mode ne "hang"} { connect $chan }
}
proc connect {chan} {
    if {[catch {socket 127.0.0.1 $::target} to]} { end $chan; return }
    fconfigure $to -translation binary -blocking 0 -buffering none
    set ::other($chan) $to
    set ::other($to) $chan
    listen $chan
    listen $to
}
proc listen {chan} {
    if {[info exists ::other($chan)] && $::other($chan) ne "" && $::mode ne "hang"} {
        fileevent $chan readable [list move $chan]
    }
}
proc move {chan} {
    if {[catch {
        puts -nonewline $::other($chan) [read $chan $::portion]
        flush $::other($chan)
    }] || [eof $chan]} { end $chan; return }
    if {$::pause > 0} {
        fileevent $chan readable {}
        after $::pause [list listen $chan]
    }
}
proc end {chan} {
    if {![info exists ::other($chan)]} return
    set to $::other($chan)
    unset ::other($chan)
    catch {close $chan}
    if {$to ne ""} { end $to }
}
proc command {} {
    if {[gets stdin line] < 0} { if {[eof stdin]} exit; return }
    lassign $line word first second
    switch $word {
        target { set ::target $first }
        slow { set ::mode pass; set ::portion $first; set ::pause $second }
        pass - hang - refuse { set ::mode $word; set ::portion 65536; set ::pause 0 }
        drop { set ::mode pass; set ::portion 65536; set ::pause 0 }
    }
    foreach chan [array names ::other] {
        if {![info exists ::other($chan)]} continue
        if {$word in {drop refuse}} { end $chan; continue }
        if {$::mode eq "hang"} { fileevent $chan readable {}; continue }
        if {$::other($chan) eq ""} { connect $chan } else { listen $chan }
    }
    puts ok
}
fconfigure stdin -blocking 0
fconfigure stdout -buffering line
fileevent stdin readable command
socket -server accept -myaddr 127.0.0.1 $port
puts ok
vwait forever
