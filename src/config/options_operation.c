/* Options of the section Operation: the log, what is allowed, what is measured. */
#include "config/internal.h"

static const char *const loglevel_names[] = {"debug",   "verbose", "notice",
                                             "warning", "nothing", NULL};
static const char *const debug_names[] = {"no", "yes", "local", NULL};

/* Each number is written in one way, whichever way it was given, as Redis does: `50.00` is `50`. */
static int check_percentiles(struct option_value *v, struct err *err) {
    struct buf out;
    buf_init(&out, 0);
    buf_reserve(&out, strlen(v->text));
    int status = OK;
    for (const char *p = v->text; *p != '\0' && status == OK;) {
        char *end;
        double d = strtod(p, &end);
        if (end == p || (*end != '\0' && *end != ' ')) {
            status =
                err_set(err, ERR_FAILED, "Invalid latency-tracking-info-percentiles parameters");
        } else if (!(d >= 0 && d <= 100)) {
            status = err_set(err, ERR_FAILED,
                             "latency-tracking-info-percentiles parameters should sit between "
                             "[0.0,100.0]");
        } else {
            buf_printf(&out, "%s%.10g", out.len > 0 ? " " : "", d + 0.0); /* no -0 */
            p = end;
            while (*p == ' ') p++;
        }
    }
    if (status == OK) {
        free(v->text);
        v->text = str_dup(buf_str(&out));
    }
    buf_clear(&out);
    return status;
}

const struct option operation_options[] = {
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
    {.name = "latency-monitor-threshold",
     .type = OPTION_INT,
     .offset = FIELD(latency_monitor_threshold),
     .initial = "0",
     .max = 86400000,
     .flags = OPTION_SETTABLE,
     .help = "Milliseconds from which a command is kept for LATENCY LATEST, HISTORY and GRAPH. 0: "
             "none is."},
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
    {.name = "new-timeline",
     .type = OPTION_BOOL,
     .offset = FIELD(new_timeline),
     .initial = "no",
     .flags = OPTION_SWITCH,
     .help = "The store is a copy of its files (restored, or a snapshot of a virtual machine): it "
             "begins a new timeline, so that consumers are told what they have read beyond it."},
    {.name = NULL},
};
