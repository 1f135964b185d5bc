/* The registry of those who wait: keys, under each its sets, under each the waiters. */
#include "server/wait/internal.h"

#include "base/alloc.h"
#include "server/command/virtual.h"

static uint64_t name_hash(struct str name) {
    return hash_bytes(name.ptr, name.len);
}

struct blocked_key *blocked_key_find(struct blocking *b, struct str name) {
    for (struct hash_node *n = hash_first(&b->keys, name_hash(name)); n != NULL;
         n = hash_next(&b->keys, n)) {
        struct blocked_key *key = CONTAINER_OF(n, struct blocked_key, node);
        if (str_eq(str_of(key->name, key->name_len), name)) return key;
    }
    return NULL;
}

struct blocked_key *blocked_key_get(struct blocking *b, struct str name) {
    struct blocked_key *key = blocked_key_find(b, name);
    if (key != NULL) return key;
    key = xcalloc(1, sizeof *key + name.len);
    key->name_len = name.len;
    memcpy(key->name, name.ptr, name.len);
    list_init(&key->ready);
    list_init(&key->sets);
    hash_insert(&b->keys, &key->node, name_hash(name));
    if (!virtual_marked(name)) b->plain_keys++;
    return key;
}

static uint64_t set_hash(const struct blocked_key *key, enum set_kind kind, struct str group) {
    return key->node.hash ^ hash_u64(hash_bytes(group.ptr, group.len) + (uint64_t)kind);
}

struct blocked_set *blocked_set_find(struct blocking *b, const struct blocked_key *key,
                                     enum set_kind kind, struct str group) {
    for (struct hash_node *n = hash_first(&b->sets, set_hash(key, kind, group)); n != NULL;
         n = hash_next(&b->sets, n)) {
        struct blocked_set *set = CONTAINER_OF(n, struct blocked_set, of);
        if (set->key == key && set->kind == kind &&
            str_eq(str_of(set->group, set->group_len), group))
            return set;
    }
    return NULL;
}

struct blocked_set *blocked_set_get(struct blocking *b, struct blocked_key *key, enum set_kind kind,
                                    struct str group) {
    struct blocked_set *set = blocked_set_find(b, key, kind, group);
    if (set != NULL) return set;
    if (kind == SET_GROUP && key->group_sets++ == 0) b->keys_on_nokey++;
    set = xcalloc(1, sizeof *set + group.len);
    set->key = key;
    set->kind = kind;
    set->group_len = group.len;
    if (group.len > 0) memcpy(set->group, group.ptr, group.len);
    list_init(&set->waiters);
    list_init(&set->unlooking);
    list_init(&set->scanning);
    hash_insert(&b->sets, &set->of, set_hash(key, kind, group));
    list_init(&set->node);
    list_append(&key->sets, &set->node);
    return set;
}

void blocked_key_free_if_unused(struct blocking *b, struct blocked_key *key) {
    if (key->links > 0 || key->serving) return;
    assert(list_empty(&key->sets));
    list_remove(&key->ready);
    hash_remove(&b->keys, &key->node);
    if (!virtual_marked(str_of(key->name, key->name_len))) b->plain_keys--;
    free(key);
}

void blocked_set_free_if_unused(struct server *srv, struct blocked_set *set) {
    struct blocking *b = srv->blocking;
    if (set->links > 0 || set->serving) return;
    if (UNLIKELY(set->selector != NULL)) blocked_scan_end(srv, set);
    list_remove(&set->node);
    hash_remove(&b->sets, &set->of);
    if (set->kind == SET_GROUP && --set->key->group_sets == 0) b->keys_on_nokey--;
    free(set);
}

void blocked_unlink(struct server *srv, struct blocked_link *link, bool claims, bool hurries) {
    struct blocking *b = srv->blocking;
    struct blocked_set *set = link->set;
    struct blocked_key *key = set->key;
    list_remove(&link->node);
    list_remove(&link->later);
    set->links--;
    set->claimers -= claims;
    set->hurried -= hurries;
    if (UNLIKELY(set->selector != NULL) && set->links > 0) blocked_scan(srv, set);
    blocked_set_free_if_unused(srv, set);
    key->links--;
    blocked_key_free_if_unused(b, key);
}
