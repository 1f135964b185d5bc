#include "tool/migrate.h"

#include <unistd.h>

#include "base/alloc.h"

#define RECORDS_MAX 20000
#define BYTES_MAX   (8u << 20)
#define BUSY_TRIES  600 /* a tenth of a second each */
#define BUSY_US     100000

static const char note_name[] = "migration";

static struct batch *open_batch(struct migration *m) {
    if (m->batch == NULL) m->batch = batch_create(m->next_frame);
    return m->batch;
}

void *migration_put(struct migration *m, enum record_kind kind, size_t len) {
    struct batch *b = open_batch(m);
    void *body = memset(batch_alloc(b, len), 0, len);
    batch_add(b, kind, body, len);
    return body;
}

static void put_note(struct migration *m) {
    const size_t name_len = sizeof note_name - 1;
    struct named_record *r = migration_put(m, RECORD_NAMED, sizeof *r + name_len + sizeof m->note);
    r->class = NAMED_MIGRATION;
    r->name_len = (uint16_t)name_len;
    memcpy(r->bytes, note_name, name_len);
    memcpy(r->bytes + name_len, &m->note, sizeof m->note);
}

/* Somebody else may read the target, or hold it; what became of it may be unknown: the next apply
 * of the same finds out. */
static int apply(struct migration *m, struct err *err) {
    int rc = ERR_BUSY;
    for (int i = 0; i < BUSY_TRIES && (rc == ERR_BUSY || rc == ERR_UNKNOWN); i++) {
        if (i > 0) usleep(BUSY_US);
        rc = m->to.b->apply(m->to.writer, &m->batch, 1, err);
    }
    return rc;
}

int migration_flush(struct migration *m, struct err *err) {
    bool more = false;
    put_note(m);
    batch_end_frame(m->batch);
    int rc = apply(m, err);
    batch_destroy(m->batch);
    m->batch = NULL;
    if (rc != 0) return rc;
    m->next_frame++;
    /* A slice, so that what is deferred keeps up. */
    rc = m->to.b->maintain(m->to.writer, false, &more, err);
    return rc == ERR_BUSY ? 0 : rc;
}

int migration_flush_some(struct migration *m, struct err *err) {
    const struct batch *b = m->batch;
    if (b == NULL || (b->record_count < RECORDS_MAX && b->bytes < BYTES_MAX)) return 0;
    return migration_flush(m, err);
}
