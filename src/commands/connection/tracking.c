/* CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: client-side caching (server/tracking). */
#include "base/alloc.h"
#include "server/server.h"
#include "commands/connection/family.h"

#define PREFIXES_MAX 1024 /* of a connection: they are compared with each other */

struct tracking_args {
    unsigned mode;
    uint64_t redirect;
    struct str *prefixes;
    size_t prefix_count;
};

static bool parse_redirect(struct client *c, struct str text, struct tracking_args *a) {
    int64_t id;
    if (a->redirect != 0) {
        reply_error(c, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!str_to_i64(text, &id)) {
        reply_error(c, "ERR value is not an integer or out of range");
        return false;
    }
    a->redirect = (uint64_t)id;
    /* It has to be there now. */
    if (id > 0 && server_client_by_id(c->srv, a->redirect) != NULL) return true;
    reply_error(c, "ERR The client ID you want redirect to does not exist");
    return false;
}

static bool parse_options(struct client *c, const struct request *r, struct tracking_args *a) {
    static const struct {
        struct str word;
        unsigned mode;
    } modes[] = {{{"BCAST", 5}, TRACKING_BCAST},
                 {{"OPTIN", 5}, TRACKING_OPTIN},
                 {{"OPTOUT", 6}, TRACKING_OPTOUT},
                 {{"NOLOOP", 6}, TRACKING_NOLOOP}};
    for (size_t i = 3; i < r->argc; i++) {
        unsigned mode = 0;
        for (size_t k = 0; k < ARRAY_LEN(modes); k++)
            if (str_eq_nocase(r->argv[i], modes[k].word)) mode = modes[k].mode;
        a->mode |= mode;
        if (mode != 0) continue;
        bool valued = i + 1 < r->argc;
        if (valued && str_eq_nocase(r->argv[i], STR("REDIRECT"))) {
            if (!parse_redirect(c, r->argv[++i], a)) return false;
        } else if (valued && str_eq_nocase(r->argv[i], STR("PREFIX"))) {
            a->prefixes[a->prefix_count++] = r->argv[++i];
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

static bool overlaps(struct str a, struct str b) {
    return str_starts_with(a, b) || str_starts_with(b, a);
}

/* No two prefixes of a connection may be told of the same key. */
static bool apart_or_reply(struct client *c, const struct tracking_args *a) {
    const struct tracker *t = c->tracker;
    size_t had = t != NULL ? t->prefix_count : 0;
    if (had + a->prefix_count > PREFIXES_MAX) {
        reply_error(c, "ERR a connection tracks at most %d prefixes", PREFIXES_MAX);
        return false;
    }
    for (size_t i = 0; i < a->prefix_count; i++) {
        for (size_t k = 0; k < had + i; k++) {
            bool old = k < had;
            struct str other = old ? tracking_prefix(t, k) : a->prefixes[k - had];
            if (!overlaps(a->prefixes[i], other)) continue;
            struct str first = old ? a->prefixes[i] : other;
            struct str second = old ? other : a->prefixes[i];
            reply_error(c,
                        "ERR Prefix '" STR_FMT "' overlaps with %s prefix '" STR_FMT
                        "'. Prefixes for a single client must not overlap.",
                        STR_ARG(first), old ? "an existing" : "another provided", STR_ARG(second));
            return false;
        }
    }
    return true;
}

/* Whether the options fit to each other, and to what the connection has said before. */
static bool options_fit_or_reply(struct client *c, const struct tracking_args *a) {
    const struct tracker *t = c->tracker;
    unsigned opt = TRACKING_OPTIN | TRACKING_OPTOUT;
    const char *wrong = NULL;
    if (a->prefix_count > 0 && !(a->mode & TRACKING_BCAST))
        wrong = "PREFIX option requires BCAST mode to be enabled";
    else if (t != NULL && (t->mode ^ a->mode) & TRACKING_BCAST)
        wrong = "You can't switch BCAST mode on/off before disabling tracking for this client, and "
                "then re-enabling it with a different mode.";
    else if (a->mode & TRACKING_BCAST && a->mode & opt)
        wrong = "OPTIN and OPTOUT are not compatible with BCAST";
    else if ((a->mode & opt) == opt)
        wrong = "You can't specify both OPTIN mode and OPTOUT mode";
    else if (t != NULL && ((a->mode | t->mode) & opt) == opt)
        wrong = "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
                "then re-enabling it with a different mode.";
    if (wrong != NULL) reply_error(c, "ERR %s", wrong);
    return wrong == NULL && (!(a->mode & TRACKING_BCAST) || apart_or_reply(c, a));
}

/* CLIENT TRACKING ON [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN | OPTOUT] [NOLOOP] | OFF */
enum outcome cmd_client_tracking(struct client *c, const struct request *r) {
    struct tracking_args a = {.prefixes = xmalloc(r->argc * sizeof(struct str))};
    bool on = str_eq_nocase(r->argv[2], STR("ON"));
    if (parse_options(c, r, &a)) {
        if (!on && !str_eq_nocase(r->argv[2], STR("OFF"))) {
            reply_syntax_error(c);
        } else if (!on) {
            tracking_end(c);
            reply_ok(c);
        } else if (options_fit_or_reply(c, &a)) {
            tracking_begin(c, a.mode, a.redirect, a.prefixes, a.prefix_count);
            reply_ok(c);
        }
    }
    free(a.prefixes);
    return REPLIED;
}

/* CLIENT TRACKINGINFO */
enum outcome cmd_client_trackinginfo(struct client *c, const struct request *r) {
    const struct tracker *t = c->tracker;
    unsigned mode = t != NULL ? t->mode : 0;
    const char *flags[8];
    size_t n = 0, prefixes = t != NULL ? t->prefix_count : 0;
    UNUSED(r);
    flags[n++] = t != NULL ? "on" : "off";
    if (mode & TRACKING_BCAST) flags[n++] = "bcast";
    if (mode & TRACKING_OPTIN) flags[n++] = "optin";
    if (mode & TRACKING_OPTIN && t->caching) flags[n++] = "caching-yes";
    if (mode & TRACKING_OPTOUT) flags[n++] = "optout";
    if (mode & TRACKING_OPTOUT && t->caching) flags[n++] = "caching-no";
    if (mode & TRACKING_NOLOOP) flags[n++] = "noloop";
    if (t != NULL && t->redirect_broken) flags[n++] = "broken_redirect";
    reply_map(c, 3);
    reply_bulk_c(c, "flags");
    resp_put_set(&c->out, c->resp, n);
    for (size_t i = 0; i < n; i++) reply_bulk_c(c, flags[i]);
    reply_bulk_c(c, "redirect");
    reply_int(c, t != NULL ? (int64_t)t->redirect : -1);
    reply_bulk_c(c, "prefixes");
    reply_array(c, prefixes);
    for (size_t i = 0; i < prefixes; i++) reply_bulk(c, tracking_prefix(t, i));
    return REPLIED;
}

/* CLIENT CACHING YES | NO: of the next command, or transaction. */
enum outcome cmd_client_caching(struct client *c, const struct request *r) {
    struct tracker *t = c->tracker;
    bool yes = str_eq_nocase(r->argv[2], STR("YES")), no = str_eq_nocase(r->argv[2], STR("NO"));
    if (t == NULL) {
        reply_error(c, "ERR CLIENT CACHING can be called only when the client is in tracking mode "
                       "with OPTIN or OPTOUT mode enabled");
    } else if (!yes && !no) {
        reply_syntax_error(c);
    } else if (yes && !(t->mode & TRACKING_OPTIN)) {
        reply_error(c, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN "
                       "mode.");
    } else if (no && !(t->mode & TRACKING_OPTOUT)) {
        reply_error(c, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT "
                       "mode.");
    } else {
        t->caching = t->caching_is_new = true;
        reply_ok(c);
    }
    return REPLIED;
}

/* CLIENT GETREDIR: -1 when tracking is off. */
enum outcome cmd_client_getredir(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_int(c, c->tracker != NULL ? (int64_t)c->tracker->redirect : -1);
    return REPLIED;
}
