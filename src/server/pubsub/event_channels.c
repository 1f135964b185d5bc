/* Event channels: see pubsub.h. A channel's text is made and looked up for each event, unless
 * nobody listened to the last one of the same stream: its name has a note of that. An event is
 * written as JSON once, when somebody listens, however many do. */
#include "server/pubsub/internal.h"

#include "base/log.h"
#include "record/json.h"
#include "stream/gone/remove.h"
#include "stream/read.h"
#include "server/server.h"

#define LOOKS_A_TURN  20000 /* at events */
#define WORK_OF_EVENT 5     /* to write one as JSON */
#define BUFFER_KEEP   ((size_t)64 << 10)
#define LOST_LOG_MS   1000

void event_channels_init(struct event_channels *ev) {
    list_init(&ev->listeners);
    buf_init(&ev->channel, 0);
    buf_init(&ev->json, 0);
}

void event_channels_clear(struct event_channels *ev) {
    buf_clear(&ev->channel);
    buf_clear(&ev->json);
}

static uint64_t settled_end(const struct server *srv) {
    return model_visible_end(&srv->model, NULL, model_settled(&srv->model));
}

static void begin(struct server *srv) {
    struct event_channels *ev = &srv->pubsub.events;
    ev->sequence = settled_end(srv);
    ev->flush_frame = 0;
    if (ev->source[0] != '\0') return;
    char id[UUID_TEXT_LEN + 1] = "";
    uuid_format(&store_state(srv->store)->store_id, id);
    snprintf(ev->source, sizeof ev->source, "/cairn/%s", id);
}

void event_ear_comes(struct listening *l) {
    struct server *srv = l->client->srv;
    struct event_channels *ev = &srv->pubsub.events;
    if (ev->ears++ == 0) begin(srv);
    ev->changes++;
    if (l->event_ears++ == 0) list_append(&ev->listeners, &l->of_events);
}

void event_ear_goes(struct pubsub *ps, struct listening *l) {
    ps->events.ears--;
    if (--l->event_ears == 0) list_remove(&l->of_events);
}

/* ---- what becomes of the log ---- */

void event_channels_voided(struct server *srv) {
    struct event_channels *ev = &srv->pubsub.events;
    bool flush_is_void = ev->flush_frame > store_durable(srv->store);
    ev->sequence =
        flush_is_void ? srv->model.next_sequence : MIN(ev->sequence, srv->model.next_sequence);
    ev->flush_frame = 0;
}

void event_channels_emptied(struct server *srv, uint64_t frame) {
    srv->pubsub.events.sequence = 0;
    srv->pubsub.events.flush_frame = frame;
}

/* Events have left memory before they were told: who listens would not know that he has missed
 * some. As others who do not keep up he is disconnected, and catches up by the sequence. */
static void disconnect_all(struct server *srv) {
    struct event_channels *ev = &srv->pubsub.events;
    size_t n = 0;
    for (; !list_empty(&ev->listeners); n++)
        client_close(LIST_ENTRY(ev->listeners.next, struct listening, of_events)->client);
    srv->stats.output_limit_closed += n;
    log_warning_seldom(LOST_LOG_MS,
                       "%zu connections that listen to channels of events closed: events came "
                       "faster than they could be told",
                       n);
    ev->sequence = settled_end(srv);
}

/* ---- telling ---- */

static struct str channel_of(struct event_channels *ev, const struct stream_name *name) {
    buf_reset(&ev->channel);
    buf_put_str(&ev->channel, EVENT_CHANNEL);
    buf_put_str(&ev->channel, stream_name_str(name));
    return buf_str(&ev->channel);
}

static void find(struct pubsub *ps, struct str channel) {
    struct channel *ch = channel_find(ps, CHANNEL_PLAIN, channel);
    ps->found.count = 0;
    if (ch != NULL && ch->count > 0) channels_add(&ps->found, ch);
    publish_worked(ps, patterns_find(&ps->patterns, channel, EVENT_CHANNEL.len, &ps->found));
}

static void tell(struct server *srv, struct event *e, struct stream_name *name, uint64_t settled) {
    struct pubsub *ps = &srv->pubsub;
    struct event_channels *ev = &ps->events;
    struct str channel = channel_of(ev, name);
    find(ps, channel);
    if (ps->found.count == 0) {
        name->deaf = ev->changes;
        return;
    }
    const struct event *shown = model_erased(&srv->model, e, settled);
    if (ev->json.cap > BUFFER_KEEP) buf_clear(&ev->json);
    buf_reset(&ev->json);
    event_to_json(&ev->json, &shown->rec, stream_name_str(name), str_c(ev->source));
    publish_worked(ps, WORK_OF_EVENT + ev->json.len / 1024);
    publish_to_found(srv, CHANNEL_PLAIN, channel, buf_str(&ev->json));
    ev->told++;
}

/* false: no more of them are settled. */
static bool look_at_next(struct server *srv, uint64_t settled) {
    struct model *m = &srv->model;
    struct event_channels *ev = &srv->pubsub.events;
    if (ev->sequence >= m->next_sequence) return false;
    struct event *e = model_event(m, ev->sequence);
    if (e->frame > settled) return false;
    ev->sequence++;
    struct stream_name *name = model_name_at(m, e, settled);
    if (name->deaf == ev->changes || model_hides(m, e, UINT64_MAX, settled)) return true;
    tell(srv, e, name, settled);
    return true;
}

bool event_channels_pending(const struct server *srv) {
    const struct event_channels *ev = &srv->pubsub.events;
    const struct model *m = &srv->model;
    if (LIKELY(ev->ears == 0) || ev->sequence >= m->next_sequence) return false;
    return ev->sequence < m->log.first || model_event(m, ev->sequence)->frame <= model_settled(m);
}

bool event_channels_run(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    struct event_channels *ev = &ps->events;
    ev->waits = event_channels_pending(srv) && !list_empty(&ps->queue);
    if (LIKELY(ev->ears == 0) || ev->waits || publish_is_behind(ps)) return false;
    if (UNLIKELY(ev->sequence < srv->model.log.first)) {
        disconnect_all(srv);
        return true;
    }
    uint64_t settled = model_settled(&srv->model);
    ps->work = MAX(ps->work, (size_t)PUBSUB_WORK_LEAST);
    ps->notifications.went_last = false;
    for (size_t n = 0; n < LOOKS_A_TURN && ps->work > 0 && list_empty(&ps->queue); n++)
        if (!look_at_next(srv, settled)) break;
    return true;
}
