/* cairn-server: options, then the server. */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "base/reserve.h"
#include "base/version.h"
#include "server/descriptors.h"
#include "server/server.h"

/* jemalloc's defaults, read by it before main. Events fill memory by the gigabyte: huge pages take
 * most of the page faults away, which were half of the loop's time under EMAPPEND. One arena,
 * beside the loop's own (base/reserve.h), keeps what the threads free close together. */
extern const char *malloc_conf;
const char *malloc_conf = "thp:always,narenas:1,dirty_decay_ms:5000,muzzy_decay_ms:0";

static int apply_only(struct server *srv) {
    struct err err;
    if (srv->config.new_timeline) {
        log_warning("a new timeline begins when the server starts: leave out --new-timeline, or "
                    "--apply-only");
        return 1;
    }
    struct store_config config = {
        .url = srv->config.store,
        .durability = DURABILITY_BACKEND,
        .journal_dir = srv->config.journal_dir,
        .segment_bytes = srv->config.journal_segment_bytes,
        .reader_count = 1,
        .fill = true,
    };
    struct store *store;
    if (store_open(&store, &config, &err) != 0) {
        log_warning("%s", err.text);
        return 1;
    }
    log_notice("applied up to frame %llu", (unsigned long long)store_state(store)->applied);
    if (store_close(store, &err) != 0) {
        log_warning("%s", err.text);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    static struct server srv;
    struct err err;
    descriptors_open_standard();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow: write() says so, as of a full disk */
    if (config_load(&srv.config, argc, argv, &err) != 0) {
        fprintf(stderr, "cairn-server: %s\n", err.text);
        return 1;
    }
    log_level = (enum log_level)srv.config.loglevel;
    if (log_open(srv.config.logfile, &err) != 0) {
        fprintf(stderr, "cairn-server: %s\n", err.text);
        return 1;
    }
    if (srv.config.apply_only) return apply_only(&srv);
    char shown[512];
    config_show_store(&srv.config, shown, sizeof shown);
    log_notice("cairn-server %s starts: store %s", CAIRN_VERSION, shown);
    reserve_start();
    if (server_start(&srv, &err) != 0) {
        log_warning("cannot start: %s", err.text);
        return 1;
    }
    return server_run(&srv);
}
