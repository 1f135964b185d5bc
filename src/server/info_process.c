/* INFO server, clients, memory, replication, cpu: Redis' names, since that is what clients and
 * monitoring look for; what does not exist here has the value of a Redis that does not use it. */
#include "server/stats/info.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/reserve.h"
#include "base/version.h"
#include "server/server.h"
#include "server/wait/blocking.h"

#define CLIENTS_AT_ONCE 1000 /* are asked for their memory by INFO */

typedef unsigned long long ull;

void info_server(struct server *srv, struct buf *out) {
    struct utsname os = {0};
    uname(&os);
    uint64_t uptime_s = (srv->clock.now_ms - srv->clock.started_ms) / 1000;
    char exe[1024] = "";
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[MAX(n, 0)] = '\0';
    info_put_text(out, "redis_version", srv->config.redis_version);
    info_put_text(out, "server_name", "cairn");
    info_put_text(out, "cairn_version", CAIRN_VERSION);
    info_put_text(out, "valkey_version", VALKEY_VERSION);
    info_put_text(out, "redis_git_sha1", "00000000");
    info_put_text(out, "redis_git_dirty", "0");
    info_put_text(out, "redis_build_id", "0");
    info_put_text(out, "redis_mode", "standalone");
    buf_printf(out, "os:%s %s %s\r\n", os.sysname, os.release, os.machine);
    info_put_u64(out, "arch_bits", sizeof(void *) * 8);
    info_put_text(out, "monotonic_clock", "POSIX clock_gettime");
    info_put_text(out, "multiplexing_api", "libevent");
    /* Three numbers, as in Redis: clients that look for versions parse it. */
    buf_printf(out, "gcc_version:%d.%d.%d\r\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    info_put_u64(out, "process_id", (uint64_t)getpid());
    info_put_text(out, "process_supervised", "no");
    info_put_text(out, "run_id", srv->run_id);
    info_put_u64(out, "tcp_port", srv->config.port);
    info_put_u64(out, "server_time_usec", clock_wall_us());
    info_put_u64(out, "uptime_in_seconds", uptime_s);
    info_put_u64(out, "uptime_in_days", uptime_s / 86400);
    info_put_u64(out, "hz", 10);
    info_put_u64(out, "configured_hz", 10);
    info_put_text(out, "executable", exe);
    info_put_text(out, "config_file", srv->config.file != NULL ? srv->config.file : "");
    info_put_u64(out, "io_threads_active", 0);
}

static uint64_t list_length(const struct list *l) {
    uint64_t n = 0;
    LIST_FOR_EACH (it, l) n++;
    return n;
}

void info_clients(struct server *srv, struct buf *out) {
    bool paused = srv->pause.until_ms > srv->clock.now_ms;
    info_put_u64(out, "connected_clients", srv->client_count);
    info_put_u64(out, "cluster_connections", 0);
    info_put_u64(out, "maxclients", srv->config.maxclients);
    info_put_u64(out, "client_recent_max_input_buffer", srv->stats.client_peak_input);
    info_put_u64(out, "client_recent_max_output_buffer", srv->stats.client_peak_output);
    /* As Redis: also those that CLIENT PAUSE holds. */
    info_put_u64(out, "blocked_clients", srv->stats.blocked_clients + list_length(&srv->paused));
    info_put_u64(out, "throttled_clients", list_length(&srv->throttled));
    info_put_u64(out, "stopped_clients",
                 list_length(&srv->share.stopped) + list_length(&srv->share.waiting));
    info_put_u64(out, "keys_under_way", list_length(&srv->key_walks.running));
    info_put_u64(out, "pubsub_clients", srv->pubsub.clients);
    info_put_u64(out, "tracking_clients", srv->tracking.clients);
    info_put_u64(out, "watching_clients", srv->watching);
    info_put_u64(out, "clients_in_timeout_table", 0);
    info_put_u64(out, "total_watched_keys", srv->watched);
    info_put_u64(out, "total_blocking_keys", blocking_keys(srv));
    info_put_u64(out, "total_blocking_keys_on_nokey", blocking_keys_on_nokey(srv));
    info_put_text(out, "paused_reason", paused ? "client_pause" : "none");
    info_put_text(out, "paused_actions",
                  !paused                  ? "none"
                  : srv->pause.writes_only ? "write"
                                           : "all");
    info_put_u64(out, "paused_timeout_milliseconds",
                 paused ? srv->pause.until_ms - srv->clock.now_ms : 0);
}

uint64_t info_resident_bytes(void) {
    unsigned long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL) return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2) resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Of very many as of the last second. */
