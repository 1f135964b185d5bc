/* See group_scan.h. */
#include "stream/group/group_scan.h"

#include "base/alloc.h"
#include "stream/group/internal.h"
#include "stream/read.h"

#define PAGE_BYTES       ((size_t)1 << 20) /* of events, of which only the numbers are wanted */
#define LOOKS_A_STEP     20000             /* events, about */
#define BEHIND_EVENTS    100000
#define BEHIND_MS        60000
#define LOOKED_AGAIN_MAX 3

static void restart(struct group_scan *scan) {
    scan->last = scan->passed = scan->group->last;
    scan->placed = scan->failed = false;
    scan->looked = 0;
    scan->head = scan->count = 0;
    scan->quiet_from = scan->quiet_to = 0;
}

/* ---- renames ---- */

/* By which names it was looked at, as of a frame: after how many renames. */
static void note_names(struct group_scan *scan, uint64_t view) {
    const struct renamed_streams *r = &scan->model->renamed;
    scan->renames = r->frame <= view ? r->count : r->count - 1; /* not by the last */
}

static bool names_have_changed(const struct group_scan *scan) {
    return scan->renames != scan->model->renamed.count && selector_has_names(scan->selector);
}

/* What was looked at beyond the first that is to be delivered is looked at again: a rename may have
 * brought something in. Not without end, where others rename all the time. */
static void look_again(struct group_scan *scan) {
    if (scan->again == LOOKED_AGAIN_MAX) return;
    scan->again++;
    scan->looked = scan->found[scan->head];
    scan->count = 0;
}

struct group_scan *group_scan_of(struct model *m, struct cgroup *g, struct selector *selector) {
    struct group_scan *scan = g->scan;
    if (scan != NULL && !selector_eq(scan->selector, selector)) {
        group_scan_drop(scan);
        scan = NULL;
    }
    if (scan == NULL) {
        scan = g->scan = xcalloc(1, sizeof *scan);
        scan->group = g;
        scan->model = m;
        scan->selector = selector_ref(selector);
        scan->found = xmalloc(GROUP_SCAN_FOUND_MAX * sizeof *scan->found);
        scan->recorded_ms = m->wall;
        list_init(&scan->node);
        restart(scan);
        cgroup_account(m, g);
    }
    if (entry_id_cmp(scan->last, g->last) != 0) restart(scan);
    if (scan->count > 0 && names_have_changed(scan)) look_again(scan);
    return scan;
}

void group_scan_place(struct group_scan *scan, uint64_t sequence) {
    scan->placed = true;
    scan->looked = scan->recorded_at = sequence;
}

static void pass(struct group_scan *scan, struct entry_id id) {
    if (scan->count == 0 && entry_id_cmp(id, scan->passed) > 0) scan->passed = id;
}

void group_scan_skip(struct group_scan *scan, uint64_t from, uint64_t sequence) {
    const struct model *m = scan->model;
    if (!scan->placed || scan->asked || scan->looked < from || sequence <= scan->looked) return;
    scan->looked = sequence;
    if (sequence <= m->log.first || sequence > m->next_sequence) return;
    const struct event *e = model_event(m, sequence - 1);
    pass(scan, (struct entry_id){e->rec.recorded, e->rec.sequence});
}

void group_scan_quiet(struct group_scan *scan, uint64_t from, uint64_t quiet_from,
                      uint64_t quiet_to, uint64_t renames) {
    bool continues = scan->placed && scan->looked >= from;
    scan->quiet_from = continues ? quiet_from : 0;
    scan->quiet_to = continues ? quiet_to : 0;
    scan->quiet_generation = scan->model->generation;
    scan->quiet_renames = renames;
}

static bool quiet_is_known(const struct group_scan *scan) {
    const struct model *m = scan->model;
    bool renamed = scan->quiet_renames != m->renamed.count && selector_has_names(scan->selector);
    return scan->quiet_generation == m->generation && !renamed;
}

