/* settings: see settings.h. Engines know nothing of model.conf, and plug-ins nothing of our structs: they get
 * texts. SPDX-License-Identifier: MIT */
#include "settings.h"

#include "model_config.h"
#include "object.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static char *value_of(const struct model_config *config, const struct parameter *row)
{
    const char *member = (const char *)config + row->offset;
    char number[32];
    int64_t integer;
    char *text;
    if (row->kind == PARAMETER_STRING) {
        memcpy(&text, member, sizeof text);
        return object_strdup(text);
    }
    memcpy(&integer, member, sizeof integer);
    snprintf(number, sizeof number, "%" PRId64, integer);
    return object_strdup(number);
}

char **settings_of(const struct model_config *config, const char *backend)
{
    const struct parameter_table *table = model_config_parameters();
    char **settings = object_alloc((2 * table->count + 1) * sizeof *settings);
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct parameter *row = &table->rows[i];
        if (strcmp(row->section, backend) != 0 || row->kind == PARAMETER_NAMES)
            continue;
        settings[count++] = object_strdup(row->name);
        settings[count++] = value_of(config, row);
    }
    return settings;
}

void settings_free(char **settings)
{
    for (char **at = settings; at != NULL && *at != NULL; at++)
        free(*at);
    free(settings);
}

const char *settings_get(const char *const *settings, const char *name)
{
    for (; settings != NULL && *settings != NULL; settings += 2)
        if (strcmp(settings[0], name) == 0)
            return settings[1];
    return NULL;
}
