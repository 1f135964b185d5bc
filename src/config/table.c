/* THE option table: every option once, with its type, range, default and the sentence that explains
 * it. Command line, option file, CONFIG GET/SET/REWRITE, --help and cairn.conf all come from these
 * rows; to add an option, add a field to struct config and a row here. An option without
 * OPTION_SETTABLE can only be given at start: changing it would need another socket, another file
 * or other threads, or would take a protection away. */
#include "config/internal.h"

#include "store/backend.h"

#define KB          ((int64_t)1024)
#define MB          (KB * 1024)
#define GB          (MB * 1024)
#define FIELD(name) offsetof(struct config, name)

static const char *const loglevel_names[] = {"debug",   "verbose", "notice",
                                             "warning", "nothing", NULL};
static const char *const debug_names[] = {"no", "yes", "local", NULL};

static int check_store(const struct option_value *v, struct err *err) {
    const char *path;
    if (backend_find(v->text, &path) == NULL)
        return err_set(err, ERR_FAILED, "'%s' is no store: sqlite:PATH or memory: is expected",
                       v->text);
    return OK;
}

static int check_segment(const struct option_value *v, struct err *err) {
    if (v->number % 4096 != 0)
        return err_set(err, ERR_FAILED, "argument must be a multiple of 4096");
    return OK;
}

static int check_percentiles(const struct option_value *v, struct err *err) {
    for (const char *p = v->text; *p != '\0';) {
        char *end;
        double d = strtod(p, &end);
        if (end == p || (*end != '\0' && *end != ' ') || !(d >= 0 && d <= 100))
            return err_set(err, ERR_FAILED,
                           "latency-tracking-info-percentiles should be numbers between 0 and 100");
        p = end;
        while (*p == ' ') p++;
    }
    return OK;
}