static void pass_quiet(struct group_scan *scan) {
    if (!quiet_is_known(scan) || scan->looked < scan->quiet_from || scan->looked >= scan->quiet_to)
        return;
    if (scan->count == 0)
        group_scan_skip(scan, scan->looked, scan->quiet_to);
    else
        scan->looked = scan->quiet_to;
}

/* What is not known to be quiet ends there, at `head` at most. */
static uint64_t end_of_look(const struct group_scan *scan, uint64_t head) {
    if (!quiet_is_known(scan) || scan->looked >= scan->quiet_from ||
        scan->quiet_from >= scan->quiet_to)
        return head;
    return MIN(head, scan->quiet_from);
}

/* What a read has found; it ends before `end`. */
static void note_found(struct group_scan *scan, const struct read *r, uint64_t end) {
    assert(scan->count == 0);
    scan->head = 0;
    for (size_t i = 0; i < r->found; i++) scan->found[scan->count++] = r->events[i]->rec.sequence;
    note_names(scan, r->horizon);
    if (scan->count == 0)
        group_scan_skip(scan, scan->looked, r->has_more ? r->next : end);
    else
        scan->looked = r->has_more ? r->next : end;
}

/* ---- a reader's part ---- */

/* No request of it is outstanding. */
static void destroy(struct group_scan *scan) {
    list_remove(&scan->node);
    names_asked_clear(&scan->names);
    selector_unref(scan->selector);
    free(scan->found);
    free(scan);
}

static void on_page(struct store_request *request) {
    struct group_scan *scan = CONTAINER_OF(request, struct group_scan, request);
    struct model *m = scan->model;
    bool of_model = scan->generation == m->generation && request->status == 0;
    store_release(m->store, request);
    list_remove(&scan->node);
    scan->asked = false;
    /* It may have been asked for what is not settled, and not looked at by now. */
    uint64_t end = MIN(model_visible_end(m, NULL, model_settled(m)), scan->asked_end + 1);
    if (scan->group != NULL && of_model && scan->placed && request->range.start == scan->looked &&
        scan->count == 0 && end > scan->looked) {
        struct read r = {.start = request->range.start,
                         .end = end - 1,
                         .count = GROUP_SCAN_FOUND_MAX,
                         .selector = scan->selector,
                         .horizon = model_settled(m),
                         .page_end = request->range.end + 1,
                         .names = &scan->names};
        struct read_range need;
        struct entry_id passed = {request->page.passed_recorded, request->page.passed};
        if (model_read(m, &r, &request->page, &need)) {
            scan->names_before = 0;
            note_found(scan, &r, end);
            if (passed.ms != 0) pass(scan, passed);
        } else {
            scan->names_before++; /* it lacks a stream that was renamed meanwhile */
        }
        read_clear(&r);
    }
    scan->failed = request->status != 0;
    if (request->status == 0) model_drop_page(m, &request->page);
    names_asked_clear(&scan->names);
    if (scan->group == NULL) {
        destroy(scan);
        return;
    }
    list_append(&m->scanned, &scan->node);
}

static void ask(struct group_scan *scan, const struct read_range *need, uint64_t end) {
    struct model *m = scan->model;
    list_remove(&scan->node);
    scan->request = (struct store_request){
        .kind = STORE_READ_EVENTS, .one_of_many = true, .range = *need, .done = on_page};
    scan->request.range.bytes_max = PAGE_BYTES;
    names_ask(m, &scan->request.range, scan->names_before, &scan->names);
    scan->generation = m->generation;
    scan->asked = true;
    scan->asked_end = end;
    list_append(&m->scans, &scan->node);
    store_request(m->store, &scan->request);
}

/* ---- looking on ---- */

