/* EAPPEND and EMAPPEND. */
#include "base/alloc.h"
#include "stream/append.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/expected.h"
#include "commands/event/family.h"
#include "commands/event/reply.h"

#define TIMESTAMP_MS_MAX (UINT64_MAX / 1000000) /* SierraDB keeps nanoseconds in 64 bits */

enum option {
    OPT_EVENT_ID,
    OPT_PARTITION_KEY,
    OPT_EXPECTED_VERSION,
    OPT_TIMESTAMP,
    OPT_CORRELATION,
    OPT_CAUSATION,
    OPT_AGGREGATE,
    OPT_PAYLOAD,
    OPT_METADATA,
    OPT_COUNT,
};

static const struct {
    struct str keyword;
    const char *what;
} options[OPT_COUNT] = {
    [OPT_EVENT_ID] = {{"EVENT_ID", 8}, "event id"},
    [OPT_PARTITION_KEY] = {{"PARTITION_KEY", 13}, "partition key"},
    [OPT_EXPECTED_VERSION] = {{"EXPECTED_VERSION", 16}, "expected version"},
    [OPT_TIMESTAMP] = {{"TIMESTAMP", 9}, "timestamp"},
    [OPT_CORRELATION] = {{"CORRELATION", 11}, "correlation id"},
    [OPT_CAUSATION] = {{"CAUSATION", 9}, "causation id"},
    [OPT_AGGREGATE] = {{"AGGREGATE", 9}, "aggregate id"},
    [OPT_PAYLOAD] = {{"PAYLOAD", 7}, "payload"},
    [OPT_METADATA] = {{"METADATA", 8}, "metadata"},
};

/* How the events of a command are told apart. */
enum form {
    FORM_ALONE, /* EAPPEND: there is one */
    FORM_PLAIN, /* EMAPPEND: an event begins with the first word that is no option */
    FORM_EVENT, /* EMAPPEND: an event begins with the word EVENT */
};

static bool is_event_word(struct str arg) {
    return arg_is(arg, STR("EVENT"));
}

static enum option option_find(struct str arg) {
    /* PAYLOAD first: nearly every append has it. */
    if (arg_is(arg, options[OPT_PAYLOAD].keyword)) return OPT_PAYLOAD;
    for (enum option o = 0; o < OPT_COUNT; o++)
        if (arg_is(arg, options[o].keyword)) return o;
    return OPT_COUNT;
}

static bool parse_timestamp(struct client *c, struct append *a, struct str value) {
    if (!arg_u64_or_reply(c, value, "timestamp", &a->timestamp)) return false;
    a->has_timestamp = true;
    if (a->timestamp <= TIMESTAMP_MS_MAX) return true;
    reply_error(c, "INVALIDARG invalid timestamp format: expected milliseconds, got nanoseconds");
    return false;
}

static bool parse_option(struct client *c, struct append *a, enum option o, struct str value) {
    struct event_fields *f = &a->fields;
    switch (o) {
    case OPT_EVENT_ID:
        a->has_id = true;
        return arg_uuid_or_reply(c, value, "event id", &f->event_id);
    case OPT_PARTITION_KEY:
        f->partition_key = &a->ids[0];
        return arg_uuid_or_reply(c, value, "partition key", &a->ids[0]);
    case OPT_EXPECTED_VERSION:
        return expected_or_reply(c, value, &a->expected, &a->expected_version);
    case OPT_TIMESTAMP:
        return parse_timestamp(c, a, value);
    case OPT_CORRELATION:
        f->correlation = &a->ids[1];
        return arg_uuid_or_reply(c, value, "correlation id", &a->ids[1]);
    case OPT_CAUSATION:
        f->causation = &a->ids[2];
        return arg_uuid_or_reply(c, value, "causation id", &a->ids[2]);
    case OPT_AGGREGATE:
        f->aggregate = value;
        if (value.len >= 1 && value.len <= STREAM_NAME_MAX &&
            memchr(value.ptr, '\0', value.len) == NULL)
            return true;
        reply_error(c, "INVALIDARG invalid aggregate id: 1 to %d bytes without NUL",
                    STREAM_NAME_MAX);
        return false;
    case OPT_PAYLOAD:
        f->payload = value;
        return true;
    case OPT_METADATA:
        f->metadata = value;
        return true;
    case OPT_COUNT:
        break;
    }
    return false;
}

static bool strict_or_reply(struct client *c, const struct append *a) {
    if (!c->srv->config.strict_versioning ||
        (a->expected != EXPECT_ANY && a->expected != EXPECT_EXISTS))
        return true;
    reply_error(c, "INVALIDARG strict versioning mode rejects EXPECTED_VERSION %s",
                a->expected == EXPECT_ANY ? "any" : "exists");
    return false;
}

static bool size_or_reply(struct client *c, const struct append *a) {
    size_t size = a->fields.payload.len + a->fields.metadata.len;
    if (size <= c->srv->config.max_event_bytes) return true;
    reply_error(c, "TOOLARGE payload and metadata are %zu bytes, max-event-bytes is %llu", size,
                (unsigned long long)c->srv->config.max_event_bytes);
    return false;
}

