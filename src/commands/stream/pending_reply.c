/* See pending_reply.h. */
#include "commands/stream/pending_reply.h"

#include "commands/stream/entry_reply.h"
#include "commands/stream/shared.h"

#define HEAD_LEN (sizeof "*n\r\n" - 1)

/* ---- entries ---- */

struct told {
    struct entry_id id;
    struct consumer *owner; /* a reference; NULL: nobody */
    int64_t time, deliveries;
};

static struct str owner_name(const struct told *p) {
    return p->owner != NULL ? p->owner->name : STR("");
}

static size_t id_len(struct entry_id id) {
    return resp_bulk_len(u64_dec_len(id.ms) + 1 + u64_dec_len(id.seq));
}

static size_t told_len(const struct told *p) {
    return HEAD_LEN + id_len(p->id) + resp_int_len(p->time) + resp_int_len(p->deliveries);
}

static void put_told(struct client *c, const void *item) {
    const struct told *p = item;
    reply_array(c, 4);
    reply_entry_id(c, p->id);
    reply_bulk(c, owner_name(p));
    reply_int(c, p->time);
    reply_int(c, p->deliveries);
}

static void put_told_of_one(struct client *c, const void *item) {
    const struct told *p = item;
    reply_array(c, 3);
    reply_entry_id(c, p->id);
    reply_int(c, p->time);
    reply_int(c, p->deliveries);
}

static void drop_told(void *item) {
    const struct told *p = item;
    consumer_unref(p->owner);
}

void reply_text_pending(struct reply_text *t, const struct cgroup *g, const struct pending_entry *e,
                        int64_t time, struct consumer **owner) {
    static const struct reply_item_kind kind = {sizeof(struct told), put_told, drop_told};
    if (*owner == NULL || (*owner)->number != e->consumer)
        *owner = cgroup_consumer_at(g, e->consumer);
    struct told p = {e->id, *owner, time, deliveries_shown(e->deliveries)};
    size_t len = told_len(&p) + resp_bulk_len(owner_name(&p).len);
    if (*owner != NULL) consumer_ref(*owner);
    *(struct told *)reply_text_item(t, &kind, len) = p;
}

void reply_text_pending_of_one(struct reply_text *t, const struct pending_entry *e, int64_t time) {
    static const struct reply_item_kind kind = {sizeof(struct told), put_told_of_one, drop_told};
    struct told p = {e->id, NULL, time, deliveries_shown(e->deliveries)};
    *(struct told *)reply_text_item(t, &kind, told_len(&p)) = p;
}

/* ---- owners ---- */

struct owner {
    struct consumer *consumer; /* a reference */
    uint64_t count;
};

static void put_owner(struct client *c, const void *item) {
    const struct owner *o = item;
    reply_array(c, 2);
    reply_bulk(c, o->consumer->name);
    resp_put_bulk_u64(&c->out, o->count);
}

static void drop_owner(void *item) {
    const struct owner *o = item;
    consumer_unref(o->consumer);
}

void reply_text_owner(struct reply_text *t, struct consumer *consumer, uint32_t count) {
    static const struct reply_item_kind kind = {sizeof(struct owner), put_owner, drop_owner};
    size_t len = HEAD_LEN + resp_bulk_len(consumer->name.len) + resp_bulk_len(u64_dec_len(count));
    *(struct owner *)reply_text_item(t, &kind, len) = (struct owner){consumer_ref(consumer), count};
}
