/* Counters, the latency histograms and the slow log, for INFO and SLOWLOG. Loop thread. */
#ifndef SERVER_STATS_STATS_H
#define SERVER_STATS_STATS_H

#include "base/base.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"

struct client;
struct command;
struct request;

struct stats {
    uint64_t connections_received, connections_rejected, commands_processed;
    uint64_t bytes_in, bytes_out, error_replies;
    uint64_t events_appended, appends_repeated, events_read, voids, outages, throttled, resumed;
    uint64_t unknown_commands, evicted_clients, output_limit_closed, refused_waits, protocol_errors,
        expired_keys;
    size_t client_peak_input, client_peak_output;
    /* All before this is a count, which can be reset, and which EXEC takes back; what follows
     * stays. */
    struct hash_table errors; /* by code word: errorstats */
    size_t error_kinds;
    struct list slowlog; /* newest first */
    uint64_t slowlog_next_id, slowlog_len;
    uint64_t blocked_clients; /* that wait now: an EXEC that is taken back to wait is one of them */
    struct latency *latency;  /* latency.h */
    struct {
        uint64_t at_ms, commands, bytes_in, bytes_out;
        uint64_t commands_per_s, bytes_in_per_s, bytes_out_per_s; /* smoothed */
    } rate;
};

void stats_init(struct stats *s);
void stats_clear(struct stats *s);
void stats_reset(struct stats *s); /* CONFIG RESETSTAT; commands' too */
/* An error reply went out: counts it under its code (the first word of text). */
void stats_error(struct stats *s, struct str text);
/* A command took that long: its histogram (if latency-tracking), its slow log entry. */
void stats_command(struct client *c, struct command *cmd, const struct request *r, uint64_t usec);
/* Ten times a second. */
void stats_cron(struct stats *s, uint64_t now_ms);
/* Percentile of a command's histogram in us. */
double stats_percentile(const struct command *cmd, double percentile);

enum {
    HISTOGRAM_STEPS = 16, /* buckets for each power of two of microseconds */
    HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 34,
};

/* Highest microsecond that falls into the bucket. */
uint64_t histogram_upper(size_t bucket);

struct error_count { /* node of stats.errors */
    struct hash_node node;
    uint64_t count;
    char word[];
};

#endif
