/* Loading stream heads. A stream that is asked for and not in memory becomes a LOADING one, which
 * collects waiters; when the reader thread has found its head it turns LIVE or ABSENT, and they are
 * woken. Nothing in memory can be newer than what the backend says: a stream leaves memory only
 * when all its frames are applied, and gets no new ones while it is not there.
 *
 * What a stream has besides its events (pending entries, consumers, holes) may be a million things.
 * They are put in a portion a turn; until all of them are there it is LOADING. */
#include "stream/internal.h"

#include "base/alloc.h"

#define INSTALLED_AT_ONCE  4096 /* things, when the head arrives: a millisecond */
#define INSTALLED_PER_TURN 8192 /* of all streams that were not through then */

struct stream_load {
    struct store_request request;
    struct model *model;
    struct stream *stream;
    uint64_t generation; /* of the model when asked */
    bool one_of_many;    /* as its first waiter says */
    /* After a void: the stream was renamed by a frame that the backend does not have yet. It is
     * looked for by its number, whose name there is this one; NULL: not so. */
    uint64_t number;
    struct stream_name *old_name;
    struct list installing; /* in model.installing: what follows is under way */
    struct install_progress progress;
    uint64_t install_generation; /* of the model when it began */
};

static void load_done(struct store_request *r);

static void load_head(struct stream_load *load) {
    struct store_request *r = &load->request;
    struct stream_name *name = load->old_name != NULL ? load->old_name : load->stream->name;
    r->kind = STORE_READ_HEAD;
    r->one_of_many = load->one_of_many;
    r->name = stream_name_str(name);
    r->done = load_done;
    store_request(load->model->store, r);
}

static void load_ask(struct stream_load *load) {
    load->generation = load->model->generation;
    load_head(load);
}

static void load_old_name(struct stream_load *load, uint64_t number) {
    struct store_request *r = &load->request;
    load->number = number;
    r->kind = STORE_LIST_STREAMS;
    r->range = (struct read_range){.start = number, .count_max = 1, .examined_max = 1};
    r->pattern = r->category = (struct str){0};
    store_request(load->model->store, r);
}

/* What was asked for may be overtaken by an apply: then it has its new name, and is asked for by
 * that. true: something was asked for again. */
static bool load_goes_on(struct stream_load *load) {
    struct model *m = load->model;
    struct store_request *r = &load->request;
    uint64_t number;
    if (r->kind == STORE_LIST_STREAMS) {
        if (r->list.count > 0 && r->list.names[0]->rec.number == load->number)
            load->old_name = stream_name_ref(r->list.names[0]);
        stream_list_clear(&r->list);
        store_release(m->store, r);
        load_head(load);
        return true;
    }
    bool overtaken = load->old_name != NULL &&
                     (m->replay == NULL || !r->head.exists || r->head.number != load->number);
    stream_name_unref(load->old_name);
    load->old_name = NULL;
    if (!overtaken && (m->replay == NULL || replay_head(m, stream_name_str(load->stream->name),
                                                        &r->head, r->applied, &number)))
        return false;
    stream_head_clear(&r->head);
    store_release(m->store, r);
    if (overtaken)
        load_head(load);
    else
        load_old_name(load, number);
    return true;
}

static void wake_all(struct stream *s, int status, const struct err *err) {
    struct list waiters;
    list_init(&waiters);
    list_splice(&waiters, &s->waiters);
    /* A waiter may be taken off this list by another's wake. */
    while (!list_empty(&waiters)) {
        struct waiter *w = LIST_ENTRY(waiters.next, struct waiter, node);
        list_remove(&w->node);
        w->wake(w, status, err);
    }
}

static void load_failed(struct stream_load *load) {
    struct store_request *r = &load->request;
    struct model *m = load->model;
    struct stream *s = load->stream;
    s->load = NULL;
    store_release(m->store, r);
    s->pins++; /* a waiter must not make it go */
    wake_all(s, r->status, &r->err);
    s->pins--;
    if (list_empty(&s->waiters)) {
        stream_destroy(m, s);
        free(load);
    } else { /* asked for again by somebody who was woken */
        s->load = load;
        load_ask(load);
    }
}

