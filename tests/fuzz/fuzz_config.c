/* fuzz_config: any text as outrigger.conf and as one --set. What is accepted must lie within the bounds of
 * the table; what is refused must have a complaint. SPDX-License-Identifier: MIT */
#include "model_config.h"
#include "route.h"
#include "schema_fields.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 forgets the texts that it had read when the syntax breaks behind them. */
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\nleak:libconfig_yylex\nleak:libconfig_yyparse";
}

static void expect_bounds(const struct model_config *model)
{
#define INTEGER(section, name, standard, minimum, maximum, ...)                                              \
    ENSURE(model->CONFIG_NAME(section, name) >= (minimum) && model->CONFIG_NAME(section, name) <= (maximum));
#define REAL(section, name, standard, minimum, maximum, ...)                                                 \
    ENSURE(model->CONFIG_NAME(section, name) >= (minimum) && model->CONFIG_NAME(section, name) <= (maximum));
#define STRING(section, name, ...) ENSURE(strlen(model->CONFIG_NAME(section, name)) <= PARAMETER_STRING_MAX);
#define NAMES(section, name, ...)  ENSURE(model->CONFIG_NAME(section, name).count <= PARAMETER_NAMES_MAX);
#include "model_parameters.def"
#undef INTEGER
#undef REAL
#undef STRING
#undef NAMES
    uint32_t sum = route_rest(model->route);
    for (size_t i = 0; i < model->route->arm_count; i++)
        sum += model->route->arms[i].weight;
    ENSURE(sum == ROUTE_WHOLE);
}

/* model.conf's table, since it has rows of every kind. */
static void read_as(void (*read)(struct parameter_reader *, const char *), const char *text)
{
    struct config_errors errors = {0};
    const struct parameter_table *table = model_config_parameters();
    struct model_config model = {.route = route_new()};
    parameters_default(table, &model);
    struct parameter_reader *reader = parameter_reader_new(table, &model, "input", &errors);
    read(reader, text);
    parameter_reader_free(reader);
    expect_bounds(&model);
    ENSURE(errors.length == strlen(errors.text) && (errors.length > 0) == (errors.count > 0));
    parameters_free(table, &model);
    config_names_free(&model.settings);
    free(model.settings_json);
    schema_fields_free(model.inputs, model.input_count);
    route_free(model.route);
}

static void read_text(struct parameter_reader *reader, const char *text)
{
    parameter_read_text(reader, "input", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *text = object_alloc(length + 1);
    memcpy(text, bytes, length);
    if (strstr(text, "@include") == NULL) /* an input must not open the files of the machine */
        read_as(read_text, text);
    read_as(parameter_set, text);
    const char *setting = text;
    struct config_errors errors = {0};
    struct config *config = config_load(NULL, &setting, 1, &errors);
    ENSURE((config == NULL) == (errors.count > 0));
    config_free(config);
    free(text);
    return 0;
}
