/* Where the store is: postgres://user@host/db?schema=cairn. All of it is libpq's, but for `schema`,
 * which is cut out. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

#define SCHEMA_DEFAULT "cairn"
#define SCHEMA_MAX     63 /* PostgreSQL cuts longer names */

/* With %XX undone; NULL: it is no such text. */
static char *decoded(struct str s) {
    char *out = xmalloc(s.len + 1), *at = out;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            if (i + 2 >= s.len || hex_digit(s.ptr[i + 1]) < 0 || hex_digit(s.ptr[i + 2]) < 0) {
                free(out);
                return NULL;
            }
            c = (char)(hex_digit(s.ptr[i + 1]) << 4 | hex_digit(s.ptr[i + 2]));
            i += 2;
        }
        *at++ = c;
    }
    *at = '\0';
    if (memchr(out, '\0', (size_t)(at - out)) == NULL) return out;
    free(out);
    return NULL;
}

/* The value of a parameter behind '?', as it stands; ptr NULL: it is not there. *before: what
 * stands in front of it. */
static struct str find(const char *query, const char *name, size_t *before) {
    size_t n = strlen(name);
    for (const char *at = query; at != NULL && *at != '\0'; at = strchr(at, '&')) {
        at++;
        if (strncmp(at, name, n) != 0 || at[n] != '=') continue;
        *before = (size_t)(at - query);
        const char *value = at + n + 1, *end = strchr(value, '&');
        return str_of(value, end != NULL ? (size_t)(end - value) : strlen(value));
    }
    return (struct str){0};
}

/* The URI without what is ours. */
static char *cut_out(const char *path, const char *query, size_t before, struct str schema) {
    struct buf b;
    buf_init(&b, 0);
    buf_put_str(&b, STR("postgres:"));
    if (schema.ptr == NULL) {
        buf_put(&b, path, strlen(path) + 1);
        return b.data;
    }
    const char *rest = schema.ptr + schema.len;
    buf_put(&b, path, (size_t)(query - path) + before - 1); /* not its '?' or '&' */
    if (*rest == '&') {
        buf_put(&b, before == 1 ? "?" : "&", 1);
        rest++;
    }
    buf_put(&b, rest, strlen(rest) + 1);
    return b.data;
}

/* "a""b". : an identifier, whatever bytes it has, and a dot. */
static char *quoted(const char *schema) {
    struct buf b;
    buf_init(&b, 0);
    buf_put(&b, "\"", 1);
    for (const char *at = schema; *at != '\0'; at++) {
        if (*at == '"') buf_put(&b, "\"", 1);
        buf_put(&b, at, 1);
    }
    buf_put(&b, "\".", 3);
    return b.data;
}

/* The n-th value of a list with commas; of a list of one that one. The caller frees it. */
static char *nth(const char *list, size_t n) {
    const char *at = list;
    if (list == NULL) return NULL;
    for (; n > 0 && strchr(at, ',') != NULL; n--) at = strchr(at, ',') + 1;
    size_t len = strcspn(at, ",");
    char *out = xmalloc(len + 1);
    memcpy(out, at, len);
    out[len] = '\0';
    return out;
}

static bool has_gap(const char *list) {
    size_t len = list != NULL ? strlen(list) : 0;
    return len > 0 && (list[0] == ',' || list[len - 1] == ',' || strstr(list, ",,") != NULL);
}

static size_t count_of(const char *list) {
    size_t n = 1;
    if (list == NULL || *list == '\0') return 0;
    for (; *list != '\0'; list++) n += *list == ',';
    return n;
}

/* What libpq takes where a list has nothing: it would take an empty value for none, and the whole
 * list instead. */
static char *default_port(void) {
    char *port = NULL;
    PQconninfoOption *defaults = PQconndefaults();
    for (const PQconninfoOption *o = defaults; o != NULL && o->keyword != NULL; o++)
        if (strcmp(o->keyword, "port") == 0 && o->val != NULL) port = xstrdup(o->val);
    PQconninfoFree(defaults);
    return port != NULL ? port : xstrdup("5432");
}

