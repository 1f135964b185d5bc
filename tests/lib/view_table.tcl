# The table of tests/server/views*.tcl: every command that reads, every command that changes something. lib/views.tcl says
# what a line means. A command without a line fails a test of views.tcl.

set ::view_setup {
    {EAPPEND @e A EVENT_ID %1 PAYLOAD one CORRELATION %7}
    {EAPPEND @e A EVENT_ID %2 PAYLOAD two}
    {EAPPEND @e B EVENT_ID %3 PAYLOAD three CORRELATION %7}
    {EAPPEND @e A EVENT_ID %4 PAYLOAD four}
    {XADD @x 1-1 a 1} {XADD @x 2-1 a 2} {XADD @x 3-1 a 3} {XADD @x 4-1 a 4}
    {XGROUP CREATE @x g 0}
    {XREADGROUP GROUP g c COUNT 1 STREAMS @x >}
    {XREADGROUP GROUP g d COUNT 1 STREAMS @x >}
    {SET @s 5}
    {SET @t 7 PXAT 4102444800000}
    {ECHECKPOINT SET @k 1} {ECHECKPOINT SET @m 2}
    {EVIEW SET @w TYPE A}
    {XADD @p 1-1 a 1} {XADD @p 2-1 a 2} {PEXPIREAT @p 4102444800000}
}
# Of @n there is nothing.
set ::view_keys {e x s t p n}

set ::view_readings [each_key {
    {settled {ESVER @*}}
    {settled {EINFO @*}}
    {settled {ESCAN @* - +}}
    {settled {ESCAN @* - + REV COUNT 1}}
    {settled {ESCAN @e 1 2}}
    {settled {ESCAN @e - + TYPE A}}
    {settled {EPSCAN 0 & +}}
    {settled {EPSCAN 0 - + REV COUNT 2}}
    {settled {EPSCAN 0 - + CATEGORY @.}}
    {settled {EPSCAN 0 - + STREAM @*}}
    {settled {EPSCAN 0 & + TYPE B}}
    {settled {EPSCAN 0 - + CORRELATION %7}}
    {settled {EREAD FROM &}}
    {settled {EREAD FROM START CATEGORY @. TYPE *}}
    {settled {EREAD FROM & COUNT 2 TYPE B FIELDS stream_id,payload}}
    {settled {EREAD FROM & VIEW @w}}
    {settled {EREAD FROM CHECKPOINT @k ELSE & COUNT 3}}
    {settled {ECHECKPOINT GET @k}} {settled {ECHECKPOINT GET @n}}
    {settled {ECHECKPOINT LIST 0 MATCH @* COUNT 1000}}
    {settled {ECHECKPOINT WAIT @k 0 1}} {settled {ECHECKPOINT WAIT @k & 1}}
    {settled {EVIEW GET @w}} {settled {EVIEW GET @n}}
    {settled {EVIEW LIST 0 MATCH @? COUNT 1000}}
    {settled {ECHECKPOINT GET @k} {EVIEW GET @w} {GET @s} {EREAD FROM CHECKPOINT @k ELSE & COUNT 3}}
    {settled {EPSEQ 0}}
    {settled {EGET %1}} {settled {EGET %2}} {settled {EGET %4}} {settled {EGET %9}}
    {settled {ESTREAMS 0 COUNT 1000}}
    {settled {ESTREAMS 0 MATCH @* COUNT 1000}}

    {settled {XLEN @*}}
    {settled {XRANGE @* - +}}
    {settled {XRANGE @x 2 3}}
    {settled {XREVRANGE @* + - COUNT 1}}
    {settled {XREAD STREAMS @* 0}}
    {settled {XREAD STREAMS @x 4-1}}
    {settled {XREAD STREAMS @x $}}
    {settled {XREAD STREAMS @x +}}
    {settled {XREAD STREAMS @x @e @p @n 0 0 0 0}}
    {settled {XREAD BLOCK 1 STREAMS @x @e 0 0}}

    {settled {EXISTS @*}}
    {settled {EXISTS @e @x @s @t @p @n}}
    {settled {TOUCH @e @x @s @t @p @n}}
    {settled {TYPE @*}}
    {settled {TTL @t}} {settled {PTTL @*}}
    {settled {EXPIRETIME @t}} {settled {PEXPIRETIME @*}}
    {settled {SCAN 0 COUNT 1000}}
    {settled {SCAN 0 COUNT 1000 TYPE string}}
    {settled {KEYS *}}
    {settled {KEYS @*}}
    {settled {DBSIZE}}
    {settled {RANDOMKEY}}
    {settled {OBJECT ENCODING @*}}
    {settled {OBJECT IDLETIME @x}} {settled {OBJECT FREQ @s}} {settled {OBJECT REFCOUNT @n}}
    {settled {GET @*}}
    {settled {MGET @e @x @s @t @p @n}}
    {settled {STRLEN @*}} {settled {GETRANGE @s 0 -1}} {settled {SUBSTR @t 0 -1}} {settled {LCS @s @t}}

    {settled {GET @s} {XLEN @x} {EXISTS @n @s} {XRANGE @x - +} {ESVER @e} {ESCAN @e - +} {EPSEQ 0}}
    {newest {GET @s} {XINFO STREAM @x} {ESCAN @e - +}}

    {newest {XINFO STREAM @*}}
    {newest {XINFO STREAM @x FULL}}
    {newest {XINFO GROUPS @*}}
    {newest {XINFO CONSUMERS @x g}}
    {newest {XGROUP STATS @*}}
    {newest {XGROUP STATS @x g}}
    {newest {XPENDING @x g}}
    {newest {XPENDING @x g - + 10}}
    {newest {DUMP @*}}
    {newest {MEMORY USAGE @*}}

    {newest {EAPPEND @* T EXPECTED_VERSION 1000}}
    {newest {EMAPPEND %8 @e T @x T EXPECTED_VERSION 1000}}
    {newest {EDELETE @e EXPECTED_VERSION 1000}}
    {newest {ECHECKPOINT SET @k 0 IF 99}}
    {newest {ECHECKPOINT DEL @never}} {newest {EVIEW DEL @never}}
    {newest {XACK @x g 99-9}}
    {newest {XACKDEL @x g IDS 1 99-9}}
    {newest {XDEL @x 99-9}}
    {newest {XDELEX @x IDS 1 99-9}}
    {newest {XNACK @x g FAIL IDS 1 99-9}}
    {newest {XTRIM @x MAXLEN 1000}}
    {newest {XSETID @p 0-1}}
    {newest {XCLAIM @x nosuch c 0 1-1}}
    {newest {XREADGROUP GROUP nosuch c STREAMS @x >}}
    {newest {XGROUP DESTROY @x nosuch}}
    {newest {XGROUP DELCONSUMER @x g nosuch}}
    {newest {SET @s v IFEQ other}}
    {newest {EXPIRE @s 100 GT}}
    {newest {DEL @never}}
    {newest {RENAME @never @n}}
} $::view_keys]

