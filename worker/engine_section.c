/* engine_section: see engine_section.h. Engines know nothing of model.conf, and plug-ins nothing of our
 * structs: they get texts. SPDX-License-Identifier: MIT */
#include "engine_section.h"

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

char **engine_section_of(const struct model_config *config, const char *backend)
{
    const struct parameter_table *table = model_config_parameters();
    char **section = object_alloc((2 * table->count + 1) * sizeof *section);
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct parameter *row = &table->rows[i];
        if (strcmp(row->section, backend) != 0 || row->kind == PARAMETER_NAMES)
            continue;
        section[count++] = object_strdup(row->name);
        section[count++] = value_of(config, row);
    }
    return section;
}

void engine_section_free(char **section)
{
    for (char **at = section; at != NULL && *at != NULL; at++)
        free(*at);
    free(section);
}

const char *engine_section_get(const char *const *section, const char *name)
{
    for (; section != NULL && *section != NULL; section += 2)
        if (strcmp(section[0], name) == 0)
            return section[1];
    return NULL;
}
