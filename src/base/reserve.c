/* jemalloc asks an arena's hooks for address space. The arena of the serving thread is told to grow
 * by one huge page a time; the hook hands out pages that the reserve's thread has touched. When
 * there is none, the page comes as it is, and touching it is the serving thread's. */
#include "base/reserve.h"

#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/pace.h"

#define PAGE_BYTES   ((size_t)2 << 20)
#define PAGES        4                  /* kept ready */
#define SPAN_BYTES   ((size_t)64 << 20) /* address space that is taken in one piece */
#define RESERVE_NICE 5

/* Not there when the program is linked with another allocator. */
#pragma weak mallctl

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    char *pages[PAGES]; /* ascending, oldest first: memory stays in one piece */
    size_t first, count;
    const extent_hooks_t *usual;
} reserve = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

uint64_t reserve_bytes(void) {
    pthread_mutex_lock(&reserve.lock);
    uint64_t bytes = reserve.count * PAGE_BYTES;
    pthread_mutex_unlock(&reserve.lock);
    return bytes;
}

/* --- the hooks: called by jemalloc with its locks held, so they allocate nothing -------- */

static void *take_page(void) {
    pthread_mutex_lock(&reserve.lock);
    char *page = NULL;
    if (reserve.count > 0) {
        page = reserve.pages[reserve.first];
        reserve.first = (reserve.first + 1) % PAGES;
        reserve.count--;
    }
    pthread_cond_signal(&reserve.wake);
    pthread_mutex_unlock(&reserve.lock);
    return page;
}

static void *hook_alloc(extent_hooks_t *hooks, void *at, size_t size, size_t alignment, bool *zero,
                        bool *commit, unsigned arena) {
    UNUSED(hooks);
    void *page = at == NULL && size == PAGE_BYTES && alignment <= PAGE_BYTES ? take_page() : NULL;
    if (page == NULL)
        return reserve.usual->alloc((extent_hooks_t *)reserve.usual, at, size, alignment, zero,
                                    commit, arena);
    *zero = *commit = true;
    return page;
}

/* --- the thread ------------------------------------------------------------------ */

/* The next huge page of address space; NULL: there is none. */
static char *next_page(void) {
    static char *at, *end;
    if (at == end) {
        size_t bytes = SPAN_BYTES + PAGE_BYTES;
        char *span = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (span == MAP_FAILED) return NULL;
        at = (char *)(((uintptr_t)span + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1));
        end = at + SPAN_BYTES;
        if (at > span) munmap(span, (size_t)(at - span));
        if (span + bytes > end) munmap(end, (size_t)(span + bytes - end));
        madvise(at, SPAN_BYTES, MADV_HUGEPAGE);
    }
    char *page = at;
    at += PAGE_BYTES;
    return page;
}

static void *reserve_main(void *arg) {
    UNUSED(arg);
    pthread_setname_np(pthread_self(), "reserve");
    pace_nice(RESERVE_NICE);
    char *page;
    while ((page = next_page()) != NULL) {
        pthread_mutex_lock(&reserve.lock);
        while (reserve.count == PAGES) pthread_cond_wait(&reserve.wake, &reserve.lock);
        pthread_mutex_unlock(&reserve.lock);
        /* Every small page: the system may have no huge one. */
        for (size_t i = 0; i < PAGE_BYTES; i += 4096) ((volatile char *)page)[i] = 0;
        pthread_mutex_lock(&reserve.lock);
        reserve.pages[(reserve.first + reserve.count++) % PAGES] = page;
        pthread_mutex_unlock(&reserve.lock);
    }
    return NULL;
}

static bool set_arena(void) {
    static extent_hooks_t hooks;
    extent_hooks_t *usual = NULL, *mine = &hooks;
    unsigned arena = 0;
    size_t usual_size = sizeof usual, arena_size = sizeof arena, limit = PAGE_BYTES;
    if (mallctl("arena.0.extent_hooks", &usual, &usual_size, NULL, 0) != 0) return false;
    hooks = *usual;
    hooks.alloc = hook_alloc;
    reserve.usual = usual;
    if (mallctl("arenas.create", &arena, &arena_size, &mine, sizeof mine) != 0) return false;
    char name[64];
    snprintf(name, sizeof name, "arena.%u.retain_grow_limit", arena);
    if (mallctl(name, NULL, NULL, &limit, sizeof limit) != 0) return false;
    return mallctl("thread.arena", NULL, NULL, &arena, sizeof arena) == 0;
}

void reserve_start(void) {
    if (mallctl == NULL) return;
    /* No signal is for this thread: the server begins to block them later. */
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, reserve_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) return;
    pthread_detach(thread);
    set_arena();
}
