/* issuer: an HTTP server on the loopback, in a thread of the test, which says what the test wants: keys, what
 * a token is, redirects, nonsense, or nothing. One connection for each question. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ISSUER_H
#define OUTRIGGER_ISSUER_H

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct issuer {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    const char *head; /* "HTTP/1.1 200 OK\r\n" and more; NULL: closes without an answer */
    char *body;       /* owned */
    bool silent;      /* questions are taken, answers wait until it is false */
    bool ending;
    bool running;     /* the thread is */
    int asked;        /* questions so far */
    char last[16384]; /* the last one, as it came */
};

static inline int issuer_asked(struct issuer *issuer)
{
    pthread_mutex_lock(&issuer->mutex);
    int asked = issuer->asked;
    pthread_mutex_unlock(&issuer->mutex);
    return asked;
}

static inline bool issuer_was_told(struct issuer *issuer, const char *text)
{
    pthread_mutex_lock(&issuer->mutex);
    bool told = strstr(issuer->last, text) != NULL;
    pthread_mutex_unlock(&issuer->mutex);
    return told;
}

static inline void issuer_say(struct issuer *issuer, const char *head, const char *body)
{
    pthread_mutex_lock(&issuer->mutex);
    issuer->head = head;
    free(issuer->body);
    issuer->body = strdup(body);
    pthread_mutex_unlock(&issuer->mutex);
}

static inline void issuer_be_silent(struct issuer *issuer, bool silent)
{
    pthread_mutex_lock(&issuer->mutex);
    issuer->silent = silent;
    pthread_cond_broadcast(&issuer->changed);
    pthread_mutex_unlock(&issuer->mutex);
}

/* Reads one request with the body that its Content-Length says. */
static inline bool issuer_read(int fd, char *text, size_t capacity)
{
    size_t length = 0;
    for (;;) {
        ssize_t count = recv(fd, text + length, capacity - 1 - length, 0);
        if (count <= 0)
            return false;
        length += (size_t)count;
        text[length] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *said = strcasestr(text, "content-length:");
        if (end == NULL)
            continue;
        size_t body = said != NULL && said < end ? strtoul(said + 15, NULL, 10) : 0;
        if (length >= (size_t)(end + 4 - text) + body)
            return true;
    }
}

static inline void issuer_send(int fd, const char *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t count = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (count <= 0)
            return;
        sent += (size_t)count;
    }
}

static inline void issuer_answer(struct issuer *issuer, int fd)
{
    static char text[16384];
    char head[1024] = "", *body = NULL;
    if (!issuer_read(fd, text, sizeof text))
        return;
    pthread_mutex_lock(&issuer->mutex);
    issuer->asked++;
    strcpy(issuer->last, text);
    while (issuer->silent && !issuer->ending)
        pthread_cond_wait(&issuer->changed, &issuer->mutex);
    if (issuer->head != NULL && !issuer->ending) {
        body = strdup(issuer->body);
        snprintf(head, sizeof head, "%sContent-Length: %zu\r\nConnection: close\r\n\r\n", issuer->head,
                 strlen(body));
    }
    pthread_mutex_unlock(&issuer->mutex);
    if (body != NULL) {
        issuer_send(fd, head, strlen(head));
        issuer_send(fd, body, strlen(body));
    }
    free(body);
}

static inline void *issuer_run(void *self)
{
    struct issuer *issuer = self;
    pthread_mutex_lock(&issuer->mutex);
    issuer->running = true;
    pthread_cond_broadcast(&issuer->changed);
    pthread_mutex_unlock(&issuer->mutex);
    for (int fd; (fd = accept(issuer->fd, NULL, NULL)) >= 0; close(fd))
        issuer_answer(issuer, fd);
    return NULL;
}

static inline void issuer_start(struct issuer *issuer, const char *head, const char *body)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    *issuer = (struct issuer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ck_assert_int_eq(bind(issuer->fd, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(listen(issuer->fd, 64), 0);
    ck_assert_int_eq(getsockname(issuer->fd, (struct sockaddr *)&here, &length), 0);
    issuer->port = ntohs(here.sin_port);
    pthread_mutex_init(&issuer->mutex, NULL);
    pthread_cond_init(&issuer->changed, NULL);
    issuer_say(issuer, head, body);
    ck_assert_int_eq(pthread_create(&issuer->thread, NULL, issuer_run, issuer), 0);
    /* Tests fork next. A thread that is just beginning may hold the lock of a sanitizer's malloc, for ever in
     * the child. */
    pthread_mutex_lock(&issuer->mutex);
    while (!issuer->running)
        pthread_cond_wait(&issuer->changed, &issuer->mutex);
    pthread_mutex_unlock(&issuer->mutex);
}

static inline void issuer_end(struct issuer *issuer)
{
    pthread_mutex_lock(&issuer->mutex);
    issuer->ending = true;
    pthread_cond_broadcast(&issuer->changed);
    pthread_mutex_unlock(&issuer->mutex);
    shutdown(issuer->fd, SHUT_RDWR); /* which ends accept */
    pthread_join(issuer->thread, NULL);
    close(issuer->fd);
    free(issuer->body);
    pthread_mutex_destroy(&issuer->mutex);
    pthread_cond_destroy(&issuer->changed);
}

#endif
