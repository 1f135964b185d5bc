/* cairn-bench: the load generator.
 *
 * One process, one thread, as little work for a request as possible, so that on a small machine the
 * server is what is measured. It speaks to Cairn and to Redis alike, which is what makes the
 * figures of bench/compare comparable. README.md beside this file says what each figure means.
 *
 * This file prepares and starts a run; load.c is its loop. request.c makes the bytes that are sent
 * and reply.c passes over what comes back, where requests do not depend on replies; talk.c and
 * entries.c do both where they do. options.c is the command line, print.c the output, connect.c the
 * sockets, role.c what a kind of request is answered with, hist.c the latencies, probe.c the
 * probes of disk and memory. */
#include "connect.h"
#include "options.h"
#include "print.h"
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The group is made, unless it is there. */
static int make_group(const struct load *l, const struct talk_spec *talk) {
    struct piece p = {0};
    char reply[200] = "";

    piece_header(&p, '*', 6);
    piece_arg(&p, "XGROUP");
    piece_arg(&p, "CREATE");
    piece_arg(&p, talk->stream);
    piece_arg(&p, talk->group);
    piece_arg(&p, "0");
    piece_arg(&p, "MKSTREAM");
    int rc = server_ask(l, &p, reply, sizeof reply);
    free(p.bytes);
    if (rc != 0 || reply[0] != '-' || strncmp(reply, "-BUSYGROUP", 10) == 0) return rc;
    fprintf(stderr, "cairn-bench: XGROUP: %s\n", reply + 1);
    return -1;
}

/* An entry is written, and all followers begin after it: so none misses what comes first. */
static int find_start(const struct load *l, struct talk_spec *talk) {
    struct piece p = {0};
    char reply[200] = "";

    piece_header(&p, '*', 5);
    piece_arg(&p, "XADD");
    piece_arg(&p, talk->stream);
    piece_arg(&p, "*");
    piece_arg(&p, "d");
    piece_arg(&p, "before");
    int rc = server_ask(l, &p, reply, sizeof reply);
    free(p.bytes);
    if (rc == 0 && reply[0] == '-') {
        fprintf(stderr, "cairn-bench: XADD: %s\n", reply + 1);
        return -1;
    }
    snprintf(talk->after, sizeof talk->after, "%.*s", (int)sizeof talk->after - 1, reply);
    return rc;
}

/* All subscribers begin behind the last event that there is. */
static int find_position(const struct load *l, struct talk_spec *talk) {
    struct piece p = {0};
    char reply[200] = "", *end = reply;

    piece_header(&p, '*', 2);
    piece_arg(&p, "EPSEQ");
    piece_arg(&p, "0");
    int rc = server_ask(l, &p, reply, sizeof reply);
    free(p.bytes);
    unsigned long long last = strtoull(reply, &end, 10);
    if (rc == 0 && reply[0] == '-') {
        fprintf(stderr, "cairn-bench: EPSEQ: %s\n", reply + 1);
        return -1;
    }
    snprintf(talk->after, sizeof talk->after, "%llu", end == reply ? 0 : last + 1);
    return rc;
}

/* The connections of a talking mode, of which there is at most one role. */
static int prepare_talk(const struct options *o, struct role *role) {
    static char first[256];
    const bool listen = o->mode->talk == TALK_LISTEN;
    const bool many = (o->mode->talk == TALK_PUSH || listen) && o->spec.streams > 1;

    snprintf(first, sizeof first, "%s%s%s", o->mode->events ? "__event__:" : "",
             many && !listen ? "" : o->spec.prefix, many ? "*" : "0");
    role->talk = (struct talk_spec){.kind = o->mode->talk,
                                    .stream = o->stream != NULL ? o->stream : first,
                                    .json = o->mode->events,
                                    .group = o->group,
                                    .count = o->spec.count,
                                    .keep = o->no_ack};
    role->until_empty = o->mode->talk == TALK_GROUP;
    if (o->mode->talk == TALK_GROUP) return make_group(&o->load, &role->talk);
    /* All that is written arrives everywhere. */
    role->name = "deliver";
    role->limit = 0;
    role->event_limit = o->requests * role->connections;
    role->talk.payload = request_payload(o->spec.payload_bytes);
    role->talk.payload_len = o->spec.payload_bytes;
    if (listen) return 0;
    return o->mode->talk == TALK_PUSH ? find_position(&o->load, &role->talk)
                                      : find_start(&o->load, &role->talk);
}

static int run(struct options *o) {
    static struct role roles[2];
    struct load *l = &o->load;
    unsigned readers = o->mode->mixed ? o->readers : 0;
    uint64_t errors = 0;

    roles[0] = (struct role){.name = o->mode->talk == TALK_GROUP ? "group"
                                     : o->mode->read             ? "read"
                                                                 : "write",
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
    if (o->mode->talk != TALK_NONE && prepare_talk(o, &roles[l->role_count - 1]) != 0) return 1;
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

    options_parse(&o, argc, argv);
    if (o.probe != NULL)
        return probe_sync(o.probe, o.requests > 0 ? (unsigned)o.requests : 300, o.json) == 0 ? 0
                                                                                             : 1;
    if (o.page_probe)
        return probe_pages(o.requests > 0 ? (unsigned)o.requests : 64, o.json) == 0 ? 0 : 1;
    if (o.prefill > 0 && prefill(&o) != 0) return 1;
    return run(&o);
}
