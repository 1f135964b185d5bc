/* The same random history of records goes to two backends: the one in memory, which does one thing
 * after the other, and SQLite or PostgreSQL, which coalesce, hide and purge. Whatever is asked of
 * the two must have the same answer, at any time; and when all is purged SQLite holds nothing that
 * memory has not. The history is one that the model could have emitted. */
#include "base/alloc.h"
#include "record/fields.h"
#include "store/memory/internal.h"
#include "tool/tool.h"
#include "begun.h"
#include "postgres_path.h"
#include "unit.h"
#include "selectors.h"

#include <sqlite3.h>

#define STREAMS_MAX 4000
#define GROUPS_MAX  4000
#define EVENTS_MAX  60000
#define NAMES       12
#define IDS_MAX     60000

struct twin_stream {
    bool live;
    enum stream_kind kind;
    unsigned name;
    uint64_t next_version, first_version, entries_added;
    struct entry_id last;
    uint64_t *sequences; /* by version */
};
struct twin_event {
    bool live; /* not removed; its stream may be gone */
    uint64_t stream, version;
    struct entry_id id;
    struct uuid event_id;
};
struct twin_group {
    bool live;
    uint64_t stream;
    uint32_t consumers; /* numbers given */
    struct {
        struct entry_id id;
        uint32_t consumer;
    } pending[64];
    size_t pending_count;
};

struct twins {
    struct backend_conn *w[2], *r[2];
    struct batch *open, *batches[16];
    size_t batch_count;
    uint64_t next_frame, clock;
    struct twin_stream streams[STREAMS_MAX];
    uint64_t stream_end;
    struct twin_event events[EVENTS_MAX];
    uint64_t sequence_end;
    struct twin_group consumer_groups[GROUPS_MAX];
    uint64_t group_end;
    uint64_t named[NAMES * 4]; /* [name]: stream, 0: free */
    bool state_with_removal; /* as the model has it: a migration gives what stands there a state */
};

static const struct backend *backends[2] = {&backend_memory, &backend_sqlite};
static const char *second_path = "test.db";

