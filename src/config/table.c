/* THE option table: every option once, with its type, range, default and the sentence that explains
 * it, in one table for each subject (options_*.c). Command line, option file, CONFIG
 * GET/SET/REWRITE, --help and cairn.conf all come from these rows; to add an option, add a field to
 * struct config and a row. An option without OPTION_SETTABLE can only be given at start: changing
 * it would need another socket, another file or other threads, or would take a protection away. */
#include "config/internal.h"

const struct option *const option_tables[] = {
    network_options, subscription_options, store_options, stream_options, operation_options, NULL,
};

size_t option_index(const struct option *wanted) {
    size_t i = 0;
    OPTION_EACH(o) {
        if (o == wanted) return i;
        i++;
    }
    assert(wanted == NULL);
    return i;
}

const struct option_fixed option_fixed_table[] = {
    {"save", ""},
    {"appendonly", "yes"},
    {"appendfsync", "always"},
    {"databases", "16"},
    {"daemonize", "no"},
    {"replica-read-only", "yes"},
    {"maxmemory", "0"},
    {"maxmemory-policy", "noeviction"},
    {"io-threads", "1"},
    {"cluster-enabled", "no"},
    {"lua-time-limit", "5000"},
    {NULL, NULL},
};
