#include "ipc/endpoint_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum ferry_status parse_ipc(const char *endpoint, struct ferry_endpoint_address *address,
                                   struct ferry_error *error) {
    const char *path = endpoint + strlen("ipc://");
    size_t size = strlen(path);
    if (path[0] != '/')
        return ferry_fail(error, FERRY_CONFIG,
                          "endpoint %s: after ipc:// an absolute path must follow, as in "
                          "ipc:///run/ferry/ferry.sock",
                          endpoint);
    if (size > FERRY_SOCKET_PATH_BYTES)
        return ferry_fail(error, FERRY_CONFIG,
                          "endpoint %s: the path has %zu bytes, a Unix socket allows %d; choose a "
                          "shorter folder",
                          endpoint, size, FERRY_SOCKET_PATH_BYTES);
    address->is_ipc = true;
    memcpy(address->path, path, size + 1);
    snprintf(address->zmq, sizeof address->zmq, "%s", endpoint);
    return FERRY_OK;
}

static bool is_port(const char *text, bool any_allowed) {
    if (any_allowed && strcmp(text, "*") == 0)
        return true;
    size_t digits = strspn(text, "0123456789");
    long port = digits > 0 && digits < 6 && text[digits] == '\0' ? strtol(text, NULL, 10) : 0;
    return port >= 1 && port <= 65535;
}

/* Splits "HOST:PORT"; host gets the brackets of an IPv6 address too. */
static enum ferry_status parse_tcp(const char *endpoint, bool any_port, char *host,
                                   size_t host_size, const char **ret_port,
                                   struct ferry_error *error) {
    const char *rest = endpoint + strlen("tcp://");
    const char *colon = strrchr(rest, ':');
    if (colon == NULL || colon == rest || (size_t)(colon - rest) >= host_size ||
        !is_port(colon + 1, any_port))
        return ferry_fail(error, FERRY_CONFIG,
                          "endpoint %s: wanted tcp://HOST:PORT with a port from 1 to 65535",
                          endpoint);
    memcpy(host, rest, (size_t)(colon - rest));
    host[colon - rest] = '\0';
    *ret_port = colon + 1;
    return FERRY_OK;
}

static bool is_loopback(const char *host) {
    struct in_addr address;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static enum ferry_status refuse_scheme(const char *endpoint, struct ferry_error *error) {
    return ferry_fail(error, FERRY_CONFIG,
                      "endpoint %s: wanted ipc:///PATH or tcp://127.0.0.1:PORT", endpoint);
}

static bool has_scheme(const char *endpoint, const char *scheme) {
    return strncmp(endpoint, scheme, strlen(scheme)) == 0;
}

/* A listening end may leave the port to the system, and has to be on loopback. */
static enum ferry_status parse_endpoint(const char *endpoint, bool listens,
                                        struct ferry_endpoint_address *ret_address,
                                        struct ferry_error *error) {
    *ret_address = (struct ferry_endpoint_address){0};
    if (has_scheme(endpoint, "ipc://"))
        return parse_ipc(endpoint, ret_address, error);
    if (!has_scheme(endpoint, "tcp://"))
        return refuse_scheme(endpoint, error);
    char host[256];
    const char *port = "";
    enum ferry_status status = parse_tcp(endpoint, listens, host, sizeof host, &port, error);
    if (status != FERRY_OK)
        return status;
    if (listens && !is_loopback(host))
        return ferry_fail(error, FERRY_CONFIG,
                          "endpoint %s: only loopback addresses (127.0.0.1, [::1], localhost) are "
                          "allowed, as whoever reaches the port may use the daemon",
                          endpoint);
    /* libzmq takes a name to bind to for that of a network interface */
    snprintf(ret_address->zmq, sizeof ret_address->zmq, "tcp://%s:%s",
             strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port);
    return FERRY_OK;
}

enum ferry_status ferry_endpoint_address_to_listen(const char *endpoint,
                                                   struct ferry_endpoint_address *ret_address,
                                                   struct ferry_error *error) {
    return parse_endpoint(endpoint, true, ret_address, error);
}

enum ferry_status ferry_endpoint_address_to_connect(const char *endpoint,
                                                    struct ferry_endpoint_address *ret_address,
                                                    struct ferry_error *error) {
    return parse_endpoint(endpoint, false, ret_address, error);
}
