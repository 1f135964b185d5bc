/* The options: every row at its limits, the option file and what is wrong with it, CONFIG SET and
 * REWRITE, and the sample file in the tree. */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "config/internal.h"

static char top[1024]; /* where the tests were started: the tree */
__attribute__((constructor)) static void remember_top(void) {
    if (getcwd(top, sizeof top) == NULL) abort();
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    CHECK(fputs(text, f) >= 0);
    CHECK(fclose(f) == 0);
}

static char *read_file(const char *path) {
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    static char text[100000];
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static int set_one(struct config *c, const char *name, const char *value, struct err *err) {
    struct str n = str_c(name), v = str_c(value);
    return config_set(c, &n, &v, 1, err);
}

/* Loads with these arguments, NULL-terminated. */
static int load(struct config *c, struct err *err, const char *first, const char *second,
                const char *third) {
    char *argv[5] = {(char *)(uintptr_t) "cairn-server"};
    int argc = 1;
    const char *words[] = {first, second, third};
    for (size_t i = 0; i < 3 && words[i] != NULL; i++) argv[argc++] = (char *)(uintptr_t)words[i];
    return config_load(c, argc, argv, err);
}

static const char *value_of(const struct config *c, const char *name) {
    static struct buf text;
    buf_reset(&text);
    option_print(option_find(str_c(name)), c, &text);
    buf_put(&text, "", 1);
    return text.data;
}

TEST(the_default_of_every_row_is_a_legal_value_and_prints_as_one) {
    struct config c;
    config_defaults(&c);
    OPTION_EACH(o) {
        struct option_value v;
        struct err err;
        char *printed = xstrdup(value_of(&c, o->name));
        CHECK_INT(option_parse(o, str_c(printed), &v, &err), OK);
        option_assign(o, &c, &v);
        CHECK(strcmp(value_of(&c, o->name), printed) == 0);
        free(printed);
        CHECK(strlen(o->help) > 10);
    }
    CHECK(c.port == 6390);
    CHECK(c.cache_bytes == UINT64_C(512) << 20);
    config_free(&c);
}

/* A number as text; octal rows read octal. */
static const char *number(const struct option *o, __int128 v) {
    static char text[64];
    if (o->type == OPTION_OCTAL)
        snprintf(text, sizeof text, v < 0 ? "-%llo" : "%llo", (unsigned long long)(v < 0 ? -v : v));
    else if (v < 0)
        snprintf(text, sizeof text, "-%llu", (unsigned long long)-v);
    else
        snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    return text;
}

TEST(numbers_are_taken_from_min_to_max_and_not_beyond) {
    int rows = 0;
    OPTION_EACH(o) {
        if (o->type != OPTION_INT && o->type != OPTION_SIGNED && o->type != OPTION_BYTES &&
            o->type != OPTION_OCTAL)
            continue;
        rows++;
        struct option_value v;
        struct err err;
        __int128 min = o->min, max = o->max;
        CHECK_INT(option_parse(o, str_c(number(o, min)), &v, &err), OK);
        CHECK(option_parse(o, str_c(number(o, min - 1)), &v, &err) < 0);
        if (o->check == NULL) CHECK_INT(option_parse(o, str_c(number(o, max)), &v, &err), OK);
        CHECK(option_parse(o, str_c(number(o, max + 1)), &v, &err) < 0);
        static const char *const bad[] = {"",   "x",  "1x",  "1.5",  "99999999999999999999999",
                                          " 1", "1 ", "--1", "1kbb", "0x10"};
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
            CHECK(option_parse(o, str_c(bad[i]), &v, &err) < 0);
    }
    CHECK(rows > 15);
}

TEST(yes_no_enums_and_durability_take_their_words_only) {
    struct config c;
    struct err err;
    config_defaults(&c);
    CHECK_INT(set_one(&c, "strict-versioning", "YES", &err), OK);
    CHECK(c.strict_versioning);
    CHECK(set_one(&c, "strict-versioning", "1", &err) < 0);
    CHECK_INT(set_one(&c, "loglevel", "Debug", &err), OK);
    CHECK(strcmp(value_of(&c, "loglevel"), "debug") == 0);
    CHECK(set_one(&c, "loglevel", "loud", &err) < 0);
    CHECK(strstr(err.text, "debug, verbose, notice, warning, nothing") != NULL);
    config_free(&c);

    CHECK_INT(load(&c, &err, "--durability", "interval 250", NULL), OK);
    CHECK(strcmp(value_of(&c, "durability"), "interval 250") == 0);
    CHECK_INT(set_one(&c, "durability", "interval 500", &err), OK);
    CHECK(c.durability_interval_ms == 500);
    CHECK(set_one(&c, "durability", "journal", &err) < 0);
    CHECK(set_one(&c, "durability", "interval", &err) < 0);
    CHECK(set_one(&c, "durability", "interval 0", &err) < 0);
    config_free(&c);
    CHECK_INT(load(&c, &err, "--durability", "interval", "10"), OK);
    CHECK(c.durability_interval_ms == 10);
    config_free(&c);
    CHECK(load(&c, &err, "--durability", "sometimes", NULL) < 0);
    config_free(&c);
}

TEST(a_set_of_several_is_all_or_none) {
    struct config c;
    struct err err;
    config_defaults(&c);
    struct str names[] = {STR("timeout"), STR("SLOWLOG-max-len")};
    struct str good[] = {STR("5"), STR("7")}, bad[] = {STR("6"), STR("x")};
    CHECK_INT(config_set(&c, names, good, 2, &err), OK);
    CHECK(c.timeout_s == 5 && c.slowlog_max_len == 7);
    CHECK(config_set(&c, names, bad, 2, &err) < 0);
    CHECK(c.timeout_s == 5 && c.slowlog_max_len == 7);
    CHECK(strstr(err.text, "argument 'SLOWLOG-max-len'") != NULL);
    names[1] = STR("TIMEOUT");
    CHECK(config_set(&c, names, good, 2, &err) < 0);
    CHECK(strstr(err.text, "duplicate parameter") != NULL);
    config_free(&c);
}

TEST(what_cannot_be_set_says_why) {
    struct config c;
    struct err err;
    config_defaults(&c);
    CHECK(set_one(&c, "port", "1", &err) < 0);
    CHECK(strcmp(err.text, "CONFIG SET failed (possibly related to argument 'port') - can't set "
                           "immutable config") == 0);
    CHECK(set_one(&c, "nothing", "1", &err) < 0);
    CHECK(strcmp(err.text, "Unknown option or number of arguments for CONFIG SET - 'nothing'") ==
          0);
    CHECK(set_one(&c, "apply-only", "yes", &err) < 0);
    CHECK_INT(set_one(&c, "appendonly", "yes", &err), OK);
    CHECK(set_one(&c, "appendonly", "no", &err) < 0);
    config_free(&c);
}

static void set_again(const char *name, const char *value, void *arg) {
    struct err err;
    const struct option *o = option_find(str_c(name));
    if (o != NULL && !(o->flags & OPTION_SETTABLE)) return;
    CHECK_INT(set_one(arg, name, value, &err), OK);
}

TEST(every_value_that_get_returns_can_be_set) {
    struct config c, other;
    config_defaults(&c);
    config_defaults(&other);
    config_get(&c, STR("*"), set_again, &other);
    config_free(&c);
    config_free(&other);
}

TEST(the_file_has_comments_quotes_escapes_and_the_last_line_counts) {
    struct config c;
    struct err err;
    write_file("conf", "# comment\n\n  \t# another\r\nport 7000\r\ntimeout 1\n"
                       "requirepass \"a \\\"b\\\" \\x41\\n\"\nlogfile 'it\\'s'\ntimeout 2\n"
                       "bind 127.0.0.1   ::1\nsave \"\"\ncache-bytes 64MB\nTCP-Backlog 7");
    CHECK_INT(load(&c, &err, "conf", "--port", "7001"), OK);
    CHECK(c.port == 7001 && c.timeout_s == 2 && c.cache_bytes == 64u << 20 && c.tcp_backlog == 7);
    CHECK(strcmp(c.requirepass, "a \"b\" A\n") == 0);
    CHECK(strcmp(c.logfile, "it's") == 0);
    CHECK(strcmp(c.bind, "127.0.0.1 ::1") == 0);
    CHECK(c.file[0] == '/');
    config_free(&c);
}

TEST(a_mark_of_the_encoding_in_front_of_the_file_is_no_part_of_it) {
    struct config c;
    struct err err;
    write_file("conf", "\xef\xbb\xbftimeout 5\r\nport 7000\n");
    CHECK_INT(load(&c, &err, "conf", NULL, NULL), OK);
    CHECK(c.timeout_s == 5 && c.port == 7000);
    CHECK_INT(set_one(&c, "timeout", "6", &err), OK);
    CHECK_INT(config_rewrite(&c, &err), OK);
    CHECK(strcmp(read_file("conf"), "timeout 6\nport 7000\n") == 0);
    config_free(&c);
    write_file("conf", "\xef\xbb\xbf");
    CHECK_INT(load(&c, &err, "conf", NULL, NULL), OK);
    config_free(&c);
    write_file("conf", "port 1\n\xef\xbb\xbftimeout 5\n"); /* at the start only */
    CHECK(load(&c, &err, "conf", NULL, NULL) < 0);
    config_free(&c);
    write_file("conf", "\xff\xfet"); /* (the text ends at its first zero byte) */
    CHECK(load(&c, &err, "conf", NULL, NULL) < 0);
    CHECK(strstr(err.text, "conf: is UTF-16: save it as UTF-8") != NULL);
    config_free(&c);
}

TEST(percentiles_are_written_in_one_way) {
    static const char *const pairs[][2] = {
        {"50.00  099.0 1e1", "50 99 10"},
        {"99.90 -0 +100", "99.9 0 100"},
        {"0.001 99.9999999", "0.001 99.9999999"},
        {"", ""},
    };
    struct config c;
    struct err err;
    config_defaults(&c);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        CHECK_INT(set_one(&c, "latency-tracking-info-percentiles", pairs[i][0], &err), OK);
        CHECK(strcmp(c.latency_percentiles, pairs[i][1]) == 0);
    }
    config_free(&c);
}

