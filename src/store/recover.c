/* At start: what the journal holds beyond the backend is brought into the backend, before anybody
 * is served. */
#include "store/internal.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"

#define REPLAY_BYTES (32u << 20)

struct replay {
    struct store *s;
    struct batch *batches[256];
    size_t count, bytes;
    uint64_t frames;
    uint64_t id_key;
    bool keyed; /* it is known to be that of the events */
};

/* A database that is made anew from its journal has a key of its own at first. The ids that the
 * server made tell the one with which they were made. */
static int find_key(struct replay *r, const struct batch *b, struct err *err) {
    const uint32_t records = b->frame_end[b->frame_count - 1];
    for (uint32_t i = 0; i < records && !r->keyed; i++) {
        const struct event_record *e = b->records[i].body;
        if (b->records[i].kind != RECORD_EVENT || (e->flags & EVENT_CLIENT_ID) != 0) continue;
        uint64_t key = event_id_sequence(&e->event_id, 0) ^ e->sequence;
        r->keyed = true;
        if (key == r->id_key) continue;
        int rc = r->s->backend->adopt(r->s->writer, &r->s->state.store_id, key, err);
        if (rc != 0) return rc;
    }
    return 0;
}

static int replay_apply(struct replay *r, struct err *err) {
    int rc = 0;
    if (r->count > 0) rc = r->s->backend->apply(r->s->writer, r->batches, r->count, err);
    for (size_t i = 0; i < r->count; i++) batch_destroy(r->batches[i]);
    r->count = r->bytes = 0;
    bool more = false;
    if (rc == 0) rc = r->s->backend->maintain(r->s->writer, false, &more, err);
    return rc;
}

static int replay_batch(struct batch *b, void *arg, struct err *err) {
    struct replay *r = arg;
    if (b == NULL) {
        int rc = replay_apply(r, err);
        if (rc == 0 && r->frames > 0)
            log_notice("recovered %llu frames from the journal, in front of damage",
                       (unsigned long long)r->frames);
        return rc;
    }
    r->batches[r->count++] = b;
    r->bytes += b->bytes;
    r->frames += b->frame_count;
    int rc = r->keyed ? 0 : find_key(r, b, err);
    if (rc != 0) return rc;
    if (r->count < ARRAY_LEN(r->batches) && r->bytes < REPLAY_BYTES) return 0;
    return replay_apply(r, err);
}

/* Which run's journal goes on from what the database has. What was written to a copy of a store is
 * not what was written to the store, although both have the same id and count the same frames. */
static int check_run(struct store *s, const char *dir, const struct journal_look *look,
                     struct err *err) {
    if (look->segments == 0 || look->newer > 0 ||
        (look->sealed && look->sealed_frame <= s->state.applied))
        return 0;
    if (!look->goes_on)
        return err_set(
            err, ERR_REFUSED,
            "%s and %s have gone different ways: the database (frame %llu) was written to by a "
            "server that did not write this journal, such as one that %s. Put together what "
            "belongs together; docs/%s",
            dir, s->path, (unsigned long long)s->state.applied,
            s->backend->remote ? "took over" : "ran on a copy of it",
            s->backend->remote ? "postgres.md#a-journal-in-front"
                               : "operations.md#what-the-start-finds");
    if (s->state.run == look->run || look->run == 0 || s->state.run == 0) return 0;
    log_notice("%s is an older copy of the store: what it lacks comes from the journal", s->path);
    return s->backend->set_run(s->writer, look->run, err);
}

static int check_end(struct store *s, const struct journal_look *look, struct err *err) {
    uint64_t found = journal_found_frame(s->journal);
    if (look->segments == 0 || look->sealed || found >= s->state.applied) return 0;
    return err_set(
        err, ERR_REFUSED,
        "%s has frames up to %llu, but its journal ends with frame %llu: the journal is "
        "older than the database, or its end is damaged. What was acknowledged later may "
        "be in the right one: put it back; docs/operations.md#what-the-start-finds",
        s->path, (unsigned long long)s->state.applied, (unsigned long long)found);
}

/* For the question whether a new timeline begins. Before anything is replayed. */
static void note_journal(struct store *s, const struct journal_look *look) {
    if (look->segments == 0) return;
    s->found.sealed = look->sealed && look->sealed_frame >= s->state.applied;
    s->found.older = look->sealed && look->sealed_frame < s->state.applied;
    if (look->sealed || s->state.run == 0 || look->run == 0) return;
    if (look->run != s->state.run) s->found.later = true;
}

