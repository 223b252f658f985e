/* parameter_file: libconfig files, walked setting by setting into parameter_assign, so that every fault of a
 * file is told in one go. libconfig itself says where the syntax breaks. The text is read into memory first
 * and vetted (parameter_vet.c), since libconfig 1.5 cuts long numbers and ends the process at an included
 * folder. SPDX-License-Identifier: MIT */
#include "parameter_reader.h"

#include "nearest.h"

#include <libconfig.h>
#include <libgen.h>
#include <stdlib.h>

/* ---- where a setting stands ---- */

char *parameter_origin(const config_setting_t *setting, const char *name, char origin[PARAMETER_ORIGIN_MAX])
{
    const char *file = config_setting_source_file(setting);
    snprintf(origin, PARAMETER_ORIGIN_MAX, "%s:%u", file == NULL ? name : file,
             (unsigned)config_setting_source_line(setting));
    return origin;
}

/* ---- a libconfig value as a parameter_value ---- */

/* A list or an array of texts; VALUE_OTHER when it is none. */
static struct parameter_value names_of(config_setting_t *setting)
{
    int length = config_setting_length(setting);
    struct parameter_value value = {.kind = VALUE_NAMES};
    if (length > PARAMETER_NAMES_MAX)
        return (struct parameter_value){.kind = VALUE_OTHER, .text = "a list of more than 65536"};
    value.names.names = object_alloc((size_t)length * sizeof(char *));
    for (int i = 0; i < length; i++) {
        const char *text = config_setting_get_string_elem(setting, i);
        if (text == NULL) {
            config_names_free(&value.names);
            return (struct parameter_value){.kind = VALUE_OTHER, .text = "a list with something else in it"};
        }
        value.names.names[value.names.count++] = object_strdup(text);
    }
    return value;
}

static struct parameter_value value_of(config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return (struct parameter_value){.kind = VALUE_INTEGER, .integer = config_setting_get_int64(setting)};
    case CONFIG_TYPE_BOOL:
        return (struct parameter_value){.kind = VALUE_TRUTH, .integer = config_setting_get_bool(setting)};
    case CONFIG_TYPE_STRING:
        return (struct parameter_value){.kind = VALUE_TEXT, .text = config_setting_get_string(setting)};
    case CONFIG_TYPE_ARRAY:
    case CONFIG_TYPE_LIST:
        return names_of(setting);
    case CONFIG_TYPE_FLOAT:
        return (struct parameter_value){.kind = VALUE_REAL, .real = config_setting_get_float(setting)};
    default:
        return (struct parameter_value){.kind = VALUE_OTHER, .text = "a section"};
    }
}

/* ---- the walk ---- */

static bool section_known(const struct parameter_table *table, const char *section)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].section, section) == 0)
            return true;
    return false;
}

static void take_nearer(const char **nearest, const char *known, const char *section)
{
    if (*known != '\0' && nearest_plausible(known, section) &&
        (**nearest == '\0' || nearest_distance(known, section) < nearest_distance(*nearest, section)))
        *nearest = known;
}

static void refuse_section(struct parameter_reader *reader, const char *origin, const char *section)
{
    const char *nearest = "";
    for (size_t i = 0; i < reader->table->count; i++)
        take_nearer(&nearest, reader->table->rows[i].section, section);
    for (size_t i = 0; i < reader->table->group_count; i++)
        take_nearer(&nearest, reader->table->groups[i].name, section);
    config_complain(reader->errors, "%s: %.200s: unknown section%s%s", origin, section,
                    *nearest == '\0' ? "" : "; the nearest known is ", nearest);
}

static void read_section(struct parameter_reader *reader, const char *name, config_setting_t *section)
{
    const char *section_name = config_setting_name(section);
    for (int i = 0; i < config_setting_length(section); i++) {
        config_setting_t *setting = config_setting_get_elem(section, (unsigned)i);
        char origin[PARAMETER_ORIGIN_MAX], path[512];
        snprintf(path, sizeof path, "%.250s.%.250s", section_name, config_setting_name(setting));
        struct parameter_value value = value_of(setting);
        parameter_assign(reader, parameter_origin(setting, name, origin), path, &value);
    }
}

static void read_top_level(struct parameter_reader *reader, const char *name, config_setting_t *root)
{
    for (int i = 0; i < config_setting_length(root); i++) {
        config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
        const char *key = config_setting_name(setting);
        char origin[PARAMETER_ORIGIN_MAX], shown[PARAMETER_SHOWN_MAX];
        parameter_origin(setting, name, origin);
        const struct parameter_group *group = parameter_find_group(reader->table, key);
        bool is_group = config_setting_type(setting) == CONFIG_TYPE_GROUP;
        if (group != NULL) {
            parameter_read_group(reader, group, name, setting);
            continue;
        }
        struct parameter_value value = value_of(setting);
        if (section_known(reader->table, key) && is_group)
            read_section(reader, name, setting);
        else if (section_known(reader->table, key))
            config_complain(reader->errors, "%s: %s: expected a section, as %s = { ... }, got %s", origin,
                            key, key, parameter_show(&value, shown));
        else if (is_group && parameter_find(reader->table, key) == NULL)
            refuse_section(reader, origin, key);
        else
            parameter_assign(reader, origin, key, &value);
        config_names_free(&value.names);
    }
}

/* ---- the doors ---- */

void parameter_read_text(struct parameter_reader *reader, const char *name, const char *text)
{
    char *copy = object_strdup(name);
    const char *directory = dirname(copy);
    if (parameter_vet(reader->errors, name, directory, text)) {
        config_t parsed;
        config_init(&parsed);
        config_set_include_dir(&parsed, directory);
        if (config_read_string(&parsed, text) == CONFIG_TRUE)
            read_top_level(reader, name, config_root_setting(&parsed));
        else
            config_complain(reader->errors, "%s:%d: %s",
                            config_error_file(&parsed) == NULL ? name : config_error_file(&parsed),
                            config_error_line(&parsed), config_error_text(&parsed));
        config_destroy(&parsed);
    }
    free(copy);
}

void parameter_read_file(struct parameter_reader *reader, const char *file)
{
    const char *reason;
    char *text = parameter_slurp(file, &reason);
    if (text == NULL)
        config_complain(reader->errors, "%s: %s", file, reason);
    else
        parameter_read_text(reader, file, text);
    free(text);
}
