/* See key_walk.h. First the records of the frames up to the moment are gone through, and what they
 * say is noted by stream; then the backend's list, then the names that were given since. */
#include "server/wait/key_walk.h"

#include "base/alloc.h"
#include "server/server.h"

#define TURN_WORK  8192 /* records and names: one to two milliseconds */
#define NOTES_MORE 256

/* What became of a stream since the backend's snapshot. */
struct note {
    struct hash_node node;
    uint64_t number, expires;
    const struct stream_record *given; /* its name, if it came to be or was renamed */
    bool has_expires, gone;
    bool put_off; /* a frame after the moment has put its deadline off */
};
struct notes {
    struct notes *next;
    size_t count;
    struct note notes[NOTES_MORE];
};

enum stage { RECORDS, LISTED, GIVEN, FINISHED };

struct key_walk {
    struct list node; /* key_walks.running */
    struct client *client;
    struct key_walk_of of;
    enum stage stage;
    uint64_t frame; /* the moment */
    uint64_t last;  /* the last frame that was decided then */
    uint64_t wall;  /* the time then */

    struct batch *batch; /* RECORDS: where it is */
    uint32_t frame_at, record_at;
    struct hash_table by_number;
    struct notes *first, *newest;
    size_t note_bytes;

    size_t at;         /* LISTED */
    struct notes *now; /* GIVEN */
    size_t now_at;

    struct reply_text text;
    size_t count;
    bool too_long;
};

/* ---- what the records say ---- */

static struct note *find_note(const struct key_walk *w, uint64_t number) {
    for (struct hash_node *n = hash_first(&w->by_number, hash_u64(number)); n != NULL;
         n = hash_next(&w->by_number, n)) {
        struct note *note = CONTAINER_OF(n, struct note, node);
        if (note->number == number) return note;
    }
    return NULL;
}

static struct note *note_of(struct key_walk *w, uint64_t number) {
    struct note *note = find_note(w, number);
    if (note != NULL) return note;
    if (w->newest == NULL || w->newest->count == NOTES_MORE) {
        struct notes *more = xcalloc(1, sizeof *more);
        if (w->newest != NULL)
            w->newest->next = more;
        else
            w->first = more;
        w->newest = more;
        w->note_bytes += sizeof *more;
    }
    note = &w->newest->notes[w->newest->count++];
    note->number = number;
    hash_insert(&w->by_number, &note->node, hash_u64(number));
    return note;
}

/* Of a frame after the moment only what puts a deadline off counts (docs/design.md, contract 8). */
static void take_record(struct key_walk *w, const struct record *r, bool after) {
    if (r->kind == RECORD_STREAM_STATE) {
        const struct stream_state_record *state = r->body;
        struct note *note = note_of(w, state->stream);
        note->put_off = after && (state->expires == 0 || state->expires > w->wall);
        if (after) return;
        note->has_expires = true;
        note->expires = state->expires;
    } else if (r->kind == RECORD_DELETE) {
        struct note *note = note_of(w, ((const struct number_record *)r->body)->number);
        note->put_off = false;
        if (!after) note->gone = true;
    } else if ((r->kind == RECORD_STREAM || r->kind == RECORD_RENAME) && !after) {
        const struct stream_record *given = r->body;
        note_of(w, given->number)->given = given;
    }
}

static struct batch *batch_behind(const struct key_walk *w, struct batch *b) {
    struct model *m = &w->client->srv->model;
    if (b == m->open) return NULL;
    struct list *all = store_batches(m->store), *next = b != NULL ? b->node.next : all->next;
    return next != all ? LIST_ENTRY(next, struct batch, node) : m->open;
}

/* Those of the snapshot and before may go, those behind it stay. */
static struct batch *first_batch(const struct key_walk *w) {
    struct batch *b = batch_behind(w, NULL);
    while (b != NULL && b->frame_count > 0 && batch_last_frame(b) <= w->of.list->applied)
        b = batch_behind(w, b);
    return b;
}

static bool walk_batch(struct key_walk *w, size_t *work) {
    const struct batch *b = w->batch;
    for (; w->frame_at < b->frame_count; w->frame_at++) {
        uint64_t frame = b->first_frame + w->frame_at;
        if (frame > w->last) return true;
        for (; w->record_at < b->frame_end[w->frame_at]; w->record_at++) {
            if (*work == 0) return false;
            --*work;
            if (frame > w->of.list->applied)
                take_record(w, &b->records[w->record_at], frame > w->frame);
        }
    }
    return true;
}

static bool walk_records(struct key_walk *w, size_t *work) {
    for (; w->batch != NULL && w->batch->first_frame <= w->last;
         w->batch = batch_behind(w, w->batch)) {
        if (*work == 0 || !walk_batch(w, work)) return false;
        --*work;
        w->frame_at = w->record_at = 0;
    }
    /* Of EXEC's own frame, which is not closed yet. */
    const struct batch *open = w->client->srv->model.open;
    if (w->client->srv->exec.client != w->client || w->frame != w->last) return true;
    uint32_t at = open->frame_count > 0 ? open->frame_end[open->frame_count - 1] : 0;
    for (; at < open->record_count; at++) take_record(w, &open->records[at], false);
    return true;
}

/* ---- names ---- */

static bool is_over(const struct key_walk *w, const struct note *note, uint64_t expires) {
    if (note != NULL && note->has_expires) expires = note->expires;
    return expires != 0 && expires <= w->wall && (note == NULL || !note->put_off);
}

