/* Error texts, the log, the clocks. */
#include "unit.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>

TEST(errors_return_their_code_and_keep_their_text) {
    struct err e;
    CHECK_INT(err_set(&e, ERR_CORRUPT, "page %d is damaged", 7), ERR_CORRUPT);
    CHECK(strcmp(e.text, "page 7 is damaged") == 0);
    CHECK_INT(err_wrap(&e, ERR_REFUSED, "opening '%s'", "x.db"), ERR_REFUSED);
    CHECK(strcmp(e.text, "opening 'x.db': page 7 is damaged") == 0);
    CHECK_INT(err_set(NULL, ERR_BUSY, "unheard"), ERR_BUSY);
    CHECK_INT(err_wrap(NULL, ERR_BUSY, "unheard"), ERR_BUSY);
}

TEST(system_errors_name_the_reason_and_keep_errno) {
    struct err e;
    errno = ENOSPC;
    CHECK_INT(err_errno(&e, "writing %s", "seg-1"), ERR_IO);
    CHECK_INT(errno, ENOSPC);
    CHECK(strcmp(e.text, "writing seg-1: No space left on device") == 0);
    errno = 99999;
    CHECK_INT(err_errno(&e, "odd"), ERR_IO);
    CHECK(strncmp(e.text, "odd: ", 5) == 0);
    CHECK_INT(err_errno(NULL, "unheard"), ERR_IO);
}

TEST(errors_may_quote_their_own_text) {
    struct err e;
    err_set(&e, ERR_FAILED, "inner");
    err_set(&e, ERR_FAILED, "no: %s", "plain");
    CHECK(strcmp(e.text, "no: plain") == 0);
}

TEST(long_errors_are_cut_and_never_end_in_a_newline) {
    struct err e;
    char big[2000];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    err_set(&e, ERR_FAILED, "%s", big);
    CHECK_INT(strlen(e.text), sizeof e.text - 1);
    err_wrap(&e, ERR_FAILED, "why");
    CHECK(strncmp(e.text, "why: xxx", 8) == 0);
    CHECK_INT(strlen(e.text), sizeof e.text - 1);
    err_wrap(&e, ERR_FAILED, "%s", big);
    CHECK_INT(strlen(e.text), sizeof e.text - 1);
    err_set(&e, ERR_FAILED, "line\r\n\n");
    CHECK(strcmp(e.text, "line") == 0);
}

