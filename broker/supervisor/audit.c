/* audit: one line of JSON for each administrative act: time, who, what, on what, with what result. It is on
 * the disk before the answer is on its way. Only ever added to: the log is one file, written by one process
 * with O_APPEND, through one function. SPDX-License-Identifier: MIT */
#include "audit.h"

#include "clock.h"
#include "durable.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { AUDIT_MAGIC = 0x0a0d1701 };

struct audit {
    unsigned magic;
    char *path;
};

/* The commands that change something; `route` only when it says a route. */
static const char *const acts[] = {"promote",
                                   "rollback",
                                   "route",
                                   "load",
                                   "unload",
                                   "scale",
                                   "reload",
                                   "reload-model",
                                   "rescan",
                                   "restart",
                                   "stop",
                                   "rollout",
                                   "rollout-pause",
                                   "rollout-resume",
                                   "rollout-abort",
                                   "key-add",
                                   "key-rotate",
                                   "key-revoke",
                                   "key-revoke-previous"};

struct audit *audit_new(const char *path)
{
    struct audit *audit = object_alloc(sizeof *audit);
    audit->magic = AUDIT_MAGIC;
    audit->path = object_strdup(path);
    return audit;
}

void audit_free(struct audit *audit)
{
    if (audit == NULL)
        return;
    CHECK_OBJECT(audit, AUDIT_MAGIC);
    audit->magic = 0;
    free(audit->path);
    free(audit);
}

static void add_time(yyjson_mut_doc *entry, yyjson_mut_val *root)
{
    char text[48], milliseconds[8];
    int64_t now = clock_wall();
    time_t seconds = (time_t)(now / SECOND);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(milliseconds, sizeof milliseconds, ".%03dZ", (int)(now % SECOND / MILLISECOND));
    strcat(text, milliseconds);
    yyjson_mut_obj_add_strcpy(entry, root, "time", text);
}

yyjson_mut_doc *audit_begin(int64_t actor, const char *act)
{
    yyjson_mut_doc *entry = yyjson_mut_doc_new(NULL);
    ENSURE(entry != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(entry);
    yyjson_mut_doc_set_root(entry, root);
    add_time(entry, root);
    if (actor >= 0)
        yyjson_mut_obj_add_sint(entry, root, "uid", actor);
    else
        yyjson_mut_obj_add_str(entry, root, "by",
                               actor == AUDIT_SUPERVISOR ? "supervisor"
                               : actor == AUDIT_SIGNAL   ? "signal"
                                                         : "unknown");
    yyjson_mut_obj_add_strcpy(entry, root, "act", act);
    return entry;
}

/* The one place that writes to the log: what is to stand in every line (a number, the digest of the line
 * before) belongs here. */
void audit_end(struct audit *audit, yyjson_mut_doc *entry)
{
    CHECK_OBJECT(audit, AUDIT_MAGIC);
    size_t length;
    char *text = yyjson_mut_write(entry, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &length);
    ENSURE(text != NULL);
    yyjson_mut_doc_free(entry);
    text[length] = '\n'; /* over the terminator: the length counts */
    if (durable_append(audit->path, text, length + 1) != 0)
        log_error("%s: %s; what was to be written: %.*s", audit->path, strerror(errno), (int)length, text);
    free(text);
}

static bool changes_something(const char *command, yyjson_val *request)
{
    for (size_t i = 0; i < COUNT_OF(acts); i++)
        if (strcmp(acts[i], command) == 0)
            return strcmp(command, "route") != 0 || yyjson_obj_get(request, "route") != NULL;
    return false;
}

void audit_command(struct audit *audit, int64_t actor, yyjson_val *request, yyjson_mut_doc *reply)
{
    const char *command = yyjson_get_str(yyjson_obj_get(request, "command"));
    if (command == NULL || !changes_something(command, request))
        return;
    yyjson_mut_doc *entry = audit_begin(actor, command);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(entry);
    yyjson_mut_val *answer = yyjson_mut_doc_get_root(reply);
    yyjson_obj_iter fields = yyjson_obj_iter_with(request);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&fields)) != NULL;)
        if (!yyjson_equals_str(key, "command"))
            yyjson_mut_obj_add(root, yyjson_val_mut_copy(entry, key),
                               yyjson_val_mut_copy(entry, yyjson_obj_iter_get_val(key)));
    bool done = yyjson_mut_get_bool(yyjson_mut_obj_get(answer, "ok"));
    yyjson_mut_obj_add_bool(entry, root, "done", done);
    if (!done)
        yyjson_mut_obj_add_strcpy(entry, root, "refused",
                                  yyjson_mut_get_str(yyjson_mut_obj_get(answer, "error")));
    audit_end(audit, entry);
}
