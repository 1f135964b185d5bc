/* Whether a start goes on in the history that clients have seen, and the frame that says so when it
 * does not (see record/timeline.h).
 *
 * How the store was left says whether something that was acknowledged may be missing. That stays
 * noted until the new timeline is durable: a start that is cut off in between begins another one at
 * the same place, which harms nobody. For the same reason one begins when there is a doubt: who is
 * not beyond that place does not notice. */
#include "store/internal.h"

#include "base/clock.h"
#include "base/log.h"

int store_load_timelines(struct store *s, struct err *err) {
    timelines_clear(&s->timelines);
    return s->backend->load_timelines(s->writer, &s->timelines, err);
}

const struct timelines *store_timelines(const struct store *s) {
    return &s->timelines;
}

/* 0: it goes on in the same history. */
static enum timeline_reason reason_to_begin(const struct store *s) {
    const struct store_state *state = &s->state;
    bool with_journal = left_with_journal(state->left);
    if (s->config.new_timeline) return TIMELINE_ASKED;
    if (state->left == LEFT_BACKUP) return TIMELINE_RESTORED;
    if (with_journal && (!state->journal_open || s->found.older)) return TIMELINE_NO_JOURNAL;
    if (state->left == LEFT_UNSURE) return TIMELINE_CRASHED;
    if (s->found.sealed) return 0; /* nothing is missing */
    if (state->left == LEFT_INTERVAL) return TIMELINE_CRASHED;
    return s->found.later ? TIMELINE_REBUILT : 0;
}

int store_doubt_timeline(struct store *s, struct err *err) {
    s->timeline_reason = reason_to_begin(s);
    return s->timeline_reason != 0 ? s->backend->set_left(s->writer, LEFT_UNSURE, err) : 0;
}

static const char *explain(enum timeline_reason reason) {
    switch (reason) {
    case TIMELINE_RESTORED:
        return "the store is a backup that was restored";
    case TIMELINE_CRASHED:
        return "with durability interval and without a clean stop the end may be lost";
    case TIMELINE_NO_JOURNAL:
        return "the store starts without its journal";
    case TIMELINE_REBUILT:
        return "the database was brought up to date from a journal of later";
    default:
        return "--new-timeline";
    }
}

/* One frame, written through. The threads do not run yet. */
static int write_frame(struct store *s, struct batch *b, struct err *err) {
    int rc = 0;
    if (s->journal != NULL) {
        rc = journal_write(s->journal, b, s->state.applied, err);
        if (rc == 0) rc = journal_sync(s->journal, err);
    }
    if (rc == 0) rc = s->backend->apply(s->writer, &b, 1, err);
    if (rc == 0) rc = s->backend->load_state(s->writer, &s->state, err);
    return rc;
}

static int begin(struct store *s, struct err *err) {
    char id[TIMELINE_TEXT_LEN + 1];
    struct timeline_record r = {
        .began = s->state.next_sequence,
        .created = clock_wall_ms(),
        .id = timelines_draw(&s->timelines),
        .reason = s->timeline_reason,
    };
    struct batch *b = batch_create(s->state.applied + 1);
    batch_add(b, RECORD_TIMELINE, &r, sizeof r);
    batch_end_frame(b);
    int rc = write_frame(s, b, err);
    batch_destroy(b);
    if (rc == 0) rc = store_load_timelines(s, err);
    if (rc != 0) return rc;
    timeline_format(r.id, id);
    log_notice("timeline %s begins at position %llu: %s. Consumers that are beyond it are told so",
               id, (unsigned long long)r.began, explain(s->timeline_reason));
    s->applied = s->durable = s->applied_seen = s->durable_seen = s->state.applied;
    return 0;
}

int store_begin_timeline(struct store *s, struct err *err) {
    static const enum store_left by_durability[] = {
        [DURABILITY_JOURNAL] = LEFT_JOURNAL,
        [DURABILITY_BACKEND] = LEFT_BACKEND,
        [DURABILITY_INTERVAL] = LEFT_INTERVAL,
    };
    int rc = s->timeline_reason != 0 ? begin(s, err) : 0;
    if (rc != 0 || !s->backend->durable) return rc;
    return s->backend->set_left(s->writer, by_durability[s->config.durability], err);
}

enum store_left store_left_closed(const struct store *s) {
    /* What clients were told and a void took back is not sure to be noted. */
    if (s->started)
        return s->voided && s->config.durability == DURABILITY_INTERVAL ? LEFT_UNSURE : LEFT_CLOSED;
    if (reason_to_begin(s) == 0) return LEFT_CLOSED;
    return s->state.left == LEFT_BACKUP ? LEFT_BACKUP : LEFT_UNSURE;
}
