/* INFO modules and cluster: neither exists here, and clients ask. */
#include "server/stats/info.h"
#include "commands/families.h"

static void info_modules(struct server *srv, struct buf *out) {
    UNUSED(srv);
    UNUSED(out);
}

static void info_cluster(struct server *srv, struct buf *out) {
    UNUSED(srv);
    info_put_u64(out, "cluster_enabled", 0);
}

const struct info_section redis_sections[] = {
    {"modules", "Modules", info_modules, true, .after = "cpu"},
    {"cluster", "Cluster", info_cluster, true, .after = "latencystats"},
    {.name = NULL},
};
