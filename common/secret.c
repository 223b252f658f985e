/* secret: the three places from which a secret may come, and the care that is taken of it.
 *
 * A configuration names a secret and never holds it: outrigger.conf is read by many and printed by `check`,
 * command lines are seen by everybody. Read by whoever needs one at its start (the frontend its token keys,
 * the broker its password of Redis); wiped when it is not needed any more. SPDX-License-Identifier: MIT */
#include "secret.h"

#include "key.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SECRET_MAGIC = 0x05ec4e71, NAME_BYTES = 256, PATH_BYTES = 4096 };

struct secret {
    unsigned magic;
    size_t length;
    size_t mapped;
    char bytes[SECRET_MAX + 2]; /* one more than may be, and its newline, to see that it is too long */
};

static struct secret *new_secret(void)
{
    size_t bytes = sizeof(struct secret);
    struct secret *secret = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ENSURE(secret != MAP_FAILED);
    (void)mlock(secret, bytes); /* RLIMIT_MEMLOCK may be 0: then it may be swapped, as all else */
    madvise(secret, bytes, MADV_DONTDUMP);
    secret->magic = SECRET_MAGIC;
    secret->mapped = bytes;
    return secret;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL)
        return;
    CHECK_OBJECT(secret, SECRET_MAGIC);
    size_t mapped = secret->mapped;
    explicit_bzero(secret, mapped);
    munmap(secret, mapped);
}

struct text secret_text(const struct secret *secret)
{
    CHECK_OBJECT(secret, SECRET_MAGIC);
    return (struct text){secret->bytes, secret->length};
}

static const char *from_file(struct secret *secret, const char *path)
{
    const char *complaint = NULL;
    ssize_t length = key_slurp(path, true, secret->bytes, SECRET_MAX + 2, &complaint);
    secret->length = length < 0 ? 0 : (size_t)length;
    return length < 0 ? complaint : NULL;
}

static const char *from_environment(struct secret *secret, const char *name, bool take)
{
    char *value = getenv(name);
    if (value == NULL)
        return "is not in the environment";
    secret->length = strnlen(value, SECRET_MAX + 2);
    memcpy(secret->bytes, value, secret->length);
    if (take) {
        explicit_bzero(value, strlen(value)); /* /proc/PID/environ shows the very bytes */
        unsetenv(name);
    }
    return NULL;
}

static const char *from_credential(struct secret *secret, const char *name)
{
    char path[PATH_BYTES];
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (directory == NULL)
        return "CREDENTIALS_DIRECTORY is not in the environment: no systemd credentials were given";
    if (strchr(name, '/') != NULL || *name == '.' || *name == '\0')
        return "is no name of a credential";
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return "is too long";
    return from_file(secret, path);
}

static const char *fetch(struct secret *secret, const char *reference, bool take)
{
    if (strncmp(reference, "credential:", 11) == 0)
        return from_credential(secret, reference + 11);
    if (strncmp(reference, "env:", 4) == 0)
        return from_environment(secret, reference + 4, take);
    return from_file(secret, strncmp(reference, "file:", 5) == 0 ? reference + 5 : reference);
}

static struct secret *get(const char *reference, bool take, char *reason, size_t capacity)
{
    struct secret *secret = new_secret();
    const char *complaint = fetch(secret, reference, take);
    if (complaint == NULL && secret->length > 0 && secret->bytes[secret->length - 1] == '\n')
        secret->length--;
    if (complaint == NULL && secret->length == 0)
        complaint = "is empty";
    if (complaint == NULL && secret->length > SECRET_MAX)
        complaint = "is too long for a secret";
    if (complaint == NULL)
        return secret;
    snprintf(reason, capacity, "%.*s: %s", NAME_BYTES, reference, complaint);
    secret_free(secret);
    return NULL;
}

struct secret *secret_read(const char *reference, char *reason, size_t capacity)
{
    return get(reference, true, reason, capacity);
}

struct secret *secret_peek(const char *reference, char *reason, size_t capacity)
{
    return get(reference, false, reason, capacity);
}
