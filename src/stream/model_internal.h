/* What the files of stream/ share about the model's parts. Nobody else includes this. */
#ifndef STREAM_MODEL_INTERNAL_H
#define STREAM_MODEL_INTERNAL_H

#include "stream/model.h"

struct stream *stream_lookup(const struct model *m, struct str name, uint64_t hash);
struct stream *stream_create(struct model *m, struct stream_name *name, uint64_t hash,
                             enum stream_state state);
void stream_destroy(struct model *m, struct stream *s);
void stream_push(struct model *m, struct stream *s, struct event *e);
void stream_drop_front(struct model *m, struct stream *s);
struct stream *model_stream_by_event(struct model *m, const struct event *e);
void model_log_push(struct model *m, struct event *e);
void model_log_forget(struct model *m, struct event *e);
void model_add_id(struct model *m, struct event *e);
void event_drop(struct model *m, struct event *e); /* unref, with the cache's account */

#endif
