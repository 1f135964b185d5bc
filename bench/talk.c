/* Consumers of groups, followers of a stream, subscribers and listeners; see talk.h.
 *
 * A consumer's request, for the figures, is one page: read and acknowledged, and its latency runs
 * from the XREADGROUP to the reply to the XACK. A follower's and a subscriber's latency is an
 * event's, from the time in its payload, which the same process has put there, to its arrival. */
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
    t->cursor = -1;
    if (spec->kind != TALK_GROUP) {
        t->come = calloc(TALK_AHEAD / 64, sizeof *t->come);
        if (t->come == NULL) abort();
        return;
    }
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
    free(t->come);
    memset(t, 0, sizeof *t);
}

/* ---- stamped events */

/* The digits at p as a number; UINT64_MAX when one is none. */
static uint64_t digits(const char *p, unsigned n) {
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return UINT64_MAX;
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    return v;
}

/* Notes that this number has come. false: it has already, or one before it is missing. */
static bool note_number(struct talk *t, uint64_t number) {
    if (number < t->next || number - t->next >= TALK_AHEAD) return false;
    uint64_t *word = &t->come[number % TALK_AHEAD / 64], bit = UINT64_C(1) << number % 64;
    if (*word & bit) return false;
    *word |= bit;
    for (; (word = &t->come[t->next % TALK_AHEAD / 64], *word >> t->next % 64 & 1) != 0; t->next++)
        *word &= ~(UINT64_C(1) << t->next % 64);
    return true;
}

static bool is_whole(const struct talk_spec *spec, const char *payload, size_t len) {
    if (spec->payload == NULL) return true;
    return len == spec->payload_len &&
           memcmp(payload + REQUEST_STAMP, spec->payload + REQUEST_STAMP, len - REQUEST_STAMP) == 0;
}

static int take_stamped(struct talk *t, struct role *role, const char *payload, size_t len,
                        uint64_t now_ns) {
    if (payload == NULL || len < REQUEST_STAMP)
        return give_up(role, "an event without a stamp", "", 0);
    uint64_t sent_ns = digits(payload, REQUEST_STAMP_DIGITS);
    uint64_t number = digits(payload + REQUEST_STAMP_DIGITS, REQUEST_NUMBER_DIGITS);
    if (sent_ns > now_ns) return give_up(role, "an event without its time: ", payload, len);
    if (!is_whole(t->spec, payload, len))
        return give_up(role, "an event that is not what was sent: ", payload, len);
    if (!note_number(t, number))
        return give_up(role, "not the next event, nor soon after it: ", payload, len);
    hist_add(&role->hist, now_ns - sent_ns, 1);
    role->sum.events++;
    return 0;
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

static int take_delivered(struct talk *t, struct role *role, uint64_t now_ns) {
    for (size_t i = 0; i < t->reply.count; i++) {
        const struct entry *entry = &t->reply.list[i];
        if (take_stamped(t, role, entry->value, entry->value_len, now_ns) != 0) return -1;
        snprintf(t->last, sizeof t->last, "%.*s", (int)entry->id_len, entry->id);
    }
    role->requests++;
    ask_after_last(t);
    return 0;
}

/* ---- subscribers */

static void subscribe(struct talk *t) {
    piece_header(&t->out, '*', 6);
    piece_arg(&t->out, "ESUBSCRIBE");
    piece_arg(&t->out, t->spec->stream);
    piece_arg(&t->out, "FROM");
    piece_arg(&t->out, t->spec->after);
    piece_arg(&t->out, "FIELDS");
    piece_arg(&t->out, "stream_id,event_name,payload");
}

static void listen(struct talk *t) {
    piece_header(&t->out, '*', 2);
    piece_arg(&t->out, strchr(t->spec->stream, '*') != NULL ? "PSUBSCRIBE" : "SUBSCRIBE");
    piece_arg(&t->out, t->spec->stream);
}

/* Behind ,"data":" and in front of "}: our payloads have nothing that is escaped. */
static int take_published(struct talk *t, struct role *role, const struct pushed *m,
                          uint64_t now_ns) {
    static const char name[] = ",\"data\":\"";
    size_t len = t->spec->payload_len, around = sizeof name - 1 + 2;
    role->requests++;
    if (!t->spec->json) return take_stamped(t, role, m->payload, m->payload_len, now_ns);
    const char *data = m->payload + m->payload_len - 2 - len;
    if (m->payload_len < len + around || memcmp(data + len, "\"}", 2) != 0 ||
        memcmp(data - (sizeof name - 1), name, sizeof name - 1) != 0)
        return give_up(role, "an event without its payload: ", m->payload, m->payload_len);
    return take_stamped(t, role, data, len, now_ns);
}

static int take_message(struct talk *t, struct role *role, const struct pushed *m,
                        uint64_t now_ns) {
    if (m->kind == PUSHED_OTHER) {
        t->hears = true;
        return 0;
    }
    if (m->kind == PUSHED_END)
        return give_up(role, "the subscription ended: ", m->text, m->text_len);
    if (m->kind == PUSHED_MESSAGE) return take_published(t, role, m, now_ns);
    if (m->cursor <= t->cursor) return give_up(role, "a cursor that is not above the last", "", 0);
    t->cursor = m->cursor;
    role->requests++;
    return take_stamped(t, role, m->payload, m->payload_len, now_ns);
}

/* All whole messages in the n bytes at p. Returns how many bytes they are, or -1. */
static ssize_t take_messages(struct talk *t, struct role *role, const char *p, size_t n,
                             uint64_t now_ns) {
    struct pushed m = {0};
    size_t at = 0;
    for (ssize_t len = 0; (len = pushed_read(&m, p + at, n - at)) != 0; at += (size_t)len) {
        if (len < 0) return give_up(role, "not a message: ", p + at, n - at < 40 ? n - at : 40);
        if (take_message(t, role, &m, now_ns) != 0) return -1;
    }
    return (ssize_t)at;
}

static int take_pushes(struct talk *t, struct role *role, const char *p, size_t n,
                       uint64_t now_ns) {
    t->out.len = 0;
    if (t->in.len > 0) {
        piece_add(&t->in, p, n);
        p = t->in.bytes;
        n = t->in.len;
    }
    ssize_t taken = take_messages(t, role, p, n, now_ns);
    if (taken < 0) return -1;
    size_t left = n - (size_t)taken;
    if (p == t->in.bytes) {
        memmove(t->in.bytes, p + taken, left);
        t->in.len = left;
    } else if (left > 0) {
        piece_add(&t->in, p + taken, left);
    }
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

/* ---- all */

void talk_begin(struct talk *t, struct role *role, uint64_t now_ns) {
    if (t->spec->kind == TALK_GROUP)
        ask_page(t, role, now_ns);
    else if (t->spec->kind == TALK_FOLLOW)
        ask_after_last(t);
    else if (t->spec->kind == TALK_LISTEN)
        listen(t);
    else
        subscribe(t);
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
    if (t->spec->kind == TALK_PUSH || t->spec->kind == TALK_LISTEN)
        return take_pushes(t, role, p, n, now_ns);
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
