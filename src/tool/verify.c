/* cairn verify: whether a store is whole. */
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "record/fields.h"
#include "tool/look.h"
#include "tool/progress.h"
#include "tool/tool.h"

#define KINDS_MAX    64
#define NAMED_A_KIND 1000 /* more of a kind are counted only */
#define COUNTS_MAX   32

struct verify_run {
    struct verify v;
    struct look k;
    struct progress progress;
    bool json;
    uint64_t damages;
    struct kind {
        const char *name;
        uint64_t count;
    } kinds[KINDS_MAX];
    size_t kind_count;
    struct {
        const char *name;
        uint64_t n;
    } counts[COUNTS_MAX]; /* the backend's */
    size_t count_count;
};

static unsigned long long ull(uint64_t n) {
    return n;
}

/* --- JSON ---------------------------------------------------------------------------------- */

/* An object of strings. open: without its closing brace, to go on behind it. */
static void put_json(const char *const *pairs, size_t n, bool open) {
    struct str args[8];
    struct buf json;
    assert(n <= ARRAY_LEN(args));
    for (size_t i = 0; i < n; i++) args[i] = str_c(pairs[i]);
    char *resp = xmalloc(fields_size(args, n));
    char *end = fields_write(resp, args, n);
    buf_init(&json, 0);
    fields_to_json(str_of(resp, (size_t)(end - resp)), &json);
    fwrite(json.data, 1, json.len - open, stdout);
    buf_clear(&json);
    free(resp);
}

/* --- what is found -------------------------------------------------------------------------- */

static struct kind *kind_of(struct verify_run *r, const char *name) {
    for (size_t i = 0; i < r->kind_count; i++)
        if (strcmp(r->kinds[i].name, name) == 0) return &r->kinds[i];
    if (r->kind_count == KINDS_MAX) return &r->kinds[KINDS_MAX - 1];
    r->kinds[r->kind_count].name = xstrdup(name);
    return &r->kinds[r->kind_count++];
}

static void on_damage(const char *kind, const char *text, void *arg) {
    struct verify_run *r = arg;
    struct kind *k = kind_of(r, kind);
    char line[1024];
    snprintf(line, sizeof line, "%s", text);
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) *at = '?';
    r->damages++;
    if (++k->count > NAMED_A_KIND) return;
    progress_wipe(&r->progress);
    if (!r->json) {
        printf("damage: %s: %s\n", kind, line);
        return;
    }
    const char *pairs[] = {"kind", kind, "text", line};
    fputs(r->damages > 1 ? ",\n  " : "\n  ", stdout);
    put_json(pairs, ARRAY_LEN(pairs), false);
}

static bool on_progress(const char *step, uint64_t done, uint64_t total, void *arg) {
    struct verify_run *r = arg;
    progress_show(&r->progress, step, done, total);
    return true;
}

static void on_count(const char *name, uint64_t n, void *arg) {
    struct verify_run *r = arg;
    if (r->count_count == COUNTS_MAX) return;
    r->counts[r->count_count].name = name;
    r->counts[r->count_count++].n = n;
}

/* --- saying it -------------------------------------------------------------------------------- */

static void identify(struct verify_run *r, const char *url) {
    char id[UUID_TEXT_LEN + 1] = "", timeline[TIMELINE_TEXT_LEN + 1];
    char applied[24], epoch[24];
    uuid_format(&r->k.state.store_id, id);
    timeline_format(timelines_current(&r->k.timelines)->id, timeline);
    snprintf(applied, sizeof applied, "%llu", ull(r->k.state.applied));
    snprintf(epoch, sizeof epoch, "%llu", ull(r->k.state.epoch));
    if (!r->json) {
        printf(
            "%s\n  store %s, timeline %s, frame %s, epoch %s%s\n", url, id, timeline, applied,
            epoch,
            r->k.state.journal_open
                ? "\n  its journal is open: what was acknowledged later may be in that, and is not "
                  "looked at"
                : "");
        return;
    }
    const char *pairs[] = {"store", url, "store_id", id, "timeline", timeline};
    put_json(pairs, ARRAY_LEN(pairs), true);
    printf(",\"applied\":%s,\"epoch\":%s,\"journal_open\":%s,\"damages\":[", applied, epoch,
           r->k.state.journal_open ? "true" : "false");
}

/* The numbers of the summary: those of look.h under their names, then the backend's. */
struct number {
    const char *name;
    uint64_t n;
};

static size_t collect(const struct verify_run *r, struct number out[64]) {
    const struct look *k = &r->k;
    const struct number all[] = {
        {"sequences", k->state.next_sequence},
        {"events", k->events},
        {"erased", k->erased},
        {"hashed", k->hashed},
        {"hashes_right", k->hashes_right},
        {"hashes_of_erased", k->hashes_unknown},
        {"streams", k->streams},
        {"strings", k->strings},
        {"virtual_streams", k->virtual_streams},
        {"trimmed_versions", k->trimmed},
        {"removed_versions", k->holes},
        {"deadlines", k->expiring},
        {"groups", k->groups},
        {"consumers", k->consumers},
        {"pending", k->pending},
        {"idempotent_ids", k->idempotent},
        {"checkpoints", k->checkpoints},
        {"views", k->views},
        {"timelines", k->timelines.count},
    };
    memcpy(out, all, sizeof all);
    size_t n = ARRAY_LEN(all);
    for (size_t i = 0; i < r->count_count && n < 64; i++)
        out[n++] = (struct number){r->counts[i].name, r->counts[i].n};
    return n;
}