static void load_finish(struct stream_load *load) {
    struct store_request *r = &load->request;
    struct model *m = load->model;
    struct stream *s = load->stream;
    s->load = NULL;
    if (r->head.exists) {
        stream_install_numbers(m, s, &r->head);
        stream_set_state(m, s, STREAM_LIVE);
        if (m->replay != NULL) replay_contents(m, s, r->applied);
    } else {
        stream_set_state(m, s, STREAM_ABSENT);
    }
    stream_head_clear(&r->head);
    store_release(m->store, r);
    wake_all(s, 0, NULL);
    free(load);
}

/* Goes on installing; false: there is more to do. */
static bool load_install(struct stream_load *load, size_t *work) {
    const struct stream_head *h = &load->request.head;
    if (h->exists && !stream_install_some(load->model, load->stream, h, &load->progress, work))
        return false;
    list_remove(&load->installing);
    load_finish(load);
    return true;
}

static void load_done(struct store_request *r) {
    struct stream_load *load = CONTAINER_OF(r, struct stream_load, request);
    struct model *m = load->model;
    size_t work = INSTALLED_AT_ONCE;
    if (r->status == 0 && load_goes_on(load)) return;
    stream_name_unref(load->old_name);
    load->old_name = NULL;
    if (r->status != 0) {
        load_failed(load);
        return;
    }
    /* Everything was flushed, while it was asked for or before: what the backend had until then
     * does not count. (The request itself kept the flush from being forgotten.) */
    if (m->flushed.frame != 0 &&
        (load->generation != m->generation || r->applied < m->flushed.frame))
        r->head.exists = false;
    load->progress = (struct install_progress){0};
    load->install_generation = m->generation;
    if (!load_install(load, &work)) list_append(&m->installing, &load->installing);
}

/* Everything was flushed, or voided, while it was being installed: from the start, with what the
 * backend said. */
static void load_again(struct stream_load *load) {
    list_remove(&load->installing);
    stream_extra_free(load->model, load->stream);
    load_done(&load->request);
}

void model_install(struct model *m) {
    size_t work = INSTALLED_PER_TURN;
    while (work > 0 && !list_empty(&m->installing)) {
        struct stream_load *load = LIST_ENTRY(m->installing.next, struct stream_load, installing);
        if (load->install_generation != m->generation)
            load_again(load);
        else if (!load_install(load, &work))
            break;
    }
}

struct stream *model_load_stream(struct model *m, struct str name, struct waiter *w) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    struct stream *s = stream_lookup(m, name, hash);
    if (s == NULL) {
        s = stream_create(m, stream_name_create(0, 0, name), hash, STREAM_LOADING);
        m->misses++;
    }
    assert(s->state == STREAM_LOADING);
    list_append(&s->waiters, &w->node);
    if (s->load != NULL || s->pins > 0)
        return s; /* asked for already, or about to be, in load_done */
    s->load = xcalloc(1, sizeof *s->load);
    s->load->model = m;
    s->load->stream = s;
    s->load->one_of_many = w->one_of_many;
    load_ask(s->load);
    return s;
}

void stream_load_drop(struct stream *s) {
    while (!list_empty(&s->waiters)) list_remove(s->waiters.next);
    if (s->load == NULL) return;
    list_remove(&s->load->installing);
    stream_head_clear(&s->load->request.head);
    stream_list_clear(&s->load->request.list);
    stream_name_unref(s->load->old_name);
    free(s->load);
    s->load = NULL;
}

void model_unwait(struct model *m, struct stream *s, struct waiter *w) {
    struct stream_load *load = s->load;
    list_remove(&w->node);
    bool wanted = !list_empty(&s->waiters) || s->pins > 0;
    if (wanted || load == NULL || !store_take_back(m->store, &load->request)) return;
    store_release(m->store, &load->request);
    stream_load_drop(s);
    stream_destroy(m, s);
}