TEST(the_version_of_redis_is_three_numbers) {
    static const char *const good[] = {"7.2.4", "8.4.0", "255.255.255"};
    static const char *const bad[] = {"",      "8",      "8.4",    "8.4.0.1",  "8.4.0 ", " 8.4.0",
                                      "8.4.x", "v8.4.0", "8.-4.0", "8.4.1000", "8. 4.0"};
    struct config c;
    struct err err;
    config_defaults(&c);
    CHECK(strcmp(c.redis_version, "7.2.4") == 0);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        CHECK_INT(set_one(&c, "redis-version", good[i], &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(set_one(&c, "redis-version", bad[i], &err) < 0);
    CHECK(strcmp(c.redis_version, "255.255.255") == 0);
    config_free(&c);
}

TEST(mistakes_name_file_line_and_reason) {
    static const struct {
        const char *line, *reason;
    } bad[] = {
        {"no-such 1", "no-such"},
        {"timeout abc", "timeout 'abc': argument couldn't be parsed into an integer"},
        {"timeout", "timeout: a value is missing"},
        {"timeout 1 2", "timeout: takes one value, 2 are given"},
        {"port 65536", "between 0 and 65535"},
        {"journal-segment-bytes 300000", "multiple of 4096"},
        {"store mysql:x", "mysql:x"},
        {"logfile \"x", "quotes"},
        {"logfile \"x\"y", "quotes"},
        {"appendonly no", "fixed"},
        {"apply-only yes", "apply-only"},
        {"latency-tracking-info-percentiles 50 101", "should sit between [0.0,100.0]"},
        {"latency-tracking-info-percentiles 50 nan", "should sit between [0.0,100.0]"},
        {"latency-tracking-info-percentiles 50 x", "Invalid latency-tracking-info-percentiles"},
        {"redis-version 7.2", "a version such as 7.2.4"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[200];
        struct config c;
        struct err err;
        snprintf(text, sizeof text, "# one\nport 1\n%s\n", bad[i].line);
        write_file("conf", text);
        CHECK(load(&c, &err, "conf", NULL, NULL) < 0);
        CHECK(strstr(err.text, "conf:3: ") != NULL);
        CHECK(strstr(err.text, bad[i].reason) != NULL);
        config_free(&c);
    }
    struct config c;
    struct err err;
    write_file("conf", "requirepass hidden twice\n");
    CHECK(load(&c, &err, "conf", NULL, NULL) < 0);
    CHECK(strstr(err.text, "hidden") == NULL);
    config_free(&c);
    CHECK(load(&c, &err, "nowhere", NULL, NULL) < 0);
    CHECK(strstr(err.text, "nowhere") != NULL);
    config_free(&c);
    CHECK(load(&c, &err, "--timeout", "x", NULL) < 0);
    CHECK(strstr(err.text, "command line: timeout") != NULL);
    config_free(&c);
    CHECK(load(&c, &err, "--journal-bytes-max", "64mb", NULL) < 0);
    config_free(&c);
}

TEST(the_command_line_takes_switches_and_words) {
    struct config c;
    struct err err;
    CHECK_INT(load(&c, &err, "--apply-only", "--slowlog-log-slower-than", "-1"), OK);
    CHECK(c.apply_only && c.slowlog_log_slower_than == -1);
    config_free(&c);
    CHECK_INT(load(&c, &err, "--bind", "127.0.0.1", "::1"), OK);
    CHECK(strcmp(c.bind, "127.0.0.1 ::1") == 0);
    config_free(&c);
    CHECK(load(&c, &err, "--apply-only", "yes", NULL) < 0);
    config_free(&c);
    CHECK_INT(load(&c, &err, "--requirepass", "", NULL), OK);
    config_free(&c);
}

TEST(rewrite_keeps_what_did_not_change) {
    struct config c;
    struct err err;
    const char *before = "# operator's words\nport 7000\n\ncache-bytes 64mb # not a comment?\n";
    write_file("conf", before);
    CHECK(load(&c, &err, "conf", NULL, NULL) <
          0); /* as with Redis, # begins a comment at line start only */
    config_free(&c);

    before =
        "# operator's words\nport 7000\n\ncache-bytes 64mb\ntimeout 1\n  # indented\ntimeout 2\n";
    write_file("conf", before);
    CHECK(chmod("conf", 0640) == 0);
    CHECK_INT(load(&c, &err, "conf", NULL, NULL), OK);
    CHECK_INT(set_one(&c, "requirepass", "a \"b\" \n\xff", &err), OK);
    CHECK_INT(set_one(&c, "latency-tracking-info-percentiles", "50  90", &err), OK);
    CHECK_INT(config_rewrite(&c, &err), OK);
    const char *after =
        "# operator's words\nport 7000\n\ncache-bytes 64mb\ntimeout 2\n  # indented\n"
        "requirepass \"a \\\"b\\\" \\x0a\\xff\"\nlatency-tracking-info-percentiles 50 90\n";
    CHECK(strcmp(read_file("conf"), after) == 0);
    struct stat st;
    CHECK(stat("conf", &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK_INT(config_rewrite(&c, &err), OK);
    CHECK(strcmp(read_file("conf"), after) == 0);
    config_free(&c);
    CHECK_INT(load(&c, &err, "conf", NULL, NULL), OK);
    CHECK(strcmp(c.requirepass, "a \"b\" \n\xff") == 0);
    /* An option that went back to its default stays in the file, with that value. */
    CHECK_INT(set_one(&c, "timeout", "0", &err), OK);
    CHECK_INT(config_rewrite(&c, &err), OK);
    CHECK(strstr(read_file("conf"), "\ntimeout 0\n") != NULL);
    config_free(&c);
}

TEST(rewrite_needs_a_file_and_says_what_fails) {
    struct config c;
    struct err err;
    CHECK_INT(load(&c, &err, NULL, NULL, NULL), OK);
    CHECK(config_rewrite(&c, &err) < 0);
    CHECK(strcmp(err.text, "The server is running without a config file") == 0);
    config_free(&c);
    CHECK(mkdir("d", 0700) == 0);
    write_file("d/conf", "port 1\n");
    CHECK_INT(load(&c, &err, "d/conf", NULL, NULL), OK);
    CHECK(unlink("d/conf") == 0);
    CHECK_INT(config_rewrite(&c, &err), OK); /* it was deleted: made anew */
    CHECK(unlink("d/conf") == 0 && rmdir("d") == 0);
    CHECK(config_rewrite(&c, &err) < 0);
    CHECK(strstr(err.text, "Rewriting config file: ") == err.text);
    config_free(&c);
}

TEST(the_sample_file_in_the_tree_is_what_the_table_makes) {
    FILE *f = fopen("sample", "w");
    CHECK(f != NULL);
    config_print_sample(f);
    CHECK(fclose(f) == 0);
    char *made = xstrdup(read_file("sample")), path[1100];
    snprintf(path, sizeof path, "%s/cairn.conf", top);
    /* If not: utils/sample-conf.sh > cairn.conf */
    CHECK(strcmp(read_file(path), made) == 0);
    /* Without its comment signs it is a file of defaults. */
    FILE *plain = fopen("plain", "w");
    for (char *line = strtok(made, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[64];
        if (sscanf(line, "# %63[a-z-] ", name) == 1 &&
            (option_find(str_c(name)) != NULL || option_fixed_find(str_c(name)) != NULL))
            fprintf(plain, "%s\n", line + 2);
    }
    CHECK(fclose(plain) == 0);
    struct config c;
    struct err err;
    int rc = load(&c, &err, "plain", NULL, NULL);
    if (rc != OK) fprintf(stderr, "  %s\n", err.text);
    CHECK_INT(rc, OK);
    free(made);
    config_free(&c);
}

TEST(help_names_every_option) {
    FILE *f = fopen("help", "w");
    config_print_help(f);
    CHECK(fclose(f) == 0);
    const char *text = read_file("help");
    OPTION_EACH(o) {
        char word[64];
        snprintf(word, sizeof word, "--%s", o->name);
        CHECK(strstr(text, word) != NULL);
    }
}
