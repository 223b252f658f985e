/* job_command: `outrigger batch` and `outrigger stream` become the programs of those names. Options that are
 * none of Outrigger's own are parameters of the job, under the same names, so a row of the table is all that
 * one needs here: --dead-letter X is --job-set dead_letter=X. SPDX-License-Identifier: MIT */
#include "become.h"

#include <stdio.h>
#include <stdlib.h>

/* Those that the program knows as options. */
static const char *flag_of(enum option_id id)
{
    return id == OPTION_JOB_JSON       ? "--json"
           : id == OPTION_DRY_RUN      ? "--dry-run"
           : id == OPTION_JOB_TEMPLATE ? "--template"
                                       : NULL;
}

static bool is_common(enum option_id id)
{
    return id == OPTION_CONFIG || id == OPTION_SET;
}

/* NAME=VALUE as parameters are written; a flag is true. */
static char *setting_of(enum option_id id, const char *value)
{
    char *setting;
    const struct option_row *row = option_row(id);
    ENSURE(asprintf(&setting, "%s=%s", row->name, row->kind == VALUE_NONE ? "true" : value) >= 0);
    for (char *at = setting; *at != '='; at++)
        if (*at == '-')
            *at = '_';
    return setting;
}

static void add_pair(struct become *become, const char *option, const char *value)
{
    if (value == NULL)
        return;
    become_add(become, option);
    become_add(become, value);
}

static void add_option(struct become *become, const struct arguments *arguments, enum option_id id)
{
    if (!arguments_has(arguments, id) || is_common(id))
        return;
    if (flag_of(id) != NULL)
        become_add(become, flag_of(id));
    else if (id == OPTION_JOB_NAME)
        add_pair(become, "--name", arguments_text(arguments, id));
    else if (id == OPTION_JOB_SET)
        for (size_t i = 0; arguments_text_at(arguments, id, i) != NULL; i++)
            add_pair(become, "--job-set", arguments_text_at(arguments, id, i));
    else
        add_pair(become, "--job-set", setting_of(id, arguments_text(arguments, id)));
}

int job_command(const struct arguments *arguments)
{
    struct become become = {0};
    char program[64];
    become_add_configuration(&become, arguments);
    add_pair(&become, "--job", arguments->operands[0]);
    for (size_t i = 0; arguments->command->options[i] != OPTION_END; i++)
        add_option(&become, arguments, arguments->command->options[i]);
    snprintf(program, sizeof program, "outrigger-%s", arguments->command->name);
    return become_run(&become, program);
}
