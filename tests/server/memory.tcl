# A small cache with many streams: memory stays bounded, answers stay right.

with_server {cache-bytes 16mb} {
    test "150,000 streams go through a cache of 16 MB, memory stays within it and an overhead" {
        set c [srv default_client]
        set start [srv memory_kb]
        set streams 150000
        set key [uuid]
        for {set i 0} {$i < $streams} {} {
            set args {}
            for {set k 0} {$k < 500} {incr k; incr i} { lappend args m-$i t PAYLOAD payload-$i }
            $c send EMAPPEND $key {*}$args
            if {$i % 5000 == 0} { for {set k 0} {$k < 10} {incr k} { $c read_raw } }
        }
        r ESYNC
        set kb [srv memory_kb]
        # 16 MB of cache, the stated overhead (64 MB), and what the process was at first.
        assert_memory 0 [expr {$start + (16 + 64) * 1024}] $kb "resident kilobytes after the writes"
        assert {[info_field $c stream_count store] in [list "" $streams]}
        assert_equal $streams [r DBSIZE]
        # Cold reads of streams all over the store, in pipelines.
        for {set round 0} {$round < 10} {incr round} {
            set commands {}
            set want {}
            for {set k 0} {$k < 1000} {incr k} {
                set i [rand_below $streams]
                lappend commands [list ESCAN m-$i - +]
                lappend want payload-$i
            }
            foreach reply [pipeline $c $commands] w $want { assert_equal [list $w] [page_field [untyped $reply] payload] }
        }
        assert_memory 0 [expr {$start + (16 + 64) * 1024}] [srv memory_kb] "resident kilobytes after the reads"
    }
    test "Streams that were evicted go on at their version" {
        set commands {}
        for {set k 0} {$k < 2000} {incr k} { lappend commands [list EAPPEND m-[expr {$k * 71}] t EXPECTED_VERSION 0] }
        foreach reply [pipeline [srv default_client] $commands] {
            if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
            assert_equal {int 1} [typed_field $reply stream_version]
        }
    }
    test "INFO says how the cache is used" {
        assert_match "# Cache*" [r INFO cache]
        assert_regexp {(?n)^[a-z_]*evict[a-z_]*:[1-9]} [r INFO cache]
    }
    test "The store restarts with them all" {
        srv restart
        assert_equal 150000 [r DBSIZE]
        assert_equal 1 [r ESVER m-71]
        assert_equal 0 [r ESVER m-72]
    }
}

with_server {cache-bytes 8mb} {
    test "Scanning a store much larger than the cache does not keep it" {
        set c [srv default_client]
        set payload [string repeat 0123456789abcdef 512]
        for {set i 0} {$i < 10} {incr i} { append_events $c fat-$i 600 t METADATA $payload }
        r ESYNC
        for {set round 0} {$round < 4} {incr round} {
            for {set n 0; set from 0} {1} {set from [expr {[lindex [page_sequences $page] end] + 1}]} {
                set page [$c EPSCAN 0 $from + COUNT 500]
                incr n [llength [field $page events]]
                if {![field $page has_more]} break
            }
            assert_equal 6000 $n
            wait_for "the cache to be within its size" { [info_field $c memory_bytes cache] <= 8 * 1048576 }
            if {$round == 0} { set first [info_field $c used_memory memory] }
        }
        # The store has 48 MB. Kept by each round, they would be three times that.
        assert_memory -100000000 48000000 [expr {[info_field $c used_memory memory] - $first}] "bytes of memory after three rounds more"
    }
}

# By the server's own count, which is the same on every machine; an allocator's is not. What would be left behind adds up round after
# round, what an allocator keeps for itself does not.
proc deliver_all {n} {
    r XGROUP CREATE s g 0
    with_clients reader { pipeline $reader [lrepeat [expr {$n / 100}] {XREADGROUP GROUP g w COUNT 100 STREAMS s >}] }
    assert_equal $n [lindex [r XPENDING s g] 0]
    r ESYNC
}
with_server {} {
    set n 20000
    test "A pending entry takes no more than 64 bytes" {
        pipeline [srv default_client] [lrepeat $n [list XADD s * d [string repeat x 300]]]
        r ESYNC
        set before [info_field r used_memory_dataset memory]
        deliver_all $n
        set grown [expr {[info_field r used_memory_dataset memory] - $before}]
        assert_memory [expr {32 * $n}] [expr {64 * $n}] $grown "bytes of the dataset"
    }
    test "Delivering, applying and dropping pending entries leaves no memory behind" {
        r XGROUP DESTROY s g
        foreach rounds {2 6} {
            set before [info_field r used_memory memory]
            for {set round 0} {$round < $rounds} {incr round} {
                deliver_all $n
                r XGROUP DESTROY s g
                r ESYNC
            }
        }
        # Less than 16 bytes an entry.
        assert_memory -100000000 [expr {16 * $n * $rounds}] [expr {[info_field r used_memory memory] - $before}] "bytes of memory"
    }
}
