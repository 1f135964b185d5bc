/* Fuzz target of what RESTORE takes. The input is the value of a payload, without version and
 * checksum; what is read of it must be a dump or refused, and takes no more than it may. Bytes
 * behind a value that is ours are a dump of ours: given a checksum, they are looked at as well. */
#include "base/alloc.h"
#include "base/hash.h"
#include "stream/dump/rdb_parts.h"

#define OUT_MAX (1u << 20)

static void require(bool condition) {
    if (!condition) abort();
}

static void check(const uint8_t *data, size_t size) {
    uint16_t version = RDB_VERSION;
    size_t n = size + RDB_FOOTER;
    char *payload = xmalloc(n);
    memcpy(payload, data, size);
    memcpy(payload + size, &version, sizeof version);
    uint64_t sum = rdb_checksum(payload, n - sizeof sum);
    memcpy(payload + n - sizeof sum, &sum, sizeof sum);
    struct buf out;
    struct dump d;
    buf_init(&out, OUT_MAX);
    enum rdb_status status = rdb_read(str_of(payload, n), &out);
    require(status != RDB_FOREIGN && out.len <= OUT_MAX);
    if (status == RDB_OK && dump_parse(buf_str(&out), &d))
        require(d.frame_bytes >= (d.is_string ? d.body.len : d.event_count));
    buf_clear(&out);
    free(payload);
}

static void check_own(const uint8_t *data, size_t size) {
    struct buf own;
    struct dump d;
    buf_init(&own, 0);
    dump_put_head(&own, DUMP_STREAM);
    buf_put(&own, data, size);
    dump_seal(&own, 0);
    if (dump_parse(buf_str(&own), &d)) require(d.frame_bytes > d.event_count);
    buf_clear(&own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check(data, size);
    check_own(data, size);
    return 0;
}
