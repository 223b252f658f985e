/* audit: one line of the audit log for each administrative act: who, what, on what, with what result. It is
 * on the disk before the answer is on its way; how lines are chained and files follow each other is
 * common/audit_log.c's. SPDX-License-Identifier: MIT */
#include "audit.h"

#include "audit_log.h"
#include "clock.h"

#include <stdlib.h>

enum { AUDIT_MAGIC = 0x0a0d1701 };

struct audit {
    unsigned magic;
    struct audit_log *log;
    struct audit_entry entry;
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

struct audit *audit_new(const struct config *config)
{
    struct audit *audit = object_alloc(sizeof *audit);
    audit->magic = AUDIT_MAGIC;
    audit->log = audit_log_new(config, "supervisor", AUDIT_DURABLE);
    return audit;
}

void audit_free(struct audit *audit)
{
    if (audit == NULL)
        return;
    CHECK_OBJECT(audit, AUDIT_MAGIC);
    audit_log_free(audit->log);
    audit_entry_free(&audit->entry);
    audit->magic = 0;
    free(audit);
}

yyjson_mut_doc *audit_begin(int64_t actor, const char *act)
{
    yyjson_mut_doc *entry = yyjson_mut_doc_new(NULL);
    ENSURE(entry != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(entry);
    yyjson_mut_doc_set_root(entry, root);
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

void audit_end(struct audit *audit, yyjson_mut_doc *entry)
{
    CHECK_OBJECT(audit, AUDIT_MAGIC);
    size_t length;
    char *text = yyjson_mut_write(entry, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &length);
    ENSURE(text != NULL && length > 2); /* an object with who and what */
    yyjson_mut_doc_free(entry);
    audit_entry_begin(&audit->entry, clock_wall(), "act");
    audit_entry_raw(&audit->entry, ",", 1);
    audit_entry_raw(&audit->entry, text + 1, length - 2);
    audit_entry_end(&audit->entry);
    audit_log_add(audit->log, &audit->entry);
    free(text);
}

void audit_measure(struct audit *audit, struct metrics *metrics)
{
    CHECK_OBJECT(audit, AUDIT_MAGIC);
    audit_log_measure(audit->log, metrics);
}

static bool changes_something(const char *command, yyjson_val *request)
{
    for (size_t i = 0; i < COUNT_OF(acts); i++)
        if (strcmp(acts[i], command) == 0)
            return strcmp(command, "route") != 0 || yyjson_obj_get(request, "route") != NULL;
    return false;
}

bool audit_forbids(struct audit *audit, yyjson_val *request, yyjson_mut_doc *reply)
{
    CHECK_OBJECT(audit, AUDIT_MAGIC);
    const char *command = yyjson_get_str(yyjson_obj_get(request, "command"));
    if (command == NULL || strcmp(command, "stop") == 0 || !changes_something(command, request) ||
        audit_log_accepts(audit->log))
        return false;
    audit_log_refused(audit->log);
    control_refuse(reply, "the audit log cannot be written, and audit.when_full = refuse: nothing is changed "
                          "until there is room (the log of the supervisor says why)");
    return true;
}

void audit_command(struct audit *audit, int64_t actor, yyjson_val *request, const char *digest,
                   yyjson_mut_doc *reply)
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
    if (*digest != '\0')
        yyjson_mut_obj_add_strcpy(entry, root, "digest", digest);
    bool done = yyjson_mut_get_bool(yyjson_mut_obj_get(answer, "ok"));
    yyjson_mut_obj_add_bool(entry, root, "done", done);
    if (!done)
        yyjson_mut_obj_add_strcpy(entry, root, "refused",
                                  yyjson_mut_get_str(yyjson_mut_obj_get(answer, "error")));
    audit_end(audit, entry);
}
