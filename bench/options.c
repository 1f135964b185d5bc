/* The command line of cairn-bench. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct mode modes[] = {
    {.name = "append", .kind = REQUEST_APPEND},
    {.name = "mappend", .kind = REQUEST_MAPPEND},
    {.name = "xadd", .kind = REQUEST_XADD, .x = true},
    {.name = "xadd-multi", .kind = REQUEST_XADD_MULTI, .x = true},
    {.name = "read", .kind = REQUEST_READ, .read = true},
    {.name = "xrange", .kind = REQUEST_XRANGE, .x = true, .read = true},
    {.name = "mixed", .kind = REQUEST_APPEND, .mixed = true},
    {.name = "xmixed", .kind = REQUEST_XADD, .x = true, .mixed = true},
    {.name = "xgroup", .kind = REQUEST_XADD, .x = true, .talk = TALK_GROUP},
    {.name = "xfanout", .kind = REQUEST_XADD, .x = true, .mixed = true, .talk = TALK_FOLLOW},
    {.name = "push", .kind = REQUEST_APPEND, .mixed = true, .talk = TALK_PUSH},
    {.name = "publish", .kind = REQUEST_PUBLISH, .mixed = true, .talk = TALK_LISTEN},
    {.name = "events", .kind = REQUEST_APPEND, .mixed = true, .talk = TALK_LISTEN, .events = true},
    {.name = "scan", .kind = REQUEST_SCAN, .read = true},
    {.name = "follow", .kind = REQUEST_FOLLOW, .read = true},
    {.name = "ping", .kind = REQUEST_PING},
    {.name = "raw", .kind = REQUEST_RAW},
};

static const char usage[] =
    "usage: cairn-bench [options]\n"
    "  -h HOST -p PORT    server (127.0.0.1, 6390)     -s PATH   unix socket instead\n"
    "  -c N               connections (50)             -P N      requests in one write (1)\n"
    "  -n N               requests in all              -t SEC    or seconds (5)\n"
    "  -d BYTES           payload of an event (100)    --streams N  picked at random (10000)\n"
    "  --mode MODE        append mappend xadd xadd-multi read xrange ping, mixed xmixed\n"
    "                     (append and read, or xadd and xrange, at once), scan (EPSCAN of all),\n"
    "                     follow (EREAD of all, with FIELDS: as many events as COUNT divides),\n"
    "                     xgroup (XREADGROUP, XACK), xfanout (XADD to --readers that XREAD "
    "BLOCK),\n"
    "                     push (EAPPEND to --readers that ESUBSCRIBE), publish (PUBLISH to\n"
    "                     --readers that SUBSCRIBE), events (EAPPEND to --readers of the channels\n"
    "                     of events), or\n"
    "                     --mode raw 'COMMAND with {stream} {payload} {n} {uuid}'\n"
    "  --batch N          events of one EMAPPEND or MULTI (100)   --spread  over many streams\n"
    "  --in-turn          streams one after the other instead of at random\n"
    "  --count N          COUNT of reads (100)\n"
    "  --readers N        mixed, xfanout, push, publish, events: how many of -c read (1)\n"
    "  --stream NAME      xgroup: a virtual stream, too (the first one); push, publish, events:\n"
    "                     a pattern (all; of one stream: that)\n"
    "  --group NAME       xgroup (bench): made at 0 unless it is there; ends when nothing is left\n"
    "  --no-ack           xgroup: leave everything pending\n"
    "  --read-streams N   reads: pick only from the first N streams\n"
    "  --prefill N        first write N events, evenly over the streams\n"
    "  --rate N           requests a second (open loop)  --read-rate N  the same for the readers\n"
    "  --resp 2|3         send HELLO first             --seed N --prefix TEXT (s:)\n"
    "  --warmup SEC       run before counting          --timeout SEC  give up without a reply "
    "(30)\n"
    "  --json  --progress  --full-parse (look at every element of every reply)\n"
    "  --sync-probe FILE  measure fdatasync there (-n times, 300) and exit\n"
    "  --page-probe       measure the first touch of memory (-n MB, 64) and exit\n";

_Noreturn static void die(const char *what, const char *detail) {
    fprintf(stderr, "cairn-bench: %s%s\n%s", what, detail, usage);
    exit(2);
}

static double number(const char *name, const char *text, double min, double max) {
    char *end = NULL;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= min) || v > max) {
        fprintf(stderr, "cairn-bench: %s: not a number from %.0f to %.0f: %s\n", name, min, max,
                text);
        exit(2);
    }
    return v;
}

enum option_id {
    O_STREAMS = 256,
    O_MODE,
    O_BATCH,
    O_SPREAD,
    O_COUNT,
    O_READERS,
    O_READ_STREAMS,
    O_PREFILL,
    O_RATE,
    O_READ_RATE,
    O_RESP,
    O_SEED,
    O_PREFIX,
    O_WARMUP,
    O_TIMEOUT,
    O_JSON,
    O_PROGRESS,
    O_FULL,
    O_PROBE,
    O_PAGE_PROBE,
    O_IN_TURN,
    O_GROUP,
    O_STREAM,
    O_NO_ACK,
    O_HELP
};

static const struct option long_options[] = {
    {"streams", 1, NULL, O_STREAMS},
    {"mode", 1, NULL, O_MODE},
    {"batch", 1, NULL, O_BATCH},
    {"spread", 0, NULL, O_SPREAD},
    {"count", 1, NULL, O_COUNT},
    {"readers", 1, NULL, O_READERS},
    {"read-streams", 1, NULL, O_READ_STREAMS},
    {"prefill", 1, NULL, O_PREFILL},
    {"rate", 1, NULL, O_RATE},
    {"read-rate", 1, NULL, O_READ_RATE},
    {"resp", 1, NULL, O_RESP},
    {"seed", 1, NULL, O_SEED},
    {"prefix", 1, NULL, O_PREFIX},
    {"warmup", 1, NULL, O_WARMUP},
    {"timeout", 1, NULL, O_TIMEOUT},
    {"json", 0, NULL, O_JSON},
    {"progress", 0, NULL, O_PROGRESS},
    {"full-parse", 0, NULL, O_FULL},
    {"sync-probe", 1, NULL, O_PROBE},
    {"page-probe", 0, NULL, O_PAGE_PROBE},
    {"in-turn", 0, NULL, O_IN_TURN},
    {"group", 1, NULL, O_GROUP},
    {"stream", 1, NULL, O_STREAM},
    {"no-ack", 0, NULL, O_NO_ACK},
    {"help", 0, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

static const struct mode *find_mode(const char *name) {
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(modes[i].name, name) == 0) return &modes[i];
    die("unknown mode: ", name);
}

static void set_option(struct options *o, int id, const char *arg) {
    struct load *l = &o->load;

    switch (id) {
    case 'h':
        l->host = arg;
        break;
    case 'p':
        l->port = (unsigned)number("-p", arg, 1, 65535);
        break;
    case 's':
        l->unix_path = arg;
        break;
    case 'c':
        o->connections = (unsigned)number("-c", arg, 1, 100000);
        break;
    case 'P':
        o->depth = (unsigned)number("-P", arg, 1, 1000000);
        break;
    case 'n':
        o->requests = (uint64_t)number("-n", arg, 1, 1e15);
        break;
    case 't':
        l->seconds = number("-t", arg, 0.01, 1e6);
        break;
    case 'd':
        o->spec.payload_bytes = (size_t)number("-d", arg, 0, 512e6);
        break;
    case O_STREAMS:
        o->spec.streams = (uint64_t)number("--streams", arg, 1, 1e15);
        break;
    case O_MODE:
        o->mode = find_mode(arg);
        break;
    case O_BATCH:
        o->spec.batch = (unsigned)number("--batch", arg, 1, 100000);
        break;
    case O_SPREAD:
        o->spec.spread = true;
        break;
    case O_COUNT:
        o->spec.count = (unsigned)number("--count", arg, 1, 1e9);
        break;
    case O_READERS:
        o->readers = (unsigned)number("--readers", arg, 1, 100000);
        break;
    case O_READ_STREAMS:
        o->read_streams = (uint64_t)number("--read-streams", arg, 1, 1e15);
        break;
    case O_PREFILL:
        o->prefill = (uint64_t)number("--prefill", arg, 0, 1e12);
        break;
    case O_RATE:
        o->rate = number("--rate", arg, 0.001, 1e9);
        break;
    case O_READ_RATE:
        o->read_rate = number("--read-rate", arg, 0.001, 1e9);
        break;
    case O_RESP:
        l->resp = (unsigned)number("--resp", arg, 2, 3);
        break;
    case O_SEED:
        l->seed = (uint64_t)number("--seed", arg, 0, 1e15);
        break;
    case O_PREFIX:
        o->spec.prefix = arg;
        break;
    case O_WARMUP:
        l->warmup = number("--warmup", arg, 0, 1e6);
        break;
    case O_TIMEOUT:
        l->timeout = number("--timeout", arg, 0.1, 1e6);
        break;
    case O_JSON:
        o->json = true;
        break;
    case O_PROGRESS:
        l->progress = true;
        break;
    case O_FULL:
        o->full_parse = true;
        break;
    case O_PROBE:
        o->probe = arg;
        break;
    case O_PAGE_PROBE:
        o->page_probe = true;
        break;
    case O_IN_TURN:
        o->spec.in_turn = true;
        break;
    case O_GROUP:
        o->group = arg;
        break;
    case O_STREAM:
        o->stream = arg;
        break;
    case O_NO_ACK:
        o->no_ack = true;
        break;
    case O_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        die("unknown option", "");
    }
}

void options_parse(struct options *o, int argc, char **argv) {
    int id = 0;

    *o = (struct options){
        .load = {.host = "127.0.0.1", .port = 6390, .timeout = 30, .seed = 1},
        .spec =
            {.prefix = "s:", .streams = 10000, .payload_bytes = 100, .batch = 100, .count = 100},
        .mode = find_mode("append"),
        .group = "bench",
        .connections = 50,
        .depth = 1,
        .readers = 1,
    };
    while ((id = getopt_long(argc, argv, "h:p:s:c:P:n:t:d:", long_options, NULL)) != -1)
        set_option(o, id, optarg);
    if (o->mode->kind == REQUEST_RAW) {
        if (optind + 1 != argc) die("--mode raw takes the command as one argument", "");
        o->spec.raw = argv[optind++];
    }
    if (optind < argc) die("what is this: ", argv[optind]);
    if (o->page_probe && o->requests > 1 << 20) die("--page-probe: -n is in MB", "");
    if (o->mode->mixed && o->readers >= o->connections) die("--readers must be below -c", "");
    if (o->read_streams > o->spec.streams) die("--read-streams must not be above --streams", "");
    if (o->load.warmup > 0 && o->load.seconds <= 0) die("--warmup needs -t", "");
    o->spec.kind = o->mode->kind;
    if (o->mode->talk == TALK_GROUP || o->mode->talk == TALK_FOLLOW) o->spec.streams = 1;
    o->spec.stamped = o->mode->talk != TALK_NONE && o->mode->talk != TALK_GROUP;
    if (o->spec.stamped && o->spec.payload_bytes < REQUEST_STAMP)
        die("--mode xfanout, push, publish and events need payloads of 32 bytes or more", "");
    bool ends = o->mode->kind == REQUEST_SCAN || o->mode->kind == REQUEST_FOLLOW ||
                o->mode->talk == TALK_GROUP;
    if (o->requests == 0 && o->load.seconds <= 0 && !ends) o->load.seconds = 5;
}
