/* model_config: one model of the repository: its model.conf, its version folders, the file of a version.
 * models.c gathers all of them. SPDX-License-Identifier: MIT */
#include "model_config.h"

#include "model_inputs.h"
#include "model_settings.h"
#include "placement.h"
#include "protocol.h"
#include "route.h"
#include "schema_fields.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSIONS_MAX = 1024 }; /* of one model: as many as a CATALOG can tell of all */

static const struct parameter rows[] = {
#define INTEGER(section, name, ...) PARAMETER_ROW_INTEGER(model_config, section, name, __VA_ARGS__),
#define REAL(section, name, ...)    PARAMETER_ROW_REAL(model_config, section, name, __VA_ARGS__),
#define STRING(section, name, ...)  PARAMETER_ROW_STRING(model_config, section, name, __VA_ARGS__),
#define NAMES(section, name, ...)   PARAMETER_ROW_NAMES(model_config, section, name, __VA_ARGS__),
#include "model_parameters.def"
#undef INTEGER
#undef REAL
#undef STRING
#undef NAMES
};

static void read_route(void *target, yyjson_val *value, parameter_fault *fault, void *self)
{
    struct model_config *model = target;
    struct route *route = route_read(value, fault, self);
    if (route == NULL)
        return;
    route_free(model->route);
    model->route = route;
}

static void read_inputs(void *target, yyjson_val *value, parameter_fault *fault, void *self)
{
    struct model_config *model = target;
    struct schema_field *inputs;
    size_t count;
    if (!model_inputs_read(value, fault, self, &inputs, &count))
        return;
    schema_fields_free(model->inputs, model->input_count);
    model->inputs = inputs;
    model->input_count = count;
}

/* Plug-ins get pairs of texts, Python gets the values as they are. */
static void read_settings(void *target, yyjson_val *value, parameter_fault *fault, void *self)
{
    struct model_config *model = target;
    struct config_names settings;
    if (!model_settings_read(value, fault, self, &settings))
        return;
    config_names_free(&model->settings);
    model->settings = settings;
    free(model->settings_json);
    model->settings_json = yyjson_val_write(value, YYJSON_WRITE_ALLOW_INF_AND_NAN, NULL);
    ENSURE(model->settings_json != NULL);
}

static const struct parameter_group groups[] = {{"inputs", read_inputs, model_inputs_print_template},
                                                {"route", read_route, route_print_template},
                                                {"settings", read_settings, model_settings_print_template}};

static const struct parameter_table table = {
    .rows = rows, .count = COUNT_OF(rows), .groups = groups, .group_count = COUNT_OF(groups)};

const struct parameter_table *model_config_parameters(void)
{
    return &table;
}

/* In model.conf's `python`: the version. */
static const char python_version[] = "{version}";

/* What a version's folder may hold, in the order in which it is looked for. */
static const struct {
    const char *file;
    const char *backend;
} model_files[] = {{"model.onnx", "onnx"},
                   {"model.so", "plugin"},
                   {"model.echo", "echo"},
                   {"model.pipeline", "pipeline"},
                   {"model.pkl", "python"},
                   {"model.joblib", "python"},
                   {"model.py", "python"},
                   /* last: a model.py may keep its own model in such a file */
                   {"model.json", "xgboost"},
                   {"model.ubj", "xgboost"}};

static char *join(const char *directory, const char *name)
{
    char *path;
    ENSURE(asprintf(&path, "%s/%s", directory, name) >= 0);
    return path;
}

static bool is_regular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* ---- versions ---- */

static bool is_number(const char *name)
{
    return *name != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* Numbers by value, however long, then names, with numbers in them by value, too (v2 before v10). */
int model_version_compare(const char *a, const char *b)
{
    if (is_number(a) != is_number(b))
        return is_number(a) ? -1 : 1;
    if (!is_number(a))
        return strverscmp(a, b);
    const char *digits_a = a + strspn(a, "0"), *digits_b = b + strspn(b, "0");
    size_t length_a = strlen(digits_a), length_b = strlen(digits_b);
    if (length_a != length_b)
        return length_a < length_b ? -1 : 1;
    int order = strcmp(digits_a, digits_b);
    return order != 0 ? order : strcmp(a, b); /* 01 and 1 are two folders */
}

static int compare_names(const void *a, const void *b)
{
    return model_version_compare(*(char *const *)a, *(char *const *)b);
}

static bool holds_model_file(const char *directory)
{
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(model_files) && !found; i++) {
        char *path = join(directory, model_files[i].file);
        found = is_regular(path);
        free(path);
    }
    return found;
}

