/* Fuzzes the whole command surface: the input is what a client sends to a server in this process
 * (store memory:), in pieces. Nothing may crash, hang or trip an assertion; whatever comes, the
 * server answers the PING of a second connection afterwards. Bytes 0xFF split the input into
 * separate writes. */
#include "fuzz_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    start_once();
    int fd = connect_pair();
    while (size > 0) {
        const uint8_t *cut = memchr(data, 0xFF, size);
        size_t n = cut != NULL ? (size_t)(cut - data) : size;
        send_piece(fd, data, n);
        n += cut != NULL;
        data += n;
        size -= n;
    }
    close(fd);
    calm_down();
    check_alive();
    return 0;
}
