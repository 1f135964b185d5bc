/* The command table: every row is consistent, every syntax text can be taken apart, and the parts
 * are what COMMAND DOCS must say. Also the histograms behind latencystats. */
#include "unit.h"

#include "base/alloc.h"
#include "server/command/command.h"
#include "server/stats/stats.h"
#include "server/command/syntax.h"

static void check_row(const struct command *cmd, const struct command *before) {
    struct syntax s;
    CHECK(syntax_parse(&s, cmd->syntax));
    CHECK(cmd->run != NULL || cmd->subcommands != NULL);
    CHECK(cmd->argc_min >= 1);
    CHECK(cmd->argc_max == 0 || cmd->argc_max >= cmd->argc_min);
    CHECK(strlen(cmd->summary) > 10 && cmd->group != NULL && cmd->since != NULL);
    CHECK((cmd->first_key == 0) == (cmd->key_step == 0));
    CHECK(!((cmd->flags & CMD_WRITE) && (cmd->flags & CMD_READ)));
    CHECK(command_decided(cmd));
    CHECK(cmd->rehearse == NULL || cmd->flags & CMD_OUTSIDE);
    for (const char *p = cmd->name; *p != '\0'; p++) CHECK((*p >= 'a' && *p <= 'z') || *p == '-');
    /* A command without arguments has no syntax, one with arguments has. */
    size_t own = before != NULL ? 2 : 1;
    if (cmd->subcommands == NULL)
        CHECK((cmd->argc_min == own && cmd->argc_max == own) == (s.count == 0) ||
              strcmp(cmd->name, "quit") == 0);
    for (const struct command *sub = cmd->subcommands; sub != NULL && sub->name != NULL; sub++)
        check_row(sub, cmd);
}

TEST(every_row_of_the_table_is_consistent) {
    size_t n;
    commands_init();
    struct command *const *all = commands_all(&n);
    CHECK(n > 90);
    for (size_t i = 0; i < n; i++) {
        check_row(all[i], NULL);
        for (size_t k = 0; k < i; k++) CHECK(strcmp(all[i]->name, all[k]->name) != 0);
    }
}

static enum outcome nothing(struct client *c, const struct request *r) {
    UNUSED(c);
    UNUSED(r);
    return REPLIED;
}

TEST(a_row_that_can_be_queued_says_what_exec_can_do_with_it) {
    struct command cmd = {.name = "x", .run = nothing, .flags = CMD_FAST | CMD_ADMIN};
    CHECK(!command_decided(&cmd));
    unsigned kinds[] = {CMD_READ, CMD_WRITE, CMD_OUTSIDE, CMD_HARMLESS};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        cmd.flags = CMD_FAST | CMD_NO_DATA | kinds[i];
        CHECK(command_decided(&cmd));
        if (kinds[i] == CMD_OUTSIDE) continue;
        cmd.flags |= CMD_OUTSIDE; /* would not be rehearsed, or rehearsed and run twice */
        CHECK(!command_decided(&cmd));
    }
    cmd.flags = CMD_NO_MULTI | CMD_NO_DATA;
    CHECK(command_decided(&cmd));
}

TEST(a_row_says_which_view_it_reads) {
    struct command cmd = {.name = "x", .run = nothing, .flags = CMD_NO_MULTI};
    CHECK(!command_decided(&cmd));
    unsigned views[] = {CMD_SETTLED, CMD_NEWEST, CMD_NO_DATA};
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        cmd.flags = CMD_NO_MULTI | views[i];
        CHECK(command_decided(&cmd));
        cmd.flags |= views[(i + 1) % ARRAY_LEN(views)];
        CHECK(!command_decided(&cmd));
    }
}

TEST(a_row_with_keys_says_what_it_does_with_virtual_names) {
    struct command cmd = {.name = "x", .run = nothing, .first_key = 1, .last_key = 1};
    cmd.flags = CMD_NO_MULTI | CMD_SETTLED;
    CHECK(!command_decided(&cmd));
    unsigned ways[] = {CMD_VIRTUAL, CMD_NOT_VIRTUAL};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        cmd.flags = CMD_NO_MULTI | CMD_SETTLED | ways[i];
        CHECK(command_decided(&cmd));
    }
    cmd.flags |= CMD_VIRTUAL;
    CHECK(!command_decided(&cmd));
    cmd.first_key = 0; /* without keys there is nothing to say */
    cmd.flags = CMD_NO_MULTI | CMD_SETTLED | CMD_VIRTUAL;
    CHECK(!command_decided(&cmd));
}

static bool is(struct str s, const char *text) {
    return str_eq(s, str_c(text));
}

TEST(tokens_values_and_repetition) {
    struct syntax s;
    CHECK(syntax_parse(&s, "key [COUNT n] [TYPE pattern [pattern ...]] [REV]"));
    CHECK_INT(s.count, 4);
    struct syntax_node *n = s.first;
    CHECK(n->kind == SYNTAX_VALUE && is(n->name, "key") && !n->optional && n->token.len == 0);
    n = n->next;
    CHECK(n->kind == SYNTAX_VALUE && is(n->name, "n") && is(n->token, "COUNT") && n->optional);
    n = n->next;
    CHECK(is(n->name, "pattern") && is(n->token, "TYPE") && n->optional && n->multiple &&
          !n->multiple_token);
    n = n->next;
    CHECK(n->kind == SYNTAX_TOKEN && is(n->token, "REV") && n->optional && n->next == NULL);
}

TEST(alternatives_and_blocks) {
    struct syntax s;
    CHECK(syntax_parse(
        &s, "[EXPECTED <version | ANY>] [AUTH user password] name value [name value ...]"));
    CHECK_INT(s.count, 3);
    struct syntax_node *n = s.first;
    CHECK(n->kind == SYNTAX_ONEOF && is(n->token, "EXPECTED") && n->optional && n->count == 2);
    CHECK(n->children->kind == SYNTAX_VALUE && n->children->next->kind == SYNTAX_TOKEN);
    n = n->next;
    CHECK(n->kind == SYNTAX_BLOCK && n->optional && n->count == 2);
    CHECK(is(n->children->token, "AUTH") && is(n->children->name, "user") &&
          is(n->children->next->name, "password"));
    n = n->next;
    CHECK(n->kind == SYNTAX_BLOCK && n->multiple && !n->optional && n->count == 2 &&
          n->next == NULL);
}

TEST(an_optional_repetition_and_a_repeated_token) {
    struct syntax s;
    CHECK(syntax_parse(&s, "[arg [arg ...]] [PREFIX p [PREFIX p ...]]"));
    CHECK_INT(s.count, 2);
    CHECK(s.first->optional && s.first->multiple && is(s.first->name, "arg"));
    CHECK(s.first->next->multiple && s.first->next->multiple_token && s.first->next->optional);
    CHECK(syntax_parse(&s, ""));
    CHECK_INT(s.count, 0);
}

TEST(malformed_texts_are_refused) {
    static const char *const bad[] = {"[a", "a]",   "<a",    "a>",  "[]",
                                      "<>", "[a|]", "a | b", "A <", "[[a]]"};
    struct syntax s;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) CHECK(!syntax_parse(&s, bad[i]));
}

TEST(buckets_cover_all_latencies_without_gap) {
    for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++)
        CHECK(histogram_upper(i) > histogram_upper(i - 1));
    CHECK(histogram_upper(0) == 0);
    CHECK(histogram_upper(HISTOGRAM_BUCKETS - 1) > UINT64_C(3600000000)); /* an hour */
}
