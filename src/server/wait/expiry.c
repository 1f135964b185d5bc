/* See expiry.h. Streams in memory stand in the model's heap by deadline. Of those on disk the model
 * knows the first deadline; when that has come, the backend lists what is due, and those that are
 * not in memory are loaded: then they stand in the heap. So what is not due costs nothing. */
#include "server/wait/expiry.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/blocking.h"

#define LISTED_AT_ONCE 2000
#define LOOK_AGAIN_MS  100 /* when what is listed is deleted already, and not applied yet */

static void before_delete(struct stream *s, void *arg) {
    struct server *srv = arg;
    srv->stats.expired_keys++;
    notify(srv, NOTIFY_EXPIRED, "expired", stream_name_str(s->name));
    blocking_key_changed(srv, stream_name_str(s->name));
}

bool expiry_check(struct server *srv, struct stream *s) {
    if (!stream_expired(&srv->model, s)) return false;
    if (!store_writable(srv->store)) return true;
    before_delete(s, srv);
    model_delete_expired(&srv->model, s);
    model_commit(&srv->model);
    return false;
}

/* ---- those on disk ---- */

struct due {
    struct waiter waiter;
    struct expiry *expiry;
};

static void on_loaded(struct waiter *w, int status, const struct err *err) {
    struct expiry *x = CONTAINER_OF(w, struct due, waiter)->expiry;
    UNUSED(err);
    if (status != 0) x->again_ms = x->srv->clock.now_ms + LOOK_AGAIN_MS;
    if (--x->loading > 0) return;
    free(x->due);
    x->due = NULL;
}

/* Loads what is not in memory. Returns how many those are. */
static size_t load_due(struct expiry *x, const struct stream_list *list) {
    struct model *m = &x->srv->model;
    x->due = xcalloc(MAX(list->count, (size_t)1), sizeof *x->due);
    for (size_t i = 0; i < list->count; i++) {
        struct str name = stream_name_str(list->names[i]);
        if (model_stream(m, name) != NULL) continue;
        struct due *d = &x->due[x->loading++];
        d->expiry = x;
        d->waiter.wake = on_loaded;
        model_load_stream(m, name, &d->waiter);
    }
    if (x->loading == 0) {
        free(x->due);
        x->due = NULL;
    }
    return x->loading;
}

static void on_listed(struct store_request *r) {
    struct expiry *x = CONTAINER_OF(r, struct expiry, request);
    struct server *srv = x->srv;
    struct model *m = &srv->model;
    x->listing = false;
    if (r->status == 0 && x->generation == m->generation) {
        /* What is durable and not applied after a void may have deadlines that it does not list. */
        bool all = r->list.done && m->replay == NULL;
        if (all) m->deadlines.on_disk = r->list.next;
        size_t loading = load_due(x, &r->list);
        if (loading == 0 && !all) {
            x->again_ms = srv->clock.now_ms + LOOK_AGAIN_MS;
            store_flush(srv->store);
        }
    } else {
        x->again_ms = srv->clock.now_ms + LOOK_AGAIN_MS;
    }
    if (r->status == 0) stream_list_clear(&r->list);
    store_release(srv->store, r);
}

static bool disk_is_due(const struct server *srv) {
    const struct model *m = &srv->model;
    return m->deadlines.on_disk != 0 && m->deadlines.on_disk <= m->wall;
}

/* Deletions are frames: they wait for the applier as all writes do. */
static bool may_delete(const struct server *srv) {
    return store_writable(srv->store) && srv->model.flushed.frame == 0 && !server_must_wait(srv);
}

void expiry_run(struct server *srv) {
    struct expiry *x = &srv->expiry;
    struct model *m = &srv->model;
    uint64_t next = model_next_deadline(m);
    if (next == 0 || next > m->wall || !may_delete(srv)) return;
    model_expire(m, m->wall, before_delete, srv);
    if (!disk_is_due(srv) || x->listing || x->loading > 0 || srv->clock.now_ms < x->again_ms)
        return;
    x->srv = srv;
    x->listing = true;
    x->generation = m->generation;
    x->request = (struct store_request){
        .kind = STORE_LIST_EXPIRING,
        .range = {.end = m->wall, .count_max = LISTED_AT_ONCE},
        .done = on_listed,
    };
    store_request(srv->store, &x->request);
}

uint64_t expiry_wait_ms(const struct server *srv) {
    const struct expiry *x = &srv->expiry;
    const struct model *m = &srv->model;
    uint64_t next = model_next_deadline(m);
    if (next == 0 || !may_delete(srv)) return UINT64_MAX;
    if (next > m->wall) return next - m->wall;
    const struct heap_node *due = heap_first(&m->deadlines.heap);
    if (due != NULL && due->key <= m->wall) return 0;
    if (x->listing || x->loading > 0) return UINT64_MAX; /* they wake the loop */
    return x->again_ms > srv->clock.now_ms ? x->again_ms - srv->clock.now_ms : 0;
}
