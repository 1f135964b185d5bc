/* The end of an import: what its records could not say. Until then the store is LEFT_MIGRATING, and
 * no server opens it. */
#include "store/postgres/internal.h"

static void put_timelines(struct buf *sql, const struct timelines *t) {
    buf_printf(sql, "DELETE FROM @timelines;");
    for (size_t i = 0; i < t->count; i++) {
        char id[TIMELINE_TEXT_LEN + 1];
        timeline_format(t->items[i].id, id);
        buf_printf(sql, "INSERT INTO @timelines VALUES (%zu, '%s', %llu, %llu, '%s');", i + 1, id,
                   (unsigned long long)t->items[i].began, (unsigned long long)t->items[i].created,
                   timeline_reason_word(t->items[i].reason));
    }
}

/* Numbers up to 2^64 stand as two's complement. The sequences behind the last event are gone. */
static void put_state(struct buf *sql, const struct postgres_state *now,
                      const struct store_state *to) {
    char id[UUID_TEXT_LEN];
    uuid_format(&to->store_id, id);
    buf_printf(sql,
               "UPDATE @store SET store_id = '%.36s', id_key = %llu, epoch = %llu,"
               " journal_open = false, left_as = 'closed';",
               id, (unsigned long long)to->id_key, (unsigned long long)to->epoch);
    buf_printf(sql,
               "INSERT INTO @commits VALUES (%llu, %llu, %llu, %llu, %llu, %llu, %llu, %llu, %llu,"
               " %llu, %lld, %lld, %lld, NULL);",
               (unsigned long long)to->applied, (unsigned long long)now->s.applied + 1,
               (unsigned long long)to->epoch, (unsigned long long)to->next_sequence,
               (unsigned long long)to->next_stream, (unsigned long long)to->next_group,
               (unsigned long long)now->s.stream_count,
               (unsigned long long)(now->removed + to->next_sequence - now->s.next_sequence),
               (unsigned long long)now->flushes, (unsigned long long)now->renames,
               (long long)to->recorded, (long long)to->entry_ms, (long long)to->entry_seq);
}

int postgres_finish_import(struct backend_conn *c, const struct store_state *state,
                           const struct timelines *timelines, struct err *err) {
    struct buf sql;
    assert(c->w != NULL);
    int rc = postgres_refresh(c, err);
    if (rc != 0) return rc;
    struct store_state to = *state;
    to.epoch = MAX(state->epoch, c->w->state.s.epoch) + 1;
    to.applied = MAX(state->applied, c->w->state.s.applied) + 1;
    buf_init(&sql, 0);
    put_timelines(&sql, timelines);
    put_state(&sql, &c->w->state, &to);
    buf_printf(&sql, "DELETE FROM @named WHERE class = %d", NAMED_MIGRATION);
    buf_put(&sql, "", 1);
    rc = postgres_begin(c, err);
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc == 0) rc = postgres_exec(c, sql.data, NULL, err);
    if (rc == 0) rc = postgres_exec(c, "COMMIT", NULL, err);
    if (rc != 0) postgres_rollback(c);
    buf_clear(&sql);
    return rc;
}