/* A folder is a version when its name is a number or a model file lies in it: other folders may lie beside.
 */
static bool is_version(const struct model_config *model, const char *name)
{
    struct stat status;
    char *path = join(model->directory, name);
    bool good = *name != '.' && stat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
                (is_number(name) || holds_model_file(path));
    free(path);
    return good;
}

static void add_version(struct model_config *model, const char *name, struct config_errors *errors)
{
    if (!protocol_name_ok(text_of(name))) {
        config_complain(errors, "%s/%s: expected a version's name (1 to 128 of A-Z a-z 0-9 . _ -)",
                        model->directory, name);
        return;
    }
    if (model->versions.count == VERSIONS_MAX) {
        config_complain(errors, "%s/%s: more than %d versions", model->directory, name, VERSIONS_MAX);
        return;
    }
    model->versions.names[model->versions.count++] = object_strdup(name);
}

static void find_versions(struct model_config *model, struct config_errors *errors)
{
    model->versions.names = object_alloc(VERSIONS_MAX * sizeof(char *));
    DIR *directory = opendir(model->directory);
    if (directory == NULL) {
        config_complain(errors, "%s: %s", model->directory, strerror(errno));
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        if (is_version(model, entry->d_name))
            add_version(model, entry->d_name, errors);
    closedir(directory);
    qsort(model->versions.names, model->versions.count, sizeof(char *), compare_names);
}

bool model_has_version(const struct model_config *model, const char *version)
{
    for (size_t i = 0; i < model->versions.count; i++)
        if (strcmp(model->versions.names[i], version) == 0)
            return true;
    return false;
}

const char *model_stable_version(const struct model_config *model)
{
    if (*model->version != '\0')
        return model->version;
    return model->versions.count == 0 ? NULL : model->versions.names[model->versions.count - 1];
}

/* ---- which versions run ---- */

/* What `serve` says: all, the `latest` highest, or (both 0) the names that stand there. */
struct policy {
    bool all;
    size_t latest;
};

/* The next name of a list with commas, in `name`; false at its end. Names that are too long come cut, and are
 * no version's. */
static bool next_name(const char **rest, char name[PROTOCOL_NAME_MAX + 2])
{
    *rest += strspn(*rest, ", \t");
    size_t length = strcspn(*rest, ", \t");
    text_copy((struct text){*rest, length}, name, PROTOCOL_NAME_MAX + 2);
    *rest += length;
    return length > 0;
}

/* False when `serve` is no policy. */
static bool read_policy(const char *serve, struct policy *policy)
{
    static const char latest[] = "latest ";
    char name[PROTOCOL_NAME_MAX + 2], *end;
    bool good = false;
    *policy = (struct policy){.all = strcmp(serve, "all") == 0};
    if (policy->all)
        return true;
    if (strncmp(serve, latest, sizeof latest - 1) == 0 && serve[sizeof latest - 1] >= '1' &&
        serve[sizeof latest - 1] <= '9') {
        policy->latest = strtoul(serve + sizeof latest - 1, &end, 10);
        return *end == '\0' && policy->latest <= VERSIONS_MAX;
    }
    while (next_name(&serve, name)) {
        good = protocol_name_ok(text_of(name)) && strcmp(name, "latest") != 0; /* how many? */
        if (!good)
            break;
    }
    return good;
}

bool model_policy_serves(const struct model_config *model, const char *version)
{
    struct policy policy;
    char name[PROTOCOL_NAME_MAX + 2];
    const char *rest = model->serve;
    if (!read_policy(model->serve, &policy) || policy.latest == 1)
        return false;
    size_t count = model->versions.count;
    for (size_t i = 0; i < count && policy.latest > 0; i++)
        if (strcmp(model->versions.names[i], version) == 0)
            return count - i <= policy.latest;
    while (!policy.all && policy.latest == 0 && next_name(&rest, name))
        if (strcmp(name, version) == 0)
            return true;
    return policy.all;
}

/* ---- the checks of model.conf ---- */

static void check_word(struct parameter_reader *reader, char *const *member, const char *const *known,
                       size_t count)
{
    char list[128] = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(*member, known[i]) == 0)
            return;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i == 0 ? "" : " or ", known[i]);
    }
    if (**member != '\0')
        parameter_complain(reader, member, "expected %s, got \"%.40s\"", list, *member);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A request may name its features: two of one name could not be told apart. */
