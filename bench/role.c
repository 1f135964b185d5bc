/* What a role's replies look like, and what they count for. */
#include "load.h"

#include <string.h>

void role_expect(struct role *role, bool full_parse) {
    struct reply_shape *s = &role->shape;

    memset(s, 0, sizeof *s);
    s->full = full_parse;
    switch (role->spec.kind) {
    case REQUEST_APPEND:
    case REQUEST_MAPPEND:
        s->expect = "*%";
        s->nil_is_error = true;
        break;
    case REQUEST_XADD:
        s->expect = "$";
        s->nil_is_error = true;
        break;
    case REQUEST_XADD_MULTI:
        s->expect = "+*";
        s->nil_is_error = true;
        break;
    case REQUEST_READ:
    case REQUEST_SCAN:
    case REQUEST_FOLLOW:
    case REQUEST_XRANGE:
        s->expect = role->spec.kind == REQUEST_XRANGE ? "*" : "*%";
        s->nil_is_error = true;
        s->list = true;
        s->list_nested = role->spec.kind != REQUEST_XRANGE;
        role->until_empty = role->spec.kind == REQUEST_SCAN || role->spec.kind == REQUEST_FOLLOW;
        break;
    case REQUEST_PUBLISH:
        s->expect = ":";
        break;
    case REQUEST_PING:
        s->expect = "+";
        break;
    case REQUEST_RAW:
        break;
    }
}

uint64_t role_events(const struct role *role) {
    if (role->shape.list || role->talk.kind != TALK_NONE) return role->sum.events;
    return role->requests * role->request.events;
}
