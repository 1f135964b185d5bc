/* Eight bytes at a step, by eight tables, which are made when they are first asked for: dumps may
 * be large, and the loop waits for them. */
#include "base/crc64.h"

#define REFLECTED UINT64_C(0x95ac9329ac4bc9b5)

static uint64_t table[8][256];

static void make_tables(void) {
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? REFLECTED : 0);
        table[0][i] = crc;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned i = 0; i < 256; i++)
            table[k][i] = table[0][table[k - 1][i] & 0xff] ^ (table[k - 1][i] >> 8);
}

uint64_t crc64(const void *p, size_t n) {
    const uint8_t *at = p;
    uint64_t crc = 0;
    if (table[0][1] == 0) make_tables();
    for (; n >= 8; at += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        crc ^= word;
        crc = table[7][crc & 0xff] ^ table[6][(crc >> 8) & 0xff] ^ table[5][(crc >> 16) & 0xff] ^
              table[4][(crc >> 24) & 0xff] ^ table[3][(crc >> 32) & 0xff] ^
              table[2][(crc >> 40) & 0xff] ^ table[1][(crc >> 48) & 0xff] ^ table[0][crc >> 56];
    }
    for (; n > 0; at++, n--) crc = table[0][(crc ^ *at) & 0xff] ^ (crc >> 8);
    return crc;
}
