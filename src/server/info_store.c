/* INFO persistence, store, journal, cache, keyspace. */
#include "server/stats/info.h"

#include "server/server.h"

typedef unsigned long long ull;

/* For tools that look at Redis' persistence: an append-only file that is always synced is what
 * comes closest. */
void info_persistence(struct server *srv, struct buf *out) {
    bool writable = store_writable(srv->store) && store_lost(srv->store) == NULL;
    struct store_stats st;
    store_read_stats(srv->store, &st);
    info_put_u64(out, "loading", 0);
    info_put_u64(out, "async_loading", 0);
    info_put_u64(out, "current_cow_size", 0);
    info_put_u64(out, "rdb_changes_since_last_save",
                 srv->model.decided - MIN(srv->model.decided, store_applied(srv->store)));
    info_put_u64(out, "rdb_bgsave_in_progress", st.backup_running);
    info_put_u64(out, "rdb_last_save_time", srv->clock.saved_wall_s);
    info_put_text(out, "rdb_last_bgsave_status", "ok");
    info_put_u64(out, "aof_enabled", 1);
    info_put_u64(out, "aof_rewrite_in_progress", 0);
    info_put_u64(out, "aof_rewrite_scheduled", 0);
    info_put_text(out, "aof_last_bgrewrite_status", "ok");
    info_put_text(out, "aof_last_write_status", writable ? "ok" : "err");
}

void info_store(struct server *srv, struct buf *out) {
    struct store_stats st;
    store_read_stats(srv->store, &st);
    const struct store_state *state = store_state(srv->store);
    const char *refusal = store_lost(srv->store);
    if (refusal == NULL) refusal = store_refusal(srv->store);
    if (refusal == NULL) refusal = server_full(srv);
    char id[UUID_TEXT_LEN + 1] = "";
    uuid_format(&state->store_id, id);
    char shown[512];
    config_show_store(&srv->config, shown, sizeof shown);
    info_put_text(out, "store", shown);
    info_put_text(out, "store_id", id);
    timeline_format(timelines_current(&srv->model.timelines)->id, id);
    info_put_text(out, "timeline", id);
    info_put_u64(out, "epoch", state->epoch);
    info_put_u64(out, "streams", srv->model.stream_count);
    info_put_u64(out, "events", srv->model.next_sequence);
    info_put_u64(out, "writable", store_writable(srv->store) && refusal == NULL);
    info_put_text(out, "refusal",
                  !store_writable(srv->store) ? srv->read_only_why
                  : refusal != NULL           ? refusal
                                              : "");
    info_put_text(out, "lease", store_lease_words(srv->store));
    info_put_u64(out, "applied_frame", store_applied(srv->store));
    info_put_u64(out, "apply_transactions", st.apply_count);
    info_put_u64(out, "apply_under_way", st.applies);
    info_put_u64(out, "apply_usec", st.apply_us);
    info_put_u64(out, "apply_retries", st.apply_retries);
    info_put_u64(out, "apply_failing", st.apply_failing);
    info_put_text(out, "apply_error", st.apply_failing ? st.apply_error : "");
    info_put_u64(out, "indexed_sequence", st.backend.indexed);
    info_put_u64(out, "pending_index_entries", st.backend.index_tail);
    info_put_u64(out, "database_bytes", st.backend.database_bytes);
    info_put_u64(out, "database_log_bytes", st.backend.log_bytes);
    info_put_u64(out, "reads", st.reads);
    info_put_u64(out, "pages_read_ahead", srv->aheads.begun);
    info_put_u64(out, "pages_read_ahead_used", srv->aheads.used);
    info_put_u64(out, "read_ahead_bytes", srv->aheads.bytes);
    if (st.disk_free > 0) info_put_u64(out, "disk_free_bytes", st.disk_free); /* it is known */
    info_put_u64(out, "backup_in_progress", st.backup_running);
    info_put_u64(out, "backup_done", st.backup_done);
    info_put_u64(out, "backup_total", st.backup_total);
}