#define TWINS_OK(call)                                                                             \
    do {                                                                                           \
        struct err err;                                                                            \
        int twins_rc = (call);                                                                     \
        if (twins_rc != 0) {                                                                       \
            fprintf(stderr, "  %s: %d: %s\n", #call, twins_rc, err.text);                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* --- making records -------------------------------------------------------------- */

static void *record(struct twins *t, enum record_kind kind, size_t len) {
    void *body = batch_alloc(t->open, len);
    memset(body, 0, len);
    batch_add(t->open, kind, body, len);
    return body;
}

static size_t name_of(unsigned name, char out[16]) {
    static const char *const beginnings[] = {"n-", "m-", ""};
    return (size_t)snprintf(out, 16, "%s%u", beginnings[name % 3], name);
}

static void put_name(struct twins *t, enum record_kind kind, uint64_t number, enum stream_kind is,
                     unsigned name) {
    char text[16];
    size_t len = name_of(name, text);
    struct stream_record *r = record(t, kind, sizeof *r + len);
    r->number = number;
    r->created = 1000;
    r->kind = (uint16_t)is;
    r->name_len = (uint16_t)len;
    memcpy(r->name, text, len);
}

static uint64_t make_stream(struct twins *t, unsigned name, enum stream_kind kind) {
    uint64_t number = t->stream_end++;
    CHECK(number < STREAMS_MAX);
    struct twin_stream *s = &t->streams[number];
    free(s->sequences);
    *s = (struct twin_stream){.live = true, .kind = kind, .name = name};
    s->sequences = xcalloc(EVENTS_MAX, sizeof *s->sequences);
    put_name(t, RECORD_STREAM, number, kind, name);
    t->named[name] = number;
    return number;
}

/* The stream of that name, made when there is none (or when it is a string, or virtual: 0). */
static uint64_t stream_for(struct twins *t, unsigned name) {
    uint64_t number = t->named[name];
    if (number == 0) return make_stream(t, name, KIND_STREAM);
    return t->streams[number].kind != KIND_STREAM ? 0 : number;
}

static void put_event(struct twins *t, uint64_t number) {
    struct twin_stream *s = &t->streams[number];
    char array[256], text[32];
    struct uuid correlation = {{(uint8_t)draw(4)}}, hash = {{7}}, id;
    if (t->sequence_end >= EVENTS_MAX) return;
    t->clock += draw(3);
    struct twin_event *e = &t->events[t->sequence_end];
    e->live = true;
    e->stream = number;
    e->version = s->next_version;
    e->id = (struct entry_id){MAX(t->clock, s->last.ms), s->last.seq + 1};
    if (draw(50) == 0 && e->id.ms >> 62 < 3) e->id.ms += (uint64_t)1 << 62;
    struct event_fields f = {.sequence = t->sequence_end,
                             .version = s->next_version,
                             .timestamp = t->clock,
                             .recorded = t->clock,
                             .entry_ms = e->id.ms,
                             .entry_seq = e->id.seq,
                             .type = draw(2) ? STR("a") : STR("b.c"),
                             .payload = str_of(text, draw(sizeof text)),
                             .metadata = draw(3) ? STR("") : STR("meta")};
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)draw(256);
    if (draw(3) == 0) f.correlation = f.causation = &correlation;
    if (draw(3) == 0) f.aggregate = STR("agg");
    if (draw(3) == 0) {
        struct str args[] = {STR("field"), str_of(text, draw(sizeof text)), STR("field"),
                             STR("\xff\"\n")};
        size_t n = draw(2) ? 4 : 2;
        char *end = fields_write(array, args, n);
        f.payload = str_of(array, (size_t)(end - array));
        f.flags = EVENT_FIELDS;
    }
    event_id_make(t->clock, 5, f.sequence, t->w[0]->store->state.id_key, &f.event_id);
    if (draw(3) == 0) {
        uuid_v4(&id);
        f.event_id = id;
        f.content_hash = &hash;
    }
    e->event_id = f.event_id;
    struct stream_name *name = stream_name_create(number, 1000, STR("x"));
    struct event *made = event_create(&f, name);
    size_t len = event_record_len(&made->rec);
    CHECK(event_record_valid(&made->rec, len));
    memcpy(record(t, RECORD_EVENT, len), &made->rec, len);
    event_unref(made);
    stream_name_unref(name);
    s->sequences[s->next_version++] = t->sequence_end++;
    s->entries_added++;
    s->last = e->id;
}

static void put_state(struct twins *t, uint64_t number, uint64_t first_version) {
    struct twin_stream *s = &t->streams[number];
    struct stream_state_record *r = record(t, RECORD_STREAM_STATE, sizeof *r);
    for (; s->first_version < first_version; s->first_version++)
        t->events[s->sequences[s->first_version]].live = false;
    if (draw(5) == 0) s->last.ms += 5, s->last.seq = UINT64_MAX / 2;
    if (draw(5) == 0) s->entries_added += 3;
    r->stream = number;
    r->next_version = s->next_version;
    r->first_version = s->first_version;
    r->last = s->last;
    r->entries_added = s->entries_added;
    r->deleted = (struct entry_id){draw(2) ? UINT64_MAX - 3 : 5, 6};
    r->expires = draw(4) == 0 ? 1000 + draw(100) : 0;
    r->idempotent_seconds = (uint32_t)draw(2) * 100000;
    r->idempotent_max = (uint32_t)draw(2) * 50000;
}

static void put_remove(struct twins *t, uint64_t number) {
    struct twin_stream *s = &t->streams[number];
    struct removed_event gone[64];
    size_t n = 0;
    uint64_t v = s->first_version + draw(s->next_version - s->first_version + 1);
    bool dense = draw(2);
    for (; v < s->next_version && n < draw(ARRAY_LEN(gone)); v += dense ? 1 : 1 + draw(4)) {
        struct twin_event *e = &t->events[s->sequences[v]];
        if (!e->live) continue;
        e->live = false;
        gone[n++] = (struct removed_event){v, s->sequences[v]};
    }
    if (n == 0) return;
    struct remove_record *r = record(t, RECORD_REMOVE, sizeof *r + n * sizeof gone[0]);
    r->stream = number;
    memcpy(r->events, gone, n * sizeof gone[0]);
    if (draw(2) || t->state_with_removal) put_state(t, number, s->first_version);
}

static void delete_stream(struct twins *t, uint64_t number) {
    struct twin_stream *s = &t->streams[number];
    bool is_virtual = s->kind == KIND_VIRTUAL;
    struct delete_record *r =
        record(t, RECORD_DELETE, is_virtual ? sizeof *r : sizeof(struct number_record));
    r->number = number;
    if (is_virtual) r->kind = KIND_VIRTUAL;
    s->live = false;
    t->named[s->name] = 0;
    for (uint64_t v = 0; v < s->next_version; v++) t->events[s->sequences[v]].live = false;
    for (uint64_t g = 1; g < t->group_end; g++)
        if (t->consumer_groups[g].stream == number) t->consumer_groups[g].live = false;
}

static void rename_to(struct twins *t, uint64_t number, unsigned name) {
    struct twin_stream *s = &t->streams[number];
    t->named[s->name] = 0;
    put_name(t, RECORD_RENAME, number, s->kind, name);
    s->name = name;
    t->named[name] = number;
}

static void put_rename(struct twins *t, unsigned a, unsigned b) {
    uint64_t from = t->named[a], to = t->named[b];
    unsigned aside = NAMES * 4 - 1;
    if (from == 0 || a == b) return;
    if (to != 0 && draw(2)) {
        delete_stream(t, to);
        to = 0;
    }
    if (to == 0) {
        rename_to(t, from, b);
        return;
    }
    rename_to(t, from, aside); /* they change places */
    rename_to(t, to, a);
    rename_to(t, from, b);
}

static void put_value(struct twins *t, unsigned name) {
    uint64_t number = t->named[name];
    if (number == 0) number = make_stream(t, name, KIND_STRING);
    if (t->streams[number].kind != KIND_STRING) return;
    size_t n = draw(20);
    struct value_record *r = record(t, RECORD_VALUE, sizeof *r + n);
    r->stream = number;
    for (size_t i = 0; i < n; i++) r->bytes[i] = (uint8_t)draw(256);
    if (draw(3) == 0) put_state(t, number, 0);
}

static void put_erase(struct twins *t) {
    uint64_t sequence = t->sequence_end > 0 ? draw(t->sequence_end) : 0;
    struct twin_event *e = &t->events[sequence];
    if (t->sequence_end == 0 || !e->live) return;
    struct erase_record *r = record(t, RECORD_ERASE, sizeof *r);
    *r = (struct erase_record){e->stream, e->version, sequence};
}

/* --- groups ------------------------------------------------------------------------ */

static void put_group(struct twins *t, uint64_t stream) {
    uint64_t number = t->group_end;
    if (number == GROUPS_MAX) return;
    for (uint64_t g = 1; g < t->group_end; g++)
        if (t->consumer_groups[g].live && t->consumer_groups[g].stream == stream && draw(4)) return;
    t->consumer_groups[t->group_end++] = (struct twin_group){.live = true, .stream = stream};
    char name[24];
    size_t len = (size_t)snprintf(name, sizeof name, "group %d", (int)number);
    struct group_record *r = record(t, RECORD_GROUP, sizeof *r + len);
    r->number = number;
    r->stream = stream;
    r->created = t->clock;
    r->entries_read = draw(2) ? -1 : 4;
    r->last = (struct entry_id){draw(100), UINT64_MAX - draw(2)};
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
}

/* A virtual stream comes to be with a group, and may get others. */
static void put_virtual(struct twins *t, unsigned name) {
    uint64_t number = t->named[name];
    if (number == 0) number = make_stream(t, name, KIND_VIRTUAL);
    if (t->streams[number].kind == KIND_VIRTUAL) put_group(t, number);
}

static void put_consumer(struct twins *t, uint64_t group, uint32_t number) {
    char name[24];
    size_t len = (size_t)snprintf(name, sizeof name, "consumer %u", number);
    struct consumer_record *r = record(t, RECORD_CONSUMER, sizeof *r + len);
    r->group = group;
    r->number = number;
    r->seen = t->clock;
    r->active = draw(2) ? CONSUMER_NEVER_ACTIVE : t->clock;
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
}

static void put_pending(struct twins *t, uint64_t number, bool fresh) {
    struct twin_group *g = &t->consumer_groups[number];
    if (fresh ? g->pending_count == ARRAY_LEN(g->pending) : g->pending_count == 0) return;
    struct pending_record *r = record(t, RECORD_PENDING, sizeof *r + sizeof r->items[0]);
    r->group = number;
    r->items[0] = (struct pending_item){.delivered = t->clock,
                                        .version = (uint32_t)draw(1000),
                                        .consumer = (uint32_t)draw(g->consumers + 1),
                                        .deliveries = (uint32_t)draw(9)};
    if (!fresh) {
        size_t at = draw(g->pending_count);
        r->items[0].id = g->pending[at].id;
        g->pending[at].consumer = r->items[0].consumer;
        return;
    }
    r->items[0].flags = PENDING_IS_NEW;
    struct entry_id id = {draw(3) ? draw(20) : UINT64_MAX - draw(9), draw(5)};
    r->items[0].id = id;
    for (size_t i = 0; i < g->pending_count; i++) {
        if (entry_id_cmp(g->pending[i].id, id) != 0) continue;
        r->items[0].flags = 0;
        g->pending[i].consumer = r->items[0].consumer;
        return;
    }
    g->pending[g->pending_count].id = id;
    g->pending[g->pending_count++].consumer = r->items[0].consumer;
}

static void put_ack(struct twins *t, uint64_t number) {
    struct twin_group *g = &t->consumer_groups[number];
    size_t wanted = 1 + draw(5), n = MIN(wanted, g->pending_count);
    if (n == 0) return;
    struct ack_record *r = record(t, RECORD_ACK, sizeof *r + n * sizeof r->ids[0]);
    r->group = number;
    for (size_t i = 0; i < n; i++) {
        size_t at = draw(g->pending_count);
        r->ids[i] = g->pending[at].id;
        g->pending[at] = g->pending[--g->pending_count];
    }
}

/* Acknowledges all that the consumer has pending. */
static void put_last_acks(struct twins *t, uint64_t number, uint32_t consumer) {
    struct twin_group *g = &t->consumer_groups[number];
    size_t n = 0;
    for (size_t i = 0; i < g->pending_count; i++) n += g->pending[i].consumer == consumer;
    if (n == 0) return;
    struct ack_record *r = record(t, RECORD_ACK, sizeof *r + n * sizeof r->ids[0]);
    r->group = number;
    for (size_t i = 0; i < g->pending_count; i++)
        if (g->pending[i].consumer == consumer) r->ids[--n] = g->pending[i].id;
}

static void put_consumer_drop(struct twins *t, uint64_t number) {
    struct twin_group *g = &t->consumer_groups[number];
    if (g->consumers == 0) return;
    uint32_t consumer = (uint32_t)(1 + draw(g->consumers));
    bool acked = draw(2) == 0;
    if (acked) put_last_acks(t, number, consumer);
    struct consumer_drop_record *r = record(t, RECORD_CONSUMER_DROP, sizeof *r);
    *r = (struct consumer_drop_record){number, consumer, acked ? CONSUMER_HAS_NOTHING : 0};
    size_t left = 0;
    for (size_t i = 0; i < g->pending_count; i++)
        if (g->pending[i].consumer != consumer) g->pending[left++] = g->pending[i];
    g->pending_count = left;
}

static void put_to_group(struct twins *t) {
    if (t->group_end == 1) return;
    uint64_t number = 1 + draw(t->group_end - 1);
    number = MAX(number, t->group_end > 6 ? t->group_end - 5 : 1); /* mostly those of late */
    struct twin_group *g = &t->consumer_groups[number];
    if (!g->live) return;
    switch (draw(12)) {
    case 0:
        put_consumer(t, number, ++g->consumers);
        break;
    case 1:
        if (g->consumers > 0) put_consumer(t, number, (uint32_t)(1 + draw(g->consumers)));
        break;
    case 2: {
        struct position_record *r = record(t, RECORD_GROUP_POSITION, sizeof *r);
        *r = (struct position_record){number, {draw(50), draw(50)}, (int64_t)draw(9) - 1};
        break;
    }
    case 3:
    case 4:
    case 5:
    case 6:
        put_pending(t, number, true);
        break;
    case 7:
        put_pending(t, number, false);
        break;
    case 8:
        if (draw(4) == 0) {
            ((struct number_record *)record(t, RECORD_GROUP_DROP, sizeof(struct number_record)))
                ->number = number;
            g->live = false;
        }
        break;
    case 9:
        put_consumer_drop(t, number);
        break;
    default:
        put_ack(t, number);
    }
}

static void put_idempotent(struct twins *t, uint64_t stream) {
    char text[32];
    size_t producer = (size_t)snprintf(text, sizeof text, "p%u", (unsigned)draw(3));
    size_t n = producer + (size_t)snprintf(text + producer, sizeof text - producer, "id%u",
                                           (unsigned)draw(30));
    struct idempotent_record *r = record(t, RECORD_IDEMPOTENT, sizeof *r + n);
    t->clock++;
    r->stream = stream;
    r->id = (struct entry_id){t->clock, draw(3)};
    r->added = t->clock;
    r->producer_len = (uint16_t)producer;
    r->id_len = (uint16_t)(n - producer);
    memcpy(r->bytes, text, n);
}

/* A checkpoint or a view, that is there by now or goes. */
static void put_named(struct twins *t, unsigned name) {
    char text[16];
    struct checkpoint_value checkpoint = {
        .position = draw(100), .updated = draw(1000), .timeline = (uint32_t)draw_u64()};
    bool view = draw(2), gone = draw(4) == 0;
    size_t len = name_of(name, text), value = gone ? 0 : view ? draw(20) : sizeof checkpoint;
    struct named_record *r = record(t, RECORD_NAMED, sizeof *r + len + value);
    r->class = view ? NAMED_VIEW : NAMED_CHECKPOINT;
    r->name_len = (uint16_t)len;
    r->flags = gone ? NAMED_GONE : 0;
    memcpy(r->bytes, text, len);
    if (value > 0 && view) memset(r->bytes + len, (int)('a' + draw(26)), value);
    if (value > 0 && !view) memcpy(r->bytes + len, &checkpoint, value);
}

/* --- the history ------------------------------------------------------------------- */

/* In any frame; a flush has one. */
static void put_timeline(struct twins *t) {
    struct timeline_record *r = record(t, RECORD_TIMELINE, sizeof *r);
    *r = (struct timeline_record){t->sequence_end, t->clock, (uint32_t)draw_u64(),
                                  (uint32_t)(TIMELINE_FIRST + draw(TIMELINE_ASKED))};
}

static void put_flush(struct twins *t) {
    record(t, RECORD_FLUSH, 0);
    for (uint64_t i = 0; i < t->stream_end; i++) t->streams[i].live = false;
    t->stream_end = t->group_end = 1;
    t->sequence_end = 0;
    put_timeline(t);
    memset(t->named, 0, sizeof t->named);
}

static void step(struct twins *t) {
    unsigned name = (unsigned)draw(NAMES);
    if (draw(8) == 0) put_named(t, name);
    uint64_t kind = draw(40), s = 0;
    if (kind < 33) s = stream_for(t, name);
    if (kind < 33 && s == 0) kind = 33;
    uint64_t length = s != 0 ? t->streams[s].next_version - t->streams[s].first_version : 0;
    if (kind < 15) {
        for (uint64_t n = draw(8) + 1; n > 0; n--) put_event(t, s);
    } else if (kind < 17) {
        put_state(t, s, t->streams[s].first_version + (draw(3) ? draw(length / 2 + 1) : 0));
    } else if (kind < 21) {
        put_remove(t, s);
    } else if (kind < 22) {
        put_group(t, s);
    } else if (kind < 30) {
        put_to_group(t);
    } else if (kind < 32) {
        put_idempotent(t, s);
    } else if (kind < 33) {
        if (draw(6) == 0)
            ((struct number_record *)record(t, RECORD_IDEMPOTENT_CLEAR,
                                            sizeof(struct number_record)))
                ->number = s;
        if (draw(6) == 0) put_state(t, s, t->streams[s].next_version);
    } else if (kind < 34) {
        put_virtual(t, name);
    } else if (kind < 35) {
        put_value(t, name);
    } else if (kind < 36) {
        put_erase(t);
    } else if (kind < 38) {
        put_rename(t, name, (unsigned)draw(NAMES));
    } else if (t->named[name] != 0 && draw(2)) {
        delete_stream(t, t->named[name]);
    } else if (draw(8) == 0) {
        put_timeline(t);
    }
}

static void apply(struct twins *t) {
    for (int i = 0; i < 2; i++) {
        if (backends[i]->apply_begin != NULL && draw(2))
            TWINS_OK(apply_begun(backends[i], t->w[i], t->batches, t->batch_count, NULL, &err));
        else
            TWINS_OK(backends[i]->apply(t->w[i], t->batches, t->batch_count, &err));
    }
    for (size_t i = 0; i < t->batch_count; i++) batch_destroy(t->batches[i]);
    t->batch_count = 0;
}

static void advance(struct twins *t, size_t steps) {
    size_t cut = 1 + draw(40);
    for (size_t i = 0; i < steps; i++) {
        step(t);
        bool any = t->open->record_count >
                   (t->open->frame_count > 0 ? t->open->frame_end[t->open->frame_count - 1] : 0);
        if (any) batch_end_frame(t->open);
        if (i % cut == cut - 1 && t->open->frame_count > 0 && t->batch_count < 15) {
            t->next_frame = batch_last_frame(t->open) + 1;
            t->batches[t->batch_count++] = t->open;
            t->open = batch_create(t->next_frame);
        }
    }
    if (t->open->frame_count > 0) {
        t->next_frame = batch_last_frame(t->open) + 1;
        t->batches[t->batch_count++] = t->open;
        t->open = batch_create(t->next_frame);
    }
    if (t->batch_count > 0) apply(t);
}

/* --- comparing --------------------------------------------------------------------- */

static bool same_group(const struct group_image *a, const struct group_image *b) {
    if (memcmp(a->record, b->record, sizeof *a->record + a->record->name_len) != 0) return false;
    if (a->consumer_count != b->consumer_count || a->pending_count != b->pending_count)
        return false;
    for (size_t i = 0; i < a->consumer_count; i++)
        if (memcmp(a->consumers[i], b->consumers[i],
                   sizeof *a->consumers[i] + a->consumers[i]->name_len) != 0)
            return false;
    return a->pending_count == 0 ||
           memcmp(a->pending, b->pending, a->pending_count * sizeof *a->pending) == 0;
}

static void compare_detail(const struct stream_detail *a, const struct stream_detail *b) {
    CHECK_INT(b->first_version, a->first_version);
    CHECK(entry_id_cmp(a->deleted, b->deleted) == 0);
    CHECK_INT(b->entries_added, a->entries_added);
    CHECK_INT(b->expires, a->expires);
    CHECK_INT(b->idempotent_seconds, a->idempotent_seconds);
    CHECK_INT(b->idempotent_max, a->idempotent_max);
    CHECK_INT(b->hole_count, a->hole_count);
    for (size_t i = 0; i < a->hole_count; i++) {
        CHECK_INT(b->holes[i].first, a->holes[i].first);
        CHECK_INT(b->holes[i].last, a->holes[i].last);
    }
    CHECK((a->value == NULL) == (b->value == NULL));
    CHECK_INT(b->value_len, a->value_len);
    CHECK(a->value_len == 0 || memcmp(a->value, b->value, a->value_len) == 0);
    CHECK_INT(b->group_count, a->group_count);
    for (size_t i = 0; i < a->group_count; i++) CHECK(same_group(&a->groups[i], &b->groups[i]));
    CHECK_INT(b->idempotent_count, a->idempotent_count);
    for (size_t i = 0; i < a->idempotent_count; i++) {
        const struct idempotent_record *x = a->idempotent[i], *y = b->idempotent[i];
        CHECK(memcmp(x, y, sizeof *x + x->producer_len + x->id_len) == 0);
    }
}

static bool says_nothing(const struct stream_detail *d) {
    return d->first_version == 0 && d->hole_count == 0 && d->expires == 0 && d->value == NULL &&
           d->group_count == 0 && d->idempotent_count == 0;
}

static void compare_heads(struct twins *t) {
    for (unsigned name = 0; name < NAMES * 4; name++) {
        struct stream_head h[2];
        char text[16];
        size_t len = name_of(name, text);
        for (int i = 0; i < 2; i++) {
            uint64_t applied = 0;
            TWINS_OK(backends[i]->read_head(t->r[i], str_of(text, len), &h[i], &applied, &err));
            CHECK_INT(applied, t->next_frame - 1);
            uint64_t groups = 0, there = h[i].detail != NULL ? h[i].detail->group_count : 0;
            TWINS_OK(
                backends[i]->count_groups(t->r[i], str_of(text, len), &groups, &applied, &err));
            CHECK_INT(groups, h[i].kind == KIND_VIRTUAL ? there : 0);
            CHECK_INT(applied, t->next_frame - 1);
        }
        CHECK(h[0].exists == (t->named[name] != 0));
        CHECK(h[1].exists == h[0].exists);
        CHECK(h[1].kind == h[0].kind);
        CHECK_INT(h[1].number, h[0].number);
        CHECK_INT(h[1].created, h[0].created);
        CHECK_INT(h[1].next_version, h[0].next_version);
        CHECK_INT(h[1].entry_ms, h[0].entry_ms);
        CHECK_INT(h[1].entry_seq, h[0].entry_seq);
        CHECK_INT(h[1].recorded, h[0].recorded);
        /* A migration gave it one when it had no events; it may have some by now. */
        bool given = t->state_with_removal && h[0].detail == NULL && h[1].detail != NULL &&
                     says_nothing(h[1].detail);
        CHECK(given || (h[1].detail == NULL) == (h[0].detail == NULL));
        if (h[0].detail != NULL) compare_detail(h[0].detail, h[1].detail);
        for (int i = 0; i < 2; i++) stream_head_clear(&h[i]);
    }
}

static void compare_events(const struct event *a, const struct event *b) {
    size_t n = event_record_len(&a->rec);
    CHECK_INT(event_record_len(&b->rec), n);
    CHECK(memcmp(&a->rec, &b->rec, n) == 0);
    CHECK(str_eq(stream_name_str(a->name), stream_name_str(b->name)));
    CHECK_INT(b->name->category, a->name->category);
}

static void compare_range(struct twins *t, const struct read_range *range) {
    struct page p[2];
    for (int i = 0; i < 2; i++) {
        page_init(&p[i]);
        TWINS_OK(backends[i]->read_events(t->r[i], range, &p[i], &err));
    }
    CHECK_INT(p[1].count, p[0].count);
    for (size_t i = 0; i < p[0].count; i++) compare_events(p[0].events[i], p[1].events[i]);
    /* Behind the last event of a page there may be rows that only one of the two has to pass. */
    if (range->selector == NULL && p[0].done == p[1].done) CHECK_INT(p[1].next, p[0].next);
    for (int i = 0; i < 2; i++) page_clear(&p[i]);
}

static void compare_ranges(struct twins *t) {
    struct uuid correlation = {{(uint8_t)draw(4)}};
    const struct wanted wanted[] = {
        {.type = {STR("b.*")}},
        {.correlation = {&correlation}},
        {.causation = {&correlation}},
        {.aggregate = {STR("agg")}},
        {.stream = {STR("n-*")}},
        {.stream = {STR("n-0"), STR("1"), STR("m-1*")}},
        {.category = {STR("m")}},
        {.category = {STR("n"), STR("2")}, .type = {STR("b.*")}},
        {.since = 1000000 + draw(t->clock - 1000000 + 1)},
        {.until = 1000000 + draw(t->clock - 1000000 + 1)},
    };
    struct selector *selectors[ARRAY_LEN(wanted)];
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) selectors[i] = selector_of(&wanted[i]);
    for (int i = 0; i < 40; i++) {
        uint64_t stream = draw(2) ? draw(t->stream_end + 1) : 0;
        uint64_t top = stream != 0 ? 100 : t->sequence_end + 10, a = draw(top), b = draw(top);
        struct read_range range = {.stream = stream,
                                   .start = MIN(a, b),
                                   .end = draw(4) ? MAX(a, b) : UINT64_MAX,
                                   .reverse = draw(2),
                                   .count_max = draw(2) ? 1000000 : 5,
                                   .bytes_max = SIZE_MAX,
                                   .examined_max = SIZE_MAX,
                                   .selector = draw(2) ? selectors[draw(ARRAY_LEN(wanted))] : NULL};
        uint64_t renamed[] = {1 + draw(t->stream_end / 2 + 1), t->stream_end / 2 + 3};
        if (draw(3) == 0) {
            range.renamed = renamed;
            range.renamed_count = draw(3);
        }
        compare_range(t, &range);
    }
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) selector_unref(selectors[i]);
}

