/* See address.h. */
#include "server/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const struct sockaddr_in *in4(const struct sockaddr_storage *a) {
    return (const struct sockaddr_in *)(const void *)a;
}

static const struct sockaddr_in6 *in6(const struct sockaddr_storage *a) {
    return (const struct sockaddr_in6 *)(const void *)a;
}

void address_print(const struct sockaddr_storage *a, char out[ADDRESS_TEXT_MAX]) {
    char ip[INET6_ADDRSTRLEN] = "?";
    out[0] = '\0';
    if (a->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in4(a)->sin_addr, ip, sizeof ip);
        snprintf(out, ADDRESS_TEXT_MAX, "%s:%d", ip, address_port(a));
    } else if (a->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6(a)->sin6_addr, ip, sizeof ip);
        snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%d", ip, address_port(a));
    }
}

uint16_t address_port(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) return ntohs(in4(a)->sin_port);
    return a->ss_family == AF_INET6 ? ntohs(in6(a)->sin6_port) : 0;
}

void address_set_port(struct sockaddr_storage *a, uint16_t port) {
    if (a->ss_family == AF_INET) ((struct sockaddr_in *)(void *)a)->sin_port = htons(port);
    if (a->ss_family == AF_INET6) ((struct sockaddr_in6 *)(void *)a)->sin6_port = htons(port);
}

bool address_is_loopback(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) return ntohl(in4(a)->sin_addr.s_addr) >> 24 == 127;
    if (a->ss_family != AF_INET6) return false;
    const struct in6_addr *six = &in6(a)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(six)) return six->s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(six);
}
