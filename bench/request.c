/* The requests of a benchmark as prepared bytes. Stream numbers are padded with zeros to one
 * width, so that a request never changes its length and making the next one is a matter of
 * overwriting a few digits in place. */
#include "request.h"
#include "piece.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_DIGITS = REQUEST_NUMBER_DIGITS, UUID_LEN = 36 };
_Static_assert((int)REQUEST_STAMP_DIGITS <= (int)UUID_LEN, "the widest patch is the uuid");

static void add_patch(struct request *r, size_t offset, enum patch_kind kind) {
    if (r->patch_count == r->patch_room) {
        r->patch_room = r->patch_room * 2 + 16;
        r->patches = realloc(r->patches, r->patch_room * sizeof *r->patches);
        if (r->patches == NULL) abort();
    }
    r->patches[r->patch_count++] = (struct patch){offset, kind};
}

static void add_stream(struct request *r, struct piece *p) {
    const char *prefix = r->spec->prefix;
    char zeros[24] = "00000000000000000000000";

    piece_header(p, '$', strlen(prefix) + r->digits);
    piece_add(p, prefix, strlen(prefix));
    add_patch(r, p->len, PATCH_STREAM);
    piece_add(p, zeros, r->digits);
    piece_add(p, "\r\n", 2);
}

char *request_payload(size_t n) {
    static const char alphabet[] =
        "abcdefghijklmnopqrstuvwxyz0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char *bytes = malloc(n + 1);
    uint64_t x = 42 * 2862933555777941757U + 3037000493U;
    if (bytes == NULL) abort();
    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005U + 1442695040888963407U;
        bytes[i] = alphabet[x >> 58];
    }
    bytes[n] = '\0';
    return bytes;
}

static uint64_t next_random(struct request *r) {
    uint64_t x = r->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    r->random = x;
    return x * 2685821657736338717U;
}

/* One argument of a raw command: text between spaces, its {words} replaced. */
static void add_raw_arg(struct request *r, struct piece *p, const char *s, size_t n,
                        const char *payload) {
    struct piece arg = {0};
    struct patch found[8];
    size_t count = 0;
    char zeros[UUID_LEN + 1];

    memset(zeros, '0', sizeof zeros);
    for (size_t i = 0; i < n;) {
        size_t left = n - i;
        enum patch_kind kind;
        if (left >= 9 && memcmp(s + i, "{payload}", 9) == 0) {
            piece_add(&arg, payload, r->spec->payload_bytes);
            i += 9;
            continue;
        }
        if (left >= 8 && memcmp(s + i, "{stream}", 8) == 0) {
            kind = PATCH_STREAM;
        } else if (left >= 6 && memcmp(s + i, "{uuid}", 6) == 0) {
            kind = PATCH_UUID;
        } else if (left >= 3 && memcmp(s + i, "{n}", 3) == 0) {
            kind = PATCH_NUMBER;
        } else {
            piece_add(&arg, s + i++, 1);
            continue;
        }
        i += kind == PATCH_STREAM ? 8 : kind == PATCH_UUID ? 6 : 3;
        if (kind == PATCH_STREAM) piece_add(&arg, r->spec->prefix, strlen(r->spec->prefix));
        assert(count < 8);
        found[count++] = (struct patch){arg.len, kind};
        piece_add(&arg, zeros,
                  kind == PATCH_STREAM ? r->digits
                  : kind == PATCH_UUID ? UUID_LEN
                                       : NUMBER_DIGITS);
    }
    piece_header(p, '$', arg.len);
    for (size_t i = 0; i < count; i++) add_patch(r, p->len + found[i].offset, found[i].kind);
    piece_add(p, arg.bytes == NULL ? "" : arg.bytes, arg.len);
    piece_add(p, "\r\n", 2);
    free(arg.bytes);
}

static int build_raw(struct request *r, struct piece *p, const char *payload) {
    const char *start[256];
    size_t len[256];
    size_t argc = 0;

    for (const char *s = r->spec->raw; *s != '\0' && argc < 256;) {
        size_t n = strcspn(s, " ");
        if (n > 0) start[argc] = s, len[argc++] = n;
        s += n + strspn(s + n, " ");
    }
    if (argc == 0) return -1;
    piece_header(p, '*', argc);
    for (size_t i = 0; i < argc; i++) add_raw_arg(r, p, start[i], len[i], payload);
    return 0;
}

