/* ledger: RUNTIME/processes.json.
 *
 * A supervisor that is killed leaves its processes running, and they go on serving; the next supervisor must
 * not start a second set beside them. A pid alone may belong to somebody else by then, so each is kept with
 * its start time, and all with the number that the kernel draws at each boot. Every process that this file
 * names and that still is what it was is ended before the first new one is started.
 * SPDX-License-Identifier: MIT */
#include "ledger.h"

#include "clock.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include <yyjson.h>

enum { BOOT_ID_BYTES = 64 };

static char *boot_id(char *buffer)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    buffer[0] = '\0';
    if (file != NULL) {
        if (fgets(buffer, BOOT_ID_BYTES, file) != NULL)
            buffer[strcspn(buffer, "\n")] = '\0';
        fclose(file);
    }
    return buffer;
}

/* ---- writing ---- */

static yyjson_mut_doc *describe(const struct ledger_entry *entries, size_t count)
{
    char boot[BOOT_ID_BYTES];
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_strcpy(document, root, "boot", boot_id(boot));
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "processes");
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *process = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_strcpy(document, process, "name", entries[i].name);
        yyjson_mut_obj_add_uint(document, process, "pid", (uint64_t)entries[i].pid);
        yyjson_mut_obj_add_uint(document, process, "start", process_start_time(entries[i].pid));
    }
    return document;
}

void ledger_write(const char *path, const struct ledger_entry *entries, size_t count)
{
    char temporary[512];
    yyjson_write_err error = {0};
    yyjson_mut_doc *document = describe(entries, count);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    /* No fsync: after a crash of the machine there are no processes that it could name. */
    if (!yyjson_mut_write_file(temporary, document, YYJSON_WRITE_PRETTY, NULL, &error))
        log_error("%s: %s", temporary, error.msg);
    else if (rename(temporary, path) == -1)
        log_error("%s: %s", path, strerror(errno));
    yyjson_mut_doc_free(document);
}

/* ---- what an earlier supervisor left ---- */

/* A pidfd of the process if it still is the one that was written down; -1. */
static int still_there(yyjson_val *process)
{
    yyjson_val *pid = yyjson_obj_get(process, "pid");
    yyjson_val *start = yyjson_obj_get(process, "start");
    if (!yyjson_is_uint(pid) || yyjson_get_uint(pid) < 2 || yyjson_get_uint(pid) > INT32_MAX ||
        !yyjson_is_uint(start) || yyjson_get_uint(start) == 0)
        return -1;
    int pidfd = pidfd_open((pid_t)yyjson_get_uint(pid), 0);
    /* Asked after opening: the descriptor and the answer are about the same process then. */
    if (pidfd != -1 && process_start_time((pid_t)yyjson_get_uint(pid)) == yyjson_get_uint(start))
        return pidfd;
    if (pidfd != -1)
        close(pidfd);
    return -1;
}

/* True when all of them have ended by the deadline. */
static bool wait_for_all(const int *pidfds, size_t count, int64_t deadline)
{
    for (size_t i = 0; i < count; i++) {
        struct pollfd watch = {.fd = pidfds[i], .events = POLLIN};
        int64_t left = (deadline - clock_now()) / MILLISECOND;
        while (poll(&watch, 1, left < 0 ? 0 : (int)left) == -1 && errno == EINTR)
            left = (deadline - clock_now()) / MILLISECOND;
        if (watch.revents == 0)
            return false;
    }
    return true;
}

static void send_all(const int *pidfds, size_t count, int signal_number)
{
    for (size_t i = 0; i < count; i++)
        pidfd_send_signal(pidfds[i], signal_number, NULL, 0);
}

/* Ends those processes of the list that are frontends, or that are none. */
static size_t end_processes(yyjson_val *list, bool frontends, int64_t stop_timeout_ms)
{
    size_t count = 0;
    int *pidfds = object_alloc(yyjson_arr_size(list) * sizeof(*pidfds));
    size_t index;
    size_t size;
    yyjson_val *process;
    yyjson_arr_foreach(list, index, size, process)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(process, "name"));
        if (name == NULL || (strncmp(name, "frontend.", 9) == 0) != frontends)
            continue;
        int pidfd = still_there(process);
        if (pidfd == -1)
            continue;
        log_warning("%s (%llu) was left by an earlier supervisor; it is replaced", name,
                    (unsigned long long)yyjson_get_uint(yyjson_obj_get(process, "pid")));
        pidfds[count++] = pidfd;
    }
    send_all(pidfds, count, SIGTERM);
    if (!wait_for_all(pidfds, count, clock_now() + stop_timeout_ms * MILLISECOND)) {
        send_all(pidfds, count, SIGKILL);
        wait_for_all(pidfds, count, clock_now() + SECOND); /* the kernel's own time */
    }
    for (size_t i = 0; i < count; i++)
        close(pidfds[i]);
    free(pidfds);
    return count;
}

size_t ledger_replace(const char *path, int64_t stop_timeout_ms)
{
    char boot[BOOT_ID_BYTES];
    yyjson_read_err error = {0};
    yyjson_doc *document = yyjson_read_file(path, YYJSON_READ_NOFLAG, NULL, &error);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *list = yyjson_obj_get(root, "processes");
    size_t count = 0;
    if (document == NULL && error.code != YYJSON_READ_ERROR_FILE_OPEN)
        log_warning("%s: %s; what an earlier supervisor left is not known", path, error.msg);
    if (yyjson_is_arr(list) && yyjson_equals_str(yyjson_obj_get(root, "boot"), boot_id(boot))) {
        count = end_processes(list, true, stop_timeout_ms);
        count += end_processes(list, false, stop_timeout_ms);
    }
    yyjson_doc_free(document);
    return count;
}
