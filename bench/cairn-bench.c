/* cairn-bench: the load generator.
 *
 * One process, one thread, as little work for a request as possible, so that on a small machine the
 * server is what is measured. It speaks to Cairn and to Redis alike, which is what makes the
 * figures of bench/compare comparable. README.md beside this file says what each figure means.
 *
 * This file has the options and the output; load.c is the loop, request.c the bytes that are
 * sent, reply.c the reading of replies, hist.c the latencies, probe.c the sync probe. */
#include "load.h"
#include "probe.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mode {
    const char *name;
    enum request_kind kind;
    bool x;    /* of the X commands: prefills with XADD */
    bool read; /* reads */
    bool mixed;
};

static const struct mode modes[] = {
    {"append", REQUEST_APPEND, false, false, false},
    {"mappend", REQUEST_MAPPEND, false, false, false},
    {"xadd", REQUEST_XADD, true, false, false},
    {"xadd-multi", REQUEST_XADD_MULTI, true, false, false},
    {"read", REQUEST_READ, false, true, false},
    {"xrange", REQUEST_XRANGE, true, true, false},
    {"mixed", REQUEST_APPEND, false, false, true},
    {"xmixed", REQUEST_XADD, true, false, true},
    {"scan", REQUEST_SCAN, false, true, false},
    {"ping", REQUEST_PING, false, false, false},
    {"raw", REQUEST_RAW, false, false, false},
};

/* The command line. */
struct options {
    struct load load;
    struct request_spec spec;
    const struct mode *mode;
    unsigned connections, depth, readers;
    uint64_t requests, prefill;
    double rate, read_rate;
    uint64_t read_streams;
    const char *probe;
    bool json, full_parse;
};

static const char usage[] =
    "usage: cairn-bench [options]\n"
    "  -h HOST -p PORT    server (127.0.0.1, 6390)     -s PATH   unix socket instead\n"
    "  -c N               connections (50)             -P N      requests in one write (1)\n"
    "  -n N               requests in all              -t SEC    or seconds (5)\n"
    "  -d BYTES           payload of an event (100)    --streams N  picked at random (10000)\n"
    "  --mode MODE        append mappend xadd xadd-multi read xrange ping, mixed xmixed\n"
    "                     (append and read, or xadd and xrange, at once), scan (EPSCAN of all), "
    "or\n"
    "                     --mode raw 'COMMAND with {stream} {payload} {n} {uuid}'\n"
    "  --batch N          events of one EMAPPEND or MULTI (100)   --spread  over many streams\n"
    "  --in-turn          streams one after the other instead of at random\n"
    "  --count N          COUNT of reads (100)\n"
    "  --readers N        mixed: how many of the connections read (1)\n"
    "  --read-streams N   reads: pick only from the first N streams\n"
    "  --prefill N        first write N events, evenly over the streams\n"
    "  --rate N           requests a second (open loop)  --read-rate N  the same for the readers\n"
    "  --resp 2|3         send HELLO first             --seed N --prefix TEXT (s:)\n"
    "  --warmup SEC       run before counting          --timeout SEC  give up without a reply "
    "(30)\n"
    "  --json  --progress  --full-parse (look at every element of every reply)\n"
    "  --sync-probe FILE  measure fdatasync there (-n times, 300) and exit\n";

static void die(const char *what, const char *detail) {
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
    O_IN_TURN,
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
    {"in-turn", 0, NULL, O_IN_TURN},
    {"help", 0, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

static const struct mode *find_mode(const char *name) {
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(modes[i].name, name) == 0) return &modes[i];
    die("unknown mode: ", name);
    return NULL;
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
    case O_IN_TURN:
        o->spec.in_turn = true;
        break;
    case O_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        die("unknown option", "");
    }
}

static void parse(struct options *o, int argc, char **argv) {
    int id = 0;

    *o = (struct options){
        .load = {.host = "127.0.0.1", .port = 6390, .timeout = 30, .seed = 1},
        .spec =
            {.prefix = "s:", .streams = 10000, .payload_bytes = 100, .batch = 100, .count = 100},
        .mode = find_mode("append"),
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
    if (o->mode->mixed && o->readers >= o->connections) die("--readers must be below -c", "");
    if (o->read_streams > o->spec.streams) die("--read-streams must not be above --streams", "");
    if (o->load.warmup > 0 && o->load.seconds <= 0) die("--warmup needs -t", "");
    if (o->requests == 0 && o->load.seconds <= 0 && o->mode->kind != REQUEST_SCAN)
        o->load.seconds = 5;
    o->spec.kind = o->mode->kind;
}

/* Writes --prefill events, the streams in turn, so that each gets the same number. */
static int prefill(const struct options *o) {
    static struct role role;
    struct load l = o->load;

    role = (struct role){
        .name = "prefill", .spec = o->spec, .connections = 50, .depth = 100, .limit = o->prefill};
    role.spec.kind = o->mode->x ? REQUEST_XADD : REQUEST_APPEND;
    role.spec.in_turn = true;
    role_expect(&role, false);
    l.roles = &role;
    l.role_count = 1;
    l.seconds = l.warmup = 0;
    int rc = load_run(&l);
    if (rc == 0 && role.sum.errors > 0) {
        fprintf(stderr, "cairn-bench: prefill: %s\n", role.sum.first_error);
        rc = -1;
    }
    if (o->load.progress && rc == 0)
        fprintf(stderr, "prefill: %llu events in %.2f s\n", (unsigned long long)role.requests,
                l.elapsed);
    load_clear(&l);
    return rc;
}

static double us(const struct role *r, double share) {
    return (double)hist_quantile(&r->hist, share) / 1e3;
}

static void print_json_role(const struct load *l, const struct role *r) {
    double s = l->elapsed;
    double mean = r->hist.count > 0 ? (double)r->hist.sum_ns / (double)r->hist.count / 1e3 : 0;

    printf("{\"role\":\"%s\",\"connections\":%u,\"depth\":%u,", r->name, r->connections, r->depth);
    printf("\"requests\":%llu,\"events\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,",
           (unsigned long long)r->requests, (unsigned long long)role_events(r),
           (unsigned long long)r->bytes_in, (unsigned long long)r->bytes_out);
    printf(
        "\"requests_per_s\":%.1f,\"events_per_s\":%.1f,\"mb_in_per_s\":%.3f,\"mb_out_per_s\":%.3f,",
        (double)r->requests / s, (double)role_events(r) / s, (double)r->bytes_in / s / 1e6,
        (double)r->bytes_out / s / 1e6);
    printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"mean_us\":%.1f,",
           us(r, 0.5), us(r, 0.99), us(r, 0.999), (double)r->hist.max_ns / 1e3, mean);
    printf("\"nils\":%llu,\"errors\":%llu}", (unsigned long long)r->sum.nils,
           (unsigned long long)r->sum.errors);
}

