/* Addresses as text, and which are this machine's own. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/address.h"

static struct sockaddr_storage address(const char *text) {
    struct sockaddr_storage a = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&a;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&a;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        a.ss_family = AF_INET;
    } else {
        CHECK_INT(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
        a.ss_family = AF_INET6;
    }
    address_set_port(&a, 6390);
    return a;
}

static bool is_loopback(const char *text) {
    struct sockaddr_storage a = address(text);
    return address_is_loopback(&a);
}

TEST(all_of_127_and_one_address_of_ipv6_are_of_the_loopback_interface) {
    CHECK(is_loopback("127.0.0.1"));
    CHECK(is_loopback("127.255.3.4"));
    CHECK(is_loopback("::1"));
    CHECK(is_loopback("::ffff:127.0.0.1"));
    CHECK(is_loopback("::ffff:127.1.2.3"));
    static const char *const others[] = {
        "126.255.255.255", "128.0.0.1",       "0.0.0.0", "192.168.1.127", "172.17.0.1", "::", "::2",
        "::127.0.0.1",     "::ffff:10.0.0.1", "fe80::1", "fd00:127::127", "7f00::1"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) CHECK(!is_loopback(others[i]));
    struct sockaddr_storage none = {0};
    CHECK(!address_is_loopback(&none));
}

TEST(an_address_is_printed_with_its_port) {
    char text[ADDRESS_TEXT_MAX];
    struct sockaddr_storage a = address("127.0.0.1"), b = address("fd00::2"), none = {0};
    address_print(&a, text);
    CHECK(strcmp(text, "127.0.0.1:6390") == 0);
    address_print(&b, text);
    CHECK(strcmp(text, "[fd00::2]:6390") == 0);
    CHECK_INT(address_port(&a), 6390);
    CHECK_INT(address_port(&b), 6390);
    address_print(&none, text);
    CHECK(text[0] == '\0');
}