static char *slurp(const char *path, char *text, size_t size) {
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    size_t n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

TEST(a_line_has_pid_time_mark_and_text) {
    struct err e;
    char text[1000], month[4], mark;
    int pid, day, year, hour, minute, second, ms, at = 0;
    CHECK_INT(log_open("a.log", &e), OK);
    log_notice("hello %d", 5);
    slurp("a.log", text, sizeof text);
    int n = sscanf(text, "%d %2d %3s %4d %2d:%2d:%2d.%3d %c %n", &pid, &day, month, &year, &hour,
                   &minute, &second, &ms, &mark, &at);
    CHECK_INT(n, 9);
    CHECK_INT(pid, getpid());
    CHECK(mark == '*');
    CHECK(strcmp(text + at, "hello 5\n") == 0);
}

TEST(lines_below_the_level_are_not_composed) {
    struct err e;
    char text[1000];
    int composed = 0;
    CHECK_INT(log_open("a.log", &e), OK);
    log_level = LOG_WARNING;
    log_notice("%d", ++composed);
    log_debug("%d", ++composed);
    CHECK_INT(composed, 0);
    log_warning("%d", ++composed);
    CHECK_INT(composed, 1);
    CHECK(strstr(slurp("a.log", text, sizeof text), " # 1\n") != NULL);
    log_level = LOG_DEBUG;
    log_debug("d");
    log_verbose("v");
    slurp("a.log", text, sizeof text);
    CHECK(strstr(text, " . d\n") != NULL);
    CHECK(strstr(text, " - v\n") != NULL);
    log_level = LOG_NOTHING;
    log_warning("silence");
    CHECK(strstr(slurp("a.log", text, sizeof text), "silence") == NULL);
}

TEST(control_bytes_cannot_forge_a_line) {
    struct err e;
    char text[1000];
    CHECK_INT(log_open("a.log", &e), OK);
    log_notice("a\r\nb\tc\x1b[0m\x7f \xc3\xa4");
    slurp("a.log", text, sizeof text);
    CHECK(strstr(text, " * a??b?c?[0m? \xc3\xa4\n") != NULL);
    CHECK(strchr(text, '\n') == text + strlen(text) - 1);
}

TEST(a_very_long_line_is_cut_but_stays_a_line) {
    struct err e;
    char text[10000], big[8000];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    CHECK_INT(log_open("a.log", &e), OK);
    log_notice("%s", big);
    log_notice("next");
    slurp("a.log", text, sizeof text);
    char *end = strchr(text, '\n');
    CHECK_INT(end - text, 4095);
    CHECK(strstr(end, " * next\n") != NULL);
}

TEST(what_happens_over_and_over_is_logged_once_in_a_while_and_counted) {
    struct err e;
    char text[8192];
    struct log_gap gap = {0};
    CHECK_INT(log_open("a.log", &e), OK);
    for (int i = 0; i < 5; i++) {
        log_line_seldom(&gap, 3600000, LOG_WARNING, "refused %d", i);
        log_warning_seldom(3600000, "elsewhere %d", i);
    }
    slurp("a.log", text, sizeof text);
    CHECK(strstr(text, " # refused 0\n") != NULL);
    CHECK(strstr(text, " # elsewhere 0\n") != NULL);
    CHECK(strstr(text, "refused 1") == NULL);
    CHECK(strstr(text, "elsewhere 1") == NULL);
    gap.due_ms = 0;
    log_line_seldom(&gap, 3600000, LOG_WARNING, "refused %d", 9);
    gap.due_ms = 0;
    log_line_seldom(&gap, 3600000, LOG_WARNING, "refused %d", 10);
    slurp("a.log", text, sizeof text);
    CHECK(strstr(text, "refused 9 (and 4 times since the last such line)\n") != NULL);
    CHECK(strstr(text, "refused 10\n") != NULL);
}

TEST(logging_keeps_errno) {
    struct err e;
    CHECK_INT(log_open("a.log", &e), OK);
    errno = EPIPE;
    log_notice("x");
    CHECK_INT(errno, EPIPE);
}

TEST(reopening_follows_a_rotated_file) {
    struct err e;
    char text[1000];
    CHECK_INT(log_open("a.log", &e), OK);
    log_notice("one");
    CHECK_INT(rename("a.log", "a.log.1"), 0);
    log_notice("two");
    CHECK_INT(log_open("a.log", &e), OK);
    log_notice("three");
    slurp("a.log.1", text, sizeof text);
    CHECK(strstr(text, "one") != NULL && strstr(text, "two") != NULL);
    CHECK(strstr(text, "three") == NULL);
    CHECK(strstr(slurp("a.log", text, sizeof text), "three") != NULL);
}

TEST(a_file_that_cannot_be_opened_is_an_error_and_changes_nothing) {
    struct err e;
    char text[1000];
    CHECK_INT(log_open("a.log", &e), OK);
    CHECK_INT(log_open("no/such/dir/b.log", &e), ERR_IO);
    CHECK(strstr(e.text, "no/such/dir/b.log") != NULL);
    CHECK(strstr(e.text, "No such file") != NULL);
    log_notice("still here");
    CHECK(strstr(slurp("a.log", text, sizeof text), "still here") != NULL);
    CHECK_INT(log_open("", &e), OK);
    CHECK_INT(log_open(NULL, &e), OK);
}

static void *write_lines(void *arg) {
    for (int i = 0; i < 500; i++) log_notice("thread %s says its line %04d", (char *)arg, i);
    return NULL;
}

TEST(lines_of_several_threads_never_mix) {
    struct err e;
    pthread_t threads[3];
    CHECK_INT(log_open("a.log", &e), OK);
    static char names[3][2] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (int i = 0; i < 50; i++) CHECK_INT(log_open("a.log", &e), OK);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    FILE *f = fopen("a.log", "r");
    char line[200], who;
    int number, lines = 0, next[3] = {0};
    while (fgets(line, sizeof line, f) != NULL) {
        char *at = strstr(line, " * ");
        CHECK(at != NULL);
        CHECK_INT(sscanf(at, " * thread %c says its line %d", &who, &number), 2);
        CHECK_INT(number, next[who - 'a']++);
        lines++;
    }
    CHECK_INT(lines, 1500);
    fclose(f);
}

TEST(the_clocks_agree_with_the_system_and_advance) {
    uint64_t us = clock_wall_us(), ms = clock_wall_ms();
    CHECK(us / 1000 <= ms && ms <= clock_wall_us() / 1000);
    CHECK(ms > 1700000000000);
    uint64_t mono = clock_mono_us();
    usleep(2000);
    CHECK(clock_mono_us() - mono >= 2000);
    CHECK(clock_mono_ms() >= mono / 1000 + 2);
}