void info_journal(struct server *srv, struct buf *out) {
    struct store_stats st;
    store_read_stats(srv->store, &st);
    const struct config *config = &srv->config;
    buf_printf(out, "durability:%s",
               config->durability == DURABILITY_JOURNAL   ? "journal"
               : config->durability == DURABILITY_BACKEND ? "backend"
                                                          : "interval");
    if (config->durability == DURABILITY_INTERVAL)
        buf_printf(out, " %llu", (ull)config->durability_interval_ms);
    buf_put(out, "\r\n", 2);
    info_put_u64(out, "decided_frame", srv->model.decided);
    info_put_u64(out, "durable_frame", store_durable(srv->store));
    info_put_u64(out, "applied_frame", store_applied(srv->store));
    info_put_u64(out, "journal_bytes", st.journal_bytes);
    info_put_u64(out, "journal_bytes_max", config->journal_bytes_max);
    info_put_u64(out, "journal_segments", st.journal_segments);
    info_put_u64(out, "journal_groups", st.journal_batches);
    info_put_u64(out, "journal_syncs", st.journal_syncs);
    info_put_u64(out, "journal_syncing", st.journal_syncing);
    info_put_u64(out, "journal_sync_usec", st.journal_sync_us);
    buf_printf(out, "journal_usec_per_sync:%.1f\r\n",
               st.journal_syncs > 0 ? (double)st.journal_sync_us / (double)st.journal_syncs : 0.0);
    info_put_u64(out, "journal_rewrites", st.journal_rewrites);
    info_put_u64(out, "journal_failures", st.journal_failures);
    info_put_u64(out, "pinned_bytes", server_pinned_bytes(srv));
    info_put_u64(out, "pinned_bytes_max", server_pinned_max(srv));
}

/* The first eight are those of SierraDB's INFO CACHE. */
void info_cache(struct server *srv, struct buf *out) {
    const struct model *m = &srv->model;
    uint64_t lookups = m->hits + m->misses;
    info_put_u64(out, "hits", m->hits);
    info_put_u64(out, "misses", m->misses);
    buf_printf(out, "hit_ratio:%.3f\r\n", lookups > 0 ? (double)m->hits / (double)lookups : 0.0);
    info_put_u64(out, "entries", m->streams.count);
    info_put_u64(out, "memory_bytes", m->bytes);
    info_put_u64(out, "max_bytes", srv->config.cache_bytes);
    info_put_u64(out, "block_size_bytes", 0); /* it is not kept in blocks */
    info_put_u64(out, "evictions", m->evicted_streams + m->evicted_events);
    info_put_u64(out, "live_streams_in_memory", m->live_in_memory);
    info_put_u64(out, "checkpoints_in_memory",
                 m->named.tables[NAMED_CHECKPOINT].count - m->named.absent_count);
    info_put_u64(out, "views_in_memory", m->named.view_count);
    info_put_u64(out, "log_tail_events", m->next_sequence - m->log.first);
    info_put_u64(out, "log_tail_bytes", m->log.bytes);
    info_put_u64(out, "client_ids_in_memory", m->ids.count);
    info_put_text(out, "id_filter",
                  m->known.state == KNOWN_IDS_COMPLETE  ? "complete"
                  : m->known.state == KNOWN_IDS_LOADING ? "loading"
                                                        : "off");
    info_put_u64(out, "id_filter_ids", m->known.filter.count);
    info_put_u64(out, "id_filter_bytes", m->known.filter.bytes);
    info_put_u64(out, "evicted_streams", m->evicted_streams);
    info_put_u64(out, "evicted_events", m->evicted_events);
    info_put_u64(out, "packed_events", m->pack.packed);
}

void info_keyspace(struct server *srv, struct buf *out) {
    if (srv->model.stream_count == 0) return;
    buf_printf(out, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n", (ull)srv->model.stream_count,
               (ull)MIN(srv->model.deadlines.all, srv->model.stream_count));
}
