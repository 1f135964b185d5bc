/* MONITOR, the command; what it shows is written by server/command/monitor.c. */
#include "server/server.h"
#include "commands/admin/family.h"

/* MONITOR */
enum outcome cmd_monitor(struct client *c, const struct request *r) {
    UNUSED(r);
    if (c->srv->exec.client == c) {
        reply_error(c, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return REPLIED;
    }
    c->is_monitor = true;
    if (!list_linked(&c->monitor)) list_append(&c->srv->monitors, &c->monitor);
    reply_ok(c);
    return REPLIED;
}
