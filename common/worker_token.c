/* worker_token: see worker_token.h. A pipe is where one process reads it and nobody after: arguments and the
 * environment stay in /proc as long as the process. Called by the supervisor (child.c) and by workers at
 * their start. SPDX-License-Identifier: MIT */
#include "worker_token.h"

#include "hex.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

struct worker_token worker_token_draw(void)
{
    struct worker_token token = {""};
    uint8_t bytes[WORKER_TOKEN_LENGTH / 2];
    ENSURE(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    hex_write(token.text, bytes, sizeof bytes);
    return token;
}

bool worker_token_ok(struct text text)
{
    size_t good = 0;
    while (good < text.length &&
           ((text.at[good] >= '0' && text.at[good] <= '9') || (text.at[good] >= 'a' && text.at[good] <= 'f')))
        good++;
    return text.length == WORKER_TOKEN_LENGTH && good == text.length;
}

struct worker_token worker_token_read(struct text text)
{
    struct worker_token token = {""};
    if (worker_token_ok(text))
        text_copy(text, token.text, sizeof token.text);
    return token;
}

int worker_token_lay(const struct worker_token *token)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        return -1;
    ENSURE(write(ends[1], token->text, WORKER_TOKEN_LENGTH) == WORKER_TOKEN_LENGTH); /* a new pipe has room */
    close(ends[1]);
    return ends[0];
}

bool worker_token_take(int fd, struct worker_token *token)
{
    char bytes[WORKER_TOKEN_LENGTH];
    size_t length = 0;
    ssize_t count = 1;
    while (length < sizeof bytes && count != 0 && (count != -1 || errno == EINTR)) {
        count = read(fd, bytes + length, sizeof bytes - length);
        length += count > 0 ? (size_t)count : 0;
    }
    close(fd);
    *token = worker_token_read((struct text){bytes, length});
    return token->text[0] != '\0';
}
