/* model_settings: see model_settings.h. Whoever wrote the model knows what a setting should be, so all that
 * is checked here is that it can be told as a text. model_config.c reads it, the worker hands it to plug-ins.
 * SPDX-License-Identifier: MIT */
#include "model_settings.h"

#include "number.h"
#include "reading.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static bool is_scalar(yyjson_val *value)
{
    return yyjson_is_str(value) || yyjson_is_int(value) || yyjson_is_bool(value) ||
           (yyjson_is_real(value) && isfinite(yyjson_get_real(value)));
}

static void print_scalar(FILE *out, yyjson_val *value)
{
    char number[NUMBER_TEXT_MAX];
    if (yyjson_is_str(value))
        fputs(yyjson_get_str(value), out);
    else if (yyjson_is_bool(value))
        fputs(yyjson_get_bool(value) ? "true" : "false", out);
    else if (yyjson_is_int(value))
        fprintf(out, "%" PRId64, yyjson_get_sint(value));
    else
        fprintf(out, "%.*s", (int)number_write_double(yyjson_get_real(value), number), number);
}

/* A list of numbers: with a space between them. */
static bool is_plain_list(yyjson_val *value)
{
    size_t at, count;
    yyjson_val *element;
    if (!yyjson_is_arr(value))
        return false;
    yyjson_arr_foreach(value, at, count, element)
    {
        if (!is_scalar(element) || yyjson_is_str(element))
            return false;
    }
    return true;
}

static void print_plain_list(FILE *out, yyjson_val *list)
{
    size_t at, count;
    yyjson_val *element;
    yyjson_arr_foreach(list, at, count, element)
    {
        fputs(at == 0 ? "" : " ", out);
        print_scalar(out, element);
    }
}

/* NULL when it is too long, or has a text that is no UTF-8, as JSON has it. The caller frees it. */
static char *text_of_value(yyjson_val *value)
{
    char *text = NULL, *json = yyjson_val_write(value, YYJSON_WRITE_ALLOW_INF_AND_NAN, NULL);
    size_t length;
    if (json == NULL)
        return NULL;
    FILE *out = open_memstream(&text, &length);
    ENSURE(out != NULL);
    if (is_scalar(value))
        print_scalar(out, value);
    else if (is_plain_list(value))
        print_plain_list(out, value);
    else
        fputs(json, out);
    free(json);
    ENSURE(fclose(out) == 0);
    if (length <= PARAMETER_STRING_MAX)
        return text;
    free(text);
    return NULL;
}

bool model_settings_read(yyjson_val *value, parameter_fault *fault, void *self, struct config_names *settings)
{
    struct reading reading = {.fault = fault, .self = self};
    size_t at, size = yyjson_obj_size(value);
    yyjson_val *key, *setting;
    if (!yyjson_is_obj(value) || size > MODEL_SETTINGS_MAX) {
        reading_expect(&reading, "", "a group of at most 256 settings, as { depth = 3; }", value);
        return false;
    }
    /* One more than there are: model_settings_list ends with NULL. */
    *settings = (struct config_names){object_alloc((2 * size + 1) * sizeof(char *)), 0};
    yyjson_obj_foreach(value, at, size, key, setting)
    {
        char *text = text_of_value(setting);
        if (text == NULL) {
            reading_expect(&reading, yyjson_get_str(key), "a value of at most 4095 bytes as text in UTF-8",
                           setting);
            continue;
        }
        settings->names[settings->count++] = object_strdup(yyjson_get_str(key));
        settings->names[settings->count++] = text;
    }
    if (reading.faults > 0)
        config_names_free(settings);
    return reading.faults == 0;
}

const char *const *model_settings_list(const struct model_config *model)
{
    static const char *const none[] = {NULL};
    return model->settings.names == NULL ? none : (const char *const *)model->settings.names;
}

void model_settings_print_template(FILE *out)
{
    fputs("\n"
          "# what a model that is a program (model.so, model.py) is told when it loads: names and values "
          "that it\n"
          "# knows, as\n"
          "#     settings = { depth = 3; weights = [ 0.5, 0.25 ]; mode = \"fast\"; };\n"
          "settings = { };\n",
          out);
}
