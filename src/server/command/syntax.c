/* See syntax.h. A recursive descent over a text of the table:
 *
 *   alternatives = sequence { "|" sequence }
 *   sequence     = { item } [ "..." ]
 *   item         = TOKEN | [ TOKEN ] value | [ TOKEN ] "<" alternatives ">" | "[" alternatives "]"
 *
 * A bracket that ends with "..." and repeats what stands before it, as in `key [key ...]`, makes
 * that item multiple and is no item of its own. */
#include "server/command/syntax.h"

static struct syntax_node *parse_alternatives(struct syntax *s, size_t *count, bool *repeats);

static void skip_blanks(struct syntax *s) {
    while (s->text[s->at] == ' ') s->at++;
}

static bool is_word(char ch) {
    return ch != '\0' && strchr(" []<>|", ch) == NULL;
}

static struct str take_word(struct syntax *s) {
    size_t start = s->at;
    while (is_word(s->text[s->at])) s->at++;
    return str_of(s->text + start, s->at - start);
}

static bool is_token(struct str word) {
    return word.ptr[0] >= 'A' && word.ptr[0] <= 'Z';
}

static struct syntax_node *new_node(struct syntax *s, enum syntax_kind kind) {
    assert(s->used < SYNTAX_NODES_MAX);
    struct syntax_node *n = &s->nodes[s->used++];
    *n = (struct syntax_node){.kind = kind, .start = s->at, .value = s->at};
    return n;
}

/* One sequence as one node: itself when it has one item, else a block. */
static struct syntax_node *as_one(struct syntax *s, struct syntax_node *first, size_t count) {
    if (count == 1) return first;
    struct syntax_node *block = new_node(s, SYNTAX_BLOCK);
    block->start = block->value = first->start;
    block->children = first;
    block->count = count;
    block->name = first->name;
    for (struct syntax_node *n = first; n != NULL; n = n->next) block->end = n->end;
    return block;
}

static bool parse_group(struct syntax *s, struct syntax_node *n, char close, bool *repeats) {
    s->at++;
    n->children = parse_alternatives(s, &n->count, repeats);
    if (n->children == NULL || s->text[s->at] != close) return false;
    s->at++;
    n->end = s->at;
    n->name = n->children->name;
    return true;
}

/* `[x ...]` behind x: returns the node that it repeats, joining several into a block. */
static bool repeats_tail(struct syntax *s, struct syntax_node **first, size_t *count, size_t inner,
                         size_t inner_len) {
    size_t place = 0;
    struct syntax_node **link = first;
    for (; *link != NULL; link = &(*link)->next, place++) {
        struct syntax_node *n = *link, *last = n;
        while (last->next != NULL) last = last->next;
        bool whole = last->end - n->start == inner_len &&
                     memcmp(s->text + n->start, s->text + inner, inner_len) == 0;
        bool value = n == last && last->end - n->value == inner_len &&
                     memcmp(s->text + n->value, s->text + inner, inner_len) == 0;
        if (!whole && !value) continue;
        struct syntax_node *one = as_one(s, n, *count - place);
        one->multiple = true;
        one->multiple_token = whole && one->token.len > 0;
        *link = one;
        *count = place + 1;
        return true;
    }
    return false;
}

/* [ ... ] */
static bool parse_optional(struct syntax *s, struct syntax_node **first, size_t *count,
                           struct syntax_node **out) {
    bool repeats = false;
    struct syntax_node *n = new_node(s, SYNTAX_ONEOF);
    size_t inner = s->at + 1;
    if (!parse_group(s, n, ']', &repeats)) return false;
    *out = NULL;
    if (repeats) {
        size_t len = s->at - 1 - inner;
        while (len > 0 && (s->text[inner + len - 1] == '.' || s->text[inner + len - 1] == ' '))
            len--;
        if (repeats_tail(s, first, count, inner, len)) return true;
    }
    size_t start = n->start, end = n->end;
    if (n->count == 1) n = n->children; /* the brackets only say that it is optional */
    if (n->optional) return false;
    n->optional = true;
    n->multiple |= repeats;
    n->start = start;
    n->end = end;
    *out = n;
    return true;
}

/* An item that is no bracket. */
static struct syntax_node *parse_item(struct syntax *s) {
    bool repeats;
    struct syntax_node *n = new_node(s, SYNTAX_VALUE);
    if (s->text[s->at] != '<') {
        struct str word = take_word(s);
        if (word.len == 0) return NULL;
        n->name = word;
        n->end = s->at;
        if (!is_token(word)) return n;
        n->token = word;
        skip_blanks(s);
        char next = s->text[s->at];
        n->value = s->at;
        if (next != '<' && (next < 'a' || next > 'z')) {
            n->kind = SYNTAX_TOKEN;
            return n;
        }
    }
    if (s->text[s->at] == '<') {
        n->kind = SYNTAX_ONEOF;
        return parse_group(s, n, '>', &repeats) ? n : NULL;
    }
    n->name = take_word(s);
    n->end = s->at;
    return n;
}

static struct syntax_node *parse_sequence(struct syntax *s, size_t *count, bool *repeats) {
    struct syntax_node *first = NULL;
    *count = 0;
    while (true) {
        skip_blanks(s);
        char ch = s->text[s->at];
        if (ch == '\0' || ch == ']' || ch == '>' || ch == '|') return first;
        struct syntax_node *n = NULL;
        if (strncmp(s->text + s->at, "...", 3) == 0) {
            s->at += 3;
            *repeats = true;
            continue;
        }
        if (ch == '[') {
            if (!parse_optional(s, &first, count, &n)) return NULL;
            if (n == NULL) continue;
        } else if ((n = parse_item(s)) == NULL) {
            return NULL;
        }
        struct syntax_node **link = &first;
        while (*link != NULL) link = &(*link)->next;
        *link = n;
        ++*count;
    }
}

static struct syntax_node *parse_alternatives(struct syntax *s, size_t *count, bool *repeats) {
    struct syntax_node *first = NULL, **link = &first;
    *count = 0;
    *repeats = false;
    while (true) {
        size_t items;
        struct syntax_node *n = parse_sequence(s, &items, repeats);
        if (n == NULL) return NULL;
        n = as_one(s, n, items);
        *link = n;
        link = &n->next;
        ++*count;
        if (s->text[s->at] != '|') return first;
        s->at++;
    }
}

bool syntax_parse(struct syntax *s, const char *text) {
    bool repeats = false;
    memset(s, 0, offsetof(struct syntax, text));
    s->text = text;
    s->at = 0;
    s->first = parse_sequence(s, &s->count, &repeats);
    return (s->first != NULL || text[0] == '\0') && text[s->at] == '\0';
}
