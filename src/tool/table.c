#include "tool/tool.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/version.h"

const struct tool tools[] = {
    {
        .name = "verify",
        .arguments = "STORE",
        .argument_count = 1,
        .summary = "says whether a store is whole, and names each damage",
        .text =
            "Reads all of the store as it is at this moment, whether a server has it open or "
            "not, and\nwrites nothing. Exit status: 0 it is whole; 1 something is damaged; 2 it "
            "could not be looked at.\n",
        .options = {{"--json", "one JSON object instead of text"}},
        .run = tool_verify,
    },
    {
        .name = "migrate",
        .arguments = "FROM TO",
        .argument_count = 2,
        .summary = "copies a store to a new one, of any kind, and compares the two",
        .text =
            "No server may run on either. FROM is left as it is; TO has to be empty, or the "
            "unfinished target\nof the same migration, which then goes on: it may be stopped at "
            "any moment. Servers open TO when\nit is complete. Exit status: 0 it is; 1 the two "
            "differ; 2 it could not be done.\n",
        .run = tool_migrate,
    },
};
const size_t tool_count = ARRAY_LEN(tools);

/* --- help ------------------------------------------------------------------------------- */

static void help(FILE *to) {
    fprintf(to,
            "Usage: cairn SUBCOMMAND ...\n\n"
            "What is done with a store beside its server, or without it. STORE is what the server's"
            " option\n`store` says (sqlite:cairn.db), or the path of an SQLite file.\n\n");
    for (size_t i = 0; i < tool_count; i++)
        fprintf(to, "  %-8s %-12s %s\n", tools[i].name, tools[i].arguments, tools[i].summary);
    fprintf(to,
            "\ncairn SUBCOMMAND --help says more of one. cairn --version says which version this"
            " is.\n");
}

static void help_of(const struct tool *t, FILE *to) {
    fprintf(to, "Usage: cairn %s %s", t->name, t->arguments);
    for (size_t i = 0; i < ARRAY_LEN(t->options) && t->options[i].name != NULL; i++)
        fprintf(to, " [%s]", t->options[i].name);
    fprintf(to, "\n\n%s\n", t->text);
    for (size_t i = 0; i < ARRAY_LEN(t->options) && t->options[i].name != NULL; i++)
        fprintf(to, "  %-10s %s\n", t->options[i].name, t->options[i].summary);
    fprintf(to, "  %-10s %s\n", "--help", "this text");
}

/* --- the command line ------------------------------------------------------------------- */

static const struct tool *find(const char *name) {
    for (size_t i = 0; i < tool_count; i++)
        if (strcmp(tools[i].name, name) == 0) return &tools[i];
    return NULL;
}

static bool take_option(const struct tool *t, const char *word, bool *given) {
    for (size_t i = 0; i < ARRAY_LEN(t->options) && t->options[i].name != NULL; i++) {
        if (strcmp(t->options[i].name, word) != 0) continue;
        given[i] = true;
        return true;
    }
    return false;
}

static int run(const struct tool *t, int n, char **words) {
    char *values[4];
    bool given[ARRAY_LEN(t->options)] = {false}, options = true;
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (options && strcmp(words[i], "--help") == 0) {
            help_of(t, stdout);
            return EXIT_GOOD;
        }
        if (options && strcmp(words[i], "--") == 0) {
            options = false;
        } else if (options && words[i][0] == '-' && words[i][1] != '\0') {
            if (take_option(t, words[i], given)) continue;
            fprintf(stderr, "cairn %s: unknown option '%s'; see cairn %s --help\n", t->name,
                    words[i], t->name);
            return EXIT_NOT_RUN;
        } else if (count < t->argument_count && count < (int)ARRAY_LEN(values)) {
            values[count++] = words[i];
        } else {
            count = t->argument_count + 1;
            break;
        }
    }
    if (count == t->argument_count) return t->run(values, given);
    fprintf(stderr, "cairn %s: %s: %s is expected; see cairn %s --help\n", t->name,
            count < t->argument_count ? "too few arguments" : "too many arguments", t->arguments,
            t->name);
    return EXIT_NOT_RUN;
}

int tool_main(int argc, char **argv) {
    if (argc < 2) {
        help(stderr);
        return EXIT_NOT_RUN;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cairn %s\n", CAIRN_VERSION);
        return EXIT_GOOD;
    }
    const struct tool *t = find(argv[1]);
    if (t != NULL) {
        int status = run(t, argc - 2, argv + 2);
        if (fflush(stdout) == 0 && !ferror(stdout)) return status;
        fprintf(stderr, "cairn: the output cannot be written: %s\n", strerror(errno));
        return EXIT_NOT_RUN;
    }
    fprintf(stderr, "cairn: unknown subcommand '%s'; see cairn --help\n", argv[1]);
    return EXIT_NOT_RUN;
}

/* --- stores ------------------------------------------------------------------------------ */

int tool_store_find(struct tool_store *out, const char *named, struct err *err) {
    *out = (struct tool_store){.url = xstrdup(named)};
    backend_show(named, out->shown, sizeof out->shown);
    out->backend = backend_find(out->url, &out->path);
    if (out->backend == NULL && strstr(named, "://") == NULL) {
        out->backend = &backend_sqlite;
        out->path = out->url;
    }
    if (out->backend == NULL)
        return err_set(err, ERR_REFUSED, "unknown store: a URL like sqlite:PATH, or a path");
    if (out->backend->open_snapshot == NULL)
        return err_set(err, ERR_REFUSED, "a store of this kind is only in its server's memory");
    return out->backend->check_path(out->path, err);
}

void tool_store_clear(struct tool_store *s) {
    free(s->url);
    *s = (struct tool_store){0};
}

int tool_refuse(const char *named, const struct err *err) {
    char shown[512];
    backend_show(named, shown, sizeof shown);
    fflush(stdout);
    fprintf(stderr, "cairn: %s: %s\n", shown, err->text);
    return EXIT_NOT_RUN;
}
