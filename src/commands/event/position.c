/* See the header. */
#include "commands/event/position.h"

#include "server/server.h"
#include "commands/event/reply.h"

bool position_parse(struct str text, struct position *out) {
    const char *at = text.len > 0 ? memchr(text.ptr, '@', text.len) : NULL;
    size_t digits = at != NULL ? (size_t)(at - text.ptr) : text.len;
    *out = (struct position){.has_timeline = at != NULL};
    if (!str_to_u64(str_of(text.ptr, digits), &out->sequence)) return false;
    return at == NULL || timeline_parse(str_of(at + 1, text.len - digits - 1), &out->timeline);
}

/* What happened to the store, in the middle of a sentence about it. */
static const char *what_happened(uint32_t reason) {
    switch (reason) {
    case TIMELINE_RESTORED:
        return "it was restored from a backup";
    case TIMELINE_FLUSHED:
        return "FLUSHALL emptied it";
    case TIMELINE_CRASHED:
        return "it lost its end in a crash (durability interval)";
    case TIMELINE_NO_JOURNAL:
        return "it was started without its journal";
    case TIMELINE_REBUILT:
        return "it was rebuilt from its journal";
    case TIMELINE_VOIDED:
        return "the disk refused its end (durability interval)";
    case TIMELINE_MIGRATED:
        return "it was migrated to another place";
    default:
        return "it is a copy (--new-timeline)";
    }
}

bool position_or_reply(struct client *c, const struct position *p) {
    const struct timelines *t = &c->srv->model.timelines;
    const struct timeline_record *next;
    char given[TIMELINE_TEXT_LEN + 1], current[TIMELINE_TEXT_LEN + 1];
    uint64_t end;
    if (!p->has_timeline) return true;
    timeline_format(p->timeline, given);
    timeline_format(timelines_current(t)->id, current);
    if (!timelines_find(t, p->timeline, &end, &next)) {
        reply_error(c,
                    "TIMELINE this store has never been on timeline %s, it is on %s: what was read "
                    "there is of another store, or of an end that was lost. Take back what you did "
                    "with it and read again FROM START, or from a position (without @) up to which "
                    "you know both to be the same",
                    given, current);
        return false;
    }
    if (p->sequence <= end) return true;
    reply_error(c,
                "TIMELINE position %llu of timeline %s is not in this store: %s, and is the same "
                "as what you read only up to position %llu. Take back what you did with the events "
                "from there on, and go on FROM %llu@%s",
                (unsigned long long)p->sequence, given, what_happened(next->reason),
                (unsigned long long)end, (unsigned long long)end, current);
    return false;
}

void reply_timeline_of(struct client *c, uint32_t timeline) {
    char text[TIMELINE_TEXT_LEN + 1];
    timeline_format(timeline, text);
    reply_key(c, "timeline");
    reply_simple(c, text);
}

void reply_timeline(struct client *c) {
    reply_timeline_of(c, timelines_current(&c->srv->model.timelines)->id);
}
