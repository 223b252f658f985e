/* curve: see curve.h. Used by the broker's gate, by workers, and by keygen.
 *
 * A peer that vanishes without a word (a host that lost its power, a firewall that forgot) leaves a
 * connection that looks open for hours: so both sides ping over tcp, and close what does not answer. Local
 * endpoints have none of this: the kernel tells of every end there. SPDX-License-Identifier: MIT */
#include "curve.h"

#include "allow.h"
#include "secret.h"

#include <errno.h>
#include <stdarg.h>
#include <zmq.h>

/* Milliseconds. */
enum {
    PING_MS = 1000,
    SILENCE_MS = 3000,  /* like three heartbeats of a worker */
    CONNECT_MS = 3000,  /* the system's own limit is two minutes */
    HANDSHAKE_MS = 5000 /* a stranger holds a descriptor no longer */
};
/* Seconds and probes: for a peer whose ZeroMQ does not ping. */
enum { KEEPALIVE_IDLE_S = 10, KEEPALIVE_EVERY_S = 5, KEEPALIVE_COUNT = 3 };

/* ZMQ_ZAP_ENFORCE_DOMAIN: without a handler nobody comes in, instead of everybody. libzmq has had it
 * since 4.2.1, and its header keeps it among the drafts. */
enum { ZAP_ENFORCE_DOMAIN = 93 };

bool curve_needed(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) != 0 && strncmp(endpoint, "inproc://", 9) != 0;
}

bool curve_new_pair(struct key_pair *pair)
{
    return zmq_has("curve") == 1 && zmq_curve_keypair(pair->public_key, pair->secret_key) == 0;
}

/* ---- which keys ---- */

static bool refuse(char *reason, size_t capacity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(char *reason, size_t capacity, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, capacity, format, arguments);
    va_end(arguments);
    return false;
}

static bool read_pair(const char *reference, bool take, struct key_pair *pair, char *why, size_t capacity)
{
    char fault[256];
    struct secret *secret =
        take ? secret_read(reference, why, capacity) : secret_peek(reference, why, capacity);
    if (secret == NULL)
        return false;
    bool good = key_parse(secret_text(secret), pair, fault, sizeof fault);
    if (good && *pair->secret_key == '\0') {
        snprintf(fault, sizeof fault, "holds no secret-key");
        key_wipe(pair, sizeof *pair);
        good = false;
    }
    secret_free(secret);
    if (!good)
        snprintf(why, capacity, "%.4000s: %s", reference, fault);
    return good;
}

/* Our own pair; the public key follows from the secret one, and must be that where the file says it. */
static bool own_keys(const char *reference, const char *parameter, bool take, struct curve_keys *keys,
                     char *reason, size_t capacity)
{
    struct key_pair pair;
    char why[4608], derived[KEY_LENGTH + 1];
    if (zmq_has("curve") != 1)
        return refuse(reason, capacity,
                      "tcp needs CURVE, which this libzmq was built without: install one with libsodium");
    if (*reference == '\0')
        return refuse(reason, capacity,
                      "%s: tcp needs a key: make one with outrigger keygen, and name its secret file here",
                      parameter);
    if (!read_pair(reference, take, &pair, why, sizeof why))
        return refuse(reason, capacity, "%s: %s", parameter, why);
    bool good = zmq_curve_public(derived, pair.secret_key) == 0 &&
                (*pair.public_key == '\0' || key_equal(pair.public_key, derived));
    memcpy(keys->public_key, derived, sizeof derived);
    memcpy(keys->secret_key, pair.secret_key, sizeof pair.secret_key);
    key_wipe(&pair, sizeof pair);
    if (good)
        return true;
    key_wipe(keys, sizeof *keys);
    return refuse(reason, capacity, "%s: %s: its public-key is not that of its secret-key", parameter,
                  reference);
}

bool curve_broker_keys(const struct config *config, struct curve_keys *keys, char *reason, size_t capacity)
{
    *keys = (struct curve_keys){0};
    return own_keys(config->broker_curve_secret_file, "broker.curve_secret_file", true, keys, reason,
                    capacity);
}