static void compare_lookups(struct twins *t) {
    for (int i = 0; i < 60 && t->sequence_end > 0; i++) {
        const struct twin_event *e = &t->events[draw(t->sequence_end)];
        struct event *found[2];
        uint64_t applied = 0, version[2], stream = draw(t->stream_end + 1), from = draw(30);
        struct entry_id at = draw(2) ? e->id : (struct entry_id){t->clock - draw(100), 0};
        for (int k = 0; k < 2; k++) {
            TWINS_OK(backends[k]->read_id(t->r[k], &e->event_id, &found[k], &applied, &err));
            TWINS_OK(
                backends[k]->find_entry(t->r[k], stream, from, at, &version[k], &applied, &err));
        }
        CHECK_INT(version[1], version[0]);
        CHECK((found[0] != NULL) == e->live);
        CHECK((found[1] != NULL) == e->live);
        if (!e->live) continue;
        compare_events(found[0], found[1]);
        for (int k = 0; k < 2; k++) event_unref(found[k]);
    }
}

static void compare_lists(struct twins *t) {
    for (int expiring = 0; expiring < 2; expiring++) {
        struct stream_list l[2];
        for (int i = 0; i < 2; i++) {
            stream_list_init(&l[i]);
            if (expiring)
                TWINS_OK(backends[i]->list_expiring(t->r[i], 1050, 1000, &l[i], &err));
            else
                TWINS_OK(backends[i]->list_streams(t->r[i], 0, STR(""), STR(""), 1000, 100000,
                                                   &l[i], &err));
            CHECK(l[i].done);
        }
        CHECK_INT(l[1].count, l[0].count);
        for (size_t i = 0; i < l[0].count && !expiring; i++) {
            const struct stream_name *a = l[0].names[i], *b = l[1].names[i];
            CHECK(memcmp(&a->rec, &b->rec, sizeof a->rec + a->rec.name_len) == 0);
            CHECK(uuid_eq(&a->partition_key, &b->partition_key));
        }
        for (int i = 0; i < 2; i++) stream_list_clear(&l[i]);
    }
    struct store_state s[2];
    for (int i = 0; i < 2; i++) TWINS_OK(backends[i]->load_state(t->w[i], &s[i], &err));
    s[1].store_id = s[0].store_id;
    s[1].epoch = s[0].epoch;
    CHECK_INT(s[1].next_sequence, s[0].next_sequence);
    CHECK_INT(s[1].next_stream, s[0].next_stream);
    CHECK_INT(s[1].next_group, s[0].next_group);
    CHECK_INT(s[1].stream_count, s[0].stream_count);
    CHECK_INT(s[1].next_deadline, s[0].next_deadline);
    CHECK_INT(s[1].applied, s[0].applied);
    CHECK_INT(s[1].recorded, s[0].recorded);
    CHECK_INT(s[1].entry_ms, s[0].entry_ms);
    CHECK_INT(s[1].entry_seq, s[0].entry_seq);
}

