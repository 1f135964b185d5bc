/* See settled.h. An image is taken by stream_note_extra, which everything calls that changes more
 * of a stream than appending does; a former by model_delete and model_rename. */
#include "stream/settled.h"

#include "base/alloc.h"
#include "record/entry_id.h"
#include "stream/entry.h"
#include "stream/internal.h"
#include "stream/read.h"

#define VIEWS_KEPT       64
#define SETTLED_PER_CALL 16384 /* images, formers, events: some milliseconds */

static void account(struct model *m, size_t more) {
    m->bytes += more;
    m->unsettled.bytes += more;
}
static void unaccount(struct model *m, size_t less) {
    m->bytes -= less;
    m->unsettled.bytes -= less;
}

/* ---- images ---- */

static struct image *image_at(struct list *node) {
    return LIST_ENTRY(node, struct image, node);
}

static struct image *newest_image(const struct stream_extra *x) {
    return list_empty(&x->images) ? NULL : image_at(x->images.prev);
}

/* The newest, when it is of before the open batch's first frame: what the batch changes further
 * is in it. */
static struct image *image_of_batch(const struct model *m, const struct stream_extra *x) {
    struct image *i = newest_image(x);
    return i != NULL && i->frame >= m->open->first_frame ? i : NULL;
}

/* What came to be in the open batch nobody was ever shown. (A tail needs its image: to be cut.) */
static bool never_shown(const struct model *m, const struct stream *s) {
    return s->born >= m->open->first_frame && s->tail_count == 0;
}

static void image_drop(struct model *m, struct image *i);

struct note_image {
    struct undo undo;
    struct image *image;
};

/* What the transaction had appended before it was taken is gone. */
static void untake(struct model *m, struct undo *u) {
    image_drop(m, CONTAINER_OF(u, struct note_image, undo)->image);
}

void image_take(struct model *m, struct stream *s) {
    struct stream_extra *x = s->extra;
    if (image_of_batch(m, x) != NULL || never_shown(m, s)) return;
    struct image *i = xcalloc(1, sizeof *i);
    i->of = x;
    i->frame = m->decided + 1;
    i->next_version = s->next_version;
    i->first_version = x->first_version;
    i->added_beyond = x->added_beyond;
    i->expires = x->expires;
    i->last = stream_last_id(s);
    i->deleted = x->deleted;
    list_init(&i->node);
    list_init(&i->order);
    list_append(&x->images, &i->node);
    list_append(&m->unsettled.images, &i->order);
    account(m, sizeof *i);
    struct note_image *note = model_note(m, sizeof *note, untake);
    if (note != NULL) note->image = i;
}

void image_keep_holes(struct model *m, struct stream *s) {
    struct image *i = image_of_batch(m, s->extra);
    const struct holes *h = &s->extra->holes;
    if (i == NULL || i->has_holes) return;
    i->has_holes = true;
    i->holes = holes_share(h);
    account(m, holes_bytes(h)); /* at most: what has not changed is shared */
}

struct image *image_promise_value(const struct model *m, const struct stream *s) {
    struct image *i = image_of_batch(m, s->extra);
    if (i == NULL || i->has_value || i->value_promised) return NULL;
    i->value_promised = true;
    return i;
}

void image_give_value(struct model *m, struct image *i, char *value, size_t len) {
    if (i == NULL) {
        free(value);
        return;
    }
    i->value_promised = false;
    i->has_value = true;
    i->value = value;
    i->value_len = len;
    account(m, len);
}

void stream_note_unreferenced(struct model *m, struct stream *s) {
    struct image *i = s->extra != NULL ? image_of_batch(m, s->extra) : NULL;
    if (i != NULL) i->unreferenced = true;
}

static void image_drop(struct model *m, struct image *i) {
    list_remove(&i->node);
    list_remove(&i->order);
    unaccount(m, sizeof *i + holes_bytes(&i->holes) + i->value_len);
    holes_clear(&i->holes);
    free(i->value);
    free(i);
}

void images_drop(struct model *m, struct stream_extra *x) {
    while (!list_empty(&x->images)) image_drop(m, image_at(x->images.next));
}

/* The first that is of after `frame`, or later: what it says held then. NULL: what is now. */
static const struct image *image_after(const struct stream *s, uint64_t frame) {
    if (s->extra == NULL) return NULL;
    LIST_FOR_EACH (it, &s->extra->images)
        if (image_at(it)->frame > frame) return image_at(it);
    return NULL;
}

static const struct holes *holes_after(const struct stream *s, const struct image *from) {
    for (const struct image *i = from; i != NULL;
         i = i->node.next == &s->extra->images ? NULL : image_at(i->node.next))
        if (i->has_holes) return &i->holes;
    return &s->extra->holes;
}

