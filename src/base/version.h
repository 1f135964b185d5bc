/* The version of this program, and those of the servers whose behaviour it follows. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define CAIRN_VERSION "0.1.0"
/* What clients that look at redis_version are told: whose behaviour we follow. */
#define REDIS_VERSION  "7.2.4"
#define VALKEY_VERSION "8.1.1"

#endif