static void note_ports(struct postgres_place *out, const char *ports) {
    char *usual = default_port();
    for (size_t i = 0; i < out->host_count; i++) {
        char *port = nth(ports, i);
        bool given = port != NULL && *port != '\0';
        out->hosts[i].port = given ? port : xstrdup(usual);
        if (!given) free(port);
    }
    free(usual);
}

/* More than one machine: libpq, asked not to block, leaves it to its caller to go on from one that
 * does not answer. */
static void note_hosts(struct postgres_place *out, const PQconninfoOption *options) {
    const char *hosts = NULL, *addresses = NULL, *ports = NULL;
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "host") == 0) hosts = o->val;
        if (strcmp(o->keyword, "hostaddr") == 0) addresses = o->val;
        if (strcmp(o->keyword, "port") == 0) ports = o->val;
    }
    size_t n = MAX(count_of(hosts), count_of(addresses));
    /* An entry that says no machine means libpq's own: it may have the list as a whole. */
    if (n < 2 || has_gap(hosts) || has_gap(addresses)) return;
    out->hosts = xcalloc(n, sizeof *out->hosts);
    out->host_count = n;
    for (size_t i = 0; i < n; i++)
        out->hosts[i] = (struct postgres_host){.host = nth(hosts, i), .address = nth(addresses, i)};
    note_ports(out, ports);
    out->turn = xcalloc(1, sizeof *out->turn);
}

int postgres_place_parse(struct postgres_place *out, const char *path, struct err *err) {
    *out = (struct postgres_place){0};
    if (strncmp(path, "//", 2) != 0)
        return err_set(err, ERR_REFUSED,
                       "postgres: needs a URI: postgres://USER@HOST/DATABASE?schema=NAME");
    const char *query = backend_url_query(path);
    size_t before = 0;
    struct str given = find(query, "schema", &before);
    char *schema = given.ptr != NULL ? decoded(given) : xstrdup(SCHEMA_DEFAULT);
    bool good = schema != NULL && schema[0] != '\0' && strlen(schema) <= SCHEMA_MAX &&
                postgres_is_text(str_c(schema));
    if (!good || strcmp(schema, "public") == 0 || strncmp(schema, "pg_", 3) == 0) {
        int rc = err_set(err, ERR_REFUSED,
                         "postgres: the schema '%s' cannot be the store's: it needs one of its "
                         "own, with a name of 1 to %d bytes, not public and not pg_...",
                         schema != NULL ? schema : "", SCHEMA_MAX);
        free(schema);
        return rc;
    }
    out->schema = schema;
    out->prefix = quoted(schema);
    out->uri = cut_out(path, query, before, given);
    size_t size = strlen(path) + 32;
    char *whole = xmalloc(size);
    out->shown = xmalloc(size);
    snprintf(whole, size, "postgres:%s", path);
    backend_show(whole, out->shown, size);
    free(whole);
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(out->uri, &why);
    int rc = 0;
    if (options == NULL) {
        size_t len = why != NULL ? strcspn(why, "\n") : 0;
        rc = err_set(err, ERR_REFUSED, "%s: %.*s", out->shown, (int)len, why != NULL ? why : "");
        postgres_place_free(out);
    }
    if (rc == 0) note_hosts(out, options);
    PQconninfoFree(options);
    PQfreemem(why);
    return rc;
}

void postgres_place_free(struct postgres_place *p) {
    free(p->uri);
    free(p->shown);
    free(p->schema);
    free(p->prefix);
    for (size_t i = 0; i < p->host_count; i++) {
        free(p->hosts[i].host);
        free(p->hosts[i].address);
        free(p->hosts[i].port);
    }
    free(p->hosts);
    free(p->turn);
    *p = (struct postgres_place){0};
}

int postgres_check_path(const char *path, struct err *err) {
    struct postgres_place place;
    int rc = postgres_place_parse(&place, path, err);
    if (rc == 0) postgres_place_free(&place);
    return rc;
}