static uint64_t clients_memory(const struct server *srv) {
    uint64_t bytes = 0;
    if (srv->client_count > CLIENTS_AT_ONCE) return srv->client_bytes;
    LIST_FOR_EACH (it, &srv->clients) bytes += client_memory(LIST_ENTRY(it, struct client, all));
    return bytes;
}

void info_memory(struct server *srv, struct buf *out) {
    uint64_t used = 0, held = 0, rss = info_resident_bytes();
    allocator_read(&used, &held);
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    if (used == 0) used = rss;
    info_put_bytes(out, "used_memory", used);
    info_put_bytes(out, "used_memory_rss", rss);
    info_put_bytes(out, "used_memory_peak", MAX((uint64_t)usage.ru_maxrss * 1024, used));
    info_put_u64(out, "used_memory_dataset", srv->model.bytes);
    info_put_u64(out, "mem_clients_normal", clients_memory(srv));
    info_put_u64(out, "mem_clients_held", srv->share.bytes);
    info_put_u64(out, "mem_clients_standing", srv->standing.bytes);
    info_put_u64(out, "mem_reserve", reserve_bytes());
    info_put_u64(out, "mem_not_applied", store_pinned_bytes(srv->store));
    info_put_u64(out, "allocator_allocated", used);
    info_put_u64(out, "allocator_resident", held);
    info_put_bytes(out, "total_system_memory",
                   (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    info_put_u64(out, "maxmemory", 0);
    info_put_text(out, "maxmemory_human", "0B");
    info_put_text(out, "maxmemory_policy", "noeviction");
    buf_printf(out, "mem_fragmentation_ratio:%.2f\r\n", (double)rss / (double)MAX(used, 1u));
    info_put_text(out, "mem_allocator", allocator_name());
}

void info_replication(struct server *srv, struct buf *out) {
    info_put_text(out, "role", "master");
    info_put_u64(out, "connected_slaves", 0);
    info_put_text(out, "master_failover_state", "no-failover");
    info_put_text(out, "master_replid", srv->run_id);
    info_put_text(out, "master_replid2", "0000000000000000000000000000000000000000");
    info_put_u64(out, "master_repl_offset", 0);
    info_put_text(out, "second_repl_offset", "-1");
    info_put_u64(out, "repl_backlog_active", 0);
    info_put_u64(out, "repl_backlog_size", 0);
    info_put_u64(out, "repl_backlog_first_byte_offset", 0);
    info_put_u64(out, "repl_backlog_histlen", 0);
}

static void put_cpu(struct buf *out, const char *name, struct timeval t) {
    buf_printf(out, "%s:%lld.%06lld\r\n", name, (long long)t.tv_sec, (long long)t.tv_usec);
}

void info_cpu(struct server *srv, struct buf *out) {
    UNUSED(srv);
    struct rusage all = {0}, children = {0}, loop = {0};
    getrusage(RUSAGE_SELF, &all);
    getrusage(RUSAGE_CHILDREN, &children);
    getrusage(RUSAGE_THREAD, &loop);
    put_cpu(out, "used_cpu_sys", all.ru_stime);
    put_cpu(out, "used_cpu_user", all.ru_utime);
    put_cpu(out, "used_cpu_sys_children", children.ru_stime);
    put_cpu(out, "used_cpu_user_children", children.ru_utime);
    put_cpu(out, "used_cpu_sys_main_thread", loop.ru_stime);
    put_cpu(out, "used_cpu_user_main_thread", loop.ru_utime);
}
