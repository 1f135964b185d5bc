/* What the files of this room share. Nobody else includes this. */
#ifndef SERVER_PUBSUB_INTERNAL_H
#define SERVER_PUBSUB_INTERNAL_H

#include "server/pubsub/pubsub.h"

struct channel {
    struct hash_node node; /* pubsub.channels */
    enum channel_kind kind;
    struct list ears; /* longest ago first */
    size_t count;
    bool of_events;        /* it begins as channels of events do */
    unsigned refs;         /* of publications that are not finished */
    struct list of_prefix; /* patterns: prefix.patterns */
    struct prefix *prefix;
    size_t least;    /* patterns: what fits has so many bytes at least */
    struct str name; /* behind the struct */
};

/* A connection listens to a channel. */
struct ear {
    struct hash_node node;  /* pubsub.ears */
    struct list of_channel; /* channel.ears */
    struct list of_client;  /* listening.ears */
    struct listening *listening;
    struct channel *channel;
    uint64_t number; /* pubsub.numbers: what was published before is not for it */
};

/* pubsub.c */
struct channel *channel_find(const struct pubsub *ps, enum channel_kind kind, struct str name);
/* The publication does not need it any more. */
void channel_unref(struct pubsub *ps, struct channel *ch);

/* patterns.c */
void patterns_init(struct patterns *p);
void patterns_clear(struct patterns *p);
void patterns_add(struct patterns *p, struct channel *ch);
void patterns_remove(struct patterns *p, struct channel *ch);
/* Adds those that fit to `found`. least: of those that begin with so many literal bytes at least.
 * Returns what work that was (publish_worked). */
size_t patterns_find(const struct patterns *p, struct str channel, size_t least,
                     struct channels *found);
/* The most that this may be. */
size_t patterns_work(const struct patterns *p, struct str channel);
void channels_add(struct channels *found, struct channel *ch);

/* event_channels.c */
void event_channels_init(struct event_channels *ev);
void event_channels_clear(struct event_channels *ev);
void event_ear_comes(struct listening *l);
void event_ear_goes(struct pubsub *ps, struct listening *l);
bool event_channels_pending(const struct server *srv);

/* publish.c */
/* A message for all of ps->found. */
void publish_to_found(struct server *srv, enum channel_kind kind, struct str channel,
                      struct str payload);
void publish_worked(struct pubsub *ps, size_t work);
/* So much waits to be sent that nothing may be published. */
bool publish_is_behind(const struct pubsub *ps);
/* The ear goes: whoever was about to write to it goes on behind it. */
void publish_skips(struct pubsub *ps, struct ear *e);
void publish_run(struct server *srv); /* once a turn: what is not finished goes on */
void publish_clear(struct server *srv);
/* Everybody who listens to the channel, or to a pattern that it fits: into ps->found. */
void publish_find(struct pubsub *ps, enum channel_kind kind, struct str channel);

static inline struct ear *channel_first(const struct channel *ch) {
    return list_empty(&ch->ears) ? NULL : LIST_ENTRY(ch->ears.next, struct ear, of_channel);
}
static inline struct ear *ear_next(const struct ear *e) {
    const struct list *end = &e->channel->ears;
    return e->of_channel.next == end ? NULL
                                     : LIST_ENTRY(e->of_channel.next, struct ear, of_channel);
}

#endif