static void add_payload(struct request *r, struct piece *p, const char *payload) {
    piece_header(p, '$', r->spec->payload_bytes);
    if (r->spec->stamped) {
        add_patch(r, p->len, PATCH_TIME);
        add_patch(r, p->len + REQUEST_STAMP_DIGITS, PATCH_SERIAL);
    }
    piece_add(p, payload, r->spec->payload_bytes);
    piece_add(p, "\r\n", 2);
}

static void build_xadd(struct request *r, struct piece *p, const char *payload) {
    piece_header(p, '*', 5);
    piece_arg(p, "XADD");
    add_stream(r, p);
    piece_arg(p, "*");
    piece_arg(p, "d");
    add_payload(r, p, payload);
}

static void build_event(struct request *r, struct piece *p, const char *payload) {
    add_stream(r, p);
    piece_arg(p, "t");
    piece_arg(p, "PAYLOAD");
    add_payload(r, p, payload);
}

static void build_read(struct request *r, struct piece *p, const char *command) {
    char count[16];
    snprintf(count, sizeof count, "%u", r->spec->count);
    piece_header(p, '*', 6);
    piece_arg(p, command);
    add_stream(r, p);
    piece_arg(p, "-");
    piece_arg(p, "+");
    piece_arg(p, "COUNT");
    piece_arg(p, count);
}

/* A position, which is put in when the request is sent. */
static void add_position(struct request *r, struct piece *p) {
    piece_header(p, '$', NUMBER_DIGITS);
    add_patch(r, p->len, PATCH_POSITION);
    piece_add(p, "000000000000\r\n", NUMBER_DIGITS + 2);
}

/* Pages of the whole store; the n-th request begins at n times COUNT, as sequences have no gaps. */
static void build_scan(struct request *r, struct piece *p) {
    char count[16];
    snprintf(count, sizeof count, "%u", r->spec->count);
    piece_header(p, '*', 6);
    piece_arg(p, "EPSCAN");
    piece_arg(p, "0");
    add_position(r, p);
    piece_arg(p, "+");
    piece_arg(p, "COUNT");
    piece_arg(p, count);
}

/* The same with EREAD, whose events are arrays of what a consumer needs. */
static void build_follow(struct request *r, struct piece *p) {
    char count[16];
    snprintf(count, sizeof count, "%u", r->spec->count);
    piece_header(p, '*', 7);
    piece_arg(p, "EREAD");
    piece_arg(p, "FROM");
    add_position(r, p);
    piece_arg(p, "COUNT");
    piece_arg(p, count);
    piece_arg(p, "FIELDS");
    piece_arg(p, "partition_sequence,stream_id,event_name,payload");
}

static int build(struct request *r, struct piece *p, const char *payload) {
    const struct request_spec *spec = r->spec;

    switch (spec->kind) {
    case REQUEST_APPEND:
        piece_header(p, '*', 5);
        piece_arg(p, "EAPPEND");
        build_event(r, p, payload);
        r->events = 1;
        break;
    case REQUEST_MAPPEND:
        piece_header(p, '*', 2 + (size_t)spec->batch * 4);
        piece_arg(p, "EMAPPEND");
        piece_arg(p, "0b0e7c5a-6c1f-5d0e-9b7a-2f1d4c3b2a19");
        for (unsigned i = 0; i < spec->batch; i++) build_event(r, p, payload);
        r->events = spec->batch;
        break;
    case REQUEST_XADD:
        build_xadd(r, p, payload);
        r->events = 1;
        break;
    case REQUEST_XADD_MULTI:
        piece_header(p, '*', 1);
        piece_arg(p, "MULTI");
        for (unsigned i = 0; i < spec->batch; i++) build_xadd(r, p, payload);
        piece_header(p, '*', 1);
        piece_arg(p, "EXEC");
        r->replies = spec->batch + 2;
        r->events = spec->batch;
        break;
    case REQUEST_READ:
        build_read(r, p, "ESCAN");
        break;
    case REQUEST_XRANGE:
        build_read(r, p, "XRANGE");
        break;
    case REQUEST_SCAN:
        build_scan(r, p);
        break;
    case REQUEST_FOLLOW:
        build_follow(r, p);
        break;
    case REQUEST_PUBLISH:
        piece_header(p, '*', 3);
        piece_arg(p, "PUBLISH");
        add_stream(r, p);
        add_payload(r, p, payload);
        break;
    case REQUEST_PING:
        piece_header(p, '*', 1);
        piece_arg(p, "PING");
        break;
    case REQUEST_RAW:
        return build_raw(r, p, payload);
    }
    return 0;
}