/* The events of the streams whose names pass, as of what is known of the streams, in portions; and
 * by looking at the events. */
static uint64_t count_streams(struct twins *t, int i, const struct selector *selector) {
    uint64_t from = 0, sum = 0;
    for (bool done = false; !done;) {
        struct page page;
        page_init(&page);
        TWINS_OK(backends[i]->count_streams(t->r[i], from, selector, 1 + draw(2000), &page, &err));
        CHECK(page.done || page.next > from);
        from = page.next;
        sum += page.counted;
        done = page.done;
    }
    return sum;
}

static void compare_counts(struct twins *t) {
    for (int round = 0; round < 3; round++) {
        struct wanted wanted = {.category[0] = round == 1 ? STR("n") : (struct str){0},
                                .stream[0] = round == 2 ? STR("*1*") : (struct str){0}};
        struct selector *selector = selector_of(&wanted);
        struct page page;
        page_init(&page);
        struct read_range range = {.end = UINT64_MAX,
                                   .count_max = 1,
                                   .bytes_max = 1,
                                   .examined_max = SIZE_MAX,
                                   .selector = selector,
                                   .counts = true};
        TWINS_OK(backends[0]->read_events(t->r[0], &range, &page, &err));
        for (int i = 0; i < 2; i++) CHECK_INT(count_streams(t, i, selector), page.counted);
        selector_unref(selector);
    }
}

