/* See blocking.h: what an XREAD has looked through in vain, for the next one of its connection. A
 * reader asks again and again for what lies beyond the same id, as long as there is nothing: others
 * of his streams have something each time. All of the history would be looked through each time.
 *
 * Of what was there nothing comes that was not there, but by a RENAME, or when the model is built
 * anew; a view that changes is another selector. */
#include "server/wait/internal.h"

#include "base/alloc.h"

#define REMEMBERED_MAX 8              /* streams of a connection */
#define SELECTOR_MAX   ((size_t)1024) /* bytes of what one selects by */
#define WORTH_IT       100            /* events */

struct remembered {
    size_t count, next;
    struct remembered_look {
        struct selector *selector; /* a reference */
        struct entry_id after;
        uint64_t looked; /* between that and this sequence there is nothing */
        uint64_t generation, renames, as_of;
    } looks[REMEMBERED_MAX];
};

static struct remembered_look *find(const struct client *c, const struct selector *selector,
                                    struct entry_id after) {
    struct remembered *r = c->wait.remembered;
    for (size_t i = 0; r != NULL && i < r->count; i++) {
        struct remembered_look *look = &r->looks[i];
        if (entry_id_cmp(look->after, after) == 0 && selector_eq(look->selector, selector))
            return look;
    }
    return NULL;
}

uint64_t blocking_remembered(const struct client *c, const struct selector *selector,
                             struct entry_id after) {
    const struct model *m = &c->srv->model;
    const struct remembered_look *look = find(c, selector, after);
    if (look == NULL || look->generation != m->generation || look->as_of > MIN(c->view, m->decided))
        return 0;
    bool renamed = look->renames != m->renamed.count && selector_has_names(selector);
    return renamed ? 0 : look->looked;
}

void blocking_remember(struct client *c, struct selector *selector, struct entry_id after,
                       uint64_t looked) {
    const struct model *m = &c->srv->model;
    uint64_t as_of = MIN(c->view, m->decided);
    struct remembered_look *look = find(c, selector, after);
    if (looked < WORTH_IT || selector->size > SELECTOR_MAX || m->renamed.frame > as_of) return;
    if (c->wait.remembered == NULL) c->wait.remembered = xcalloc(1, sizeof *c->wait.remembered);
    struct remembered *r = c->wait.remembered;
    if (look == NULL) {
        look = &r->looks[r->next++ % REMEMBERED_MAX];
        r->count = MIN(r->next, (size_t)REMEMBERED_MAX);
        selector_unref(look->selector);
        look->selector = selector_ref(selector);
    }
    *look = (struct remembered_look){.selector = look->selector,
                                     .after = after,
                                     .looked = looked,
                                     .generation = m->generation,
                                     .renames = m->renamed.count,
                                     .as_of = as_of};
}

size_t blocking_remembered_bytes(const struct client *c) {
    const struct remembered *r = c->wait.remembered;
    if (r == NULL) return 0;
    size_t bytes = sizeof *r;
    for (size_t i = 0; i < r->count; i++) bytes += r->looks[i].selector->size;
    return bytes;
}

void blocking_forget(struct client *c) {
    struct remembered *r = c->wait.remembered;
    if (r == NULL) return;
    for (size_t i = 0; i < r->count; i++) selector_unref(r->looks[i].selector);
    free(r);
    c->wait.remembered = NULL;
}