static void set_value(struct stream_extra *x, const struct stream *s, const struct image *from) {
    x->value = s->extra->value;
    x->value_len = s->extra->value_len;
    for (const struct image *i = from; i != NULL;
         i = i->node.next == &s->extra->images ? NULL : image_at(i->node.next)) {
        if (!i->has_value) continue;
        x->value = i->value;
        x->value_len = i->value_len;
        return;
    }
}

bool stream_unreferenced_since(const struct stream *s, uint64_t frame) {
    for (const struct image *i = image_after(s, frame); i != NULL;
         i = i->node.next == &s->extra->images ? NULL : image_at(i->node.next))
        if (i->unreferenced) return true;
    return false;
}

/* ---- formers ---- */

/* All formers of a name, or of a number. */
struct line {
    struct hash_node node;
    struct list formers; /* by of_name or of_number */
};

static struct former *of_name(struct list *l) {
    return LIST_ENTRY(l, struct former, of_name);
}
static struct former *of_number(struct list *l) {
    return LIST_ENTRY(l, struct former, of_number);
}

static struct line *line_of_name(const struct model *m, struct str name) {
    if (m->unsettled.by_name.count == 0) return NULL;
    uint64_t hash = hash_bytes(name.ptr, name.len);
    for (struct hash_node *n = hash_first(&m->unsettled.by_name, hash); n != NULL;
         n = hash_next(&m->unsettled.by_name, n)) {
        struct line *line = CONTAINER_OF(n, struct line, node);
        if (str_eq(stream_name_str(of_name(line->formers.next)->name), name)) return line;
    }
    return NULL;
}

static struct line *line_of_number(const struct model *m, uint64_t number) {
    if (m->unsettled.by_number.count == 0) return NULL;
    uint64_t hash = hash_u64(number);
    for (struct hash_node *n = hash_first(&m->unsettled.by_number, hash); n != NULL;
         n = hash_next(&m->unsettled.by_number, n)) {
        struct line *line = CONTAINER_OF(n, struct line, node);
        if (of_number(line->formers.next)->number == number) return line;
    }
    return NULL;
}

static void line_add(struct model *m, struct hash_table *t, struct line *line, uint64_t hash,
                     struct list *node) {
    if (line == NULL) {
        line = xcalloc(1, sizeof *line);
        list_init(&line->formers);
        hash_insert(t, &line->node, hash);
        account(m, sizeof *line);
    }
    list_append(&line->formers, node);
}

static void line_take(struct model *m, struct hash_table *t, struct line *line, struct list *node) {
    list_remove(node);
    if (!list_empty(&line->formers)) return;
    hash_remove(t, &line->node);
    unaccount(m, sizeof *line);
    free(line);
}

/* What the name was after `frame`, when that is not what it is now. */
static const struct former *former_of_name(const struct model *m, struct str name, uint64_t frame) {
    struct line *line = line_of_name(m, name);
    if (line == NULL) return NULL;
    LIST_FOR_EACH (it, &line->formers)
        if (of_name(it)->frame > frame) return of_name(it);
    return NULL;
}

static const struct former *former_of_number(const struct model *m, uint64_t number,
                                             uint64_t frame) {
    struct line *line = line_of_number(m, number);
    if (line == NULL) return NULL;
    LIST_FOR_EACH (it, &line->formers)
        if (of_number(it)->frame > frame) return of_number(it);
    return NULL;
}

static void give_content(struct model *m, struct former *f, struct stream *content) {
    size_t extra = content->extra != NULL ? content->extra->bytes : 0;
    f->content = content;
    f->content_bytes = sizeof *content + content->tail_cap * sizeof *content->tail + extra;
    m->unsettled.bytes += f->content_bytes; /* all but the struct is in the cache's account */
    m->bytes += sizeof *content;
}

static struct stream *take_content(struct model *m, struct former *f) {
    struct stream *content = f->content;
    if (content == NULL) return NULL;
    m->unsettled.bytes -= f->content_bytes;
    m->bytes -= sizeof *content;
    f->content_bytes = 0;
    f->content = NULL;
    return content;
}

