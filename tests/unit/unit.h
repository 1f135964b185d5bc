/* A unit test program: TEST(name_that_is_a_sentence) { CHECK(...); } and nothing else; main is
 * here. Every test runs in its own process and its own empty directory (removed when it passes).
 * Prints "ok NAME" or "FAIL NAME: file:line: what"; ends with "N passed, N failed". An argument
 * selects the tests whose name holds it. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct unit_test {
    const char *name;
    void (*run)(void);
    struct unit_test *next;
};
static struct unit_test *unit_tests, **unit_tests_end = &unit_tests;

static inline void unit_add(struct unit_test *t) {
    *unit_tests_end = t;
    unit_tests_end = &t->next;
}

#define TEST(id)                                                                                   \
    static void id(void);                                                                          \
    static struct unit_test unit_test_##id = {#id, id, NULL};                                      \
    __attribute__((constructor)) static void unit_register_##id(void) {                            \
        unit_add(&unit_test_##id);                                                                 \
    }                                                                                              \
    static void id(void)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "  %s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define CHECK_INT(actual, expected)                                                                \
    do {                                                                                           \
        long long unit_a = (long long)(actual), unit_e = (long long)(expected);                    \
        if (unit_a != unit_e) {                                                                    \
            fprintf(stderr, "  %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #actual,        \
                    unit_a, unit_e);                                                               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    for (struct unit_test *t = unit_tests; t != NULL; t = t->next) {
        if (argc > 1 && strstr(t->name, argv[1]) == NULL) continue;
        char dir[] = "/tmp/cairn-unit-XXXXXX", command[64];
        if (mkdtemp(dir) == NULL) abort();
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            if (chdir(dir) != 0) abort();
            t->run();
            exit(0);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        if (status == 0) {
            passed++;
            printf("ok %s\n", t->name);
            snprintf(command, sizeof command, "rm -rf %s", dir);
            if (system(command) != 0) abort();
        } else {
            failed++;
            printf("FAIL %s (status %d, files in %s)\n", t->name, status, dir);
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}

#endif
