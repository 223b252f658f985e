/* parameter_group: a section of libconfig that no row describes (lists of sections stand in it) in JSON's
 * form, so that what model.conf says and what the operator says at run time is taken apart by the same code.
 * That knows fields and no lines; the way back from a field to its line is here. SPDX-License-Identifier: MIT
 */
#include "parameter_reader.h"

#include <libconfig.h>
#include <stdlib.h>

enum { DEPTH_MAX = 8 }; /* sections within sections; none of ours is half as deep */

static yyjson_mut_val *value_of(yyjson_mut_doc *document, const config_setting_t *setting, int depth);

static yyjson_mut_val *section_of(yyjson_mut_doc *document, const config_setting_t *setting, int depth)
{
    yyjson_mut_val *object = yyjson_mut_obj(document);
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
        yyjson_mut_obj_add_val(document, object, config_setting_name(member),
                               value_of(document, member, depth + 1));
    }
    return object;
}

static yyjson_mut_val *list_of(yyjson_mut_doc *document, const config_setting_t *setting, int depth)
{
    yyjson_mut_val *list = yyjson_mut_arr(document);
    for (int i = 0; i < config_setting_length(setting); i++)
        yyjson_mut_arr_append(list,
                              value_of(document, config_setting_get_elem(setting, (unsigned)i), depth + 1));
    return list;
}

/* What is deeper than any of our groups is left out. */
static yyjson_mut_val *value_of(yyjson_mut_doc *document, const config_setting_t *setting, int depth)
{
    if (depth > DEPTH_MAX)
        return yyjson_mut_null(document);
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return yyjson_mut_sint(document, config_setting_get_int64(setting));
    case CONFIG_TYPE_FLOAT:
        return yyjson_mut_real(document, config_setting_get_float(setting));
    case CONFIG_TYPE_BOOL:
        return yyjson_mut_bool(document, config_setting_get_bool(setting));
    case CONFIG_TYPE_STRING:
        return yyjson_mut_str(document, config_setting_get_string(setting));
    case CONFIG_TYPE_GROUP:
        return section_of(document, setting, depth);
    default:
        return list_of(document, setting, depth);
    }
}

/* ---- from a field to its line ---- */

struct place {
    struct parameter_reader *reader;
    const struct parameter_group *group;
    const char *name;
    const config_setting_t *setting;
};

/* The next step of "arms[0].percent" below the setting; NULL when there is none of that name. */
static const config_setting_t *step(const config_setting_t *setting, const char **field)
{
    if (**field == '[') {
        char *end;
        unsigned long index = strtoul(*field + 1, &end, 10);
        *field = *end == ']' ? end + 1 : end;
        return config_setting_get_elem(setting, (unsigned)index);
    }
    char member[256];
    size_t length = strcspn(*field, ".[");
    text_copy((struct text){*field, length}, member, sizeof member);
    *field += length;
    return config_setting_is_group(setting) ? config_setting_get_member(setting, member) : NULL;
}

/* The setting of the field; of one that is missing the section in which it is missed. */
static const config_setting_t *find(const config_setting_t *setting, const char *field)
{
    while (*field != '\0') {
        field += *field == '.';
        const config_setting_t *next = step(setting, &field);
        if (next == NULL)
            break;
        setting = next;
    }
    return setting;
}

static void tell(void *self, const char *field, const char *complaint)
{
    const struct place *place = self;
    char origin[PARAMETER_ORIGIN_MAX];
    parameter_origin(find(place->setting, field), place->name, origin);
    config_complain(place->reader->errors, "%s: %s%s%s: %s", origin, place->group->name,
                    *field == '\0' || *field == '[' ? "" : ".", field, complaint);
}

void parameter_read_group(struct parameter_reader *reader, const struct parameter_group *group,
                          const char *name, config_setting_t *setting)
{
    struct place place = {.reader = reader, .group = group, .name = name, .setting = setting};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(document, value_of(document, setting, 0));
    yyjson_doc *read_only = yyjson_mut_doc_imut_copy(document, NULL);
    group->read(reader->target, yyjson_doc_get_root(read_only), tell, &place);
    yyjson_doc_free(read_only);
    yyjson_mut_doc_free(document);
}
