/* See publications.h. The reply of such a message is a number that is known later: ":0" stands in
 * its place, and is written anew, a few bytes longer perhaps, before the gate opens. */
#include "server/client/publications.h"

#include "base/alloc.h"
#include "server/server.h"

#define PLACE_HOLDER ":0\r\n"
#define HOLDER_BYTES (sizeof PLACE_HOLDER - 1)

void publication_note(struct client *c, enum channel_kind kind, struct str channel,
                      struct str payload) {
    struct publication *p = publication_create(kind, channel, payload);
    if (c->note_count == c->note_cap) {
        c->note_cap = c->note_cap == 0 ? 4 : c->note_cap * 2;
        c->notes = xrealloc(c->notes, c->note_cap * sizeof *c->notes);
    }
    size_t work = pubsub_work(c->srv, kind, channel);
    publication_noted(c->srv, p, work);
    c->note_work = work + (c->note_count > 0 ? c->note_work : 0);
    c->notes[c->note_count++] = (struct publication_note){p, client_out_offset(c)};
    c->publishing_bytes += publication_bytes(p);
    buf_put(&c->out, PLACE_HOLDER, HOLDER_BYTES);
}

static void end_notes(struct client *c) {
    c->note_count = 0;
    if (c->note_cap <= 64) return;
    free(c->notes);
    c->notes = NULL;
    c->note_cap = 0;
}

static void destroy(struct client *c, struct publication *p) {
    c->publishing_bytes -= publication_bytes(p);
    publication_unnoted(c->srv, p);
    publication_destroy(p);
}

void publications_forget(struct client *c) {
    for (size_t i = 0; i < c->note_count; i++) destroy(c, c->notes[i].publication);
    end_notes(c);
}

/* ---- counts in the place of what holds it ---- */

struct count {
    size_t at; /* in c->out */
    char text[24];
    size_t len;
};

/* From the last to the first, so that each byte moves once. Returns how many bytes more it is. */
static size_t write_counts(struct client *c, const struct count *counts, size_t n) {
    size_t more = 0;
    for (size_t i = 0; i < n; i++) more += counts[i].len - HOLDER_BYTES;
    buf_reserve(&c->out, more);
    size_t end = c->out.len, shift = more;
    for (size_t i = n; i-- > 0;) {
        size_t behind = counts[i].at + HOLDER_BYTES;
        char *data = c->out.data;
        if (shift > 0) memmove(data + behind + shift, data + behind, end - behind);
        shift -= counts[i].len - HOLDER_BYTES;
        memcpy(data + counts[i].at + shift, counts[i].text, counts[i].len);
        end = counts[i].at;
    }
    c->out.len += more;
    return more;
}

/* Publishes it, and notes what to reply. */
static struct count leaves(struct client *c, struct publication *p, uint64_t reply_at) {
    struct count count = {.at = (size_t)(reply_at - c->out_base)};
    c->publishing_bytes -= publication_bytes(p);
    publication_unnoted(c->srv, p);
    size_t receivers = publication_leaves(c->srv, p);
    count.len = (size_t)snprintf(count.text, sizeof count.text, ":%zu\r\n", receivers);
    return count;
}

/* Whether the reply has been dropped, or will be: CLIENT REPLY OFF, SKIP. */
static bool is_silent(const struct client *c) {
    return c->reply_mode == REPLY_OFF || c->reply_mode == REPLY_SKIP;
}

void publications_decided(struct client *c) {
    bool silent = is_silent(c);
    if (c->gate_count > 0 && c->told > model_settled(&c->srv->model)) {
        for (size_t i = 0; i < c->note_count; i++)
            client_gate_publication(c, silent ? c->reply_start : c->notes[i].reply_at, silent,
                                    c->notes[i].publication);
    } else if (c->note_count > 0) {
        struct count *counts = xmalloc(c->note_count * sizeof *counts);
        for (size_t i = 0; i < c->note_count; i++)
            counts[i] = leaves(c, c->notes[i].publication, c->notes[i].reply_at);
        write_counts(c, counts, c->note_count);
        free(counts);
    }
    end_notes(c);
}

/* ---- gates that open ---- */

static struct gate *gate_at(struct client *c, uint32_t i) {
    return &c->gates[(c->gate_head + i) & (c->gate_cap - 1)];
}

void client_publish_durable(struct client *c, uint64_t durable) {
    struct count *counts = NULL;
    size_t n = 0;
    uint32_t i = 0;
    for (; i < c->gate_count && gate_at(c, i)->frame <= durable; i++) {
        struct gate *g = gate_at(c, i);
        if (g->publication == NULL) continue;
        struct count count = leaves(c, g->publication, g->offset);
        g->publication = NULL;
        if (g->silent) continue;
        if ((n & (n - 1)) == 0) counts = xrealloc(counts, MAX(n * 2, (size_t)1) * sizeof *counts);
        counts[n++] = count;
    }
    size_t more = n > 0 ? write_counts(c, counts, n) : 0;
    for (; i < c->gate_count; i++) gate_at(c, i)->offset += more;
    free(counts);
}

void publications_void(struct client *c) {
    for (uint32_t i = 0; i < c->gate_count && c->publishing_bytes > 0; i++) {
        struct gate *g = gate_at(c, i);
        if (g->publication != NULL) destroy(c, g->publication);
        g->publication = NULL;
    }
}

void publications_drop(struct client *c) {
    publications_forget(c);
    publications_void(c);
    free(c->notes);
    c->notes = NULL;
    c->note_cap = 0;
}
