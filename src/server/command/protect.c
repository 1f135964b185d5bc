/* See protect.h. */
#include "server/command/protect.h"

#include "server/server.h"

/* The first of the patterns that matches; len 0: none does. */
static struct str find(const char *patterns, struct str name) {
    for (const char *at = patterns; *at != '\0';) {
        struct str pattern = str_of(at, strcspn(at, " "));
        if (str_match_glob(pattern, name, false)) return pattern;
        at += pattern.len;
        at += *at == ' ';
    }
    return STR("");
}

bool protected_or_reply(struct client *c, struct str name) {
    struct str pattern = find(c->srv->config.protected_streams, name);
    if (pattern.len == 0) return false;
    reply_error(c, "PROTECTED '%.*s' is protected by '%.*s' (option protected-streams)",
                (int)MIN(name.len, (size_t)128), name.ptr, (int)MIN(pattern.len, (size_t)128),
                pattern.ptr);
    return true;
}
