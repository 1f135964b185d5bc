/* The server's own sections of INFO, in Redis' order. */
#include "server/stats/info.h"

const struct info_section server_sections[] = {
    {"server", "Server", info_server, true},
    {"clients", "Clients", info_clients, true},
    {"memory", "Memory", info_memory, true},
    {"persistence", "Persistence", info_persistence, true},
    {"store", "Store", info_store, true},
    {"journal", "Journal", info_journal, true},
    {"cache", "Cache", info_cache, true},
    {"stats", "Stats", info_stats, true},
    {"replication", "Replication", info_replication, true},
    {"cpu", "CPU", info_cpu, true},
    {"commandstats", "Commandstats", info_commandstats, false},
    {"errorstats", "Errorstats", info_errorstats, true},
    {"latencystats", "Latencystats", info_latencystats, false},
    {"keyspace", "Keyspace", info_keyspace, true},
    {.name = NULL},
};
