/* Memory out of the reserve behaves as any other: whatever its size, zero when it is asked for, and
 * free for any thread to give back. (Without jemalloc there is no reserve, and nothing changes.) */
#include "unit.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/reserve.h"

#define BLOCKS 4000

static void *free_all(void *arg) {
    char **blocks = arg;
    for (size_t i = 0; i < BLOCKS; i++) free(blocks[i]);
    return NULL;
}

/* From 16 bytes to 256 KB, and now and then more than a huge page. */
static size_t size_of(size_t i) {
    return i % 1000 == 999 ? (size_t)5 << 20 : (size_t)16 << (i % 15);
}

TEST(memory_of_the_reserve_is_zero_and_can_be_freed_by_another_thread) {
    reserve_start();
    static char *blocks[BLOCKS];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t size = size_of(i), set = 0;
            blocks[i] = xcalloc(1, size);
            for (size_t at = 0; at < size; at++) set += blocks[i][at] != 0;
            CHECK(set == 0);
            memset(blocks[i], 0x55, size);
        }
        for (size_t i = 0; i < BLOCKS; i++)
            CHECK(blocks[i][0] == 0x55 && blocks[i][size_of(i) - 1] == 0x55);
        CHECK(reserve_bytes() <= (uint64_t)8 << 20);
        pthread_t other;
        CHECK(pthread_create(&other, NULL, free_all, blocks) == 0);
        CHECK(pthread_join(other, NULL) == 0);
    }
}
