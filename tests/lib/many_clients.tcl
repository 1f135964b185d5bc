# Helper of the test of many connections: tclsh many_clients.tcl PORT N. Opens N connections and
# says `open N`; on the word append sends an EAPPEND on each at once and says how many were
# answered; ends at the end of its input. Blocking sockets: no select() limits.
lassign $argv port n
fconfigure stdout -buffering line
set socks {}
for {set i 0} {$i < $n} {incr i} {
    set s [socket 127.0.0.1 $port]
    fconfigure $s -translation binary -buffering full
    puts -nonewline $s "PING\r\n"
    flush $s
    if {[gets $s] ne "+PONG\r"} { puts "connection $i: no PONG"; exit 1 }
    lappend socks $s
}
puts "open [llength $socks]"
while {[gets stdin line] >= 0} {
    if {$line eq "quit"} break
    foreach s $socks { puts -nonewline $s "EAPPEND many-[pid] t\r\n"; flush $s }
    set ok 0
    foreach s $socks {
        # A flat array of seven pairs: *14, fourteen values, bulks in two lines.
        regexp {^\*(\d+)} [gets $s] all items
        for {set i 0} {$i < $items} {incr i} {
            if {[string index [gets $s] 0] eq "\$"} { gets $s }
        }
        incr ok
    }
    puts "appended $ok"
}