/* The key itself, or the file that keygen wrote beside the secret one. */
static bool server_key(const char *value, char key[KEY_LENGTH + 1], char *reason, size_t capacity)
{
    struct key_pair pair;
    size_t length = strlen(value), suffix = strlen(KEY_SUFFIX);
    bool is_file = length > suffix && strcmp(value + length - suffix, KEY_SUFFIX) == 0;
    char why[4608];
    if (is_file && !key_read(value, false, &pair, why, sizeof why))
        return refuse(reason, capacity, "worker.curve_server_key: %s", why);
    if (!is_file && !key_ok(text_of(value)))
        return refuse(reason, capacity,
                      "worker.curve_server_key: expected the broker's public key, 40 characters, or its "
                      "file, *.key");
    memcpy(key, is_file ? pair.public_key : value, KEY_LENGTH + 1);
    if (is_file)
        key_wipe(&pair, sizeof pair);
    return true;
}

bool curve_worker_keys(const struct config *config, struct curve_keys *keys, char *reason, size_t capacity)
{
    *keys = (struct curve_keys){0};
    if (!own_keys(config->worker_curve_secret_file, "worker.curve_secret_file", true, keys, reason, capacity))
        return false;
    if (server_key(config->worker_curve_server_key, keys->server_key, reason, capacity))
        return true;
    key_wipe(keys, sizeof *keys);
    return false;
}

void curve_check(const struct config *config, struct config_errors *errors)
{
    struct curve_keys keys;
    char reason[5120];
    if (curve_needed(config->broker_workers) || curve_needed(config->broker_askers))
        config_complain(errors,
                        "broker.%s: the broker listens there without CURVE, so it must be ipc://; for other "
                        "hosts there is broker.%s_tcp",
                        curve_needed(config->broker_workers) ? "workers" : "askers",
                        curve_needed(config->broker_workers) ? "workers" : "askers");
    if (*config->broker_workers_tcp == '\0' && *config->broker_askers_tcp == '\0')
        return;
    keys = (struct curve_keys){0};
    if (!own_keys(config->broker_curve_secret_file, "broker.curve_secret_file", false, &keys, reason,
                  sizeof reason))
        config_complain(errors, "%s", reason);
    key_wipe(&keys, sizeof keys);
    struct allow_list *list = allow_read(config->broker_curve_allow, reason, sizeof reason);
    if (list == NULL)
        config_complain(errors, "broker.curve_allow: %s", reason);
    allow_free(list);
}

/* ---- sockets ---- */

static int set_all(void *socket, const int (*settings)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (zmq_setsockopt(socket, settings[i][0], &settings[i][1], sizeof(int)) != 0)
            return -1;
    return 0;
}

static int set_network(void *socket)
{
    static const int settings[][2] = {{ZMQ_IPV6, 1},
                                      {ZMQ_HEARTBEAT_IVL, PING_MS},
                                      {ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS},
                                      {ZMQ_HEARTBEAT_TTL, SILENCE_MS},
                                      {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
                                      {ZMQ_CONNECT_TIMEOUT, CONNECT_MS},
                                      {ZMQ_TCP_KEEPALIVE, 1},
                                      {ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S},
                                      {ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_EVERY_S},
                                      {ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT}};
    return set_all(socket, settings, COUNT_OF(settings));
}

int curve_connecting(void *socket, const struct curve_keys *keys)
{
    if (set_network(socket) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, KEY_LENGTH + 1) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_LENGTH + 1) != 0)
        return -1;
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->server_key, KEY_LENGTH + 1);
}

int curve_listening(void *socket, const struct curve_keys *keys, const char *domain)
{
    static const int server[][2] = {{ZMQ_CURVE_SERVER, 1}};
    static const int enforce[][2] = {{ZAP_ENFORCE_DOMAIN, 1}};
    set_all(socket, enforce, COUNT_OF(enforce)); /* where it has no such option, the handler is there first */
    if (set_network(socket) != 0 || set_all(socket, server, COUNT_OF(server)) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_LENGTH + 1) != 0)
        return -1;
    return zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
}
