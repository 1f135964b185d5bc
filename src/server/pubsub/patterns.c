/* Patterns by the literal bytes that they begin with, so that a channel is compared only with those
 * that begin as it does: one look for each length in use. Patterns that begin with a star stand
 * under the empty beginning. */
#include "server/pubsub/internal.h"

#include "base/alloc.h"

#define STEPS_OF_WORK    128 /* of str_match_glob_steps */
#define STEPS_OF_PATTERN 8   /* to look at it at all */

struct prefix {
    struct hash_node node; /* patterns.prefixes */
    struct list patterns;
    size_t count, names, slow; /* of those: how many, bytes of their names, str_glob_slow */
    size_t len;
    char bytes[];
};

void patterns_init(struct patterns *p) {
    hash_init(&p->prefixes);
}

void patterns_clear(struct patterns *p) {
    hash_clear(&p->prefixes);
}

static struct prefix *find_prefix(const struct patterns *p, struct str bytes) {
    uint64_t hash = hash_bytes(bytes.ptr, bytes.len);
    for (struct hash_node *n = hash_first(&p->prefixes, hash); n != NULL;
         n = hash_next(&p->prefixes, n)) {
        struct prefix *prefix = CONTAINER_OF(n, struct prefix, node);
        if (str_eq(str_of(prefix->bytes, prefix->len), bytes)) return prefix;
    }
    return NULL;
}

static struct prefix *create_prefix(struct patterns *p, struct str bytes) {
    struct prefix *prefix = xcalloc(1, sizeof *prefix + bytes.len + 1);
    list_init(&prefix->patterns);
    prefix->len = bytes.len;
    if (bytes.len > 0) memcpy(prefix->bytes, bytes.ptr, bytes.len);
    if (p->prefixes.count == 0) p->shortest = p->longest = bytes.len;
    p->shortest = MIN(p->shortest, bytes.len);
    p->longest = MAX(p->longest, bytes.len);
    p->lengths[bytes.len]++;
    hash_insert(&p->prefixes, &prefix->node, hash_bytes(bytes.ptr, bytes.len));
    return prefix;
}

static void destroy_prefix(struct patterns *p, struct prefix *prefix) {
    hash_remove(&p->prefixes, &prefix->node);
    p->lengths[prefix->len]--;
    while (p->shortest < p->longest && p->lengths[p->shortest] == 0) p->shortest++;
    while (p->longest > p->shortest && p->lengths[p->longest] == 0) p->longest--;
    free(prefix);
}

void patterns_add(struct patterns *p, struct channel *ch) {
    size_t len = MIN(str_glob_prefix(ch->name), (size_t)PATTERN_PREFIX_MAX);
    struct str bytes = str_of(ch->name.ptr, len);
    struct prefix *prefix = find_prefix(p, bytes);
    ch->least = str_glob_least(ch->name);
    p->slow += str_glob_slow(ch->name);
    ch->prefix = prefix != NULL ? prefix : create_prefix(p, bytes);
    ch->prefix->count++;
    ch->prefix->names += ch->name.len;
    ch->prefix->slow += str_glob_slow(ch->name);
    list_append(&ch->prefix->patterns, &ch->of_prefix);
}

void patterns_remove(struct patterns *p, struct channel *ch) {
    p->slow -= str_glob_slow(ch->name);
    ch->prefix->count--;
    ch->prefix->names -= ch->name.len;
    ch->prefix->slow -= str_glob_slow(ch->name);
    list_remove(&ch->of_prefix);
    if (list_empty(&ch->prefix->patterns)) destroy_prefix(p, ch->prefix);
}

void channels_add(struct channels *found, struct channel *ch) {
    if (found->count == found->cap) {
        found->cap = found->cap == 0 ? 16 : found->cap * 2;
        found->list = xrealloc(found->list, found->cap * sizeof *found->list);
    }
    found->list[found->count++] = ch;
}

/* Returns how many steps it took. */
static uint64_t find_under(const struct prefix *prefix, struct str channel,
                           struct channels *found) {
    uint64_t steps = 0;
    LIST_FOR_EACH (it, &prefix->patterns) {
        struct channel *ch = LIST_ENTRY(it, struct channel, of_prefix);
        steps += STEPS_OF_PATTERN;
        if (ch->count > 0 && channel.len >= ch->least &&
            str_match_glob_steps(ch->name, channel, false, &steps))
            channels_add(found, ch);
    }
    return steps;
}

size_t patterns_find(const struct patterns *p, struct str channel, size_t least,
                     struct channels *found) {
    if (p->prefixes.count == 0) return 0;
    uint64_t steps = 0;
    size_t longest = MIN(p->longest, channel.len);
    for (size_t len = MAX(p->shortest, least); len <= longest; len++) {
        if (p->lengths[len] == 0) continue;
        const struct prefix *prefix = find_prefix(p, str_of(channel.ptr, len));
        if (prefix != NULL) steps += find_under(prefix, channel, found);
    }
    return steps / STEPS_OF_WORK;
}

size_t patterns_work(const struct patterns *p, struct str channel) {
    if (p->prefixes.count == 0) return 0;
    uint64_t steps = 0;
    size_t longest = MIN(p->longest, channel.len);
    for (size_t len = p->shortest; len <= longest; len++) {
        if (p->lengths[len] == 0) continue;
        const struct prefix *prefix = find_prefix(p, str_of(channel.ptr, len));
        if (prefix == NULL) continue;
        steps += prefix->count * STEPS_OF_PATTERN + prefix->names + prefix->slow * channel.len;
    }
    return steps / STEPS_OF_WORK;
}
