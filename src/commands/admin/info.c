/* INFO [section ...]. As with Redis, no section means `default`; `all` is every section and
 * `everything` those of modules too, of which there are none. */
#include "server/server.h"
#include "server/stats/info.h"
#include "commands/admin/family.h"

static bool wanted(const struct request *r, const struct info_section *s) {
    if (r->argc == 1) return s->in_default;
    for (size_t i = 1; i < r->argc; i++) {
        struct str word = r->argv[i];
        if (str_eq_nocase(word, str_c(s->name)) || str_eq_nocase(word, STR("all")) ||
            str_eq_nocase(word, STR("everything")) ||
            (s->in_default && str_eq_nocase(word, STR("default"))))
            return true;
    }
    return false;
}

static void put_section(struct client *c, const struct request *r, const struct info_section *s,
                        struct buf *out) {
    if (!wanted(r, s)) return;
    buf_printf(out, "%s# %s\r\n", out->len > 0 ? "\r\n" : "", s->title);
    s->write(c->srv, out);
}

/* Those of the families that stand behind the server's section `after`; NULL: behind all. */
static void put_family_sections(struct client *c, const struct request *r, const char *after,
                                struct buf *out) {
    for (const struct command_family *f = command_families; f->name != NULL; f++) {
        for (const struct info_section *s = f->sections; s != NULL && s->name != NULL; s++) {
            bool here = after == NULL || s->after == NULL ? after == s->after
                                                          : strcmp(after, s->after) == 0;
            if (here) put_section(c, r, s, out);
        }
    }
}

/* INFO [section ...] */
enum outcome cmd_info(struct client *c, const struct request *r) {
    struct buf text;
    buf_init(&text, 0);
    for (const struct info_section *s = server_sections; s->name != NULL; s++) {
        put_section(c, r, s, &text);
        put_family_sections(c, r, s->name, &text);
    }
    put_family_sections(c, r, NULL, &text);
    resp_put_verbatim(&c->out, c->resp, buf_str(&text));
    buf_clear(&text);
    return REPLIED;
}
