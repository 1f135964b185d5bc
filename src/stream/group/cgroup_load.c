/* Groups as the backend has them, and records of durable frames laid over them. */
#include "stream/group/internal.h"

#include "base/alloc.h"

static void install_consumer(struct cgroup *g, const struct consumer_record *r) {
    struct str name = str_of(r->name, r->name_len);
    struct consumer *c = cgroup_consumer(g, name);
    if (c == NULL) {
        c = consumer_create(name, r->number);
        consumer_insert(g, c);
    }
    c->seen = r->seen;
    c->active = r->active;
}

static void install_pending(struct cgroup *g, const struct pending_item *item) {
    struct pending *p = &g->pending;
    struct pending_entry *e = pending_find(p, item->id);
    if (item->consumer == PENDING_UNOWNED) g->handed_back = MAX(g->handed_back, item->delivered);
    if (e == NULL) {
        pending_add(p, item->id, item->version, item->consumer, item->delivered, item->deliveries);
        return;
    }
    if (item->consumer == PENDING_UNOWNED || e->consumer != item->consumer)
        pending_assign(p, e, item->consumer);
    if (item->consumer != PENDING_UNOWNED) pending_deliver(p, e, item->delivered);
    e->deliveries = item->deliveries;
}

static struct cgroup *install_group(struct stream *s, const struct group_record *r) {
    struct cgroup *g = cgroup_create(s, str_of(r->name, r->name_len));
    g->number = r->number;
    g->created = r->created;
    g->last = r->last;
    g->entries_read = r->entries_read;
    cgroup_insert(s->extra, g);
    return g;
}

/* Fills the open group. (Those without an owner come in the order in which they were handed back.)
 */
static bool fill_some(const struct group_image *image, struct install_progress *at, size_t *work) {
    for (; at->consumer < image->consumer_count; at->consumer++) {
        if (*work == 0) return false;
        --*work;
        install_consumer(at->open, image->consumers[at->consumer]);
    }
    for (; at->item < image->pending_count; at->item++) {
        if (*work == 0) return false;
        --*work;
        install_pending(at->open, &image->pending[at->item]);
    }
    return true;
}

bool cgroups_install_some(struct stream *s, const struct group_image *images, size_t n,
                          struct install_progress *at, size_t *work) {
    for (; at->group < n; at->group++) {
        if (*work == 0) return false;
        --*work;
        if (at->open == NULL) at->open = install_group(s, images[at->group].record);
        bool all = fill_some(&images[at->group], at, work);
        cgroup_count(at->open);
        if (!all) return false;
        at->open = NULL;
        at->consumer = at->item = 0;
    }
    return true;
}

static struct cgroup *by_number(const struct stream *s, uint64_t number) {
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++)
        if (s->extra->groups[i]->number == number) return s->extra->groups[i];
    return NULL;
}

static void replay_ack(struct cgroup *g, const struct record *r) {
    const struct ack_record *a = r->body;
    for (size_t i = 0; i < (r->len - sizeof *a) / sizeof a->ids[0]; i++) {
        struct pending_entry *e = pending_find(&g->pending, a->ids[i]);
        if (e != NULL) pending_remove(&g->pending, e);
    }
}

bool cgroups_replay(struct model *m, struct stream *s, const struct record *r) {
    if (r->kind == RECORD_GROUP) {
        const struct group_record *new = r->body;
        if (new->stream != s->name->rec.number) return false;
        stream_extra(m, s);
        cgroup_count(install_group(s, new));
        return true;
    }
    /* All the others begin with the group's number. */
    struct cgroup *g = by_number(s, *(const uint64_t *)r->body);
    if (g == NULL) return false;
    const struct pending_record *p = r->body;
    const struct position_record *at = r->body;
    const struct consumer_drop_record *drop = r->body;
    switch (r->kind) {
    case RECORD_GROUP_POSITION:
        g->last = at->last;
        g->entries_read = at->entries_read;
        break;
    case RECORD_GROUP_DROP:
        cgroup_take(s->extra, g);
        cgroup_destroy(g);
        return true;
    case RECORD_CONSUMER:
        install_consumer(g, r->body);
        break;
    case RECORD_CONSUMER_DROP: {
        struct pending_entry *e;
        while ((e = pending_first(&g->pending, drop->consumer)) != NULL)
            pending_remove(&g->pending, e);
        struct consumer *c = cgroup_consumer_at(g, drop->consumer);
        consumer_take(g, c);
        consumer_unref(c);
        break;
    }
    case RECORD_PENDING:
        for (size_t i = 0; i < (r->len - sizeof *p) / sizeof p->items[0]; i++)
            install_pending(g, &p->items[i]);
        break;
    case RECORD_ACK:
        replay_ack(g, r);
        break;
    }
    cgroup_count(g);
    return true;
}
