# Servers whose store is in a cluster of the test's own, ::db, to be hit; and what is asked of them.

set ::schemas 0

# Runs body with a server whose store is a fresh schema; through: the port of a proxy.
proc with_database {options body {through ""}} {
    set ::schema s[incr ::schemas]
    $::db mend
    uplevel 1 [list with_server [concat [list store [$::db uri $::schema $through]] $options] $body]
}
proc with_network {options body} {
    set ::net [Proxy new [$::db port]]
    try { uplevel 1 [list with_database $options $body [$::net port]] } finally { $::net destroy }
}
proc store_info {name} { info_field [srv default_client] $name store }
proc payloads {c stream} { lmap e [scan_all $c $stream] { field $e payload } }
proc numbers {from to} {
    set out {}
    for {set i $from} {$i <= $to} {incr i} { lappend out $i }
    return $out
}
# Sends appends of payloads from..to without waiting for them; then takes their replies, each of which has to be good.
proc send_numbers {c stream from to} { foreach i [numbers $from $to] { $c send EAPPEND $stream t PAYLOAD $i } }
proc take_numbers {c from to} {
    foreach i [numbers $from $to] { assert_equal $i [field [$c read] stream_version] "the version of $i" }
}
proc wait_writable {} { wait_for "writes to be accepted" {[store_info writable] == 1} }
# What a client hears that had sent an append, and that the server ends.
proc assert_replaced {client why} {
    set last [lindex [$client rest] end]
    if {$last ne ""} { assert_match "IOERR outcome unknown, retry with the same EVENT_ID: *" $last }
    assert_equal "exit 3" [srv wait_end]
    srv drop_client
    assert_match "*$why*; this server stops*another server writes to the store; goodbye*" [srv new_log]
}
