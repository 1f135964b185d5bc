/* Consumers of groups and followers of a stream; see talk.h.
 *
 * A consumer's request, for the figures, is one page: read and acknowledged, and its latency runs
 * from the XREADGROUP to the reply to the XACK. A follower's latency is an entry's, from the time
 * in its payload, which the same process has put there, to its arrival. */
#include "talk.h"
#include "load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int give_up(struct role *role, const char *what, const char *text, size_t len) {
    snprintf(role->sum.first_error, sizeof role->sum.first_error, "%s%.*s", what,
             (int)(len > 200 ? 200 : len), text);
    return -1;
}

void talk_init(struct talk *t, const struct talk_spec *spec, unsigned index) {
    char text[32];

    memset(t, 0, sizeof *t);
    t->spec = spec;
    snprintf(t->last, sizeof t->last, "%s", spec->after);
    if (spec->kind != TALK_GROUP) return;
    piece_header(&t->read, '*', 9);
    piece_arg(&t->read, "XREADGROUP");
    piece_arg(&t->read, "GROUP");
    piece_arg(&t->read, spec->group);
    snprintf(text, sizeof text, "consumer-%u", index);
    piece_arg(&t->read, text);
    piece_arg(&t->read, "COUNT");
    snprintf(text, sizeof text, "%u", spec->count);
    piece_arg(&t->read, text);
    piece_arg(&t->read, "STREAMS");
    piece_arg(&t->read, spec->stream);
    piece_arg(&t->read, ">");
}

void talk_clear(struct talk *t) {
    free(t->out.bytes);
    free(t->in.bytes);
    free(t->read.bytes);
    free(t->reply.list);
    memset(t, 0, sizeof *t);
}

/* ---- followers */

static void ask_after_last(struct talk *t) {
    piece_header(&t->out, '*', 6);
    piece_arg(&t->out, "XREAD");
    piece_arg(&t->out, "BLOCK");
    piece_arg(&t->out, "0");
    piece_arg(&t->out, "STREAMS");
    piece_arg(&t->out, t->spec->stream);
    piece_arg(&t->out, t->last);
}

/* The time at the start of the entry's payload, or 0 when there is none. */
static uint64_t time_of(const struct entry *entry) {
    uint64_t v = 0;

    if (entry->value_len < REQUEST_STAMP_DIGITS) return 0;
    for (unsigned i = 0; i < REQUEST_STAMP_DIGITS; i++) {
        if (entry->value[i] < '0' || entry->value[i] > '9') return 0;
        v = v * 10 + (uint64_t)(entry->value[i] - '0');
    }
    return v;
}

static int take_delivered(struct talk *t, struct role *role, uint64_t now_ns) {
    for (size_t i = 0; i < t->reply.count; i++) {
        const struct entry *entry = &t->reply.list[i];
        uint64_t sent_ns = time_of(entry);
        if (sent_ns == 0 || sent_ns > now_ns)
            return give_up(role, "an entry without its time of sending: ", entry->id,
                           entry->id_len);
        hist_add(&role->hist, now_ns - sent_ns, 1);
        snprintf(t->last, sizeof t->last, "%.*s", (int)entry->id_len, entry->id);
    }
    role->requests++;
    role->sum.events += t->reply.count;
    ask_after_last(t);
    return 0;
}

/* ---- consumers */

static void ask_page(struct talk *t, struct role *role, uint64_t now_ns) {
    if (role->limit > 0 && role->sent >= role->limit) return;
    role->sent++;
    t->begin_ns = now_ns;
    piece_add(&t->out, t->read.bytes, t->read.len);
}

static void page_done(struct talk *t, struct role *role, uint64_t entries, uint64_t now_ns) {
    role->requests++;
    role->sum.events += entries;
    hist_add(&role->hist, now_ns - t->begin_ns, 1);
    ask_page(t, role, now_ns);
}

static void take_page(struct talk *t, struct role *role, uint64_t now_ns) {
    const struct entries *e = &t->reply;

    if (e->count == 0) {
        role->sum.empties++;
        return;
    }
    if (t->spec->keep) {
        page_done(t, role, e->count, now_ns);
        return;
    }
    t->acking = e->count;
    piece_header(&t->out, '*', 3 + e->count);
    piece_arg(&t->out, "XACK");
    piece_arg(&t->out, t->spec->stream);
    piece_arg(&t->out, t->spec->group);
    for (size_t i = 0; i < e->count; i++) piece_bytes(&t->out, e->list[i].id, e->list[i].id_len);
}

static int take_acked(struct talk *t, struct role *role, uint64_t now_ns) {
    uint64_t wanted = t->acking;

    if (t->reply.kind != ENTRIES_NUMBER || t->reply.number != (int64_t)wanted)
        return give_up(role, "XACK did not acknowledge all that it was given", "", 0);
    t->acking = 0;
    page_done(t, role, wanted, now_ns);
    return 0;
}

/* ---- both */

void talk_begin(struct talk *t, struct role *role, uint64_t now_ns) {
    if (t->spec->kind == TALK_GROUP)
        ask_page(t, role, now_ns);
    else
        ask_after_last(t);
}

static int take_reply(struct talk *t, struct role *role, uint64_t now_ns) {
    const struct entries *e = &t->reply;

    role->sum.replies++;
    if (e->kind == ENTRIES_ERROR) return give_up(role, "", e->text, e->text_len);
    if (t->acking > 0) return take_acked(t, role, now_ns);
    if (e->kind != ENTRIES_LIST && e->kind != ENTRIES_NONE)
        return give_up(role, "a reply that is no list of entries", "", 0);
    if (t->spec->kind == TALK_FOLLOW) return take_delivered(t, role, now_ns);
    take_page(t, role, now_ns);
    return 0;
}

int talk_take(struct talk *t, struct role *role, const char *p, size_t n, uint64_t now_ns) {
    bool carried = t->in.len > 0;

    t->out.len = 0;
    if (carried) {
        piece_add(&t->in, p, n);
        p = t->in.bytes;
        n = t->in.len;
    }
    ssize_t len = entries_read(&t->reply, p, n);
    if (len < 0) return give_up(role, "not a reply of a stream command: ", p, n < 40 ? n : 40);
    if (len == 0) {
        if (!carried) piece_add(&t->in, p, n);
        return 0;
    }
    if ((size_t)len < n) return give_up(role, "more replies than requests", "", 0);
    int rc = take_reply(t, role, now_ns);
    t->in.len = 0;
    return rc;
}
