/* Reading the payload of RESTORE; see rdb.h. Here its parts and a string, rdb_entries.c has the
 * entries of a stream, rdb_groups.c the rest of it. Bytes come from clients: no length is believed
 * before there are that many bytes. */
#include "base/lzf.h"
#include "stream/dump/rdb_parts.h"

/* ---- parts ---- */

bool rdb_take(struct rdb_in *in, void *out, size_t n) {
    if (in->rest.len < n) return false;
    memcpy(out, in->rest.ptr, n);
    in->rest = str_of(in->rest.ptr + n, in->rest.len - n);
    return true;
}

static uint64_t big_endian(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

/* The rest of a length whose first byte was read. */
static bool len_after(struct rdb_in *in, uint8_t first, uint64_t *n) {
    uint8_t b[8];
    size_t more;
    if (first < RDB_LEN_14) {
        *n = first;
        return true;
    }
    if (first < RDB_LEN_32) {
        if (!rdb_take(in, b, 1)) return false;
        *n = (uint64_t)(first & 0x3f) << 8 | b[0];
        return true;
    }
    if (first != RDB_LEN_32 && first != RDB_LEN_64) return false;
    more = first == RDB_LEN_32 ? 4 : 8;
    if (!rdb_take(in, b, more)) return false;
    *n = big_endian(b, more);
    return true;
}

bool rdb_len(struct rdb_in *in, uint64_t *n) {
    uint8_t first;
    return rdb_take(in, &first, 1) && len_after(in, first, n);
}

static bool text_of_int(struct rdb_in *in, size_t bytes, struct buf *unpacked) {
    uint64_t n = 0;
    char digits[20];
    if (!rdb_take(in, &n, bytes)) return false;
    unsigned shift = 64 - 8 * (unsigned)bytes;
    buf_put(unpacked, digits, i64_to_dec((int64_t)(n << shift) >> shift, digits));
    return true;
}

static bool text_of_lzf(struct rdb_in *in, struct buf *unpacked) {
    uint64_t packed, n;
    if (!rdb_len(in, &packed) || !rdb_len(in, &n) || packed > in->rest.len) return false;
    if (n > lzf_most((size_t)packed)) return false;
    if (in->out->max != 0 && n > in->out->max) {
        in->out->overflow = true;
        return false;
    }
    char *at = buf_reserve(unpacked, (size_t)n);
    if (!lzf_unpack(str_of(in->rest.ptr, (size_t)packed), at, (size_t)n)) return false;
    unpacked->len += (size_t)n;
    in->rest = str_of(in->rest.ptr + packed, in->rest.len - (size_t)packed);
    return true;
}

bool rdb_text(struct rdb_in *in, struct buf *unpacked, struct str *out) {
    uint8_t first;
    uint64_t n;
    bool good;
    if (!rdb_take(in, &first, 1)) return false;
    if (first < RDB_ENCODED) {
        if (!len_after(in, first, &n) || n > in->rest.len) return false;
        *out = str_of(in->rest.ptr, (size_t)n);
        in->rest = str_of(in->rest.ptr + n, in->rest.len - (size_t)n);
        return true;
    }
    buf_reset(unpacked);
    switch (first) {
    case RDB_INT8:
    case RDB_INT16:
    case RDB_INT32:
        good = text_of_int(in, (size_t)1 << (first - RDB_INT8), unpacked);
        break;
    case RDB_LZF:
        good = text_of_lzf(in, unpacked);
        break;
    default:
        good = false;
    }
    *out = buf_str(unpacked);
    return good;
}

bool rdb_id(struct rdb_in *in, struct entry_id *out) {
    return rdb_len(in, &out->ms) && rdb_len(in, &out->seq);
}

bool rdb_id_raw(struct rdb_in *in, struct entry_id *out) {
    uint8_t b[16];
    if (!rdb_take(in, b, sizeof b)) return false;
    *out = (struct entry_id){big_endian(b, 8), big_endian(b + 8, 8)};
    return true;
}

/* ---- all of it ---- */

static bool read_string(struct rdb_in *in) {
    struct buf unpacked;
    struct str value;
    buf_init(&unpacked, 0);
    bool good = rdb_text(in, &unpacked, &value);
    dump_put_head(in->out, DUMP_STRING);
    if (good) buf_put_str(in->out, value);
    dump_seal(in->out, 0);
    buf_clear(&unpacked);
    return good;
}

/* Redis' types that are not here, by the byte that says how they are written. */
static const char *const other_types[] = {
    [1] = "lists",       [2] = "sets",    [3] = "sorted sets",  [4] = "hashes",
    [5] = "sorted sets", [6] = "modules", [7] = "modules",      [9] = "hashes",
    [10] = "lists",      [11] = "sets",   [12] = "sorted sets", [13] = "hashes",
    [14] = "lists",      [16] = "hashes", [17] = "sorted sets", [18] = "lists",
    [20] = "sets",
};

const char *rdb_type(struct str payload) {
    size_t type = payload.len > 0 ? (uint8_t)payload.ptr[0] : SIZE_MAX;
    return type < ARRAY_LEN(other_types) ? other_types[type] : NULL;
}

static bool read_value(struct rdb_in *in) {
    uint8_t type;
    if (!rdb_take(in, &type, 1)) return false;
    in->type = type;
    switch (type) {
    case RDB_STRING:
        return read_string(in);
    case RDB_STREAM_1:
    case RDB_STREAM_2:
    case RDB_STREAM_3:
        return rdb_read_stream(in);
    default:
        return false;
    }
}

static bool footer_is_right(struct str payload) {
    uint16_t version;
    uint64_t sum;
    if (payload.len < RDB_FOOTER) return false;
    const char *at = payload.ptr + payload.len - RDB_FOOTER;
    memcpy(&version, at, sizeof version);
    memcpy(&sum, at + sizeof version, sizeof sum);
    return version <= RDB_VERSION && rdb_checksum(payload.ptr, payload.len - sizeof sum) == sum;
}

enum rdb_status rdb_read(struct str payload, struct buf *out) {
    if (!footer_is_right(payload)) return RDB_FOREIGN;
    struct rdb_in in = {.rest = str_of(payload.ptr, payload.len - RDB_FOOTER), .out = out};
    assert(out->len == 0);
    if (rdb_type(in.rest) != NULL) return RDB_OTHER;
    if (!read_value(&in)) return out->overflow ? RDB_TOO_LARGE : RDB_BAD;
    if (in.rest.len > 0) { /* ours, from dump_write: it says all, and so counts alone */
        buf_reset(out);
        buf_put_str(out, in.rest);
    }
    return out->overflow ? RDB_TOO_LARGE : RDB_OK;
}
