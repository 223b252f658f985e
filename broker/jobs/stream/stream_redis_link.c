/* stream_redis_link: a connection of hiredis on our loop. It is greeted before anybody uses it, watched for
 * silence (a peer that is gone without a word is found within the patience, and by TCP itself within five
 * seconds), and made again after a pause that doubles.
 *
 *           connected, greeted
 *   DOWN ------------------------> READY          all that is open when it ends is answered with NULL
 *    ^                               |
 *    +-- ended, or silent too long --+            REFUSED (the password): for ever
 *
 * SPDX-License-Identifier: MIT */
#include "stream_redis_link.h"

#include "clock.h"
#include "redis_wire.h"
#include "secret.h"
#include "stream_redis_words.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    LINK_MAGIC = 0x4ed15717,
    SILENT_SECONDS = 5,     /* of TCP, with bytes unacknowledged or at rest */
    READ_KEPT_MAX = 1 << 20 /* bytes of the buffer for replies, which hiredis keeps for the next */
};

#define FIRST_PAUSE   (50 * MILLISECOND)
#define LONGEST_PAUSE (2 * SECOND)

enum link_state { LINK_DOWN, LINK_READY, LINK_REFUSED };

/* A command that Redis has not answered; hiredis has a pointer to it. */
struct open_command {
    struct redis_link *link;
    redis_link_replied *replied;
    void *self;
    struct open_command *next; /* in the list of free ones */
};

struct redis_link {
    unsigned magic;
    struct loop *loop;
    const struct redis_place *place;
    const struct redis_link_events *events;
    void *self;
    enum link_state state;
    struct redis_wire wire; /* the connection */
    size_t open;            /* commands without an answer */
    int64_t heard_at;       /* the last answer, or when the first open one was sent */
    int64_t patience, pause;
    struct loop_timer silence, again;
    struct open_command *free;
    char why[256]; /* it is being dropped; "": it is not */
    bool ending;
};

/* ---- the address ---- */

static bool read_port(const char *text, int *port)
{
    size_t digits = strspn(text, "0123456789");
    *port = digits > 0 && digits <= 5 && text[digits] == '\0' ? atoi(text) : 0;
    return *port > 0 && *port <= 65535;
}

bool redis_place_read(const char *text, struct redis_place *place)
{
    place->host[0] = place->path[0] = '\0';
    place->port = 6379;
    if (*text == '/') {
        text_copy(text_of(text), place->path, sizeof place->path);
        return strlen(text) < sizeof place->path;
    }
    struct text host = text_of(text);
    const char *rest = text + strcspn(text, ":");
    if (*text == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL)
            return false;
        host = (struct text){text + 1, (size_t)(bracket - text - 1)};
        rest = bracket + 1;
    } else {
        host.length = (size_t)(rest - text);
    }
    if (host.length == 0 || host.length >= sizeof place->host)
        return false;
    text_copy(host, place->host, sizeof place->host);
    return *rest == '\0' || (*rest == ':' && read_port(rest + 1, &place->port));
}

/* ---- losing and finding it ---- */

static void connect_now(void *self);

static void go_down(struct redis_link *link, const char *why)
{
    if (link->ending || link->state == LINK_REFUSED)
        return;
    link->state = LINK_DOWN;
    loop_timer_cancel(link->loop, &link->silence);
    loop_timer_set(link->loop, &link->again, loop_now(link->loop) + link->pause, connect_now, link);
    link->pause = link->pause * 2 < LONGEST_PAUSE ? link->pause * 2 : LONGEST_PAUSE;
    link->events->lost(link->self, why);
}

/* All that was open has been answered. */
static void closed(void *self, const redisAsyncContext *context)
{
    struct redis_link *link = self;
    char why[sizeof link->why];
    snprintf(why, sizeof why, "%s",
             link->why[0] != '\0' ? link->why
             : context->err != 0  ? context->errstr
                                  : "closed");
    link->open = 0;
    go_down(link, why);
}

void redis_link_drop(struct redis_link *link, const char *why)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    redisAsyncContext *context = link->wire.context;
    if (context == NULL || link->why[0] != '\0')
        return;
    snprintf(link->why, sizeof link->why, "%s", why);
    link->state = link->state == LINK_REFUSED ? LINK_REFUSED : LINK_DOWN;
    redisAsyncFree(context); /* within one of its own calls only when that is over */
}

static void fell_silent(void *self)
{
    struct redis_link *link = self;
    int64_t until = link->heard_at + link->patience;
    if (link->open == 0)
        return;
    if (until <= loop_now(link->loop))
        redis_link_drop(link, "does not answer");
    else
        loop_timer_set(link->loop, &link->silence, until, fell_silent, link);
}

/* ---- commands ---- */

static struct open_command *take_command(struct redis_link *link, redis_link_replied *replied, void *self)
{
    struct open_command *command = link->free;
    if (command != NULL)
        link->free = command->next;
    else
        command = object_alloc(sizeof *command);
    *command = (struct open_command){.link = link, .replied = replied, .self = self};
    return command;
}

static void give_command(struct redis_link *link, struct open_command *command)
{
    command->next = link->free;
    link->free = command;
}

