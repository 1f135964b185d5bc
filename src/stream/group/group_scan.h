/* How far a group of a virtual stream has looked at the log beyond its position, and what it has
 * found: one for the group, whoever of its consumers asks. It is moved on in memory. Only now and
 * then the position itself is moved over what was looked at in vain (group_scan_record), so that a
 * start does not look at all of it again; what is lost of that is looked at once more.
 *
 * Nothing depends on it: it can go at any time, and is made again from the position. Loop thread.
 */
#ifndef STREAM_GROUP_GROUP_SCAN_H
#define STREAM_GROUP_GROUP_SCAN_H

#include "base/list.h"
#include "store/store.h"
#include "stream/gone/renamed.h"

struct cgroup;
struct model;

#define GROUP_SCAN_FOUND_MAX 1000

struct group_scan {
    struct cgroup *group; /* NULL: it is gone, and the reader is still at work */
    struct model *model;
    struct selector *selector; /* a reference */
    struct entry_id last;      /* the position of the group that it continues */
    bool placed;               /* `looked` is known */
    bool waited;               /* somebody waits for what is found: the stream stays in memory */
    bool failed;               /* the last read did */
    uint64_t looked;           /* sequence: everything below was looked at */
    struct entry_id passed;    /* of an event below `looked`: nothing up to it is left to deliver */
    uint64_t recorded_at;      /* of `looked`, when the position was last recorded ... */
    uint64_t recorded_ms;      /* ... and the time */
    /* In this range there is nothing, of the model of that generation, by the names of after so
     * many renames (group_scan_quiet). */
    uint64_t quiet_from, quiet_to, quiet_generation, quiet_renames;
    uint64_t renames; /* model.renamed.count, by whose names what was found was looked for */
    unsigned
        again; /* so often it was looked for anew because of others, since something was taken */
    uint64_t *found; /* sequences of what was found and not delivered, ascending */
    uint32_t head, count;
    bool asked; /* a reader is at work: */
    uint64_t generation;
    uint64_t asked_end;
    unsigned names_before;    /* so often it was asked for in vain, by names */
    struct names_asked names; /* the request borrows from it */
    struct store_request request;
    struct list node; /* model.scans, while asked; model.scanned, when it has come */
};

/* The group's, of its selector, or a new one. What does not continue its position begins again. */
struct group_scan *group_scan_of(struct model *m, struct cgroup *g, struct selector *selector);
/* Where it begins: the first sequence whose id is beyond the position. */
void group_scan_place(struct group_scan *scan, uint64_t sequence);
/* Looks on, as of the frame `view`, when nothing is found: a bounded amount. What is not in memory
 * is asked for; then it goes on model.scanned when it has come. */
void group_scan_step(struct group_scan *scan, uint64_t view);
/* Everything from `from` up to below the sequence was looked at elsewhere, in vain: of use when the
 * scan has looked at all before that. (It may have begun again meanwhile, further back.) */
void group_scan_skip(struct group_scan *scan, uint64_t from, uint64_t sequence);
/* Likewise what lies from quiet_from up to below quiet_to: it is passed over when it is reached,
 * unless something was renamed since model.renamed.count was `renames`. */
void group_scan_quiet(struct group_scan *scan, uint64_t from, uint64_t quiet_from,
                      uint64_t quiet_to, uint64_t renames);
/* The first so many of what was found are delivered, or need not be. The caller moves the group's
 * position, and says so with group_scan_follow. */
void group_scan_take(struct group_scan *scan, uint32_t n);
void group_scan_follow(struct group_scan *scan);
/* Whether it continues the group's position, and has found something that is below `head`. */
bool group_scan_has(const struct group_scan *scan, uint64_t head);
/* How many selected events below `head` the group was not given (such as were removed since count).
 * false: not all of them were looked at yet; nobody knows. */
bool group_scan_backlog(const struct cgroup *g, uint64_t head, uint64_t *n);
/* Whether the group was given everything below `head`. */
bool group_scan_is_at(const struct cgroup *g, uint64_t head);
/* Whether the position lies far enough behind what was looked at to be recorded. */
bool group_scan_is_behind(const struct group_scan *scan);
/* Moves the position over what was looked at in vain. true: a record was added. */
bool group_scan_record(struct group_scan *scan);
/* The group goes. */
void group_scan_drop(struct group_scan *scan);
/* What the virtual stream selects changes, from the frame being built on. A group that was given
 * all that was found goes on from where it has looked to: this is the sequence, below which nothing
 * is left. Others go on from their position (0) ... */
uint64_t group_scan_done(const struct cgroup *g);
/* ... unless that of an event, which may not be beyond what is done, is beyond it. */
void group_scan_begin_anew(struct model *m, struct cgroup *g, struct entry_id done);
/* The store is closed: no reader is at work any more. */
void group_scans_clear(struct model *m);
static inline size_t group_scan_bytes(const struct group_scan *scan) {
    return scan == NULL ? 0 : sizeof *scan + GROUP_SCAN_FOUND_MAX * sizeof *scan->found;
}

#endif