/* But the first one's, which tells the store. */
static void compare_timelines(struct twins *t) {
    struct timelines l[2] = {0};
    for (int i = 0; i < 2; i++) {
        TWINS_OK(backends[i]->load_timelines(t->w[i], &l[i], &err));
        bool has_first = l[i].items[0].reason == TIMELINE_FIRST && l[i].items[0].began == 0;
        CHECK(has_first || l[i].count == TIMELINES_MAX);
    }
    CHECK_INT(l[1].count, l[0].count);
    for (size_t k = 1; k < l[0].count; k++)
        CHECK(memcmp(&l[0].items[k], &l[1].items[k], sizeof l[0].items[k]) == 0);
    for (int i = 0; i < 2; i++) timelines_clear(&l[i]);
}

/* Numbers are each backend's own. */
static void compare_named(struct twins *t) {
    for (enum named_class class = 1; class < NAMED_CLASSES; class ++) {
        size_t there = 0;
        for (unsigned name = 0; name < NAMES; name++) {
            struct str value[2];
            char text[16];
            size_t len = name_of(name, text);
            for (int i = 0; i < 2; i++) {
                uint64_t applied = 0;
                TWINS_OK(backends[i]->read_named(t->r[i], class, str_of(text, len), &value[i],
                                                 &applied, &err));
                CHECK_INT(applied, t->next_frame - 1);
            }
            CHECK((value[0].ptr == NULL) == (value[1].ptr == NULL));
            CHECK(str_eq(value[0], value[1]));
            there += value[0].ptr != NULL;
            for (int i = 0; i < 2; i++) free((char *)(uintptr_t)value[i].ptr);
        }
        for (int i = 0; i < 2; i++) {
            struct named_list l = {0};
            TWINS_OK(backends[i]->list_named(t->r[i], class, 0, 1000, &l, &err));
            CHECK(l.done);
            CHECK_INT(l.count, there);
            named_list_clear(&l);
        }
    }
}

