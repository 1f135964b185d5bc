/* The options: struct config and THE option table behind it, which drives the command line, the
 * configuration file, CONFIG GET/SET/REWRITE, the sample cairn.conf and --help. Loop thread. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* The widest window of XADD IDMP, as configured or with XCFGSET. */
#define IDMP_DURATION_MAX 31536000 /* s */
#define IDMP_MAXSIZE_MAX  10000000

/* client-output-buffer-limit, of each class of connections. */
enum output_class { OUTPUT_NORMAL, OUTPUT_REPLICA, OUTPUT_PUBSUB, OUTPUT_CLASSES };
struct output_limit {
    uint64_t hard, soft; /* bytes; 0: none */
    uint64_t soft_s;     /* above the soft one for longer */
};

enum debug_allowed { DEBUG_NO, DEBUG_YES, DEBUG_LOCAL }; /* LOCAL: loopback and unix socket */

struct config {
    char *file; /* absolute path of the configuration file, or NULL */
    /* Called by config_set for each option that it changed. NULL: nobody wants to know. */
    void (*changed)(const char *name, void *arg);
    /* Asked by config_set, before anything is changed, about each option whose number it would
     * change: not 0, with the reason, when it must not. Changes no option. NULL: nobody objects. */
    int (*may_change)(const char *name, uint64_t value, void *arg, struct err *err);
    void *changed_arg; /* of both */
    /* network */
    uint64_t port;
    char *bind; /* addresses, blank separated */
    char *unixsocket;
    uint64_t unixsocketperm; /* octal */
    uint64_t tcp_backlog, tcp_keepalive_s, timeout_s, maxclients;
    uint64_t proto_max_bulk_len, max_args, default_resp;
    char *redis_version;              /* that clients are told */
    uint64_t tracking_table_max_keys; /* 0: no limit */
    uint64_t notify_events;           /* of enum notify_flag */
    uint64_t client_output_bytes_max; /* above it a connection's commands wait until it reads */
    struct output_limit output_limits[OUTPUT_CLASSES];
    uint64_t clients_bytes_max;       /* what all connections hold; 0: no limit */
    uint64_t clients_bytes_timeout_s; /* above it: until who takes nothing is closed; 0: never */
    uint64_t standing_bytes_max;      /* what is kept for who waits for others; 0: no limit */
    uint64_t reply_bytes_max;         /* a reply that would be larger is an error */
    uint64_t max_subscriptions, max_client_subscriptions; /* event subscriptions */
    uint64_t subscription_bytes;      /* written for a connection's, and not taken by it */
    uint64_t subscriptions_bytes_max; /* the same of all connections */
    char *requirepass;
    bool protected_mode; /* without a password only this machine may connect */
    /* store */
    char *store;           /* sqlite:PATH, memory: */
    uint64_t durability;   /* enum durability */
    bool durability_given; /* else it is the store's default */
    uint64_t durability_interval_ms;
    uint64_t journal_segment_bytes, journal_bytes_max;
    uint64_t pinned_bytes_max; /* memory of events not applied yet: producers wait above it */
    bool stale_reads;          /* also when the lease has lapsed */
    uint64_t apply_delay_ms, outage_reply_ms, lease_ms, reader_threads, disk_free_min;
    char *journal_dir; /* empty: beside the store's file, or none */
    char *backup_dir;  /* empty: the directory of the store */
    uint64_t cache_bytes, max_event_bytes;
    bool strict_versioning;
    uint64_t stream_node_max_entries;
    uint64_t stream_idmp_duration_s, stream_idmp_maxsize; /* XADD IDMP, unless XCFGSET */
    char *protected_streams;                              /* patterns of names, blank separated */
    /* operations */
    char *logfile;
    uint64_t loglevel;             /* enum log_level */
    uint64_t enable_debug_command; /* enum debug_allowed */
    bool enable_flush, apply_only, new_timeline;
    int64_t slowlog_log_slower_than; /* us, -1: off */
    uint64_t slowlog_max_len;
    uint64_t latency_monitor_threshold; /* ms, 0: off */
    bool latency_tracking;
    char *latency_percentiles;
};

/* Defaults, then the file (argv[1] when it does not start with "--"), then "--option value ...".
 * "--help",
 * "--version" and "--sample-conf" print and exit 0. On failure err names file, line and reason. */
MUST_CHECK int config_load(struct config *c, int argc, char **argv, struct err *err);
void config_free(struct config *c);
/* The store, as people may see it: without a password. */
void config_show_store(const struct config *c, char *out, size_t size);

/* CONFIG SET of several options, all or none. apply() of the options concerned has been called. */
MUST_CHECK int config_set(struct config *c, const struct str *names, const struct str *values,
                          size_t n, struct err *err);
/* The options as they are, to be given back to config_restore, whatever config_set does meanwhile.
 * `changed` hears of neither. */
struct config *config_save(const struct config *c);
void config_restore(struct config *c, struct config *saved); /* frees it */
/* Calls each(name, value) for the options that match the glob. Also the options of Redis that
 * clients ask for and that are fixed here (save, appendonly, databases, replica-read-only ...). */
void config_get(const struct config *c, struct str pattern,
                void (*each)(const char *name, const char *value, void *arg), void *arg);
MUST_CHECK int config_rewrite(const struct config *c, struct err *err);
#endif
