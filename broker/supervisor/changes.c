/* changes: who reads which parameter, and when.
 *
 * After a reload the supervisor itself and the broker's view of the models are as the files say; every other
 * process has read its part at its start. A reload does not start them again by itself: the operator decides
 * when, and is told which.
 * SPDX-License-Identifier: MIT */
#include "changes.h"

#include "schema_fields.h"

#include <stdio.h>

/* What must be done for a change to hold. */
static const char at_once[] = "";
static const char supervisor[] = "stop and outrigger run";

struct rule {
    const char *section;
    const char *name; /* NULL: the section's others */
    const char *what;
};

/* The first that fits. */
static const struct rule rules[] = {
    {"frontend", "processes", at_once},
    {"frontend", "max_requests", at_once},
    {"frontend", "socket_mode", supervisor},
    {"frontend", "socket_group", supervisor},
    {"frontend", "backlog", supervisor},
    {"frontend", NULL, "restart frontends"},
    {"broker", "max_message_bytes", "restart all"},
    {"broker", NULL, "restart broker"},
    {"worker", "max_requests", at_once},
    {"worker", "max_rss_mb", at_once},
    {"worker", NULL, "restart workers"},
    {"signing", NULL, "restart workers"},
    {"collector", "interval_ms", "restart all"},
    {"collector", NULL, "restart collector"},
    {"supervisor", NULL, at_once},
    {"audit", "access", "restart frontends"},
    {"audit", "predictions_per_mille", "restart frontends"},
    {"audit", "payload", "restart frontends"},
    {"audit", "max_payload_bytes", "restart frontends"},
    {"audit", NULL, supervisor}, /* which writes one itself */
    {"", "placement", supervisor},
    {"", "python", "restart workers"},
};

static const char *what_is_due(const char *section, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (strcmp(rules[i].section, section) == 0 &&
            (rules[i].name == NULL || strcmp(rules[i].name, name) == 0))
            return rules[i].what;
    return "restart all"; /* many may read it */
}

struct comparison {
    changes_visit *visit;
    void *self;
};

static void tell(const struct comparison *comparison, const char *section, const char *name)
{
    char text[256];
    const char *what = what_is_due(section, name);
    if (what == at_once)
        return;
    snprintf(text, sizeof(text), "%s%s%s: outrigger %s", section, *section == '\0' ? "" : ".", name, what);
    comparison->visit(comparison->self, text);
}

void changes_of_config(const struct config *old, const struct config *new, changes_visit *visit, void *self)
{
    const struct comparison comparison = {visit, self};
#define INTEGER(section, name, ...)                                                                          \
    if (old->CONFIG_NAME(section, name) != new->CONFIG_NAME(section, name))                                  \
        tell(&comparison, #section, #name);
#define STRING(section, name, ...)                                                                           \
    if (strcmp(old->CONFIG_NAME(section, name), new->CONFIG_NAME(section, name)) != 0)                       \
        tell(&comparison, #section, #name);
#include "parameters.def"
#undef INTEGER
#undef STRING
}

/* ---- a model's ---- */

/* True for what the worker reads; all else the broker and the supervisor read at each reload. */
static bool is_workers(const char *name)
{
    static const char *const names[] = {
        "description", "backend",   "python",         "task",         "allow_nan",      "threads",
        "features",    "inputs",    "labels",         "settings",     "max_batch_rows", "timeout_ms",
        "cores",       "memory_mb", "cpu_percent",    "optimization", "execution",      "inter_op_threads",
        "spin",        "arena",     "memory_pattern", "provider"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void tell_of_model(const struct comparison *comparison, const char *model, const char *section,
                          const char *name)
{
    char text[512];
    if (!is_workers(name))
        return;
    snprintf(text, sizeof(text), "%s%s%s of model %s: outrigger restart workers --model %s", section,
             *section == '\0' ? "" : ".", name, model, model);
    comparison->visit(comparison->self, text);
}

static bool equal_names(const struct config_names *left, const struct config_names *right)
{
    bool equal = left->count == right->count;
    for (size_t i = 0; equal && i < left->count; i++)
        equal = strcmp(left->names[i], right->names[i]) == 0;
    return equal;
}

static bool same_real(double left, double right)
{
    return !(left < right) && !(left > right);
}

void changes_of_model(const struct model_config *old, const struct model_config *new, changes_visit *visit,
                      void *self)
{
    const struct comparison comparison = {visit, self};
    const char *model = new->name;
#define INTEGER(section, name, ...)                                                                          \
    if (old->CONFIG_NAME(section, name) != new->CONFIG_NAME(section, name))                                  \
        tell_of_model(&comparison, model, #section, #name);
#define REAL(section, name, ...)                                                                             \
    if (!same_real(old->CONFIG_NAME(section, name), new->CONFIG_NAME(section, name)))                        \
        tell_of_model(&comparison, model, #section, #name);
#define STRING(section, name, ...)                                                                           \
    if (strcmp(old->CONFIG_NAME(section, name), new->CONFIG_NAME(section, name)) != 0)                       \
        tell_of_model(&comparison, model, #section, #name);
#define NAMES(section, name, ...)                                                                            \
    if (!equal_names(&old->CONFIG_NAME(section, name), &new->CONFIG_NAME(section, name)))                    \
        tell_of_model(&comparison, model, #section, #name);
#include "model_parameters.def"
#undef INTEGER
#undef REAL
#undef STRING
#undef NAMES
    if (old->input_count != new->input_count ||
        !schema_fields_equal(old->inputs, new->inputs, new->input_count))
        tell_of_model(&comparison, model, "", "inputs");
    if (strcmp(old->settings_json, new->settings_json) != 0)
        tell_of_model(&comparison, model, "", "settings");
}
