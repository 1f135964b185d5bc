/* Which client-made ids are on disk and not in memory: a filter that proves, without a read, that
 * an id is new. It is fed with the ids that are evicted, and at the start with those on disk, page
 * by page in the background; until that is through, and when it would become too large, nothing is
 * proved, and each id that is not in memory costs a read. */
#include "base/log.h"
#include "stream/internal.h"

#define IDS_PER_PAGE  4096
#define PART_OF_CACHE 8 /* at most a part of cache-bytes */

static void page_done(struct store_request *r);

static void ask(struct model *m, const struct uuid *from) {
    struct store_request *r = &m->known.request;
    *r = (struct store_request){
        .kind = STORE_LIST_IDS, .id = *from, .range.count_max = IDS_PER_PAGE, .done = page_done};
    m->known.asked = true;
    store_request(m->store, r);
}

static void set_bytes(struct model *m, size_t before) {
    m->bytes += m->known.filter.bytes - before;
}

static void drop(struct model *m) {
    size_t before = m->known.filter.bytes;
    id_filter_clear(&m->known.filter);
    set_bytes(m, before);
}

static void give_up(struct model *m, const char *why) {
    log_verbose("ids: %s; each event id that is not in memory costs a read", why);
    m->known.state = KNOWN_IDS_OFF;
    drop(m);
}

void known_ids_add(struct model *m, const struct uuid *id) {
    if (m->known.state == KNOWN_IDS_OFF) return;
    size_t before = m->known.filter.bytes;
    bool added = id_filter_add(&m->known.filter, id, m->bytes_max / PART_OF_CACHE);
    set_bytes(m, before);
    if (!added) give_up(m, "they are too many for the cache");
}

static const struct uuid first;

/* What is evicted before the walk begins is applied, so that the walk finds it. */
void known_ids_load(struct model *m) {
    drop(m);
    m->known.state = KNOWN_IDS_LOADING;
    m->known.again = m->known.asked;
    if (!m->known.asked) ask(m, &first);
}

void known_ids_none(struct model *m) {
    drop(m);
    m->known.state = KNOWN_IDS_COMPLETE;
}

void known_ids_clear(struct model *m) {
    drop(m);
    if (m->known.asked) id_list_clear(&m->known.request.ids); /* it was never told of */
}

static void take_page(struct model *m, const struct id_list *page) {
    for (size_t i = 0; i < page->count && m->known.state == KNOWN_IDS_LOADING; i++)
        known_ids_add(m, &page->ids[i]);
    if (m->known.state != KNOWN_IDS_LOADING) return;
    if (page->done)
        m->known.state = KNOWN_IDS_COMPLETE;
    else
        ask(m, &page->next);
}

static void page_done(struct store_request *r) {
    struct model *m = CONTAINER_OF(r, struct model, known.request);
    struct id_list page = r->ids;
    r->ids = (struct id_list){0};
    m->known.asked = false;
    store_release(m->store, r);
    if (m->known.state == KNOWN_IDS_LOADING) {
        if (m->known.again)
            known_ids_load(m);
        else if (r->status != 0)
            give_up(m, r->err.text);
        else
            take_page(m, &page);
    }
    id_list_clear(&page);
}

bool known_ids_prove_absent(const struct model *m, const struct uuid *id) {
    return m->known.state == KNOWN_IDS_COMPLETE && !id_filter_may_have(&m->known.filter, id);
}