static void compare(struct twins *t) {
    compare_timelines(t);
    compare_named(t);
    compare_heads(t);
    compare_ranges(t);
    compare_lookups(t);
    compare_lists(t);
    compare_counts(t);
}

static void maintain(struct twins *t, bool until_done) {
    bool more = true;
    while (more) {
        TWINS_OK(backends[1]->maintain(t->w[1], until_done || draw(2), &more, &err));
        if (!until_done) break;
    }
}

static void reopen(struct twins *t) {
    backends[1]->close(t->r[1]);
    backends[1]->close(t->w[1]);
    TWINS_OK(backends[1]->open_writer(&t->w[1], second_path, &err));
    TWINS_OK(backends[1]->open_reader(&t->r[1], t->w[1], &err));
}

static int64_t count(const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    CHECK(sqlite3_open(second_path, &db) == SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fprintf(stderr, "  %s: %s\n", sql, sqlite3_errmsg(db));
    CHECK(stmt != NULL);
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

/* When everything is purged and merged: a row for each thing that is there, and none beside. */
static void check_nothing_left(struct twins *t) {
    const struct memory_store *m = t->w[0]->store;
    int64_t events = 0, ids = 0, correlations = 0;
    for (uint64_t i = 0; i < m->state.next_sequence; i++) {
        if (m->events[i] == NULL) continue;
        events++;
        ids += (m->events[i]->flags & EVENT_CLIENT_ID) != 0;
        correlations += (m->events[i]->flags & EVENT_HAS_CORRELATION) != 0;
    }
    CHECK_INT(count("SELECT count(*) FROM events"), events);
    CHECK_INT(count("SELECT count(*) FROM cairn_events"), events);
    CHECK_INT(count("SELECT total(events) FROM cairn_streams"), events);
    CHECK_INT(count("SELECT count(*) FROM stream_index"), events);
    CHECK_INT(count("SELECT count(*) FROM event_ids"), ids);
    CHECK_INT(count("SELECT count(*) FROM correlations"), correlations);
    CHECK_INT(count("SELECT count(*) FROM causations"), correlations);
    CHECK_INT(count("SELECT count(*) FROM deleted_streams"), 0);
    CHECK_INT(count("SELECT count(*) FROM dropped_groups"), 0);
    CHECK_INT(count("SELECT count(*) FROM streams WHERE purged < first_version"), 0);
    CHECK_INT(count("SELECT count(*) FROM holes h JOIN streams s ON s.number = h.stream"
                    " WHERE h.first >= s.first_version"),
              count("SELECT count(*) FROM holes"));
    CHECK_INT(count("SELECT count(*) FROM groups"), (int64_t)m->groups.count);
    CHECK_INT(count("SELECT count(*) FROM cairn_groups"), (int64_t)m->groups.count);
    CHECK_INT(count("SELECT count(*) FROM consumers WHERE grp NOT IN (SELECT number FROM groups)"),
              0);
    CHECK_INT(count("SELECT count(*) FROM cairn_pending"), count("SELECT count(*) FROM pending"));
    CHECK_INT(count("SELECT count(*) FROM streams WHERE is_string <> 2"),
              (int64_t)m->state.stream_count);
    CHECK_INT(count("SELECT count(*) FROM strings"),
              count("SELECT count(*) FROM streams WHERE is_string = 1"));
    CHECK_INT(count("SELECT count(*) FROM idempotent WHERE stream NOT IN (SELECT number FROM"
                    " streams)"),
              0);
}

static void no_damage(const char *kind, const char *text, void *arg) {
    UNUSED(arg);
    fprintf(stderr, "  damage: %s: %s\n", kind, text);
    exit(1);
}

static bool go_on(const char *step, uint64_t done, uint64_t total, void *arg) {
    UNUSED(step);
    UNUSED(arg);
    return done <= total || total == 0;
}

static void take_count(const char *name, uint64_t n, void *arg) {
    UNUSED(name);
    *(uint64_t *)arg += n;
}

/* Whatever of merging and purging is done, what the backend keeps agrees with itself. */
static void check_whole(void) {
    struct backend_conn *c = NULL;
    uint64_t sum = 0;
    struct verify v = {no_damage, go_on, take_count, &sum};
    TWINS_OK(backends[1]->open_snapshot(&c, second_path, &err));
    TWINS_OK(backends[1]->verify(c, &v, &err));
    backends[1]->close(c);
}

static struct twins *open_twins(void) {
    struct twins *t = xcalloc(1, sizeof *t);
    for (int i = 0; i < 2; i++) {
        TWINS_OK(backends[i]->open_writer(&t->w[i], second_path, &err));
        TWINS_OK(backends[i]->open_reader(&t->r[i], t->w[i], &err));
    }
    struct store_state s;
    TWINS_OK(backends[1]->load_state(t->w[1], &s, &err));
    t->w[0]->store->state.id_key = s.id_key;
    t->clock = 1000000;
    t->next_frame = 1;
    t->open = batch_create(1);
    t->stream_end = t->group_end = 1;
    return t;
}

static void close_twins(struct twins *t) {
    for (int i = 0; i < 2; i++) {
        backends[i]->close(t->r[i]);
        backends[i]->close(t->w[i]);
    }
    batch_destroy(t->open);
    for (uint64_t i = 0; i < STREAMS_MAX; i++) free(t->streams[i].sequences);
    free(t);
}

static void compare_histories(void) {
    struct twins *t = open_twins();
    for (int round = 0; round < 60; round++) {
        advance(t, 1 + draw(120));
        compare(t);
        if (draw(2)) maintain(t, false);
        if (draw(6) == 0) reopen(t);
        if (draw(6) == 0) check_whole();
        compare(t);
    }
    maintain(t, true);
    compare(t);
    if (backends[1] == &backend_sqlite) check_nothing_left(t);
    check_whole();
    close_twins(t);
}

static void compare_histories_with_flushes(void) {
    struct twins *t = open_twins();
    for (int round = 0; round < 40; round++) {
        advance(t, 1 + draw(60));
        if (draw(5) == 0) {
            put_flush(t);
            batch_end_frame(t->open);
        }
        advance(t, 1 + draw(60));
        compare(t);
        if (draw(2)) maintain(t, draw(3) == 0);
        if (draw(6) == 0) reopen(t);
        if (draw(6) == 0) check_whole();
    }
    maintain(t, true);
    compare(t);
    if (backends[1] == &backend_sqlite) check_nothing_left(t);
    check_whole();
    close_twins(t);
}

TEST(a_random_history_is_the_same_in_both) {
    compare_histories();
}

TEST(a_random_history_with_flushes_is_the_same_in_both) {
    compare_histories_with_flushes();
}

#ifndef WITHOUT_POSTGRES
TEST(postgres_a_random_history_is_the_same_in_both) {
    backends[1] = &backend_postgres;
    second_path = postgres_path();
    compare_histories();
}

TEST(postgres_a_random_history_with_flushes_is_the_same_in_both) {
    backends[1] = &backend_postgres;
    second_path = postgres_path();
    compare_histories_with_flushes();
}
#endif

/* --- on the way to another store ------------------------------------------------- */

struct place {
    const struct backend *backend;
    const char *path;
};

/* The copy's newest timeline, which it began, becomes the memory's too. */
static void follow_timeline(struct twins *t) {
    struct timelines l = {0};
    struct batch *b = batch_create(t->next_frame);
    TWINS_OK(backends[1]->load_timelines(t->w[1], &l, &err));
    CHECK_INT(timelines_current(&l)->reason, TIMELINE_MIGRATED);
    CHECK_INT(timelines_current(&l)->began, t->sequence_end);
    batch_add(b, RECORD_TIMELINE, timelines_current(&l), sizeof *timelines_current(&l));
    batch_end_frame(b);
    TWINS_OK(backend_memory.apply(t->w[0], &b, 1, &err));
    t->next_frame++;
    batch_destroy(t->open);
    t->open = batch_create(t->next_frame);
    batch_destroy(b);
    timelines_clear(&l);
}

static void migrate(struct twins *t, const struct place *to) {
    char from_url[600], to_url[600];
    snprintf(from_url, sizeof from_url, "%s:%s", backends[1]->scheme, second_path);
    snprintf(to_url, sizeof to_url, "%s:%s", to->backend->scheme, to->path);
    backends[1]->close(t->r[1]);
    backends[1]->close(t->w[1]);
    CHECK_INT(tool_migrate((char *[]){from_url, to_url}, NULL), EXIT_GOOD);
    second_path = to->path;
    backends[1] = to->backend;
    TWINS_OK(backends[1]->open_writer(&t->w[1], second_path, &err));
    TWINS_OK(backends[1]->open_reader(&t->r[1], t->w[1], &err));
    follow_timeline(t);
}

static void move_through(const struct place *places, size_t n) {
    backends[1] = places[0].backend;
    second_path = places[0].path;
    struct twins *t = open_twins();
    t->state_with_removal = true;
    for (size_t move = 1; move < n; move++) {
        for (unsigned round = 0; round < 8; round++) {
            advance(t, 1 + draw(120));
            if (draw(2)) maintain(t, draw(3) == 0);
        }
        if (draw(3) == 0) {
            put_flush(t);
            batch_end_frame(t->open);
            advance(t, 1 + draw(60));
        }
        migrate(t, &places[move]);
        check_whole();
        compare(t);
    }
    advance(t, 60);
    maintain(t, true);
    compare(t);
    if (backends[1] == &backend_sqlite) check_nothing_left(t);
    check_whole();
    close_twins(t);
}

TEST(a_random_history_that_is_migrated_on_its_way_is_the_same) {
    const struct place places[] = {{&backend_sqlite, "test.db"},
                                   {&backend_sqlite, "second.db"},
                                   {&backend_sqlite, "third.db"}};
    move_through(places, ARRAY_LEN(places));
}

#ifndef WITHOUT_POSTGRES
TEST(postgres_a_random_history_that_is_migrated_on_its_way_is_the_same) {
    const struct place places[] = {{&backend_sqlite, "test.db"},
                                   {&backend_postgres, postgres_path()},
                                   {&backend_sqlite, "third.db"}};
    move_through(places, ARRAY_LEN(places));
}
#endif
