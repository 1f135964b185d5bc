/* The reply helpers: proto/resp.h on a connection, and errors with their books. */
#include <stdarg.h>

#include "server/client/client.h"
#include "server/server.h"

void reply_ok(struct client *c) {
    buf_put(&c->out, "+OK\r\n", 5);
}

void reply_simple(struct client *c, const char *text) {
    resp_put_simple(&c->out, str_c(text));
}

void reply_error(struct client *c, const char *fmt, ...) {
    char text[4096];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t len = MIN((size_t)MAX(n, 0), sizeof text - 1);
    /* EXEC counts those of its commands when they have run for good. */
    if (c->srv->exec.client != c) stats_error(&c->srv->stats, str_of(text, len));
    c->reply_was_error = true;
    resp_put_error(&c->out, "%s", text);
}

struct str reply_error_text(const struct client *c, uint64_t offset) {
    size_t at = (size_t)(offset - c->out_base);
    assert(c->out.len >= at + 3);
    assert(c->out.data[at] == '-');
    const char *text = c->out.data + at + 1;
    const char *end = memchr(text, '\r', c->out.len - at - 1);
    return str_of(text, (size_t)(end - text));
}

void reply_syntax_error(struct client *c) {
    reply_error(c, "ERR syntax error");
}

void reply_wrong_args(struct client *c, const char *full_name) {
    reply_error(c, "ERR wrong number of arguments for '%s' command", full_name);
}

void reply_too_long(struct client *c, const char *advice) {
    reply_error(c, "TOOLARGE the reply takes more than %llu bytes (reply-bytes-max): %s",
                (unsigned long long)c->srv->config.reply_bytes_max, advice);
}

void reply_frame_too_large(struct client *c, const char *what, size_t bytes) {
    const struct store *s = c->srv->store;
    reply_error(c, "TOOLARGE %s %zu bytes, one frame can be %zu (%s)", what, bytes,
                store_frame_max(s), store_frame_bound(s));
}

void reply_wrong_type(struct client *c) {
    reply_error(c, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void reply_int(struct client *c, int64_t v) {
    resp_put_int(&c->out, v);
}

void reply_bulk(struct client *c, struct str s) {
    resp_put_bulk(&c->out, s);
}

void reply_bulk_c(struct client *c, const char *s) {
    resp_put_bulk_c(&c->out, s);
}

void reply_null(struct client *c) {
    resp_put_null(&c->out, c->resp);
}

void reply_array(struct client *c, size_t n) {
    resp_put_array(&c->out, n);
}

void reply_map(struct client *c, size_t pairs) {
    resp_put_map(&c->out, c->resp, pairs);
}