static void check_distinct(struct parameter_reader *reader, const struct config_names *names)
{
    char **sorted = object_alloc(names->count * sizeof(char *));
    for (size_t i = 0; i < names->count; i++)
        sorted[i] = names->names[i];
    qsort(sorted, names->count, sizeof(char *), compare_strings);
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) != 0)
            continue;
        parameter_complain(reader, names, "\"%.80s\" stands there twice", sorted[i]);
        break;
    }
    free(sorted);
}

/* What `inputs` and the rest say of the same columns; whatever is wrong within it is told already. */
static void check_inputs(struct parameter_reader *reader, const struct model_config *model)
{
    const struct config_names *features = &model->features;
    if (model->input_count > 0 && features->count > 0 && features->count != model->input_count) {
        parameter_complain(reader, features, "%zu names, but inputs has %zu columns", features->count,
                           model->input_count);
        return;
    }
    for (size_t i = 0; i < model->input_count; i++) {
        const struct schema_field *input = &model->inputs[i];
        if (features->count > 0 && strcmp(features->names[i], input->name) != 0) {
            parameter_complain(reader, features,
                               "the name of column %zu is \"%.80s\", but inputs has \"%.80s\"", i + 1,
                               features->names[i], input->name);
            return;
        }
        if (input->optional && input->standard.text == NULL && isnan(input->standard.number) &&
            model->allow_nan == 0)
            parameter_complain(
                reader, &model->allow_nan,
                "inputs[%zu] (\"%.80s\") may be left out and has no default: expected a default "
                "there, or true here",
                i, input->name);
    }
}

static void check(struct parameter_reader *reader, const struct model_config *model)
{
    static const char *const backends[] = {"onnx", "xgboost", "plugin", "echo", "pipeline", "python"};
    static const char *const tasks[] = {"classification", "regression", "multilabel", "embedding"};
    static const char *const optimizations[] = {"none", "basic", "extended", "all"};
    static const char *const executions[] = {"sequential", "parallel"};
    check_word(reader, &model->backend, backends, COUNT_OF(backends));
    check_word(reader, &model->task, tasks, COUNT_OF(tasks));
    check_word(reader, &model->onnx_optimization, optimizations, COUNT_OF(optimizations));
    check_word(reader, &model->onnx_execution, executions, COUNT_OF(executions));
    check_distinct(reader, &model->features);
    check_inputs(reader, model);
    struct policy policy;
    if (!read_policy(model->serve, &policy))
        parameter_complain(reader, &model->serve,
                           "expected latest N, all, or versions with commas between them, got \"%.80s\"",
                           model->serve);
    if (model->cache_ttl_ms > 0 && model->idempotent == 0)
        parameter_complain(reader, &model->cache_ttl_ms,
                           "expected 0: answers of a model that is not idempotent cannot be given again");
    char reason[256];
    if (*model->cores != '\0' && (model->cores[0] < '0' || model->cores[0] > '9' ||
                                  !placement_check(model->cores, reason, sizeof reason)))
        parameter_complain(reader, &model->cores,
                           "expected a list of cores of this machine, as 2 or 2-3,6, got \"%.80s\"",
                           model->cores);
    if (model->scaling_max > 0 && model->scaling_min > model->scaling_max)
        parameter_complain(reader, &model->scaling_min, "expected at most scaling.max, which is %lld",
                           (long long)model->scaling_max);
    if (model->scaling_down_percent >= model->scaling_up_percent)
        parameter_complain(reader, &model->scaling_down_percent,
                           "expected less than scaling.up_percent, which is %lld",
                           (long long)model->scaling_up_percent);
    if (model->validation_gate != 0 && (*model->validation_data == '\0' || *model->validation_target == '\0'))
        parameter_complain(reader, &model->validation_gate,
                           "expected validation.data and validation.target, too: a version must be judged by "
                           "something");
    if (strlen(model->description) > PROTOCOL_TEXT_MAX)
        parameter_complain(reader, &model->description, "expected at most %d bytes", PROTOCOL_TEXT_MAX);
    /* It would run before anybody has looked at who signed it, and be part of what is signed. */
    if (strncmp(model->python, python_version, sizeof python_version - 1) == 0)
        parameter_complain(reader, &model->python,
                           "expected an interpreter outside of the version's folder, as "
                           "venvs/{version}/bin/python3, got \"%.80s\"",
                           model->python);
    if (*model->version != '\0' && !model_has_version(model, model->version))
        parameter_complain(reader, &model->version, "there is no version \"%.128s\" in %s", model->version,
                           model->directory);
}