/* One line, flat enough for a regular expression. */
static void print_json(const struct options *o) {
    const struct load *l = &o->load;

    printf("{\"mode\":\"%s\",\"seconds\":%.3f,\"client_cpu\":%.3f,\"payload_bytes\":%zu,"
           "\"streams\":%llu,"
           "\"roles\":[",
           o->mode->name, l->elapsed, l->cpu / l->elapsed, o->spec.payload_bytes,
           (unsigned long long)o->spec.streams);
    for (unsigned i = 0; i < l->role_count; i++) {
        if (i > 0) putchar(',');
        print_json_role(l, &l->roles[i]);
    }
    printf("],\"series\":[");
    for (unsigned i = 0; i < l->series_count; i++)
        printf("%s[%llu,%llu,%.1f,%.1f]", i > 0 ? "," : "",
               (unsigned long long)l->series[i].requests, (unsigned long long)l->series[i].events,
               (double)l->series[i].p50_ns / 1e3, (double)l->series[i].p99_ns / 1e3);
    printf("]}\n");
}

static void print_text(const struct options *o) {
    const struct load *l = &o->load;

    printf("mode %s, payload %zu bytes, %llu streams, %.2f s, generator at %.0f %% of a core\n",
           o->mode->name, o->spec.payload_bytes, (unsigned long long)o->spec.streams, l->elapsed,
           100 * l->cpu / l->elapsed);
    for (unsigned i = 0; i < l->role_count; i++) {
        const struct role *r = &l->roles[i];
        double s = l->elapsed;
        printf("%s: %u connections, pipeline %u\n", r->name, r->connections, r->depth);
        printf("  %.0f requests/s, %.0f events/s, in %.1f MB/s, out %.1f MB/s (%llu requests)\n",
               (double)r->requests / s, (double)role_events(r) / s, (double)r->bytes_in / s / 1e6,
               (double)r->bytes_out / s / 1e6, (unsigned long long)r->requests);
        printf("  latency p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms\n", us(r, 0.5) / 1e3,
               us(r, 0.99) / 1e3, us(r, 0.999) / 1e3, (double)r->hist.max_ns / 1e6);
    }
}

static int run(struct options *o) {
    static struct role roles[2];
    struct load *l = &o->load;
    unsigned readers = o->mode->mixed ? o->readers : 0;
    uint64_t errors = 0;

    roles[0] = (struct role){.name = o->mode->read ? "read" : "write",
                             .spec = o->spec,
                             .connections = o->connections - readers,
                             .depth = o->depth,
                             .rate = o->rate,
                             .limit = o->requests};
    roles[1] = (struct role){.name = "read",
                             .spec = o->spec,
                             .connections = readers,
                             .depth = 1,
                             .rate = o->read_rate,
                             .limit = o->requests};
    roles[1].spec.kind = o->mode->x ? REQUEST_XRANGE : REQUEST_READ;
    if (o->mode->read) roles[0].spec.among = o->read_streams;
    roles[1].spec.among = o->read_streams;
    role_expect(&roles[0], o->full_parse);
    role_expect(&roles[1], o->full_parse);
    l->roles = roles;
    l->role_count = o->mode->mixed ? 2 : 1;
    int rc = load_run(l);
    if (rc == 0) {
        if (o->json)
            print_json(o);
        else
            print_text(o);
    }
    for (unsigned i = 0; i < l->role_count; i++) {
        if (roles[i].sum.errors == 0) continue;
        errors += roles[i].sum.errors;
        fprintf(stderr, "cairn-bench: %llu errors, the first: %s\n",
                (unsigned long long)roles[i].sum.errors, roles[i].sum.first_error);
    }
    load_clear(l);
    return rc != 0 || errors > 0 ? 1 : 0;
}

int main(int argc, char **argv) {
    struct options o;

    parse(&o, argc, argv);
    if (o.probe != NULL)
        return probe_sync(o.probe, o.requests > 0 ? (unsigned)o.requests : 300, o.json) == 0 ? 0
                                                                                             : 1;
    if (o.prefill > 0 && prefill(&o) != 0) return 1;
    return run(&o);
}