set ::view_changes {
    {"EAPPEND" {{EAPPEND @e A EVENT_ID %9 PAYLOAD new CORRELATION %7}}}
    {"EAPPEND, a new stream" {{EAPPEND @n B EVENT_ID %9 PAYLOAD new}}}
    {"EAPPEND to a stream of entries" {{EAPPEND @x A EVENT_ID %9 PAYLOAD new}}}
    {"EMAPPEND" {{EMAPPEND %8 @e A EVENT_ID %9 PAYLOAD new @n B}}}
    {"ETRUNCATE" {{ETRUNCATE @e BEFORE 2}}}
    {"ETRUNCATE of all" {{ETRUNCATE @e BEFORE 4}}}
    {"ETRUNCATE of entries" {{ETRUNCATE @x BEFORE 2}}}
    {"EERASE" {{EERASE %2}}}
    {"EDELETE" {{EDELETE @e}}}

    {"ECHECKPOINT SET" {{ECHECKPOINT SET @k &}}}
    {"ECHECKPOINT SET of a new name" {{ECHECKPOINT SET @n &}}}
    {"ECHECKPOINT SET backward" {{ECHECKPOINT SET @k 0 IF 1}}}
    {"ECHECKPOINT DEL" {{ECHECKPOINT DEL @k}}}
    {"ECHECKPOINT DEL and SET" {{ECHECKPOINT DEL @k} {ECHECKPOINT SET @k 3 IF NONE}}}
    {"EVIEW SET" {{EVIEW SET @w TYPE B}}}
    {"EVIEW SET of a new name" {{EVIEW SET @n CATEGORY @.}}}
    {"EVIEW DEL" {{EVIEW DEL @w}}}
    {"a read model and its checkpoint" {{SET @s 6} {ECHECKPOINT SET @k & IF 1} {EAPPEND @e A EVENT_ID %9}}}

    {"XADD" {{XADD @x 9-1 a 9}}}
    {"XADD, a new stream" {{XADD @n 9-1 a 9}}}
    {"XADD NOMKSTREAM" {{XADD @x NOMKSTREAM 9-1 a 9}}}
    {"XADD MAXLEN" {{XADD @x MAXLEN 1 9-1 a 9}}}
    {"XADD MAXLEN, events" {{XADD @e MAXLEN 1 * a 9}}}
    {"XADD MAXLEN 0" {{XADD @x MAXLEN 0 9-1 a 9}}}
    {"XADD MINID" {{XADD @x MINID 3 9-1 a 9}}}
    {"XADD DELREF MAXLEN" {{XADD @x DELREF MAXLEN 2 9-1 a 9}}}
    {"XADD IDMP" {{XADD @x IDMP producer 1 * a 9}}}
    {"XDEL, the first" {{XDEL @x 1-1}}}
    {"XDEL, in the middle" {{XDEL @x 2-1 3-1}}}
    {"XDEL, the last" {{XDEL @x 4-1}}}
    {"XDEL of all" {{XDEL @x 1-1 2-1 3-1 4-1}}}
    {"XDELEX KEEPREF" {{XDELEX @x KEEPREF IDS 2 1-1 3-1}}}
    {"XDELEX DELREF" {{XDELEX @x DELREF IDS 2 1-1 3-1}}}
    {"XDELEX ACKED" {{XACK @x g 1-1} {XDELEX @x ACKED IDS 2 1-1 3-1}}}
    {"XACKDEL KEEPREF" {{XACKDEL @x g KEEPREF IDS 1 1-1}}}
    {"XACKDEL DELREF" {{XACKDEL @x g DELREF IDS 1 2-1}}}
    {"XACKDEL ACKED" {{XACKDEL @x g ACKED IDS 1 1-1}}}
    {"XTRIM" {{XTRIM @x MAXLEN 1}}}
    {"XTRIM MINID" {{XTRIM @x MINID 3}}}
    {"XTRIM to nothing" {{XTRIM @x MAXLEN 0}}}
    {"XTRIM DELREF" {{XTRIM @x MAXLEN 2 DELREF}}}
    {"XSETID" {{XSETID @x 50-1 ENTRIESADDED 99 MAXDELETEDID 4-1}}}
    {"XCFGSET" {{XCFGSET @x IDMP-DURATION 77}} quiet}

    {"XGROUP CREATE" {{XGROUP CREATE @x k 0}}}
    {"XGROUP CREATE MKSTREAM" {{XGROUP CREATE @n g $ MKSTREAM}}}
    {"XGROUP SETID" {{XGROUP SETID @x g 0}}}
    {"XGROUP DESTROY" {{XGROUP DESTROY @x g}}}
    {"XGROUP CREATECONSUMER" {{XGROUP CREATECONSUMER @x g new}}}
    {"XGROUP DELCONSUMER" {{XGROUP DELCONSUMER @x g c}}}
    {"XGROUP DELCONSUMER RELEASE" {{XGROUP DELCONSUMER @x g c RELEASE}}}
    {"XREADGROUP" {{XREADGROUP GROUP g c STREAMS @x >}} soft}
    {"XREADGROUP NOACK" {{XREADGROUP GROUP g c NOACK STREAMS @x >}} soft}
    {"XREADGROUP CLAIM" {{XREADGROUP GROUP g d CLAIM 0 STREAMS @x >}} soft}
    {"XACK" {{XACK @x g 1-1}}}
    {"XCLAIM" {{XCLAIM @x g d 0 1-1}}}
    {"XAUTOCLAIM" {{XAUTOCLAIM @x g d 0 0}}}
    {"XNACK" {{XNACK @x g FAIL IDS 1 1-1}}}

    {"SET" {{SET @s new}}}
    {"SET of a new key" {{SET @n new}}}
    {"SET NX" {{SET @n new NX}}}
    {"SET GET" {{SET @s new GET}}}
    {"SET over a stream of events" {{SET @e new}}}
    {"SET over a stream with a group" {{SET @x new}}}
    {"SET PXAT" {{SET @s new PXAT 5000000000000}}}
    {"SET over a deadline" {{SET @t new}}}
    {"SET KEEPTTL" {{SET @t new KEEPTTL}}}
    {"INCR" {{INCR @s}}}
    {"INCR of a new key" {{INCR @n}}}
    {"INCR of a key with a deadline" {{INCR @t}}}
    {"INCRBY, DECR, DECRBY, INCRBYFLOAT" {{INCRBY @s 4} {DECR @s} {DECRBY @t 2} {INCRBYFLOAT @n 1.5}}}
    {"APPEND, SETRANGE" {{APPEND @s 1} {SETRANGE @t 2 x} {APPEND @n new}}}
    {"GETDEL, GETSET, GETEX" {{GETDEL @s} {GETSET @t new} {GETEX @t PXAT 5000000000000}}}
    {"SETNX, SETEX, PSETEX" {{SETNX @n new} {SETEX @s 100000 new} {PSETEX @x 100000000 new}}}
    {"MSET" {{MSET @s 1 @t 2 @n 3}}}
    {"MSETNX" {{MSETNX @n 1}}}

    {"DEL of a stream of events" {{DEL @e}}}
    {"DEL of a stream with a group" {{DEL @x}}}
    {"DEL of a string" {{DEL @s}}}
    {"DEL of several" {{DEL @p @s @n @e}}}
    {"UNLINK" {{UNLINK @x @t}}}
    {"DEL and a new stream" {{DEL @x} {XADD @x 9-1 a 9}}}
    {"DEL and a string" {{DEL @x} {SET @x new}}}
    {"DEL of a string and a stream" {{DEL @s} {XADD @s 9-1 a 9}}}
    {"DEL and again the same" {{DEL @s} {SET @s 5} {DEL @x} {XADD @x 1-1 a 1}}}
    {"RENAME" {{RENAME @x @n}}}
    {"RENAME of events" {{RENAME @e @n}}}
    {"RENAME of a string" {{RENAME @s @n}}}
    {"RENAME with a deadline" {{RENAME @p @n}}}
    {"RENAME onto a stream" {{RENAME @x @e}}}
    {"RENAME of a string onto a stream" {{RENAME @s @x}}}
    {"RENAME of a stream onto a string" {{RENAME @e @t}}}
    {"RENAMENX" {{RENAMENX @e @n}}}
    {"RENAME in a ring" {{RENAME @x @n} {RENAME @e @x} {RENAME @n @e}}}
    {"RENAME and a new stream" {{RENAME @x @n} {XADD @x 9-1 a 9}}}
    {"RENAME and DEL" {{RENAME @x @n} {DEL @n}}}
    {"COPY" {{COPY @x @n}}}
    {"COPY of a string" {{COPY @t @n}}}
    {"COPY REPLACE" {{COPY @x @e REPLACE}}}
    {"RESTORE" {{RESTORE @n 0 =@x}}}
    {"RESTORE REPLACE" {{RESTORE @x 0 =@s REPLACE}}}

    {"EXPIRE" {{EXPIRE @s 2000000000}}}
    {"EXPIREAT" {{EXPIREAT @x 5000000000}}}
    {"PEXPIRE" {{PEXPIRE @e 2000000000000}}}
    {"PEXPIREAT" {{PEXPIREAT @t 5000000000000}}}
    {"PERSIST" {{PERSIST @t}}}
    {"PERSIST of a stream" {{PERSIST @p}}}
    {"PEXPIREAT in the past" {{PEXPIREAT @x 1}}}
    {"EXPIRE in the past" {{EXPIRE @s -1}}}

    {"a transaction that trims one and appends to another" {{XTRIM @x MAXLEN 0} {XADD @e * a 9}}}
    {"a transaction that trims and appends" {{ETRUNCATE @e BEFORE 4} {EAPPEND @e A EVENT_ID %9}}}
    {"a transaction of everything" {{XADD @x 9-1 a 9} {XDEL @x 1-1} {SET @s 6} {INCR @s} {EERASE %1} {PEXPIREAT @e 5000000000000} {RENAME @p @n} {DEL @t}}}
    {"FLUSHALL" {{FLUSHALL}} waits}
    {"FLUSHDB" {{FLUSHDB}} waits}
}