static void replied(redisAsyncContext *context, void *reply, void *data)
{
    (void)context;
    struct open_command command = *(struct open_command *)data;
    struct redis_link *link = command.link;
    give_command(link, data);
    link->open--;
    if (reply != NULL)
        link->heard_at = loop_now(link->loop);
    command.replied(command.self, link->why[0] == '\0' ? reply : NULL);
}

static void send_command(struct redis_link *link, struct text command, redis_link_replied *call, void *self)
{
    struct open_command *open = take_command(link, call, self);
    if (redisAsyncFormattedCommand(link->wire.context, replied, open, command.at, command.length) !=
        REDIS_OK) {
        give_command(link, open); /* the connection is just about to end */
        call(self, NULL);
        return;
    }
    if (link->open++ > 0)
        return;
    link->heard_at = loop_now(link->loop);
    if (!heap_contains(&link->silence.node))
        loop_timer_set(link->loop, &link->silence, link->heard_at + link->patience, fell_silent, link);
}

bool redis_link_send(struct redis_link *link, struct text command, redis_link_replied *call, void *self)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    if (link->state != LINK_READY)
        return false;
    send_command(link, command, call, self);
    return true;
}

void redis_link_flush(struct redis_link *link)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    redis_wire_flush(&link->wire);
}

void redis_link_praise(struct redis_link *link)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    link->pause = FIRST_PAUSE;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    return link->state == LINK_READY;
}

/* ---- the greeting ---- */

/* While it loads its file, or follows a master that is away, Redis will do it later. */
static bool is_for_now(const char *error)
{
    static const char *const words[] = {"LOADING", "BUSY", "MASTERDOWN", "MISCONF"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strncmp(error, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static bool is_good(struct redis_link *link, const redisReply *reply)
{
    if (reply == NULL || link->wire.context == NULL)
        return false;
    if (reply->type != REDIS_REPLY_ERROR)
        return true;
    bool later = is_for_now(reply->str);
    if (!later)
        link->state = LINK_REFUSED;
    redis_link_drop(link, reply->str);
    if (!later && !link->ending)
        link->events->refused(link->self, link->why);
    return false;
}

static void greeted(void *self, const redisReply *reply)
{
    is_good(self, reply);
}

static void greeted_last(void *self, const redisReply *reply)
{
    struct redis_link *link = self;
    if (!is_good(link, reply))
        return;
    link->state = LINK_READY;
    link->events->ready(link->self);
}

/* All at once; the answers come in order. */
static void greet(struct redis_link *link)
{
    struct redis_words words = {0};
    const struct redis_place *place = link->place;
    if (place->password != NULL) {
        redis_words_add_string(&words, "AUTH");
        if (*place->user != '\0')
            redis_words_add_string(&words, place->user);
        redis_words_add(&words, secret_text(place->password));
        send_command(link, redis_words_command(&words), greeted, link);
        explicit_bzero(words.memory, words.capacity);
    }
    redis_words_clear(&words);
    redis_words_add_string(&words, "SELECT");
    redis_words_add_number(&words, place->database);
    send_command(link, redis_words_command(&words), greeted_last, link);
    redis_words_free(&words);
}

/* A peer whose host is gone says nothing: TCP asks it, and gives up. */
static void watch_peer(int fd)
{
    int yes = 1, idle = 2, between = 1, count = SILENT_SECONDS - idle, timeout = SILENT_SECONDS * 1000;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static void connect_now(void *self)
{
    struct redis_link *link = self;
    const struct redis_place *place = link->place;
    redisAsyncContext *context = place->path[0] != '\0' ? redisAsyncConnectUnix(place->path)
                                                        : redisAsyncConnect(place->host, place->port);
    ENSURE(context != NULL);
    if (context->err != 0) {
        go_down(link, context->errstr);
        redisAsyncFree(context);
        return;
    }
    if (place->path[0] == '\0')
        watch_peer(context->c.fd);
    link->why[0] = '\0';
    redis_wire_take(&link->wire, context);
    context->c.reader->maxbuf = READ_KEPT_MAX;
    greet(link);
    redis_wire_flush(&link->wire);
}

struct redis_link *redis_link_new(struct loop *loop, const struct redis_place *place, int64_t patience,
                                  const struct redis_link_events *events, void *self)
{
    struct redis_link *link = object_alloc(sizeof *link);
    *link = (struct redis_link){.magic = LINK_MAGIC,
                                .loop = loop,
                                .wire = {.loop = loop, .closed = closed, .self = link},
                                .place = place,
                                .events = events,
                                .self = self,
                                .patience = patience,
                                .pause = FIRST_PAUSE};
    loop_timer_set(loop, &link->again, loop_now(loop), connect_now, link); /* not before the caller has it */
    return link;
}

void redis_link_free(struct redis_link *link)
{
    if (link == NULL)
        return;
    CHECK_OBJECT(link, LINK_MAGIC);
    link->ending = true;
    redis_link_drop(link, "the end");
    ENSURE(link->wire.context == NULL); /* not within a call of its own */
    loop_timer_cancel(link->loop, &link->silence);
    loop_timer_cancel(link->loop, &link->again);
    for (struct open_command *command = link->free, *next; command != NULL; command = next) {
        next = command->next;
        free(command);
    }
    link->magic = 0;
    free(link);
}