void group_scan_step(struct group_scan *scan, uint64_t view) {
    struct model *m = scan->model;
    uint64_t head = model_visible_end(m, NULL, view);
    if (!scan->placed || scan->asked || scan->count > 0) return;
    pass_quiet(scan);
    if (scan->looked >= head) return;
    head = end_of_look(scan, head);
    struct read r = {.start = scan->looked,
                     .end = head - 1,
                     .count = GROUP_SCAN_FOUND_MAX,
                     .selector = scan->selector,
                     .horizon = view,
                     .work_max = LOOKS_A_STEP};
    struct read_range need;
    if (model_read(m, &r, NULL, &need))
        note_found(scan, &r, head);
    else
        ask(scan, &need, head - 1);
    if (!scan->asked) pass_quiet(scan);
    read_clear(&r);
}

void group_scan_take(struct group_scan *scan, uint32_t n) {
    assert(n <= scan->count);
    scan->again = 0;
    scan->head += n;
    scan->count -= n;
}

void group_scan_follow(struct group_scan *scan) {
    scan->last = scan->group->last;
    pass(scan, scan->last);
}

bool group_scan_has(const struct group_scan *scan, uint64_t head) {
    return scan->count > 0 && scan->found[scan->head] < head &&
           entry_id_cmp(scan->last, scan->group->last) == 0;
}

bool group_scan_backlog(const struct cgroup *g, uint64_t head, uint64_t *n) {
    const struct group_scan *scan = g->scan;
    *n = scan != NULL ? scan->count : 0;
    return scan != NULL && scan->placed && scan->looked >= head &&
           entry_id_cmp(scan->last, g->last) == 0;
}

bool group_scan_is_at(const struct cgroup *g, uint64_t head) {
    uint64_t backlog;
    return group_scan_backlog(g, head, &backlog) && backlog == 0;
}

/* ---- the position ---- */

bool group_scan_is_behind(const struct group_scan *scan) {
    if (!scan->placed || entry_id_cmp(scan->passed, scan->last) <= 0) return false;
    return scan->looked - MIN(scan->looked, scan->recorded_at) >= BEHIND_EVENTS ||
           (scan->looked > scan->recorded_at &&
            model_since(scan->model, scan->recorded_ms) >= BEHIND_MS);
}

bool group_scan_record(struct group_scan *scan) {
    struct model *m = scan->model;
    struct cgroup *g = scan->group;
    if (!scan->placed || entry_id_cmp(scan->last, g->last) != 0 ||
        entry_id_cmp(scan->passed, g->last) <= 0)
        return false;
    cgroup_set_position(m, g, scan->passed, g->entries_read);
    scan->last = g->last;
    scan->recorded_at = scan->looked;
    scan->recorded_ms = m->wall;
    return true;
}

/* ---- the end ---- */

void group_scan_drop(struct group_scan *scan) {
    if (scan == NULL) return;
    struct model *m = scan->model;
    scan->group->scan = NULL;
    scan->group = NULL;
    if (scan->asked && !store_take_back(m->store, &scan->request)) return; /* on_page frees it */
    if (scan->asked) store_release(m->store, &scan->request);
    destroy(scan);
}

uint64_t group_scan_done(const struct cgroup *g) {
    const struct group_scan *scan = g->scan;
    bool continues = scan != NULL && scan->placed && entry_id_cmp(scan->last, g->last) == 0;
    return continues && scan->count == 0 ? scan->looked : 0;
}

void group_scan_begin_anew(struct model *m, struct cgroup *g, struct entry_id done) {
    if (entry_id_cmp(done, g->last) > 0) cgroup_set_position(m, g, done, g->entries_read);
    if (g->scan == NULL) return;
    group_scan_drop(g->scan);
    cgroup_account(m, g);
}

void group_scans_clear(struct model *m) {
    while (!list_empty(&m->scans)) {
        struct group_scan *scan = LIST_ENTRY(m->scans.next, struct group_scan, node);
        if (scan->group != NULL) scan->group->scan = NULL;
        destroy(scan);
    }
}
