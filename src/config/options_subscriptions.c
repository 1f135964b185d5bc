/* Options of the section Subscriptions. */
#include "config/internal.h"

const struct option subscription_options[] = {
    {.section = "Subscriptions",
     .name = "max-subscriptions",
     .type = OPTION_INT,
     .offset = FIELD(max_subscriptions),
     .initial = "100000",
     .max = 1000000,
     .flags = OPTION_SETTABLE,
     .help = "Event subscriptions (ESUBSCRIBE, ESUB, EPSUB) of all connections at the same time."},
    {.name = "max-client-subscriptions",
     .type = OPTION_INT,
     .offset = FIELD(max_client_subscriptions),
     .initial = "1000",
     .max = 1000000,
     .flags = OPTION_SETTABLE,
     .help = "Event subscriptions of one connection at the same time."},
    {.name = "subscription-bytes",
     .type = OPTION_BYTES,
     .offset = FIELD(subscription_bytes),
     .initial = "256kb",
     .min = 4 * KB,
     .max = GB,
     .flags = OPTION_SETTABLE,
     .help = "Of a connection that has subscriptions: bytes that were written to it and that it "
             "has not taken. Above it nothing more is written until it reads; then its "
             "subscriptions go on from where they were. One event more may be written."},
    {.name = "subscriptions-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(subscriptions_bytes_max),
     .initial = "128mb",
     .min = MB,
     .max = 1024 * GB,
     .flags = OPTION_SETTABLE,
     .help = "The same of all these connections together. Above it each of them may have 16 KiB, "
             "so that nobody waits for somebody else to read. A larger event is there once for all "
             "who are sent it, and above the bound one at a time."},
    {.name = NULL},
};
