/* See expected.h. */
#include "commands/event/expected.h"

#include "server/server.h"
#include "commands/event/args.h"

bool expected_or_reply(struct client *c, struct str value, enum expected *kind, uint64_t *version) {
    if (str_to_u64(value, version))
        *kind = EXPECT_VERSION;
    else if (arg_is(value, STR("any")))
        *kind = EXPECT_ANY;
    else if (arg_is(value, STR("exists")))
        *kind = EXPECT_EXISTS;
    else if (arg_is(value, STR("empty")))
        *kind = EXPECT_EMPTY;
    else {
        reply_error(
            c, "INVALIDARG invalid expected version: '%.*s' is not a number, any, exists or empty",
            (int)MIN(value.len, (size_t)64), value.ptr);
        return false;
    }
    return true;
}

void reply_wrong_version(struct client *c, const struct uuid *partition_key, struct str stream,
                         enum expected kind, uint64_t version, uint64_t next) {
    static const char *const words[] = {"any", "exists", "empty"};
    char current[24] = "empty", expected[24], key_text[UUID_TEXT_LEN];
    if (next > 0) snprintf(current, sizeof current, "%llu", (unsigned long long)next - 1);
    if (kind == EXPECT_VERSION)
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)version);
    else
        snprintf(expected, sizeof expected, "%s", words[kind]);
    uuid_format(partition_key, key_text);
    if (c->srv->exec.client == c) c->srv->exec.abort = true;
    reply_error(c,
                "WRONGVER current stream version is %s but expected %s for partition key %.*s and "
                "stream id %.*s",
                current, expected, UUID_TEXT_LEN, key_text, (int)stream.len, stream.ptr);
}