static void put_name(struct key_walk *w, struct str name) {
    reply_text_bulk(&w->text, name);
    w->count++;
    w->too_long = w->too_long || w->text.bytes > w->of.bytes_max;
}

/* Those that were renamed come with the names that were given. */
static bool walk_listed(struct key_walk *w, size_t *work) {
    const struct stream_list *l = w->of.list;
    for (; w->at < l->count && !w->too_long; w->at++) {
        if (*work == 0) return false;
        --*work;
        const struct stream_name *name = l->names[w->at];
        const struct note *note = find_note(w, name->rec.number);
        bool listed = note == NULL || (!note->gone && note->given == NULL);
        listed = listed && name->rec.kind != KIND_VIRTUAL;
        if (listed && !is_over(w, note, l->expires[w->at])) put_name(w, stream_name_str(name));
    }
    return true;
}

static void put_given(struct key_walk *w, const struct note *note) {
    const struct stream_record *r = note->given;
    if (r == NULL || r->kind == KIND_VIRTUAL || note->gone || is_over(w, note, 0)) return;
    struct str name = str_of(r->name, r->name_len);
    if (str_match_glob(w->of.pattern, name, false)) put_name(w, name);
}

static bool walk_given(struct key_walk *w, size_t *work) {
    for (; w->now != NULL && !w->too_long; w->now = w->now->next, w->now_at = 0) {
        for (; w->now_at < w->now->count; w->now_at++) {
            if (*work == 0) return false;
            --*work;
            put_given(w, &w->now->notes[w->now_at]);
        }
    }
    return true;
}

/* ---- the walk ---- */

static bool walk(struct key_walk *w, size_t *work) {
    if (w->stage == RECORDS && walk_records(w, work)) {
        w->stage = LISTED;
        w->now = w->first;
    }
    if (w->stage == LISTED && walk_listed(w, work)) w->stage = GIVEN;
    if (w->stage == GIVEN && walk_given(w, work)) w->stage = FINISHED;
    return w->stage == FINISHED;
}

struct key_walk *key_walk_create(struct client *c, const struct key_walk_of *of) {
    const struct model *m = &c->srv->model;
    struct key_walk *w = xcalloc(1, sizeof *w);
    w->client = c;
    w->of = *of;
    w->last = m->decided;
    w->frame = MIN(c->view, w->last);
    w->wall = m->wall;
    w->too_long = !of->list->done;
    list_init(&w->node);
    hash_init(&w->by_number);
    reply_text_init(&w->text);
    w->batch = first_batch(w);
    return w;
}

void key_walk_destroy(struct key_walk *w) {
    if (w == NULL) return;
    list_remove(&w->node);
    hash_clear(&w->by_number);
    for (struct notes *n = w->first, *next; n != NULL; n = next) {
        next = n->next;
        free(n);
    }
    reply_text_clear(&w->text);
    free(w);
}

bool key_walk_start(struct key_walk *w) {
    size_t work = TURN_WORK;
    if (walk(w, &work)) return true;
    list_append(&w->client->srv->key_walks.running, &w->node);
    return false;
}

void key_walk_finish(struct key_walk *w) {
    size_t work = SIZE_MAX;
    bool finished = walk(w, &work);
    assert(finished);
}

struct reply_text *key_walk_text(struct key_walk *w) {
    return &w->text;
}

size_t key_walk_count(const struct key_walk *w) {
    return w->count;
}

bool key_walk_too_long(const struct key_walk *w) {
    return w->too_long;
}

uint64_t key_walk_frame(const struct key_walk *w) {
    return w->frame;
}

size_t key_walk_bytes(const struct key_walk *w) {
    return w->text.bytes + w->note_bytes;
}

/* ---- all of them ---- */

struct discard {
    struct list node;
    struct stream_list list;
};

void stream_list_discard(struct server *srv, struct stream_list *list) {
    if (list->count <= TURN_WORK) {
        stream_list_clear(list);
        return;
    }
    struct discard *d = xmalloc(sizeof *d);
    d->list = *list;
    stream_list_init(list);
    list_init(&d->node);
    list_append(&srv->key_walks.discards, &d->node);
}

static void discard_some(struct discard *d, size_t *work) {
    while (*work > 0 && d->list.count > 0) {
        --*work;
        stream_name_unref(d->list.names[--d->list.count]);
    }
    if (d->list.count > 0) return;
    list_remove(&d->node);
    stream_list_clear(&d->list);
    free(d);
}

void key_walks_init(struct server *srv) {
    list_init(&srv->key_walks.running);
    list_init(&srv->key_walks.discards);
}

void key_walks_run(struct server *srv) {
    struct key_walks *all = &srv->key_walks;
    size_t work = TURN_WORK;
    while (work > 0 && !all->held && !list_empty(&all->running)) {
        struct key_walk *w = LIST_ENTRY(all->running.next, struct key_walk, node);
        list_remove(&w->node);
        if (walk(w, &work))
            w->of.done(w->of.arg);
        else
            list_append(&all->running, &w->node); /* the next one is next */
    }
    work = TURN_WORK;
    while (work > 0 && !list_empty(&all->discards))
        discard_some(LIST_ENTRY(all->discards.next, struct discard, node), &work);
}

void key_walks_clear(struct server *srv) {
    size_t all = SIZE_MAX;
    while (!list_empty(&srv->key_walks.discards))
        discard_some(LIST_ENTRY(srv->key_walks.discards.next, struct discard, node), &all);
}
