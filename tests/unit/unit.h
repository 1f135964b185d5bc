/* A unit test program: TEST(name_that_is_a_sentence) { CHECK(...); } and nothing else; main is
 * here. Every test runs in its own process and its own empty directory (removed when it passes).
 * Prints "ok NAME" or "FAIL NAME: file:line: what"; ends with "N passed, N failed". An argument
 * selects the tests whose name holds it.
 *
 * What a test leaves to chance it draws: draw(6) is below 6. A failure names the seed, and
 * CAIRN_TEST_SEED=n draws the same again.
 *
 * A test must say the same on any machine: it makes the order and the slowness that it needs
 * itself, and looks at no clock. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
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

static inline unsigned unit_slow(void) {
    const char *slow = getenv("CAIRN_TEST_SLOW");
    return slow != NULL && atoi(slow) > 1 ? (unsigned)atoi(slow) : 1;
}

/* A test that takes more of the processor than this is killed: for what would take for ever if it
 * were wrong. Seconds; CAIRN_TEST_SLOW multiplies them. */
static inline void unit_cpu_limit(unsigned seconds) {
    rlim_t limit = seconds * unit_slow();
    if (setrlimit(RLIMIT_CPU, &(struct rlimit){limit, limit}) != 0) abort();
}

/* Splitmix64. Of several threads each draws numbers of its own, in whatever order. */
static _Atomic uint64_t unit_seed;

static inline uint64_t draw_u64(void) {
    uint64_t z = atomic_fetch_add(&unit_seed, 0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Below n. */
static inline uint64_t draw(uint64_t n) {
    return draw_u64() % n;
}

static inline uint64_t unit_choose_seed(void) {
    const char *given = getenv("CAIRN_TEST_SEED");
    uint64_t seed = 0;
    if (given != NULL) return strtoull(given, NULL, 10);
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) abort();
    return seed;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    uint64_t seed = unit_choose_seed();
    for (struct unit_test *t = unit_tests; t != NULL; t = t->next) {
        if (argc > 1 && strstr(t->name, argv[1]) == NULL) continue;
        char dir[] = "/tmp/cairn-unit-XXXXXX", command[64];
        if (mkdtemp(dir) == NULL) abort();
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            if (chdir(dir) != 0) abort();
            alarm(900 * unit_slow()); /* it hangs */
            atomic_store(&unit_seed, seed);
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
            printf("FAIL %s (status %d, CAIRN_TEST_SEED=%llu, files in %s)\n", t->name, status,
                   (unsigned long long)seed, dir);
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}

#endif
