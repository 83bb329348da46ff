/* A server endpoint on a thread of its own, for the endpoint tests. Answers every body with itself,
 * but "oversized" when it was too large; what begins with 'h' is held until let go, what begins
 * with 'r' is answered with as many bytes as the rest of it says. */
#ifndef FERRY_TESTS_UNIT_IPC_ECHO_SERVER_H
#define FERRY_TESTS_UNIT_IPC_ECHO_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "ipc/server_endpoint.h"

enum { ECHO_MAX_REQUEST = 100000, ECHO_OUTBOX_BYTES = 4 << 20 };

struct echo_server;

/* Fails the test program when it cannot. outbox_wait_ms as in ferry_server_options. */
struct echo_server *echo_server_start(const char *listen, int outbox_wait_ms);
const char *echo_server_address(const struct echo_server *server);
/* Answers what is held. Returns when that is done. */
void echo_server_let_go(struct echo_server *server);
struct ferry_server_counters echo_server_counters(struct echo_server *server);
void echo_server_stop(struct echo_server *server, int linger_ms);

/* ---- for every endpoint test ---- */

#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))
void check_failed(const char *condition, const char *file, int line);
/* A fresh folder for sockets; "NAME" in it as ipc:// endpoint or path. Static memory. */
const char *test_endpoint(const char *name);
const char *test_path(const char *name);
void remove_test_folder(void);
void sleep_ms(int milliseconds);

#endif
