/* The version of this program, and those of the servers whose behaviour it follows. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define CAIRN_VERSION "0.1.0"
/* Whose behaviour we follow. (REDIS_VERSION: the option redis-version, when nobody sets it.) */
#define REDIS_VERSION  "7.2.4"
#define VALKEY_VERSION "8.1.1"

#endif
