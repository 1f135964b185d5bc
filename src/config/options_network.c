/* Options of the section Network: sockets, connections, the password. */
#include "base/version.h"
#include "config/internal.h"

/* Three numbers with dots between them: what clients can read. */
static int check_redis_version(struct option_value *v, struct err *err) {
    unsigned part[3];
    int used = 0;
    bool good = sscanf(v->text, "%3u.%3u.%3u%n", &part[0], &part[1], &part[2], &used) == 3 &&
                v->text[used] == '\0' && strspn(v->text, "0123456789.") == strlen(v->text);
    return good ? OK
                : err_set(err, ERR_FAILED, "argument must be a version such as " REDIS_VERSION);
}

const struct option network_options[] = {
    {.section = "Network",
     .name = "port",
     .type = OPTION_INT,
     .offset = FIELD(port),
     .initial = "6390",
     .max = 65535,
     .help =
         "TCP port to listen on. 0: none, when there is a unixsocket; else a free one, which the "
         "log then names."},
    {.name = "bind",
     .type = OPTION_WORDS,
     .offset = FIELD(bind),
     .initial = "127.0.0.1 -::1",
     .help = "Addresses or names to listen on, separated by blanks; of a name all addresses. * is "
             "all of IPv4, ::* all of IPv6. One with a - in front need not be there. See "
             "protected-mode."},
    {.name = "unixsocket",
     .type = OPTION_STRING,
     .offset = FIELD(unixsocket),
     .initial = "",
     .help =
         "Path of a unix socket to listen on as well. Empty: none. A socket that nobody listens "
         "on is replaced; whatever else is there stops the start."},
    {.name = "unixsocketperm",
     .type = OPTION_OCTAL,
     .offset = FIELD(unixsocketperm),
     .initial = "0",
     .max = 0777,
     .help = "Permissions of the unix socket, in octal. 0 leaves them to the umask."},
    {.name = "tcp-backlog",
     .type = OPTION_INT,
     .offset = FIELD(tcp_backlog),
     .initial = "511",
     .min = 1,
     .max = 65535,
     .help = "Connections that may wait to be accepted. The system's own limit may be lower."},
    {.name = "tcp-keepalive",
     .type = OPTION_INT,
     .offset = FIELD(tcp_keepalive_s),
     .initial = "300",
     .max = INT32_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Seconds after which a silent connection is probed by the system. 0: never."},
    {.name = "timeout",
     .type = OPTION_INT,
     .offset = FIELD(timeout_s),
     .initial = "0",
     .max = INT32_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Seconds after which an idle connection is closed. 0: never."},
    {.name = "maxclients",
     .type = OPTION_INT,
     .offset = FIELD(maxclients),
     .initial = "10000",
     .min = 1,
     .max = 1000000,
     .flags = OPTION_SETTABLE,
     .help = "Connections at the same time. One more is answered with an error and closed."},
    {.name = "proto-max-bulk-len",
     .type = OPTION_BYTES,
     .offset = FIELD(proto_max_bulk_len),
     .initial = "512mb",
     .min = MB,
     .max = 4 * GB,
     .flags = OPTION_SETTABLE,
     .help = "Largest single argument of a command. Events have a limit of their own: "
             "max-event-bytes."},
    {.name = "max-args",
     .type = OPTION_INT,
     .offset = FIELD(max_args),
     .initial = "1048576",
     .min = 1024,
     .max = 16777216,
     .flags = OPTION_SETTABLE,
     .help = "Most arguments of a single command."},
    {.name = "default-resp",
     .type = OPTION_INT,
     .offset = FIELD(default_resp),
     .initial = "2",
     .min = 2,
     .max = 3,
     .flags = OPTION_SETTABLE,
     .help = "Protocol of a connection that has sent no HELLO: 2 as with Redis, 3 for clients of "
             "SierraDB "
             "that expect maps without asking for them."},
    {.name = "redis-version",
     .type = OPTION_STRING,
     .offset = FIELD(redis_version),
     .initial = REDIS_VERSION,
     .flags = OPTION_SETTABLE,
     .check = check_redis_version,
     .help = "The version of Redis that INFO and HELLO tell. Some clients use a command only from "
             "some version on: with 8.4.0 those that know XACKDEL, XDELEX or CLAIM use them. "
             "DUMP stays as it is."},
    {.name = "notify-keyspace-events",
     .type = OPTION_EVENTS,
     .offset = FIELD(notify_events),
     .initial = "",
     .flags = OPTION_SETTABLE,
     .help =
         "Changes of keys that are messages of pub/sub, as letters: K on __keyspace@0__:<key>, E "
         "on __keyevent@0__:<event>; of g commands on all keys, $ strings, t streams, x what "
         "expires, n new keys; A all but n. l s h z e d m are accepted. Empty: none."},
    {.name = "tracking-table-max-keys",
     .type = OPTION_INT,
     .offset = FIELD(tracking_table_max_keys),
     .initial = "1000000",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Keys that are remembered for CLIENT TRACKING. Above it the one that is known longest "
             "is told to be changed. 0: no limit."},
    {.name = "client-output-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(client_output_bytes_max),
     .initial = "256mb",
     .min = 64 * KB,
     .max = 64 * GB,
     .flags = OPTION_SETTABLE,
     .help = "Replies that a connection may leave unread. Above it the connection's further "
             "commands wait "
             "until it reads."},
    {.name = "client-output-buffer-limit",
     .type = OPTION_LIMITS,
     .offset = FIELD(output_limits),
     .initial = "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
     .flags = OPTION_SETTABLE,
     .help = "As Redis': for a class of connections, how many bytes one may leave unread before it "
             "is closed: at once, and for longer than so many seconds; 0: no limit. `pubsub` are "
             "those that listen to channels; client-output-bytes-max does not hold for them. "
             "`replica` is accepted: there are none."},
    {.name = "clients-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(clients_bytes_max),
     .initial = "1gb",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help =
         "What all connections together may hold: what they have sent and was not dealt with "
         "yet, replies that they have not read, what is loaded for their commands. Above it the "
         "largest wait until there is room. One reply at a time may go beyond it. 0: no limit."},
    {.name = "clients-bytes-timeout",
     .type = OPTION_INT,
     .offset = FIELD(clients_bytes_timeout_s),
     .initial = "10",
     .max = 86400 * 365,
     .flags = OPTION_SETTABLE,
     .help =
         "Seconds. While others wait for room (clients-bytes-max), a connection that holds more "
         "than its share is closed when it has read nothing for so long. So is a subscriber while "
         "others wait for room for a large event. 0: never."},
    {.name = "standing-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(standing_bytes_max),
     .initial = "256mb",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "What is kept for those who wait for what others do, maybe for ever: for each "
             "subscription what it selects, for each command that waits (BLOCK) its request and "
             "what it waits for. It does not count against clients-bytes-max. Above it a new "
             "subscription or wait is refused, unless its connection keeps at most 16 KiB in "
             "all. 0: no limit."},
    {.name = "reply-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(reply_bytes_max),
     .initial = "128mb",
     .min = MB,
     .max = 64 * GB,
     .flags = OPTION_SETTABLE,
     .help = "Largest reply. A command that would reply more is answered with -TOOLARGE. Events "
             "count with the memory that they take. XREAD, XREADGROUP, ESCAN and the like reply a "
             "portion, and are not concerned."},
    {.name = "requirepass",
     .type = OPTION_STRING,
     .offset = FIELD(requirepass),
     .initial = "",
     .flags = OPTION_SETTABLE | OPTION_SECRET,
     .help =
         "Password that a connection must give (AUTH or HELLO) before anything else. Empty: none."},
    {.name = "protected-mode",
     .type = OPTION_BOOL,
     .offset = FIELD(protected_mode),
     .initial = "yes",
     .flags = OPTION_SETTABLE,
     .help = "yes: as long as requirepass is empty, connections from other machines are refused; "
             "with the default bind there are none. For a container, those to a published port "
             "are from other machines."},
    {.name = NULL},
};