/* ---- the doors ---- */

struct model_config *model_config_load(const char *models_directory, const char *name,
                                       struct config_errors *errors)
{
    int complaints_before = errors->count;
    struct model_config *model = object_alloc(sizeof *model);
    model->name = object_strdup(name);
    model->directory = join(models_directory, name);
    model->route = route_new();
    model->settings_json = object_strdup("{}");
    parameters_default(&table, model);
    find_versions(model, errors);
    char *file = join(model->directory, "model.conf");
    bool has_file = access(file, F_OK) == 0;
    if (has_file || model->versions.count > 0) {
        struct parameter_reader *reader = parameter_reader_new(&table, model, file, errors);
        if (has_file)
            parameter_read_file(reader, file);
        check(reader, model);
        parameter_reader_free(reader);
        if (!protocol_name_ok(text_of(name)))
            config_complain(errors, "%s: expected a model's name (1 to 128 of A-Z a-z 0-9 . _ -)",
                            model->directory);
    }
    bool is_model = (has_file || model->versions.count > 0) && errors->count == complaints_before;
    free(file);
    if (is_model)
        return model;
    model_config_free(model);
    return NULL;
}

void model_config_free(struct model_config *model)
{
    if (model == NULL)
        return;
    parameters_free(&table, model);
    config_names_free(&model->versions);
    config_names_free(&model->settings);
    route_free(model->route);
    schema_fields_free(model->inputs, model->input_count);
    free(model->settings_json);
    free(model->name);
    free(model->directory);
    free(model);
}

char *model_file(const struct model_config *model, const char *version, const char **backend,
                 struct config_errors *errors)
{
    char *directory = join(model->directory, version), *found = NULL;
    for (size_t i = 0; i < COUNT_OF(model_files) && found == NULL; i++) {
        if (*model->backend != '\0' && strcmp(model->backend, model_files[i].backend) != 0)
            continue;
        char *path = join(directory, model_files[i].file);
        if (is_regular(path)) {
            *backend = model_files[i].backend;
            found = path;
        } else {
            free(path);
        }
    }
    if (found == NULL && *model->backend != '\0')
        config_complain(errors, "%s: holds no model file of the backend %s", directory, model->backend);
    else if (found == NULL)
        config_complain(errors,
                        "%s: holds no model.onnx, model.so, model.echo, model.pipeline, model.pkl, "
                        "model.joblib, model.py, "
                        "model.json or model.ubj",
                        directory);
    free(directory);
    return found;
}

char *model_python(const struct model_config *model, const char *version, const char *standard)
{
    const char *path = model->python;
    if (*path == '\0')
        return object_strdup(standard);
    char *found = *path == '/' ? object_strdup("") : join(model->directory, "");
    for (const char *place; *path != '\0'; path = place) {
        char *longer;
        place = strstr(path, python_version);
        place = place == NULL ? path + strlen(path) : place;
        ENSURE(asprintf(&longer, "%s%.*s%s", found, (int)(place - path), path,
                        *place == '\0' ? "" : version) >= 0);
        free(found);
        found = longer;
        place += *place == '\0' ? 0 : strlen(python_version);
    }
    return found;
}

void model_config_print_template(FILE *out)
{
    fputs("# model.conf: every parameter of a model, at its default. It lies beside the model's version "
          "folders, and what\n"
          "# is left out has its default: an empty file, or none, is fine. The syntax is libconfig's.\n",
          out);
    parameters_print(&table, out);
}
