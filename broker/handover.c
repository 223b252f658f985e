/* handover: the answers that may be asked for again (idempotency.c) go from one broker to the next when an
 * operator has it replaced, so that a planned restart makes nothing be computed twice.
 *
 * A file, as the next one is started when this one has ended: <runtime directory>/broker.handover, which is
 * in memory on most hosts. An array [version, when], and for each answer, the oldest first, an array [once,
 * tenant, failure, version, tag, message, computed at, answered at, payload]; times are of CLOCK_MONOTONIC,
 * in ns. (What an idempotent model still computes when the old broker has waited long enough is in no file:
 * that may be computed once more.) It is taken within a minute or not at all: the broker that finds an older
 * one follows no handing over, and what happened since is not known. Of a broker that is killed there is
 * none: to write down each answer before it is given would cost each of them a disk's time.
 *
 * So that nobody waits long for the next broker, the newest of at most LEFT_BYTES are left. Whatever is in
 * the file is looked at, as in a message. SPDX-License-Identifier: MIT */
#include "handover.h"

#include "clock.h"
#include "log.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSION = 1,
    FIELDS = 9,
    HEAD_MAX = 2048, /* of an answer, without its payload: two texts, a name, digests and numbers */
    LEFT_BYTES = 64 * 1024 * 1024,
    FILE_BYTES_MAX = 2 * LEFT_BYTES /* more than they have together with their names */
};

#define LEFT_FOR (60 * SECOND)

static const char *path_of(const struct config *config, const char *suffix, char path[256])
{
    snprintf(path, 256, "%s/broker.handover%s", config->runtime_directory, suffix);
    return path;
}

/* ---- leaving ---- */

static void write_answer(void *self, const struct idempotency_kept *kept)
{
    uint8_t head[HEAD_MAX];
    struct wire_writer writer;
    struct text payload = payload_bytes(&kept->answer.payload);
    wire_writer_begin(&writer, head, sizeof head);
    wire_write_array(&writer, FIELDS);
    wire_write_bin(&writer, kept->once.at, kept->once.length);
    wire_write_uint(&writer, kept->tenant);
    wire_write_uint(&writer, kept->answer.failure);
    wire_write_text(&writer, kept->answer.version);
    wire_write_text(&writer, kept->answer.tag);
    wire_write_text(&writer, kept->answer.message);
    wire_write_int(&writer, kept->answer.computed_at);
    wire_write_int(&writer, kept->answered_at);
    wire_write_bin_head(&writer, payload.length);
    size_t length = wire_writer_end(&writer);
    ENSURE(length > 0);
    fwrite(head, 1, length, self);
    if (payload.length > 0)
        fwrite(payload.at, 1, payload.length, self);
}

static bool write_all(FILE *file, const struct idempotency *names, int64_t now)
{
    uint8_t head[32];
    struct wire_writer writer;
    wire_writer_begin(&writer, head, sizeof head);
    wire_write_array(&writer, 2);
    wire_write_uint(&writer, VERSION);
    wire_write_int(&writer, now);
    fwrite(head, 1, wire_writer_end(&writer), file);
    idempotency_each(names, LEFT_BYTES, write_answer, file);
    bool good = ferror(file) == 0;
    return fclose(file) == 0 && good;
}

void handover_leave(const struct config *config, const struct idempotency *names, int64_t now)
{
    char path[256], fresh[256];
    if (!idempotency_is_on(names))
        return;
    path_of(config, ".new", fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "w");
    ENSURE(fd == -1 || file != NULL);
    if (file == NULL || !write_all(file, names, now) || rename(fresh, path_of(config, "", path)) != 0) {
        log_warning("%s: %s; the next broker does not know what was answered under an Idempotency-Key", fresh,
                    strerror(errno));
        unlink(fresh);
    }
}

/* ---- taking ---- */

static int64_t up_to(int64_t now, int64_t time)
{
    return time < 0 || time > now ? now : time;
}

static bool read_answer(struct wire_reader *reader, struct idempotency_kept *kept)
{
    uint32_t fields;
    uint64_t failure;
    struct text payload;
    bool good =
        wire_read_array(reader, &fields) && fields == FIELDS &&
        wire_read_bin(reader, PROTOCOL_ONCE_BYTES, &kept->once) && kept->once.length == PROTOCOL_ONCE_BYTES &&
        wire_read_uint(reader, UINT64_MAX, &kept->tenant) && wire_read_uint(reader, UINT8_MAX, &failure) &&
        wire_read_str(reader, PROTOCOL_NAME_MAX, &kept->answer.version) &&
        wire_read_str(reader, PROTOCOL_TEXT_MAX, &kept->answer.tag) &&
        wire_read_str(reader, PROTOCOL_TEXT_MAX, &kept->answer.message) &&
        wire_read_int(reader, &kept->answer.computed_at) && wire_read_int(reader, &kept->answered_at) &&
        wire_read_bin(reader, SIZE_MAX, &payload);
    if (!good)
        return false;
    kept->answer.failure = (enum failure)failure;
    kept->answer.payload = (struct payload){.bytes = payload};
    return true;
}

size_t handover_read(struct idempotency *names, struct text bytes, int64_t now)
{
    struct wire_reader reader = wire_reader(bytes.at, bytes.length);
    uint32_t fields;
    uint64_t version;
    int64_t left_at, last = 0;
    if (!wire_read_array(&reader, &fields) || fields != 2 || !wire_read_uint(&reader, VERSION, &version) ||
        version != VERSION || !wire_read_int(&reader, &left_at) || left_at < 0 || left_at > now ||
        now - left_at > LEFT_FOR)
        return 0;
    size_t count = 0;
    struct idempotency_kept kept;
    while (reader.at < reader.end && read_answer(&reader, &kept)) {
        kept.answer.computed_at = up_to(now, kept.answer.computed_at);
        kept.answered_at = up_to(now, kept.answered_at);
        if (kept.answered_at < last || idempotency_find(names, kept.once, now) != NULL)
            break;
        last = kept.answered_at;
        idempotency_keep_at_once(names, kept.once, kept.tenant, &kept.answer, kept.answered_at);
        count++;
    }
    return count;
}

/* NULL with errno. */
static char *read_whole(int fd, size_t *length)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return NULL;
    bool good = S_ISREG(status.st_mode) && status.st_size <= FILE_BYTES_MAX;
    *length = good ? (size_t)status.st_size : 0; /* nobody of ours wrote another one */
    char *bytes = object_alloc(*length + 1);
    for (size_t got = 0; got < *length;) {
        ssize_t more = read(fd, bytes + got, *length - got);
        if (more == 0 || (more == -1 && errno != EINTR))
            *length = got;
        else if (more > 0)
            got += (size_t)more;
    }
    return bytes;
}

void handover_take(const struct config *config, struct idempotency *names, int64_t now)
{
    char path[256];
    size_t length;
    int fd = open(path_of(config, "", path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1)
        return;
    unlink(path);
    char *bytes = read_whole(fd, &length);
    close(fd);
    size_t count = bytes != NULL && idempotency_is_on(names)
                       ? handover_read(names, (struct text){bytes, length}, now)
                       : 0;
    if (count > 0)
        log_info("%zu answers under an Idempotency-Key are known from the broker before", count);
    free(bytes);
}
