/* The intrusive list. */
#include "unit.h"

#include "base/list.h"

struct item {
    int value;
    struct list node;
};

static void check_order(struct list *l, const char *digits) {
    size_t i = 0;
    LIST_FOR_EACH (it, l) {
        CHECK(digits[i] != '\0');
        CHECK_INT(LIST_ENTRY(it, struct item, node)->value, digits[i++] - '0');
        CHECK(it->next->prev == it);
    }
    CHECK(digits[i] == '\0');
    CHECK(list_empty(l) == (i == 0));
}

static void fill(struct item *items, int n) {
    for (int i = 0; i < n; i++) {
        items[i].value = i;
        list_init(&items[i].node);
    }
}

TEST(append_and_prepend_keep_their_order) {
    struct item items[4];
    struct list l;
    fill(items, 4);
    list_init(&l);
    check_order(&l, "");
    list_append(&l, &items[1].node);
    list_append(&l, &items[2].node);
    list_prepend(&l, &items[0].node);
    list_append(&l, &items[3].node);
    check_order(&l, "0123");
}

TEST(a_node_knows_whether_it_is_on_a_list) {
    struct item items[2] = {{0}};
    struct list l;
    list_init(&l);
    CHECK(!list_linked(&items[0].node)); /* zeroed */
    list_append(&l, &items[0].node);
    CHECK(list_linked(&items[0].node));
    list_remove(&items[0].node);
    CHECK(!list_linked(&items[0].node));
    list_remove(&items[0].node); /* again: nothing happens */
    list_remove(&items[1].node); /* never linked */
    CHECK(list_empty(&l));
    list_append(&l, &items[0].node);
    check_order(&l, "0");
}

TEST(removal_works_at_both_ends_and_in_the_middle) {
    struct item items[5];
    struct list l;
    fill(items, 5);
    list_init(&l);
    for (int i = 0; i < 5; i++) list_append(&l, &items[i].node);
    list_remove(&items[2].node);
    check_order(&l, "0134");
    list_remove(&items[0].node);
    check_order(&l, "134");
    list_remove(&items[4].node);
    check_order(&l, "13");
    list_remove(&items[1].node);
    list_remove(&items[3].node);
    check_order(&l, "");
}

TEST(splice_moves_all_to_the_end) {
    struct item items[6];
    struct list a, b;
    fill(items, 6);
    list_init(&a);
    list_init(&b);
    list_splice(&a, &b);
    check_order(&a, "");
    for (int i = 0; i < 3; i++) list_append(&a, &items[i].node);
    for (int i = 3; i < 6; i++) list_append(&b, &items[i].node);
    list_splice(&a, &b);
    check_order(&a, "012345");
    check_order(&b, "");
    list_splice(&b, &a);
    check_order(&b, "012345");
    check_order(&a, "");
    list_splice(&b, &a);
    check_order(&b, "012345");
}

TEST(the_safe_walk_allows_removing_the_current_node) {
    struct item items[9];
    struct list l;
    fill(items, 9);
    list_init(&l);
    for (int i = 0; i < 9; i++) list_append(&l, &items[i].node);
    LIST_FOR_EACH_SAFE (it, &l) {
        if (LIST_ENTRY(it, struct item, node)->value % 2 == 0) list_remove(it);
    }
    check_order(&l, "1357");
    LIST_FOR_EACH_SAFE (it, &l) list_remove(it);
    check_order(&l, "");
}