static void reply_no_option(struct client *c, struct str word, enum form form) {
    reply_error(c,
                "INVALIDARG unexpected string '%.*s': expected EVENT_ID, %sEXPECTED_VERSION, "
                "TIMESTAMP, CORRELATION, CAUSATION, AGGREGATE, PAYLOAD, METADATA%s or end of input",
                (int)MIN(word.len, (size_t)64), word.ptr,
                form == FORM_ALONE ? "PARTITION_KEY, " : "", form == FORM_EVENT ? ", EVENT" : "");
}

/* One event's options, from argv[at] on. Returns the index of the word behind them, 0 after an
 * error reply. */
static size_t parse_options(struct client *c, const struct request *r, size_t at, struct append *a,
                            enum form form) {
    unsigned seen = 0;
    for (; at < r->argc; at += 2) {
        enum option o = option_find(r->argv[at]);
        if (o == OPT_COUNT) {
            if (form == FORM_PLAIN || (form == FORM_EVENT && is_event_word(r->argv[at]))) break;
            reply_no_option(c, r->argv[at], form);
            return 0;
        }
        if (o == OPT_PARTITION_KEY && form != FORM_ALONE) {
            reply_error(c, "INVALIDARG EMAPPEND takes one partition key, in front of the events");
            return 0;
        }
        if (seen & (1u << o)) {
            reply_error(c, "INVALIDARG %s already specified", options[o].what);
            return 0;
        }
        seen |= 1u << o;
        if (at + 1 >= r->argc) {
            reply_error(c, "INVALIDARG unexpected end of input: expected %s", options[o].what);
            return 0;
        }
        if (!parse_option(c, a, o, r->argv[at + 1])) return 0;
    }
    return at;
}

/* The stream, the type and the options from argv[at] on; with FORM_EVENT the word in front of them,
 * too. Returns the index of the next event, 0 after an error reply. */
static size_t parse_event(struct client *c, const struct request *r, size_t at, struct append *a,
                          enum form form) {
    *a = (struct append){.expected = EXPECT_ANY};
    if (form == FORM_EVENT && ++at >= r->argc) {
        reply_error(c, "INVALIDARG unexpected end of input: expected stream id");
        return 0;
    }
    a->stream_name = r->argv[at];
    if (!arg_stream_or_reply(c, a->stream_name)) return 0;
    if (at + 1 >= r->argc) {
        reply_error(c, "INVALIDARG unexpected end of input: expected event name");
        return 0;
    }
    a->fields.type = r->argv[at + 1];
    if (a->fields.type.len > STREAM_NAME_MAX ||
        memchr(a->fields.type.ptr, '\0', a->fields.type.len)) {
        reply_error(c, "INVALIDARG event name must be at most %d bytes in length and without NUL",
                    STREAM_NAME_MAX);
        return 0;
    }
    at = parse_options(c, r, at + 2, a, form);
    return at != 0 && strict_or_reply(c, a) && size_or_reply(c, a) ? at : 0;
}

/* ---- running it ---- */

static void reply_refused(struct client *c, const struct append *appends, size_t n,
                          const struct uuid *key, const struct append_result *result) {
    const struct append *a = &appends[result->failed];
    char which[48] = "";
    if (n > 1) snprintf(which, sizeof which, " (event %zu of %zu)", result->failed + 1, n);
    client_tells(c, result->frame);
    switch (result->status) {
    case APPEND_WRONG_VERSION:
        if (key == NULL) key = a->fields.partition_key;
        reply_wrong_version(c, key != NULL ? key : &a->stream->name->partition_key, a->stream_name,
                            a->expected, a->expected_version,
                            result->current_empty ? 0 : result->current + 1);
        return;
    case APPEND_DUPLICATE_ID: {
        char id[UUID_TEXT_LEN];
        uuid_format(&a->fields.event_id, id);
        if (c->srv->exec.client == c) c->srv->exec.abort = true;
        if (a->has_id)
            reply_error(c, "DUPLICATEID %.*s%s: %s", UUID_TEXT_LEN, id, which, result->why);
        else
            reply_error(c, "DUPLICATEID%s: %s", which, result->why);
        return;
    }
    case APPEND_LIMIT:
        reply_error(c, "TOOLARGE %s%s", result->why, which);
        return;
    case APPEND_OK:
    case APPEND_REPEATED:
        break;
    }
    assert(false);
}

static bool fits_or_reply(struct client *c, const struct append *appends, size_t n) {
    size_t bytes = 0, max = store_frame_max(c->srv->store);
    for (size_t i = 0; i < n; i++)
        bytes += FRAME_OVERHEAD_MAX + appends[i].stream_name.len + appends[i].fields.type.len +
                 appends[i].fields.aggregate.len + appends[i].fields.metadata.len +
                 appends[i].fields.payload.len;
    if (bytes <= max) return true;
    reply_frame_too_large(c, "the append takes up to", bytes);
    return false;
}

