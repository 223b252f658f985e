/* strict_json: what a reader of JSON leaves open, decided. Of two members of one name one reader takes the
 * first and another the last: whoever writes "exp" twice counts on that (RFC 8725 section 2.4). Depth is
 * bounded since trees are walked by recursion here and by others. SPDX-License-Identifier: MIT */
#include "strict_json.h"

static bool same(yyjson_val *left, yyjson_val *right)
{
    return yyjson_get_len(left) == yyjson_get_len(right) &&
           memcmp(yyjson_get_str(left), yyjson_get_str(right), yyjson_get_len(left)) == 0;
}

static const char *vet(yyjson_val *value, int depth);

static const char *vet_array(yyjson_val *array, int depth)
{
    size_t index, count;
    yyjson_val *element;
    const char *complaint = NULL;
    yyjson_arr_foreach(array, index, count, element)
    {
        if (complaint == NULL)
            complaint = vet(element, depth + 1);
    }
    return complaint;
}

static const char *vet_object(yyjson_val *object, int depth)
{
    yyjson_val *names[STRICT_JSON_MEMBERS];
    size_t index, count;
    yyjson_val *name, *value;
    if (yyjson_obj_size(object) > STRICT_JSON_MEMBERS)
        return "an object of the JSON has too many members";
    yyjson_obj_foreach(object, index, count, name, value)
    {
        for (size_t i = 0; i < index; i++)
            if (same(names[i], name))
                return "the JSON has a member twice";
        names[index] = name;
        const char *complaint = vet(value, depth + 1);
        if (complaint != NULL)
            return complaint;
    }
    return NULL;
}

static const char *vet(yyjson_val *value, int depth)
{
    if (depth > STRICT_JSON_DEPTH)
        return "the JSON is nested too deep";
    if (yyjson_is_obj(value))
        return vet_object(value, depth);
    return yyjson_is_arr(value) ? vet_array(value, depth) : NULL;
}

yyjson_doc *strict_json_read(struct text text, const char **complaint)
{
    yyjson_doc *document = text.length == 0 ? NULL : yyjson_read(text.at, text.length, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(document);
    *complaint = document == NULL ? "it is no JSON" : yyjson_is_obj(root) ? vet(root, 1) : "it is no object";
    if (*complaint == NULL)
        return document;
    yyjson_doc_free(document);
    return NULL;
}

struct text strict_json_string(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return (struct text){yyjson_get_str(value), yyjson_get_len(value) * (size_t)yyjson_is_str(value)};
}