struct former *former_add(struct model *m, struct stream_name *name, uint64_t number,
                          struct stream *content) {
    struct str text = stream_name_str(name);
    struct line *line = line_of_name(m, text);
    if (line != NULL && of_name(line->formers.prev)->frame >= m->open->first_frame) {
        /* So the batch has changed the name before. What has the number now was shown under another
         * name, or is what the name stood for: either way it has a former in this batch. */
        if (content == NULL) return NULL;
        struct former *f = of_number(line_of_number(m, number)->formers.prev);
        assert(f->frame >= m->open->first_frame && f->content == NULL);
        give_content(m, f, content);
        return f;
    }
    struct former *f = xcalloc(1, sizeof *f);
    f->frame = m->decided + 1;
    f->name = stream_name_ref(name);
    f->number = number;
    list_init(&f->of_name);
    list_init(&f->of_number);
    list_init(&f->order);
    list_append(&m->unsettled.formers, &f->order);
    line_add(m, &m->unsettled.by_name, line, hash_bytes(text.ptr, text.len), &f->of_name);
    if (number != 0)
        line_add(m, &m->unsettled.by_number, line_of_number(m, number), hash_u64(number),
                 &f->of_number);
    account(m, sizeof *f + text.len);
    f->content_of_own = content != NULL;
    if (content != NULL) give_content(m, f, content);
    return f;
}

/* Returns its content, which is the caller's then; NULL: it has none. */
static struct stream *former_remove(struct model *m, struct former *f) {
    struct str text = stream_name_str(f->name);
    struct stream *content = take_content(m, f);
    line_take(m, &m->unsettled.by_name, line_of_name(m, text), &f->of_name);
    if (f->number != 0)
        line_take(m, &m->unsettled.by_number, line_of_number(m, f->number), &f->of_number);
    list_remove(&f->order);
    unaccount(m, sizeof *f + text.len);
    stream_name_unref(f->name);
    free(f);
    return content;
}

void former_take_back(struct model *m, struct former *f) {
    if (f->content != NULL && !f->content_of_own)
        take_content(m, f); /* the former was there before */
    else
        former_remove(m, f);
}

void formers_clear(struct model *m) {
    while (!list_empty(&m->unsettled.formers)) {
        struct former *f = LIST_ENTRY(m->unsettled.formers.next, struct former, order);
        struct stream *content = former_remove(m, f);
        if (content != NULL) content_free(m, content);
    }
}

/* What has that number, under the name that it has now, or deleted. name: when it was not renamed
 * lately. NULL: nothing that was ever shown. */
static struct stream *content_of(struct model *m, uint64_t number, const struct stream_name *name) {
    struct line *line = line_of_number(m, number);
    const struct former *last = line != NULL ? of_number(line->formers.prev) : NULL;
    if (last != NULL && last->content != NULL) return last->content;
    const struct stream_name *now = model_name_of_number(m, number);
    struct stream *s = model_peek(m, stream_name_str(now != NULL ? now : name));
    return s != NULL && s->name->rec.number == number ? s : NULL;
}

/* ---- views ---- */

struct view {
    struct stream s;
    struct stream_extra x;
    struct stream *origin;
};

struct stream *model_nothing(void) {
    static struct stream s;
    if (s.name == NULL) {
        s.name = stream_name_create(0, 0, STR("-"));
        s.state = STREAM_ABSENT;
    }
    return &s;
}

static struct view *next_view(struct model *m) {
    struct unsettled *u = &m->unsettled;
    if (u->view_count == u->view_cap) {
        u->view_cap = MAX(u->view_cap * 2, (size_t)16);
        u->views = xrealloc(u->views, u->view_cap * sizeof *u->views);
    }
    if (u->view_count == u->view_made) u->views[u->view_made++] = xmalloc(sizeof(struct view));
    return u->views[u->view_count++];
}

void model_drop_views(struct model *m) {
    struct unsettled *u = &m->unsettled;
    u->view_count = 0;
    while (u->view_made > VIEWS_KEPT) free(u->views[--u->view_made]);
}

/* It ends at `end`, before what its tail has beyond. */
static void end_at(struct stream *v, const struct stream *s, uint64_t end) {
    uint64_t first = stream_tail_first(s);
    assert(end >= first || s->tail_count == 0);
    v->next_version = end;
    v->tail_count = end > first ? (uint32_t)(end - first) : 0;
}

static struct stream *view_create(struct model *m, struct stream *s, struct stream_name *name,
                                  uint64_t frame) {
    const struct image *i = image_after(s, frame);
    struct view *view = next_view(m);
    struct stream *v = &view->s;
    view->origin = s;
    *v = *s;
    v->name = name;
    v->is_view = true;
    v->pins = 0;
    v->extra = NULL;
    v->changed_frame = frame;
    uint64_t next = i != NULL ? i->next_version : s->next_version;
    uint64_t seen = model_visible_end(m, s, frame);
    struct entry_id last = i != NULL ? i->last : stream_last_id(s);
    if (seen < next) {
        next = seen;
        v->last_id_unknown = next == stream_tail_first(s);
        last = event_entry_id(stream_event(s, v->last_id_unknown ? next : next - 1));
        if (v->last_id_unknown) entry_id_previous(&last);
    }
    end_at(v, s, next);
    v->entry_ms = last.ms;
    v->entry_seq = last.seq;
    if (s->extra == NULL) return v;
    struct stream_extra *x = v->extra = &view->x;
    *x = (struct stream_extra){
        .owner = v,
        .first_version = i != NULL ? i->first_version : s->extra->first_version,
        .deleted = i != NULL ? i->deleted : s->extra->deleted,
        .added_beyond = i != NULL ? i->added_beyond : s->extra->added_beyond,
        .expires = i != NULL ? i->expires : s->extra->expires,
        .holes = *holes_after(s, i),
    };
    set_value(x, s, i);
    list_init(&x->images);
    return v;
}

