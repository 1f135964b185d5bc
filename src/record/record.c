/* Whether records from a file make sense, kind by kind; and what they count. */
#include "record/record.h"

#include "record/batch.h"
#include "record/event.h"
#include "record/timeline.h"

/* A body with a fixed part and a non-empty array of equal items behind it. */
static bool is_array(const struct record *r, size_t head, size_t item) {
    return r->len > head && (r->len - head) % item == 0;
}

/* Bodies about a stream begin with its number. */
static bool of_stream(const struct record *r, size_t least) {
    return r->len >= least && stream_number_valid(*(const uint64_t *)r->body);
}

static bool remove_valid(const struct record *r) {
    if (!is_array(r, sizeof(struct remove_record), sizeof(struct removed_event))) return false;
    const struct remove_record *b = r->body;
    size_t n = (r->len - sizeof *b) / sizeof b->events[0];
    for (size_t i = 1; i < n; i++)
        if (b->events[i - 1].version >= b->events[i].version) return false;
    return stream_number_valid(b->stream) && b->events[n - 1].version <= UINT32_MAX;
}

static bool delete_valid(const struct record *r) {
    const struct delete_record *b = r->body;
    if (r->len == sizeof *b && b->kind != KIND_VIRTUAL) return false;
    return (r->len == sizeof *b || r->len == sizeof(struct number_record)) && of_stream(r, r->len);
}

static bool group_valid(const struct record *r) {
    const struct group_record *b = r->body;
    return r->len >= sizeof *b && r->len == sizeof *b + b->name_len && b->reserved[0] == 0 &&
           b->reserved[1] == 0 && b->reserved[2] == 0 && stream_number_valid(b->stream);
}

static bool consumer_valid(const struct record *r) {
    const struct consumer_record *b = r->body;
    return r->len >= sizeof *b && b->number != 0 && r->len == sizeof *b + b->name_len &&
           b->reserved == 0;
}

static bool pending_valid(const struct record *r) {
    if (!is_array(r, sizeof(struct pending_record), sizeof(struct pending_item))) return false;
    const struct pending_record *b = r->body;
    size_t n = (r->len - sizeof *b) / sizeof b->items[0];
    for (size_t i = 0; i < n; i++)
        if ((b->items[i].flags & ~(uint32_t)PENDING_IS_NEW) != 0) return false;
    return true;
}

static bool idempotent_valid(const struct record *r) {
    const struct idempotent_record *b = r->body;
    return r->len >= sizeof *b && r->len == sizeof *b + b->producer_len + b->id_len &&
           b->producer_len > 0 && b->id_len > 0 && b->reserved == 0 && of_stream(r, sizeof *b);
}

static bool checkpoint_valid(struct str value) {
    struct checkpoint_value v;
    if (value.len != sizeof v) return false;
    memcpy(&v, value.ptr, sizeof v);
    return v.reserved == 0 && v.position <= INT64_MAX && v.updated <= INT64_MAX;
}

static bool named_valid(const struct record *r) {
    const struct named_record *b = r->body;
    if (r->len < sizeof *b || r->len - sizeof *b < b->name_len) return false;
    struct str value = named_record_value(b, r->len);
    if (b->class == 0 || b->class >= NAMED_CLASSES) return false;
    if (!stream_name_valid(named_record_name(b))) return false;
    if (b->flags != 0) return b->flags == NAMED_GONE && value.len == 0;
    return b->class != NAMED_CHECKPOINT || checkpoint_valid(value);
}

bool record_valid(const struct record *r) {
    switch ((enum record_kind)r->kind) {
    case RECORD_STREAM:
    case RECORD_RENAME:
        return stream_record_valid(r->body, r->len);
    case RECORD_EVENT:
        return event_record_valid(r->body, r->len);
    case RECORD_FLUSH:
        return r->len == 0;
    case RECORD_STREAM_STATE:
        return r->len == sizeof(struct stream_state_record) && of_stream(r, r->len);
    case RECORD_REMOVE:
        return remove_valid(r);
    case RECORD_DELETE:
        return delete_valid(r);
    case RECORD_IDEMPOTENT_CLEAR:
        return r->len == sizeof(struct number_record) && of_stream(r, r->len);
    case RECORD_GROUP_DROP:
        return r->len == sizeof(struct number_record);
    case RECORD_VALUE:
        return of_stream(r, sizeof(struct value_record));
    case RECORD_ERASE:
        return r->len == sizeof(struct erase_record) && of_stream(r, r->len);
    case RECORD_GROUP:
        return group_valid(r);
    case RECORD_GROUP_POSITION:
        return r->len == sizeof(struct position_record);
    case RECORD_CONSUMER:
        return consumer_valid(r);
    case RECORD_CONSUMER_DROP:
        return r->len == sizeof(struct consumer_drop_record);
    case RECORD_PENDING:
        return pending_valid(r);
    case RECORD_ACK:
        return is_array(r, sizeof(struct ack_record), sizeof(struct entry_id));
    case RECORD_IDEMPOTENT:
        return idempotent_valid(r);
    case RECORD_NAMED:
        return named_valid(r);
    case RECORD_TIMELINE:
        return timeline_record_valid(r->body, r->len);
    }
    return false;
}

int record_streams(const struct record *r) {
    if (r->kind == RECORD_DELETE) return r->len == sizeof(struct number_record) ? -1 : 0;
    if (r->kind != RECORD_STREAM) return 0;
    return ((const struct stream_record *)r->body)->kind != KIND_VIRTUAL;
}
