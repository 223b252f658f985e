/* token_probe: the tokens of a frontend without a frontend, for process tests: reads tokens from stdin, one a
 * line, and says of each what became of it, one JSON object a line, in their order. Arguments are settings
 * ("token.issuer=..."). "+" before a token says what it is at once, without waiting. SPDX-License-Identifier:
 * MIT */
#include "clock.h"
#include "fetch_hand.h"
#include "log.h"
#include "token.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1 << 21 };

struct probe {
    struct loop *loop;
    struct tokens *tokens;
    char line[LINE_MAX_BYTES];
    size_t length;
    bool waits; /* the line is a token that waits */
};

static void say(enum token_verdict verdict, const struct identity *identity, const char *why)
{
    static const char *const names[] = {[TOKEN_GOOD] = "good",
                                        [TOKEN_BAD] = "bad",
                                        [TOKEN_PENDING] = "pending",
                                        [TOKEN_UNAVAILABLE] = "unavailable"};
    if (verdict == TOKEN_GOOD)
        printf("{\"verdict\":\"good\",\"name\":\"%s\",\"rights\":%u,\"models\":\"%s\",\"expires_at\":%lld}\n",
               identity->name, identity->rights, identity->models, (long long)identity->expires_at);
    else
        printf("{\"verdict\":\"%s\",\"why\":\"%s\"}\n", names[verdict], why);
    fflush(stdout);
}

/* The first line, as long as it need not wait. */
static bool take_line(struct probe *probe)
{
    char *end = memchr(probe->line, '\n', probe->length);
    if (end == NULL)
        return false;
    bool at_once = probe->line[0] == '+';
    struct text token = {probe->line + at_once, (size_t)(end - probe->line) - at_once};
    struct identity identity;
    const char *why = NULL;
    enum token_verdict verdict = tokens_check(probe->tokens, token, &identity, &why);
    probe->waits = verdict == TOKEN_PENDING && !at_once;
    if (probe->waits)
        return false;
    say(verdict, &identity, why);
    probe->length -= (size_t)(end + 1 - probe->line);
    memmove(probe->line, end + 1, probe->length);
    return true;
}

static void settled(void *self)
{
    while (take_line(self))
        ;
}

static void lost(void *self)
{
    loop_stop(((struct probe *)self)->loop);
}

static void input(void *self, int fd, uint32_t events)
{
    (void)events;
    struct probe *probe = self;
    ssize_t count = read(fd, probe->line + probe->length, sizeof probe->line - probe->length);
    if (count <= 0) {
        loop_stop(probe->loop);
        return;
    }
    probe->length += (size_t)count;
    if (!probe->waits)
        settled(probe);
}

int main(int argc, char **argv)
{
    static struct probe probe;
    struct config_errors errors = {0};
    char reason[1024];
    struct config *config = config_load(NULL, (const char *const *)argv + 1, (size_t)argc - 1, &errors);
    config_errors_print(&errors, stderr);
    if (config == NULL)
        return 1;
    log_open("probe", "info");
    int fetch_fd = fetch_hand_start(config, "probe");
    probe.loop = loop_new();
    signal(SIGPIPE, SIG_IGN);
    probe.tokens = tokens_new(&(struct tokens_context){.config = config,
                                                       .loop = probe.loop,
                                                       .settled = settled,
                                                       .lost = lost,
                                                       .self = &probe,
                                                       .fetch_fd = fetch_fd},
                              reason, sizeof reason);
    if (probe.tokens == NULL) {
        fprintf(stderr, "%s\n", reason);
        loop_free(probe.loop);
        config_free(config);
        return 1;
    }
    loop_add(probe.loop, STDIN_FILENO, EPOLLIN, input, &probe);
    loop_run(probe.loop);
    loop_remove(probe.loop, STDIN_FILENO);
    tokens_free(probe.tokens);
    loop_free(probe.loop);
    config_free(config);
    return 0;
}