static struct stream *stream_before(struct model *m, struct stream *s, uint64_t frame) {
    struct stream_name *name = s->name;
    const struct former *f = former_of_name(m, stream_name_str(name), frame);
    if (f != NULL) {
        if (f->number == 0) return model_nothing();
        name = f->name;
        s = content_of(m, f->number, name);
        assert(s != NULL);
    }
    if (s->state != STREAM_LIVE || s->born > frame) return model_nothing();
    return view_create(m, s, name, frame);
}

struct stream *model_stream_at(struct model *m, struct stream *s, uint64_t frame) {
    return LIKELY(s->changed_frame <= frame) ? s : stream_before(m, s, frame);
}

struct stream *stream_origin(struct stream *s) {
    return s->is_view ? CONTAINER_OF(s, struct view, s)->origin : s;
}

/* ---- events of the log ---- */

bool model_event_was_there(struct model *m, const struct event *e, uint64_t frame) {
    const struct stream *s = content_of(m, e->rec.stream, e->name);
    if (s == NULL || s->born > frame) return false;
    const struct image *i = image_after(s, frame);
    uint64_t first = i != NULL ? i->first_version : stream_first_version(s);
    return e->rec.version >= first &&
           (s->extra == NULL || !holes_contain(holes_after(s, i), e->rec.version));
}

struct stream_name *model_former_name(const struct model *m, uint64_t number, uint64_t frame) {
    const struct former *f = m->renamed.frame > frame ? former_of_number(m, number, frame) : NULL;
    return UNLIKELY(f != NULL) ? f->name : NULL;
}

struct stream_name *model_name_at(const struct model *m, const struct event *e, uint64_t frame) {
    struct stream_name *former = model_former_name(m, e->rec.stream, frame);
    return UNLIKELY(former != NULL) ? former : model_name(m, e);
}

/* ---- forgetting ---- */

/* Drops of the tail what lies before `first`; false: the work is used up. */
static bool cut_tail(struct model *m, struct stream *s, uint64_t first, size_t *work) {
    while (s->tail_count > 0 && stream_tail_first(s) < first) {
        if (*work == 0) return false;
        --*work;
        stream_drop_front(m, s);
    }
    return true;
}

/* The oldest image, and what was trimmed before the one that follows. */
static bool settle_image(struct model *m, struct image *i, size_t *work) {
    const struct stream_extra *x = i->of;
    bool last = i->node.next == &x->images;
    uint64_t first = last ? x->first_version : image_at(i->node.next)->first_version;
    if (!cut_tail(m, x->owner, first, work) || *work == 0) return false;
    --*work;
    image_drop(m, i);
    return true;
}

static bool settle_former(struct model *m, struct former *f, size_t *work) {
    if (f->content != NULL && !cut_tail(m, f->content, UINT64_MAX, work)) return false;
    if (*work == 0) return false;
    --*work;
    struct stream *content = former_remove(m, f);
    if (content != NULL) content_free(m, content);
    return true;
}

void model_settle(struct model *m) {
    struct unsettled *u = &m->unsettled;
    uint64_t settled = model_settled(m);
    size_t work = SETTLED_PER_CALL;
    assert(u->view_count == 0);
    while (!list_empty(&u->images)) {
        struct image *i = LIST_ENTRY(u->images.next, struct image, order);
        if (i->frame > settled) break;
        if (!settle_image(m, i, &work)) return;
    }
    while (!list_empty(&u->formers)) {
        struct former *f = LIST_ENTRY(u->formers.next, struct former, order);
        if (f->frame > settled || !settle_former(m, f, &work)) return;
    }
}

void settled_init(struct model *m) {
    hash_init(&m->unsettled.by_name);
    hash_init(&m->unsettled.by_number);
    list_init(&m->unsettled.images);
    list_init(&m->unsettled.formers);
}

void settled_clear(struct model *m) {
    struct unsettled *u = &m->unsettled;
    formers_clear(m);
    while (u->view_made > 0) free(u->views[--u->view_made]);
    free(u->views);
    hash_clear(&u->by_name);
    hash_clear(&u->by_number);
    *u = (struct unsettled){0};
}