const struct option option_table[] = {
    {.section = "Network",
     .name = "port",
     .type = OPTION_INT,
     .offset = FIELD(port),
     .initial = "6390",
     .max = 65535,
     .help = "TCP port to listen on. 0 picks a free one, which the log then names."},
    {.name = "bind",
     .type = OPTION_WORDS,
     .offset = FIELD(bind),
     .initial = "127.0.0.1",
     .help =
         "Addresses to listen on, separated by blanks. Whoever reaches one of them can read and "
         "append everything, unless requirepass is set."},
    {.name = "unixsocket",
     .type = OPTION_STRING,
     .offset = FIELD(unixsocket),
     .initial = "",
     .help = "Path of a unix socket to listen on as well. Empty: none."},
    {.name = "unixsocketperm",
     .type = OPTION_OCTAL,
     .offset = FIELD(unixsocketperm),
     .initial = "0",
     .max = 0777,
     .help = "Permissions of the unix socket, in octal. 0 leaves them to the umask."},
    {.name = "tcp-backlog",
     .type = OPTION_INT,
     .offset = FIELD(tcp_backlog),
     .initial = "511",
     .min = 1,
     .max = 65535,
     .help = "Connections that may wait to be accepted. The system's own limit may be lower."},
    {.name = "tcp-keepalive",
     .type = OPTION_INT,
     .offset = FIELD(tcp_keepalive_s),
     .initial = "300",
     .max = INT32_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Seconds after which a silent connection is probed by the system. 0: never."},
    {.name = "timeout",
     .type = OPTION_INT,
     .offset = FIELD(timeout_s),
     .initial = "0",
     .max = INT32_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Seconds after which an idle connection is closed. 0: never."},
    {.name = "maxclients",
     .type = OPTION_INT,
     .offset = FIELD(maxclients),
     .initial = "10000",
     .min = 1,
     .max = 1000000,
     .flags = OPTION_SETTABLE,
     .help = "Connections at the same time. One more is answered with an error and closed."},
    {.name = "proto-max-bulk-len",
     .type = OPTION_BYTES,
     .offset = FIELD(proto_max_bulk_len),
     .initial = "512mb",
     .min = MB,
     .max = 4 * GB,
     .flags = OPTION_SETTABLE,
     .help = "Largest single argument of a command. Events have a limit of their own: "
             "max-event-bytes."},
    {.name = "max-args",
     .type = OPTION_INT,
     .offset = FIELD(max_args),
     .initial = "1048576",
     .min = 1024,
     .max = 16777216,
     .flags = OPTION_SETTABLE,
     .help = "Most arguments of a single command."},
    {.name = "default-resp",
     .type = OPTION_INT,
     .offset = FIELD(default_resp),
     .initial = "2",
     .min = 2,
     .max = 3,
     .flags = OPTION_SETTABLE,
     .help = "Protocol of a connection that has sent no HELLO: 2 as with Redis, 3 for clients of "
             "SierraDB "
             "that expect maps without asking for them."},
    {.name = "client-output-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(client_output_bytes_max),
     .initial = "256mb",
     .min = 64 * KB,
     .max = 64 * GB,
     .flags = OPTION_SETTABLE,
     .help = "Replies that a connection may leave unread. Above it the connection's further "
             "commands wait "
             "until it reads."},
    {.name = "requirepass",
     .type = OPTION_STRING,
     .offset = FIELD(requirepass),
     .initial = "",
     .flags = OPTION_SETTABLE | OPTION_SECRET,
     .help =
         "Password that a connection must give (AUTH or HELLO) before anything else. Empty: none."},

    {.section = "Store",
     .name = "store",
     .type = OPTION_STRING,
     .offset = FIELD(store),
     .initial = "sqlite:./cairn.db",
     .check = check_store,
     .help = "Where events are kept: sqlite:PATH, with the journal in a directory beside it; or "
             "memory: , "
             "which keeps nothing over a restart and is meant for tests."},
    {.name = "durability",
     .type = OPTION_DURABILITY,
     .offset = FIELD(durability),
     .initial = "journal",
     .flags = OPTION_SETTABLE,
     .help = "When an append is acknowledged. journal: it is in the journal, synced. backend: its "
             "transaction has been committed in the store, synced. interval MS: at once, the "
             "journal is "
             "synced every MS milliseconds, and a crash may lose what was acknowledged since. At "
             "run time "
             "only the MS of interval can be changed; the mode cannot be."},
    {.name = "journal-segment-bytes",
     .type = OPTION_BYTES,
     .offset = FIELD(journal_segment_bytes),
     .initial = "64mb",
     .min = 256 * KB,
     .max = 4 * GB,
     .check = check_segment,
     .help = "Size of a file of the journal, allocated beforehand; a multiple of 4096. One "
             "command's events "
             "must fit in one."},
    {.name = "journal-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(journal_bytes_max),
     .initial = "4gb",
     .min = 512 * KB,
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "How far the journal may run ahead of the store. Above it producers wait."},
    {.name = "pinned-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(pinned_bytes_max),
     .initial = "0",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Memory of events that are in the journal and not yet in the store. Above it "
             "producers wait. "
             "0: half of cache-bytes."},
    {.name = "apply-delay-ms",
     .type = OPTION_INT,
     .offset = FIELD(apply_delay_ms),
     .initial = "500",
     .max = 60000,
     .help = "How long events may wait in the journal for others to share a transaction of the "
             "store with. "
             "Acknowledgements do not wait for it."},
    {.name = "reader-threads",
     .type = OPTION_INT,
     .offset = FIELD(reader_threads),
     .initial = "2",
     .min = 1,
     .max = 16,
     .help = "Threads that read from the store what is not in memory."},
    {.name = "disk-free-min",
     .type = OPTION_BYTES,
     .offset = FIELD(disk_free_min),
     .initial = "64mb",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "When less than this is free on the store's disk, appends are refused; they resume by "
             "themselves. 0: not watched."},
    {.name = "cache-bytes",
     .type = OPTION_BYTES,
     .offset = FIELD(cache_bytes),
     .initial = "512mb",
     .min = MB,
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Memory for streams and recent events. What does not fit is read from the store when "
             "it is "
             "asked for."},
    {.name = "max-event-bytes",
     .type = OPTION_BYTES,
     .offset = FIELD(max_event_bytes),
     .initial = "8mb",
     .min = 1,
     .max = GB,
     .flags = OPTION_SETTABLE,
     .help = "Largest event: payload and metadata together. More is answered with -TOOLARGE."},
    {.name = "strict-versioning",
     .type = OPTION_BOOL,
     .offset = FIELD(strict_versioning),
     .initial = "no",
     .flags = OPTION_SETTABLE,
     .help = "yes: appends must state EXPECTED_VERSION, and it must not be ANY."},
    {.name = "stream-node-max-entries",
     .type = OPTION_INT,
     .offset = FIELD(stream_node_max_entries),
     .initial = "100",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Entries of a stream that MAXLEN ~ and MINID ~ remove together: they trim in steps of "
             "so many versions. 0: not at all."},
    {.name = "stream-idmp-duration",
     .type = OPTION_INT,
     .offset = FIELD(stream_idmp_duration_s),
     .initial = "100",
     .min = 1,
     .max = IDMP_DURATION_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Seconds for which XADD IDMP remembers a producer's ids, where XCFGSET says nothing "
             "else."},
    {.name = "stream-idmp-maxsize",
     .type = OPTION_INT,
     .offset = FIELD(stream_idmp_maxsize),
     .initial = "100",
     .min = 1,
     .max = IDMP_MAXSIZE_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Ids of one producer in one stream that XADD IDMP remembers, where XCFGSET says "
             "nothing else."},
    {.name = "protected-streams",
     .type = OPTION_WORDS,
     .offset = FIELD(protected_streams),
     .initial = "",
     .flags = OPTION_SETTABLE,
     .help = "Patterns of the names of streams, with blanks between them: what would delete, trim, "
             "erase, rename or overwrite such a stream, or make it expire, is refused with "
             "-PROTECTED."},

    {.section = "Operation",
     .name = "logfile",
     .type = OPTION_STRING,
     .offset = FIELD(logfile),
     .initial = "",
     .help = "File to log to. Empty: standard output."},
    {.name = "loglevel",
     .type = OPTION_ENUM,
     .offset = FIELD(loglevel),
     .initial = "notice",
     .names = loglevel_names,
     .flags = OPTION_SETTABLE,
     .help = "What is logged: debug, verbose, notice, warning or nothing."},
    {.name = "enable-debug-command",
     .type = OPTION_ENUM,
     .offset = FIELD(enable_debug_command),
     .initial = "no",
     .names = debug_names,
     .help = "Whether DEBUG may be used: no, yes, or local (loopback and unix socket only). For "
             "tests."},
    {.name = "enable-flush",
     .type = OPTION_BOOL,
     .offset = FIELD(enable_flush),
     .initial = "no",
     .help = "Whether FLUSHALL and FLUSHDB, which erase every event, may be used."},
    {.name = "slowlog-log-slower-than",
     .type = OPTION_SIGNED,
     .offset = FIELD(slowlog_log_slower_than),
     .initial = "10000",
     .min = -1,
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help =
         "Microseconds from which a command is put in the slow log. 0: every command; -1: none."},
    {.name = "slowlog-max-len",
     .type = OPTION_INT,
     .offset = FIELD(slowlog_max_len),
     .initial = "128",
     .max = 1000000,
     .flags = OPTION_SETTABLE,
     .help = "Entries that the slow log keeps."},
    {.name = "latency-tracking",
     .type = OPTION_BOOL,
     .offset = FIELD(latency_tracking),
     .initial = "yes",
     .flags = OPTION_SETTABLE,
     .help = "Whether each command's latencies are counted, for INFO latencystats and LATENCY "
             "HISTOGRAM."},
    {.name = "latency-tracking-info-percentiles",
     .type = OPTION_WORDS,
     .offset = FIELD(latency_percentiles),
     .initial = "50 99 99.9",
     .flags = OPTION_SETTABLE,
     .check = check_percentiles,
     .help = "Percentiles that INFO latencystats shows."},
    {.name = "apply-only",
     .type = OPTION_BOOL,
     .offset = FIELD(apply_only),
     .initial = "no",
     .flags = OPTION_SWITCH,
     .help = "Bring what the journal holds into the store, and exit."},
    {.name = NULL},
};

const struct option_fixed option_fixed_table[] = {
    {"save", ""},
    {"appendonly", "yes"},
    {"appendfsync", "always"},
    {"databases", "16"},
    {"daemonize", "no"},
    {"replica-read-only", "yes"},
    {"maxmemory", "0"},
    {"maxmemory-policy", "noeviction"},
    {"notify-keyspace-events", ""},
    {"io-threads", "1"},
    {"cluster-enabled", "no"},
    {"protected-mode", "no"},
    {"lua-time-limit", "5000"},
    {NULL, NULL},
};