int request_init(struct request *r, const struct request_spec *spec, unsigned depth,
                 uint64_t seed) {
    struct piece one = {0};
    char *payload = request_payload(spec->payload_bytes);

    memset(r, 0, sizeof *r);
    assert(depth > 0);
    assert(spec->streams > 0);
    assert(!spec->stamped || spec->payload_bytes >= REQUEST_STAMP);
    r->spec = spec;
    r->depth = depth;
    r->replies = 1;
    r->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    r->digits = 1;
    for (uint64_t top = spec->streams - 1; top >= 10; top /= 10) r->digits++;
    int rc = build(r, &one, payload);
    if (rc == 0) {
        r->len = one.len;
        r->bytes = malloc(one.len * depth);
        if (r->bytes == NULL) abort();
        for (unsigned i = 0; i < depth; i++) memcpy(r->bytes + i * one.len, one.bytes, one.len);
        if (r->patch_count > 0)
            r->last_patch =
                (depth - 1) * one.len + r->patches[r->patch_count - 1].offset + UUID_LEN;
    }
    free(one.bytes);
    free(payload);
    return rc;
}

void request_clear(struct request *r) {
    free(r->bytes);
    free(r->patches);
    memset(r, 0, sizeof *r);
}

static void put_digits(char *out, unsigned width, uint64_t v) {
    for (unsigned i = width; i > 0; i--) {
        out[i - 1] = (char)('0' + v % 10);
        v /= 10;
    }
}

static void put_uuid(struct request *r, char *out) {
    static const char hex[] = "0123456789abcdef";
    uint64_t half[2] = {next_random(r), next_random(r)};

    for (unsigned i = 0, nibble = 0; i < UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            out[i] = '-';
            continue;
        }
        out[i] = hex[(half[nibble / 16] >> (nibble % 16 * 4)) & 15];
        nibble++;
    }
    out[14] = '4';
    out[19] = '8';
}

static uint64_t next_stream(struct request *r) {
    uint64_t streams = r->spec->among > 0 ? r->spec->among : r->spec->streams;
    if (streams == 1) return 0;
    if (r->spec->in_turn) return r->number++ % streams;
    return (uint64_t)(((__uint128_t)next_random(r) * streams) >> 64);
}

void request_patch(struct request *r, unsigned n, uint64_t now_ns) {
    char digits[24];

    assert(n <= r->depth);
    for (unsigned i = 0; i < n; i++) {
        char *at = r->bytes + i * r->len;
        bool fresh = true;
        for (size_t k = 0; k < r->patch_count; k++) {
            char *out = at + r->patches[k].offset;
            switch (r->patches[k].kind) {
            case PATCH_STREAM:
                if (fresh || r->spec->spread) put_digits(digits, r->digits, next_stream(r));
                fresh = false;
                memcpy(out, digits, r->digits);
                break;
            case PATCH_NUMBER:
                put_digits(out, NUMBER_DIGITS, r->number++);
                break;
            case PATCH_POSITION:
                put_digits(out, NUMBER_DIGITS, r->number++ * r->spec->count);
                break;
            case PATCH_TIME:
                put_digits(out, REQUEST_STAMP_DIGITS, now_ns);
                break;
            case PATCH_SERIAL:
                put_digits(out, REQUEST_NUMBER_DIGITS, r->serial++);
                break;
            case PATCH_UUID:
                put_uuid(r, out);
                break;
            }
        }
    }
}
