/* Fuzzes what commands do with their arguments: each input is a series of well-formed requests of
 * two connections, made of the words that the commands' syntax knows, a few keys, ids and numbers
 * that fit to each other, and arbitrary bytes. So transactions, groups, readers that wait, and
 * everything after the first check of the arguments are reached. In between memory is emptied, and
 * commands have to load what they need.
 *
 * Nothing may crash, hang or trip an assertion (of which one says that no command leaves an
 * unfinished frame); and after a FLUSHALL nothing is left in memory.
 *
 * The bytes: what to do (the kind of step, the connection), the command, the number of arguments,
 * then what each is. Input that ends early leaves out the rest. FUZZ_SHOW=1 prints the requests. */
#include "base/alloc.h"
#include "base/buf.h"
#include "fuzz_server.h"

#define CONNECTIONS   2
#define COMMANDS_MAX  300
#define WORDS_MAX     40
#define ARGUMENTS_MAX 24
#define PASSES_MAX    40000 /* twenty seconds or more */

/* A command with the words of its syntax. */
struct known {
    const struct command *command;
    struct str words[WORDS_MAX];
    size_t word_count;
};

static struct known known[COMMANDS_MAX];
static size_t known_count;

struct input {
    const uint8_t *at, *end;
};

static uint8_t next(struct input *in) {
    return in->at < in->end ? *in->at++ : 0;
}

static struct str next_bytes(struct input *in, size_t max) {
    size_t n = next(in) % (max + 1);
    n = MIN(n, (size_t)(in->end - in->at));
    struct str bytes = str_of((const char *)in->at, n);
    in->at += n;
    return bytes;
}

/* ---- what there is to say ---- */

/* Words in upper case, and single signs. */
static void learn_words(struct known *k) {
    const char *at = k->command->syntax;
    while (at != NULL && *at != '\0' && k->word_count < WORDS_MAX) {
        size_t n = strcspn(at, " []<>|");
        bool upper = n > 0;
        for (size_t i = 0; i < n; i++)
            if (at[i] >= 'a' && at[i] <= 'z') upper = false;
        if (upper && at[0] != '.') k->words[k->word_count++] = str_of(at, n);
        at += MAX(n, 1);
    }
}

static void learn_command(struct command *cmd, void *arg) {
    UNUSED(arg);
    /* The server's own affairs are fuzz_commands': here they would change all later inputs. */
    if (cmd->flags & CMD_ADMIN || cmd->run == NULL || known_count == COMMANDS_MAX) return;
    known[known_count].command = cmd;
    learn_words(&known[known_count++]);
}

static const char *const keys[] = {
    "a", "a-1", "b-1", "c", "@all", "@category:a", "@type:*.created", "@stream:a*", "@view:one",
};

static const char *const values[] = {
    "0",
    "1",
    "2",
    "5",
    "-1",
    "100",
    "*",
    "$",
    ">",
    "+",
    "-",
    "~",
    "=",
    "",
    "0-0",
    "1-1",
    "1-2",
    "2-1",
    "2-*",
    "(1-1",
    "5-5",
    "18446744073709551615",
    "18446744073709551615-18446744073709551615",
    "9223372036854775807",
    "4294967295",
    "g",
    "h",
    "one",
    "two",
    "f",
    "v",
    "order.created",
    "*.created",
    "a*",
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
    "1.5",
    "99999999999999999999",
};

static struct str argument(struct input *in, const struct known *k) {
    uint8_t what = next(in);
    switch (what >> 6) {
    case 0:
        return str_c(keys[what % ARRAY_LEN(keys)]);
    case 1:
        return k->word_count > 0 ? k->words[what % k->word_count] : STR("ANY");
    case 2:
        return str_c(values[(what & 0x3f) % ARRAY_LEN(values)]);
    default:
        return next_bytes(in, 40);
    }
}

static void put_word(struct buf *out, struct str word) {
    buf_printf(out, "$%zu\r\n", word.len);
    buf_put(out, word.ptr, word.len);
    buf_put(out, "\r\n", 2);
}