int store_look(struct store *s, bool *rebuild, struct uuid *store_id, struct err *err) {
    char dir[sizeof s->path + 16];
    struct stat st;
    struct journal_look look;
    *rebuild = false;
    store_journal_path(s, dir, sizeof dir);
    if (stat(s->path, &st) == 0 && st.st_size > 0) return 0;
    int rc = journal_look(dir, NULL, 0, 0, &look, err);
    if (rc != 0 || (look.segments == 0 && look.unreadable == 0)) return rc;
    *store_id = look.store_id;
    *rebuild = look.segments > 0 && look.first_frame == 1;
    if (*rebuild) return 0;
    return err_set(
        err, ERR_REFUSED,
        "%s is missing, but its journal is there (%s), and does not begin with frame 1: "
        "what was before it is in the database only. Put the database back; or, to begin "
        "an empty store, move the journal away and keep it",
        s->path, dir);
}

/* A store that was restored, or is new to this server, is not one that a journal may be poured into
 * unasked: its own may be elsewhere. */
int store_look_empty(struct store *s, bool *fill, struct uuid *store_id, struct err *err) {
    char dir[sizeof s->path + 16], whose[UUID_TEXT_LEN + 1] = "";
    struct journal_look look;
    if (s->state.applied > 0 || s->state.run != 0 || !store_may_have_journal(s)) return 0;
    store_journal_path(s, dir, sizeof dir);
    int rc = journal_look(dir, NULL, 0, 0, &look, err);
    if (rc != 0 || look.segments == 0 || uuid_eq(&look.store_id, &s->state.store_id)) return rc;
    *store_id = look.store_id;
    *fill = s->config.fill && look.first_frame == 1;
    if (*fill) return 0;
    uuid_format(&look.store_id, whose);
    return err_set(err, ERR_REFUSED,
                   "%s holds the journal of store %.36s, and %s is an empty one. If that one is "
                   "lost, restore it, and the journal brings what it lacks%s. To begin with an "
                   "empty store, name another journal-dir, and keep this one",
                   dir, whose, s->path,
                   look.first_frame == 1 ? "; or fill this one from the journal: --apply-only"
                                         : "");
}

int store_recover(struct store *s, struct err *err) {
    char dir[sizeof s->path + 16];
    struct stat st;
    struct journal_look look;
    if (!store_may_have_journal(s)) {
        if (!s->state.journal_open) return 0;
        return err_set(err, ERR_REFUSED,
                       "%s was written with 'durability journal': a journal may hold what was "
                       "acknowledged and is not in the database. Say with journal-dir where it is; "
                       "docs/postgres.md#a-journal-in-front",
                       s->path);
    }
    store_journal_path(s, dir, sizeof dir);
    bool there = stat(dir, &st) == 0;
    if (!there && !s->state.journal_open && s->config.durability == DURABILITY_BACKEND) return 0;
    int rc = journal_look(dir, &s->state.store_id, s->state.applied, s->state.run, &look, err);
    if (rc == 0) note_journal(s, &look);
    if (rc == 0) rc = check_run(s, dir, &look, err);
    if (rc == 0) rc = s->backend->load_state(s->writer, &s->state, err);
    if (rc != 0) return rc;
    struct journal_config config = {
        .dir = dir,
        .store_id = s->state.store_id,
        .epoch = s->state.epoch,
        .segment_bytes = s->config.segment_bytes,
        .run = s->run,
        .parent = s->state.run,
    };
    struct replay r = {.s = s, .id_key = s->state.id_key, .keyed = s->state.applied > 0};
    uint64_t start = clock_mono_ms();
    rc = journal_open(&s->journal, &config, s->state.applied, s->state.journal_open, replay_batch,
                      &r, err);
    if (rc == 0) rc = check_end(s, &look, err);
    if (rc == 0) rc = store_lock_journal(s, err); /* it may be new */
    if (rc == 0)
        rc = replay_apply(&r, err);
    else
        for (size_t i = 0; i < r.count; i++) batch_destroy(r.batches[i]);
    if (rc != 0) return rc;
    if (r.frames > 0) {
        log_notice("recovered %llu frames from the journal in %llu ms",
                   (unsigned long long)r.frames, (unsigned long long)(clock_mono_ms() - start));
        rc = s->backend->load_state(s->writer, &s->state, err);
    }
    return rc;
}
