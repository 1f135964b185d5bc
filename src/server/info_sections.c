/* The server's own sections of INFO, in Redis' order (those of families say where they stand). */
#include "server/stats/info.h"

const struct info_section server_sections[] = {
    {"server", "Server", info_server, true, NULL},
    {"clients", "Clients", info_clients, true, NULL},
    {"memory", "Memory", info_memory, true, NULL},
    {"persistence", "Persistence", info_persistence, true, NULL},
    {"store", "Store", info_store, true, NULL},
    {"journal", "Journal", info_journal, true, NULL},
    {"cache", "Cache", info_cache, true, NULL},
    {"stats", "Stats", info_stats, true, NULL},
    {"replication", "Replication", info_replication, true, NULL},
    {"cpu", "CPU", info_cpu, true, NULL},
    {"commandstats", "Commandstats", info_commandstats, false, NULL},
    {"errorstats", "Errorstats", info_errorstats, true, NULL},
    {"latencystats", "Latencystats", info_latencystats, false, NULL},
    {"keyspace", "Keyspace", info_keyspace, true, NULL},
    {.name = NULL},
};
