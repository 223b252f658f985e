/* hidden: a process gets the secrets that its own sections of the configuration name, and no others. A worker
 * may run somebody's code: what is in its environment is that code's to read. SPDX-License-Identifier: MIT */
#include "hidden.h"

#include <stdlib.h>

/* Who reads a section; the edge has those that are nobody else's. */
static enum role reader_of(const char *section)
{
    static const struct {
        const char *section;
        enum role role;
    } readers[] = {{"broker", ROLE_BROKER},
                   {"limit", ROLE_BROKER},
                   {"worker", ROLE_WORKER},
                   {"collector", ROLE_COLLECTOR}};
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        if (strcmp(readers[i].section, section) == 0)
            return readers[i].role;
    return ROLE_FRONTEND;
}

/* One parameter that may name a variable. */
struct value {
    const char *section, *text;
};

static const char *variable_of(const struct value *value)
{
    return strncmp(value->text, "env:", 4) == 0 && value->text[4] != '\0' ? value->text + 4 : NULL;
}

static bool needs(const struct value *values, size_t count, enum role role, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        const char *variable = variable_of(&values[i]);
        if (variable != NULL && strcmp(variable, name) == 0 && reader_of(values[i].section) == role)
            return true;
    }
    return false;
}

char **hidden_variables(const struct config *config, enum role role)
{
    const struct value values[] = {
#define INTEGER(...)
#define STRING(section, name, ...) {#section, config->CONFIG_NAME(section, name)},
#include "parameters.def"
#undef INTEGER
#undef STRING
    };
    char **names = object_alloc((COUNT_OF(values) + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const char *variable = variable_of(&values[i]);
        if (variable != NULL && !needs(values, COUNT_OF(values), role, variable))
            names[count++] = object_strdup(variable);
    }
    return names;
}

void hidden_free(char **names)
{
    for (char **name = names; name != NULL && *name != NULL; name++)
        free(*name);
    free(names);
}
