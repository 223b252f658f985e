/* key: see key.h. Pure but for reading and writing the files: how keys are made and what ZeroMQ does with
 * them is in curve.c.
 *
 * The form is ZeroMQ's own for certificates, so that keys of czmq and pyzmq can be used, and ours there. The
 * reader knows just enough of it: a line is empty, a comment, the head of a section, or `name = "value"`. A
 * secret passes through buffers on the stack alone, which are wiped. SPDX-License-Identifier: MIT */
#include "key.h"

#include "api_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a secret's file: what nobody but its owner and its group's readers may have. */
#define MODE_TOO_OPEN 0137

static const char alphabet[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/* ---- keys ---- */

bool key_ok(struct text key)
{
    if (key.length != KEY_LENGTH)
        return false;
    for (size_t group = 0; group < KEY_LENGTH; group += 5) {
        uint64_t value = 0;
        for (size_t i = group; i < group + 5; i++) {
            const char *digit = key.at[i] == '\0' ? NULL : strchr(alphabet, key.at[i]);
            if (digit == NULL)
                return false;
            value = value * 85 + (uint64_t)(digit - alphabet);
        }
        if (value > UINT32_MAX)
            return false;
    }
    return true;
}

static bool is_of_names(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool key_name_ok(struct text name)
{
    if (name.length == 0 || name.length > KEY_NAME_MAX || name.at[0] == '.')
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (!is_of_names(name.at[i]))
            return false;
    return true;
}

unsigned key_door_of(struct text word)
{
    return text_is(word, "workers") ? KEY_WORKERS : text_is(word, "askers") ? KEY_ASKERS : 0;
}

bool key_equal(const char left[KEY_LENGTH], const char right[KEY_LENGTH])
{
    unsigned difference = 0;
    for (size_t i = 0; i < KEY_LENGTH; i++)
        difference |= (unsigned)((unsigned char)left[i] ^ (unsigned char)right[i]);
    return difference == 0;
}

void key_wipe(void *secret, size_t bytes)
{
    explicit_bzero(secret, bytes);
}

/* ---- certificates ---- */

static struct text trim(struct text text)
{
    while (text.length > 0 && strchr(" \t\r", text.at[0]) != NULL)
        text = (struct text){text.at + 1, text.length - 1};
    while (text.length > 0 && strchr(" \t\r", text.at[text.length - 1]) != NULL)
        text.length--;
    return text;
}

/* Cuts the first line off `rest`. */
static struct text next_line(struct text *rest)
{
    const char *end = memchr(rest->at, '\n', rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->at);
    struct text line = {rest->at, length};
    size_t taken = end == NULL ? length : length + 1;
    *rest = (struct text){rest->at + taken, rest->length - taken};
    return trim(line);
}

/* `name = "value"`; false when the line is none. */
static bool split(struct text line, struct text *name, struct text *value)
{
    const char *equals = memchr(line.at, '=', line.length);
    if (equals == NULL)
        return false;
    *name = trim((struct text){line.at, (size_t)(equals - line.at)});
    *value = trim((struct text){equals + 1, line.length - (size_t)(equals - line.at) - 1});
    if (value->length < 2 || value->at[0] != '"' || value->at[value->length - 1] != '"')
        return false;
    *value = (struct text){value->at + 1, value->length - 2};
    return memchr(value->at, '"', value->length) == NULL;
}

bool key_models_read(struct text text, char models[KEY_MODELS_MAX + 1])
{
    _Static_assert((int)KEY_MODELS_MAX == (int)API_KEY_MODELS_MAX,
                   "the models of a key are read as those of an API key");
    char copy[KEY_MODELS_MAX + 1], word[API_KEY_WORD_MAX];
    if (text.length > KEY_MODELS_MAX)
        return false;
    text_copy(text, copy, sizeof copy);
    return api_key_models_read(copy, models, word) && *models != '\0';
}

/* NULL, or why the value is none. */
static const char *take(struct key_pair *pair, struct text name, struct text value)
{
    bool is_public = text_is(name, "public-key");
    if (text_is(name, "name")) {
        if (!key_name_ok(value))
            return "a name has 1 to 64 of A-Z a-z 0-9 . _ - and no dot first";
        text_copy(value, pair->name, sizeof pair->name);
    } else if (text_is(name, "doors")) {
        pair->doors = key_door_of(value);
        return pair->doors == 0 ? "doors is \"workers\" or \"askers\"" : NULL;
    } else if (text_is(name, "models")) {
        return key_models_read(value, pair->models) ? NULL : "models is names, and \"PREFIX*\", with commas";
    } else if (is_public || text_is(name, "secret-key")) {
        char *key = is_public ? pair->public_key : pair->secret_key;
        if (!key_ok(value))
            return "a key has 40 characters of Z85";
        if (*key != '\0')
            return "a second key of this kind";
        memcpy(key, value.at, KEY_LENGTH);
    }
    return NULL; /* what else a certificate says is for others */
}

bool key_parse(struct text bytes, struct key_pair *pair, char *reason, size_t capacity)
{
    struct text name, value;
    *pair = (struct key_pair){.doors = KEY_ALL_DOORS};
    for (unsigned number = 1; bytes.length > 0; number++) {
        struct text line = next_line(&bytes);
        if (line.length == 0 || line.at[0] == '#' || text_is(line, "metadata") || text_is(line, "curve"))
            continue;
        const char *complaint =
            split(line, &name, &value) ? take(pair, name, value) : "expected NAME = \"VALUE\"";
        if (complaint == NULL)
            continue;
        snprintf(reason, capacity, "line %u: %s", number, complaint);
        key_wipe(pair, sizeof *pair);
        return false;
    }
    return true;
}

/* ---- files ---- */

/* NULL, or why a file with that status is not taken. */
static const char *unfit(const struct stat *status, bool secret, uid_t reader, size_t capacity)
{
    if (!S_ISREG(status->st_mode))
        return "is no regular file";
    if ((uint64_t)status->st_size > capacity)
        return "is larger than a file of keys is";
    if (!secret)
        return NULL;
    if (status->st_uid != 0 && status->st_uid != reader)
        return "belongs to another user, who knows the secret";
    return (status->st_mode & MODE_TOO_OPEN) != 0 ? "can be read or changed by others: chmod 600 it" : NULL;
}

/* Reads up to `capacity` bytes; -1 with errno. */
static ssize_t read_all(int fd, char *bytes, size_t capacity)
{
    size_t length = 0;
    while (length < capacity) {
        ssize_t got = read(fd, bytes + length, capacity - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -1 : (ssize_t)length;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

static ssize_t slurp(const char *path, bool secret, uid_t reader, char *bytes, size_t capacity,
                     const char **complaint)
{
    struct stat status;
    ssize_t length = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *complaint = NULL;
    if (fd >= 0 && fstat(fd, &status) == 0)
        *complaint = unfit(&status, secret, reader, capacity);
    if (fd >= 0 && *complaint == NULL)
        length = read_all(fd, bytes, capacity);
    if (length < 0 && *complaint == NULL)
        *complaint = strerror(errno);
    if (fd >= 0)
        close(fd);
    return length;
}

ssize_t key_slurp(const char *path, bool secret, char *bytes, size_t capacity, const char **complaint)
{
    return slurp(path, secret, geteuid(), bytes, capacity, complaint);
}

ssize_t key_slurp_of(const char *path, uid_t reader, char *bytes, size_t capacity, const char **complaint)
{
    return slurp(path, true, reader, bytes, capacity, complaint);
}

bool key_read(const char *path, bool secret, struct key_pair *pair, char *reason, size_t capacity)
{
    char bytes[KEY_FILE_MAX], why[128];
    const char *complaint;
    *pair = (struct key_pair){0};
    ssize_t length = key_slurp(path, secret, bytes, sizeof bytes, &complaint);
    if (length >= 0 && !key_parse((struct text){bytes, (size_t)length}, pair, why, sizeof why))
        complaint = why;
    else if (length >= 0 && secret && *pair->secret_key == '\0')
        complaint = "holds no secret-key";
    else if (length >= 0 && !secret && *pair->public_key == '\0')
        complaint = "holds no public-key";
    key_wipe(bytes, sizeof bytes);
    if (complaint == NULL)
        return true;
    key_wipe(pair, sizeof *pair);
    snprintf(reason, capacity, "%s: %s", path, complaint);
    return false;
}

/* ---- writing ---- */

/* A file that was not there before, whole and on the disk. 0 or -1 with errno. */
static int write_new(const char *path, mode_t mode, const char *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -1;
    bool good = fchmod(fd, mode) == 0 && write(fd, bytes, length) == (ssize_t)length && fsync(fd) == 0;
    int error = good ? 0 : errno;
    close(fd);
    if (good)
        return 0;
    unlink(path);
    errno = error;
    return -1;
}

static bool refuse(const char *path, char *reason, size_t capacity)
{
    snprintf(reason, capacity, "%s: %s", path,
             errno == EEXIST ? "is there already, and keys are not overwritten" : strerror(errno));
    return false;
}

bool key_write(const char *directory, const struct key_pair *pair, char *reason, size_t capacity)
{
    char path[4352], secret_path[4352], text[512];
    snprintf(path, sizeof path, "%s/%s%s", directory, pair->name, KEY_SUFFIX);
    snprintf(secret_path, sizeof secret_path, "%s/%s%s", directory, pair->name, KEY_SUFFIX_SECRET);
    int length = snprintf(text, sizeof text,
                          "# the public key of %s: for broker.curve_allow, or worker.curve_server_key\n"
                          "metadata\n    name = \"%s\"\ncurve\n    public-key = \"%s\"\n",
                          pair->name, pair->name, pair->public_key);
    if (write_new(path, 0644, text, (size_t)length) != 0)
        return refuse(path, reason, capacity);
    length =
        snprintf(text, sizeof text,
                 "# the SECRET key of %s: stays on its host\n"
                 "metadata\n    name = \"%s\"\ncurve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                 pair->name, pair->name, pair->public_key, pair->secret_key);
    int result = write_new(secret_path, 0600, text, (size_t)length);
    int error = errno;
    key_wipe(text, sizeof text);
    if (result == 0)
        return true;
    unlink(path);
    errno = error;
    return refuse(secret_path, reason, capacity);
}
