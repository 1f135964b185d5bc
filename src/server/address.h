/* Addresses of sockets: as text, and whether they are this machine's own. */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <sys/socket.h>

#include "base/base.h"

#define ADDRESS_TEXT_MAX 64

/* 127.0.0.1:6390, [::1]:6390; "" for anything but TCP. */
void address_print(const struct sockaddr_storage *a, char out[ADDRESS_TEXT_MAX]);
uint16_t address_port(const struct sockaddr_storage *a);
void address_set_port(struct sockaddr_storage *a, uint16_t port);
/* Whether it is of the loopback interface: 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104. */
bool address_is_loopback(const struct sockaddr_storage *a);

#endif
