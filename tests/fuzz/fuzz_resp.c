/* Fuzz target of the request parser: whatever the bytes, how they are cut into pieces must not
 * change what is read. The first byte chooses the limits, the next eight the sizes of the pieces;
 * the rest is the stream. It is read whole and in pieces (each piece in a fresh allocation of
 * exactly its size, so that the sanitizer sees a read too far), and both must agree on every
 * request, every argument and the error.
 *
 * Build with clang -fsanitize=fuzzer,address -Isrc and the objects of base and proto. */
#include "base/alloc.h"
#include "base/buf.h"
#include "proto/resp.h"

#define HEAD      9
#define INPUT_MAX 4096

static const struct resp_limits limit_sets[] = {
    {1 << 20, 1024, 65536, 1 << 24, false},
    {100, 8, 40, 300, true},
    {1000, 100, 64, UINT64_MAX, false},
    {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, false},
    {50, 20, 1000, 90, true},
};

static void note_str(struct buf *story, struct str s) {
    buf_put(story, &s.len, sizeof s.len);
    buf_put_str(story, s);
}

static void require(bool condition) {
    if (!condition) abort();
}

/* Reads all requests of the stream; what happened is written to story. pieces NULL: all at once. */
static void tell(struct buf *story, const char *data, size_t len, const uint8_t *pieces,
                 const struct resp_limits *limits) {
    struct resp_reader r;
    resp_reader_init(&r);
    size_t start = 0, have = pieces == NULL ? len : 0;
    for (unsigned turn = 0;; turn++) {
        char *copy = xmemdup(data + start, have - start);
        enum resp_status status = resp_read(&r, copy, have - start, limits);
        if (status == RESP_OK) {
            require(r.consumed > 0 && r.consumed <= have - start);
            require(r.argc <= limits->args_max);
            note_str(story, STR("request"));
            for (size_t i = 0; i < r.argc; i++) note_str(story, r.args[i]);
            start += r.consumed;
        } else if (status == RESP_INVALID) {
            require(strncmp(r.error, "Protocol error: ", 16) == 0);
            note_str(story, str_c(r.error));
        } else {
            require(r.needed > have - start);
        }
        free(copy);
        if (status == RESP_INVALID || (status == RESP_UNFINISHED && have == len)) break;
        if (status == RESP_UNFINISHED) have = MIN(len, have + 1 + pieces[turn % (HEAD - 1)] % 64);
    }
    buf_put(story, &start, sizeof start);
    resp_reader_clear(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD || size > INPUT_MAX) return 0;
    const struct resp_limits *limits = &limit_sets[data[0] % ARRAY_LEN(limit_sets)];
    const char *stream = (const char *)data + HEAD;
    struct buf whole, pieces;
    buf_init(&whole, 0);
    buf_init(&pieces, 0);
    tell(&whole, stream, size - HEAD, NULL, limits);
    tell(&pieces, stream, size - HEAD, data + 1, limits);
    require(str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_clear(&whole);
    buf_clear(&pieces);
    return 0;
}