/* Everything that the appends need in memory. false: the command has to wait. */
static bool resolve(struct client *c, struct append *appends, size_t n) {
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        all = need_stream(c, appends[i].stream_name, &appends[i].stream) && all;
        if (appends[i].has_id)
            all = need_event(c, &appends[i].fields.event_id, &appends[i].existing) && all;
    }
    return all;
}

/* As XADD. */
static void note_appended(struct server *srv, const struct append *appends, size_t n,
                          uint64_t frame) {
    for (size_t i = 0; i < n; i++) {
        struct str name = appends[i].stream_name;
        if (appends[i].event->rec.version == 0) notify_at(srv, NOTIFY_NEW, frame, "new", name);
        notify_at(srv, NOTIFY_STREAM, frame, "xadd", name);
    }
}

/* false: refused (and replied to). */
static bool append_or_reply(struct client *c, struct append *appends, size_t n,
                            const struct uuid *key) {
    struct append_result result;
    struct server *srv = c->srv;
    for (size_t i = 0; i < n; i++) {
        if (!stream_is_string(appends[i].stream)) continue;
        reply_wrong_type(c);
        return false;
    }
    model_append(&srv->model, appends, n, &result);
    if (result.status != APPEND_OK && result.status != APPEND_REPEATED) {
        reply_refused(c, appends, n, key, &result);
        return false;
    }
    if (result.status == APPEND_OK) {
        srv->stats.events_appended += n;
        c->last_frame = result.frame;
        if (UNLIKELY(srv->config.notify_events != 0)) note_appended(srv, appends, n, result.frame);
    } else {
        srv->stats.appends_repeated += n;
    }
    client_tells(c, result.frame);
    return true;
}

/* EAPPEND stream type [EVENT_ID u] [PARTITION_KEY u] [EXPECTED_VERSION n|any|exists|empty]
 *         [TIMESTAMP ms] [CORRELATION u] [CAUSATION u] [AGGREGATE id] [PAYLOAD b] [METADATA b] */
enum outcome cmd_eappend(struct client *c, const struct request *r) {
    struct append a;
    if (parse_event(c, r, 1, &a, FORM_ALONE) == 0 || !fits_or_reply(c, &a, 1)) return REPLIED;
    if (!resolve(c, &a, 1)) return PARKED;
    if (!append_or_reply(c, &a, 1, NULL)) return REPLIED;
    reply_appended_event(c, a.event);
    return REPLIED;
}

static void reply_appended(struct client *c, const struct append *appends, size_t n,
                           const struct uuid *key) {
    reply_map(c, 5);
    reply_uuid(c, "partition_key", key);
    reply_number(c, "partition_id", 0);
    reply_number(c, "first_partition_sequence", appends[0].event->rec.sequence);
    reply_number(c, "last_partition_sequence", appends[n - 1].event->rec.sequence);
    reply_key(c, "events");
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) reply_appended_entry(c, appends[i].event);
}

/* EMAPPEND <partition-key | *> (stream type [EVENT_ID u] [EXPECTED_VERSION v] [TIMESTAMP ms]
 * [CORRELATION u] [CAUSATION u] [AGGREGATE id] [PAYLOAD b] [METADATA b])+, or with the word EVENT
 * in front of each stream. */
enum outcome cmd_emappend(struct client *c, const struct request *r) {
    struct uuid key;
    bool own_key = str_eq(r->argv[1], STR("*")); /* the first stream's */
    if (!own_key && !uuid_from_text(r->argv[1], &key)) {
        reply_error(c, "INVALIDARG invalid partition key");
        return REPLIED;
    }
    enum form form = is_event_word(r->argv[2]) ? FORM_EVENT : FORM_PLAIN;
    size_t n = 0, max = (r->argc - 2) / 2 + 1;
    struct append *appends = xmalloc(max * sizeof *appends);
    enum outcome outcome = REPLIED;
    for (size_t at = 2; at < r->argc;) {
        at = parse_event(c, r, at, &appends[n], form);
        if (at == 0) goto out;
        n++;
    }
    if (!fits_or_reply(c, appends, n)) goto out;
    if (!resolve(c, appends, n)) {
        outcome = PARKED;
        goto out;
    }
    if (own_key) key = appends[0].stream->name->partition_key;
    /* The common key is stored where it is not the stream's own. */
    for (size_t i = 0; i < n; i++)
        if (!uuid_eq(&appends[i].stream->name->partition_key, &key))
            appends[i].fields.partition_key = &key;
    if (append_or_reply(c, appends, n, &key)) reply_appended(c, appends, n, &key);
out:
    free(appends);
    return outcome;
}

/* The streams of EMAPPEND are where its events begin. */
size_t keys_of_emappend(const struct str *argv, size_t argc, struct str *keys) {
    size_t n = 0, word = argc > 2 && is_event_word(argv[2]); /* in front of each event */
    for (size_t i = 2; i + word + 1 < argc;) {
        if (word && !is_event_word(argv[i])) return n;
        if (keys != NULL) keys[n] = argv[i + word];
        n++;
        i += word + 2;
        while (i + 1 < argc && option_find(argv[i]) != OPT_COUNT) i += 2;
    }
    return n;
}