static void sum_up_json(const struct verify_run *r) {
    struct number numbers[64];
    size_t n = collect(r, numbers);
    printf("%s],\"damage_count\":%llu,\"clean\":%s,\"counts\":{", r->damages > 0 ? "\n" : "",
           ull(r->damages), r->damages == 0 ? "true" : "false");
    for (size_t i = 0; i < n; i++)
        printf("%s\"%s\":%llu", i > 0 ? "," : "", numbers[i].name, ull(numbers[i].n));
    printf("},\"kinds\":{");
    for (size_t i = 0; i < r->kind_count; i++)
        printf("%s\"%s\":%llu", i > 0 ? "," : "", r->kinds[i].name, ull(r->kinds[i].count));
    printf("}}\n");
}

static void line(const char *label, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void line(const char *label, const char *fmt, ...) {
    va_list args;
    printf("  %-12s ", label);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

#define N(n) number_text(n, (char[NUMBER_TEXT]){0})

static void sum_up(const struct verify_run *r) {
    const struct look *k = &r->k;
    line("events", "%s of %s sequences; %s are erased", N(k->events), N(k->state.next_sequence),
         N(k->erased));
    line("gaps", "%s versions were trimmed, %s removed one by one; the rest went with streams",
         N(k->trimmed), N(k->holes));
    line("hashes", "%s events carry one: %s are right, %s are of erased events", N(k->hashed),
         N(k->hashes_right), N(k->hashes_unknown));
    line("streams", "%s, strings %s, virtual streams %s; with a deadline %s", N(k->streams),
         N(k->strings), N(k->virtual_streams), N(k->expiring));
    line("groups", "%s, with %s consumers and %s pending entries", N(k->groups), N(k->consumers),
         N(k->pending));
    line("names", "%s checkpoints, %s views, %s timelines, %s idempotent ids", N(k->checkpoints),
         N(k->views), N(k->timelines.count), N(k->idempotent));
    for (size_t i = 0; i < r->count_count; i++)
        line(i == 0 ? "tables" : "", "%s %s", N(r->counts[i].n), r->counts[i].name);
    if (r->damages == 0) {
        puts("clean");
        return;
    }
    for (size_t i = 0; i < r->kind_count; i++)
        if (r->kinds[i].count > NAMED_A_KIND)
            printf("damage: %s: and %s more\n", r->kinds[i].name,
                   N(r->kinds[i].count - NAMED_A_KIND));
    printf("DAMAGED: %s\n", N(r->damages));
}

/* --- running ---------------------------------------------------------------------------------- */

static int open_store(struct verify_run *r, const struct tool_store *s, struct err *err) {
    struct look *k = &r->k;
    k->b = s->backend;
    k->v = &r->v;
    int rc = k->b->open_snapshot(&k->c, s->path, err);
    if (rc == 0) rc = k->b->load_state(k->c, &k->state, err);
    if (rc == 0) rc = k->b->load_timelines(k->c, &k->timelines, err);
    if (rc == 0 && k->state.left == LEFT_MIGRATING)
        rc = err_set(err, ERR_REFUSED, "it is the target of a migration that is not finished");
    return rc;
}

static int look(struct verify_run *r, struct err *err) {
    struct look *k = &r->k;
    int rc = k->b->verify(k->c, &r->v, err);
    if (rc == 0) rc = look_at_log(k, err);
    if (rc == 0) rc = look_at_streams(k, err);
    if (rc == 0) rc = look_at_names(k, err);
    if (rc == 0) look_at_counters(k);
    return rc;
}

/* Nothing of it can be read. */
static void say_unreadable(struct verify_run *r, const char *url, const struct err *err) {
    const char *pairs[] = {"store", url};
    if (r->json) {
        put_json(pairs, ARRAY_LEN(pairs), true);
        fputs(",\"damages\":[", stdout);
    }
    on_damage("unreadable", err->text, r);
    puts(r->json ? "\n],\"damage_count\":1,\"clean\":false}" : "DAMAGED: 1");
}

static int run(struct verify_run *r, const struct tool_store *s, struct err *err) {
    int rc = open_store(r, s, err);
    if (rc == ERR_CORRUPT) {
        say_unreadable(r, s->shown, err);
        return 0;
    }
    if (rc != 0) return rc;
    identify(r, s->shown);
    fflush(stdout);
    rc = look(r, err);
    progress_wipe(&r->progress);
    if (rc != 0 && r->json) puts("]}");
    if (rc != 0) return rc;
    if (r->json)
        sum_up_json(r);
    else
        sum_up(r);
    return 0;
}

int tool_verify(char *const *values, const bool *given) {
    struct verify_run *r = xcalloc(1, sizeof *r);
    struct tool_store s;
    struct err err;
    r->json = given[0];
    r->v = (struct verify){on_damage, on_progress, on_count, r};
    progress_begin(&r->progress);
    int rc = tool_store_find(&s, values[0], &err);
    if (rc == 0) rc = run(r, &s, &err);
    int status = rc != 0 ? tool_refuse(values[0], &err) : r->damages > 0 ? EXIT_BAD : EXIT_GOOD;
    if (r->k.c != NULL) r->k.b->close(r->k.c);
    timelines_clear(&r->k.timelines);
    for (size_t i = 0; i < r->kind_count; i++) free((void *)r->kinds[i].name);
    tool_store_clear(&s);
    free(r);
    return status;
}