/* At least as many arguments as the command must have, up to three more. */
static void put_request(struct buf *out, struct input *in) {
    const struct known *k = &known[next(in) * known_count / 256];
    const struct command *cmd = k->command;
    size_t argc = cmd->argc_min + next(in) % 12;
    if (cmd->argc_max > 0) argc = MIN(argc, cmd->argc_max);
    size_t names = cmd->container != NULL ? 2 : 1;
    argc = MAX(MIN(argc, ARGUMENTS_MAX), names);
    buf_printf(out, "*%zu\r\n", argc);
    if (cmd->container != NULL) put_word(out, str_c(cmd->container->name));
    put_word(out, str_c(cmd->name));
    for (size_t i = names; i < argc; i++) put_word(out, argument(in, k));
}

/* ---- the server's memory ---- */

static void wait_applied(void) {
    struct model *m = &server.model;
    for (turns(1); store_applied(server.store) < m->decided; turns(1)) {
        store_flush(server.store);
        usleep(50);
    }
}

static void evict(void) {
    struct model *m = &server.model;
    size_t max = m->bytes_max;
    wait_applied();
    m->bytes_max = 0;
    model_evict(m);
    m->bytes_max = max;
}

static void send_requests(int fd, struct buf *requests) {
    if (getenv("FUZZ_SHOW") != NULL) fwrite(requests->data, 1, requests->len, stderr);
    send_piece(fd, (const uint8_t *)requests->data, requests->len);
    buf_clear(requests); /* frees */
}

/* What a closed connection had asked for still comes, and is still run. */
static void wait_closed(void) {
    for (int i = 0; server.client_count > 0; i++) {
        wait_applied();
        if (i > 10) usleep(500);
    }
}

static bool is_empty(const struct model *m) {
    return m->stream_count == 0 && m->streams.count == 0 && m->flushed.frame == 0 &&
           m->bytes <= m->known.filter.bytes;
}

/* FLUSHALL keeps views. */
static void put_view_deletion(struct hash_node *h, void *requests) {
    static const struct str words[] = {STR("EVIEW"), STR("DEL"), STR("FORCE")};
    struct buf *out = requests;
    buf_printf(out, "*4\r\n");
    for (int i = 0; i < 2; i++) put_word(out, words[i]);
    put_word(out, named_name(CONTAINER_OF(h, struct named, node)));
    put_word(out, words[2]);
}
static void delete_views(int fd) {
    struct buf requests;
    buf_init(&requests, 0);
    hash_each(&server.model.named.tables[NAMED_VIEW], put_view_deletion, &requests);
    send_requests(fd, &requests);
}

/* Everything goes: what is still counted then was leaked. A reader that still looks at the time
 * before keeps it for a while, and makes another FLUSHALL wait. */
static void flush_all(void) {
    struct model *m = &server.model;
    int fd = connect_pair();
    size_t max = m->bytes_max;
    delete_views(fd);
    send_piece(fd, (const uint8_t *)"FLUSHALL\r\n", 10);
    m->bytes_max = 0;
    for (int i = 0; i < PASSES_MAX && !is_empty(m); i++) {
        wait_applied();
        drain(fd);
        model_evict(m);
        if (i > 10) usleep(500);
    }
    m->bytes_max = max;
    bool empty = is_empty(m);
    close(fd);
    turns(2);
    if (empty) return;
    fprintf(stderr,
            "left: %llu streams, %zu in memory, %zu bytes; %zu ids, %zu hidden, %zu graves, "
            "%llu in the log\n",
            (unsigned long long)m->stream_count, (size_t)m->streams.count, m->bytes,
            (size_t)m->ids.count, (size_t)m->hidden.table.count, m->graves.count,
            (unsigned long long)(m->next_sequence - m->log.first));
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    struct buf requests[CONNECTIONS];
    int fds[CONNECTIONS];
    start_once();
    if (known_count == 0) command_each(learn_command, NULL);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_pair();
        buf_init(&requests[i], 0);
    }
    while (in.at < in.end) {
        uint8_t what = next(&in);
        int i = what & 1;
        if (what < 0x10)
            evict();
        else
            put_request(&requests[i], &in);
        if (what >= 0x80) send_requests(fds[i], &requests[i]);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        send_requests(fds[i], &requests[i]);
        close(fds[i]);
    }
    calm_down();
    wait_closed();
    check_alive();
    flush_all();
    return 0;
}
