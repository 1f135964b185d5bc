/* What MONITOR shows: every command that runs, in Redis' line format, to every connection that
 * asked for it. The lines go to the monitoring connection as simple strings between its replies. A
 * monitor that does not read is not buffered for without bound: above the output limit it misses
 * lines. */
#include "server/command/monitor.h"

#include "server/server.h"
#include "server/stats/slowlog.h"

void monitor_feed(struct client *c, const struct request *r) {
    struct server *srv = c->srv;
    struct buf line;
    buf_init(&line, 0);
    buf_printf(&line, "%llu.%06llu [%llu %s]", (unsigned long long)(srv->clock.wall_ms / 1000),
               (unsigned long long)(srv->clock.wall_ms % 1000 * 1000), (unsigned long long)c->db,
               c->is_unix ? "unix:" : c->addr);
    if (c->is_unix) {
        line.len--; /* over the bracket */
        buf_printf(&line, "%s]", srv->config.unixsocket);
    }
    for (size_t i = 0; i < r->argc; i++) {
        buf_put(&line, " ", 1);
        buf_put_quoted(&line, request_secret(r, i) ? STR("(redacted)") : r->argv[i]);
    }
    LIST_FOR_EACH (it, &srv->monitors) {
        struct client *m = LIST_ENTRY(it, struct client, monitor);
        bool full = client_out_pending(m) + line.len > srv->config.client_output_bytes_max;
        if (full || m->held != 0) continue; /* or all hold more than clients-bytes-max */
        resp_put_simple(&m->out, buf_str(&line));
        client_wrote(m);
    }
    buf_clear(&line);
}
