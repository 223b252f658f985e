/* pipeline: see pipeline.h. Here is found out what can be known without the models: names, kinds, and that
 * each step takes what earlier ones give, so that no chain of them comes back to itself. Whether the tensors
 * fit each other needs the models' schemas: wiring.c. Read by the pipeline's worker, and by `outrigger check`
 * and the supervisor, who want to know of which models it is made. SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include "parameter_reader.h"
#include "protocol.h"
#include "reading.h"
#include "tensor.h"

#include <math.h>
#include <stdlib.h>

_Static_assert((int)PIPELINE_LINKS_MAX == (int)TENSOR_COUNT_MAX, "a payload holds what a step takes");

static const char *const kinds[] = {[PIPELINE_MODEL] = "model",
                                    [PIPELINE_CASCADE] = "cascade",
                                    [PIPELINE_AVERAGE] = "average",
                                    [PIPELINE_VOTE] = "vote"};

const char *pipeline_kind_name(enum pipeline_kind kind)
{
    return kinds[kind];
}

void pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    for (size_t i = 0; i < pipeline->step_count; i++) {
        struct pipeline_step *step = &pipeline->steps[i];
        for (size_t j = 0; j < step->part_count; j++) {
            free(step->parts[j].model);
            free(step->parts[j].version);
        }
        for (size_t j = 0; j < step->link_count; j++) {
            free(step->links[j].name);
            free(step->links[j].from.tensor);
        }
        free(step->links);
        free(step->name);
        free(step->weights);
        free(step->confidence);
    }
    for (size_t i = 0; i < pipeline->output_count; i++) {
        free(pipeline->outputs[i].name);
        free(pipeline->outputs[i].from.tensor);
    }
    free(pipeline->outputs);
    free(pipeline->steps);
    free(pipeline);
}

/* ---- members ---- */

static bool is_step_name(const char *name)
{
    return protocol_name_ok(text_of(name)) && strlen(name) <= PIPELINE_NAME_MAX && strchr(name, '.') == NULL;
}

/* A copy of the name of a model or a version; "" after a complaint, and where it is missing and may be. */
static char *read_name(struct reading *reading, const char *place, yyjson_val *object, const char *key,
                       bool needed)
{
    char field[READING_FIELD_MAX];
    yyjson_val *value = yyjson_obj_get(object, key);
    bool good = yyjson_is_str(value) && protocol_name_ok(text_of(yyjson_get_str(value)));
    if (!good && (needed || value != NULL))
        reading_expect(reading, reading_field(place, key, field), "a name (1 to 128 of A-Z a-z 0-9 . _ -)",
                       value);
    return object_strdup(good ? yyjson_get_str(value) : "");
}

static void read_part(struct reading *reading, const char *place, yyjson_val *object,
                      struct pipeline_step *step)
{
    struct pipeline_part *part = &step->parts[step->part_count++];
    part->model = read_name(reading, place, object, "model", true);
    part->version = read_name(reading, place, object, "version", false);
}

static void read_stages(struct reading *reading, const char *place, yyjson_val *list,
                        struct pipeline_step *step)
{
    static const char *const known[] = {"model", "version"};
    char field[READING_FIELD_MAX], element[READING_FIELD_MAX];
    size_t index, size;
    yyjson_val *object;
    reading_field(place, "cascade", field);
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) < 2 || yyjson_arr_size(list) > PIPELINE_STAGES_MAX) {
        reading_expect(reading, field,
                       "a list of 2 to 8 models, as ( { model = \"small\"; }, { model = \"large\"; } )",
                       list);
        return;
    }
    yyjson_arr_foreach(list, index, size, object)
    {
        snprintf(element, sizeof element, "%.60s[%zu]", field, index);
        reading_check_keys(reading, element, object, known, COUNT_OF(known));
        read_part(reading, element, object, step);
    }
}

static void read_confidence(struct reading *reading, const char *place, yyjson_val *object,
                            struct pipeline_step *step)
{
    char field[READING_FIELD_MAX];
    yyjson_val *confidence = yyjson_obj_get(object, "confidence"),
               *threshold = yyjson_obj_get(object, "threshold");
    step->threshold = yyjson_get_num(threshold);
    if (!yyjson_is_str(confidence) || yyjson_get_len(confidence) > TENSOR_NAME_MAX)
        reading_expect(reading, reading_field(place, "confidence", field),
                       "the name of the output that says how sure the model is", confidence);
    if (!yyjson_is_num(threshold) || !(step->threshold > 0 && step->threshold <= 1))
        reading_expect(reading, reading_field(place, "threshold", field), "a number above 0 up to 1",
                       threshold);
    step->confidence = object_strdup(yyjson_is_str(confidence) ? yyjson_get_str(confidence) : "");
}

static void read_weights(struct reading *reading, const char *place, yyjson_val *object,
                         struct pipeline_step *step)
{
    char field[READING_FIELD_MAX];
    yyjson_val *list = yyjson_obj_get(object, "weights"), *value;
    size_t index, size = yyjson_arr_size(list);
    double sum = 0;
    if (list == NULL)
        return;
    reading_field(place, "weights", field);
    bool good = yyjson_is_arr(list) && size == step->link_count;
    step->weights = object_alloc((size + 1) * sizeof *step->weights);
    yyjson_arr_foreach(list, index, size, value)
    {
        step->weights[index] = yyjson_get_num(value);
        good = good && yyjson_is_num(value) && step->weights[index] >= 0 && isfinite(step->weights[index]);
        sum += step->weights[index];
    }
    if (!good || !(sum > 0 && isfinite(sum)))
        reading_complain(reading, field,
                         "expected %zu numbers from 0 on, one for each of what is combined, not all 0",
                         step->link_count);
}

/* ---- where tensors come from ---- */

/* "step.output", or the name of an input of the pipeline. Only what stands before `at` is known yet. */
static bool read_source(struct reading *reading, const char *field, yyjson_val *value,
                        const struct pipeline *pipeline, size_t at, struct pipeline_source *source)
{
    const char *text = yyjson_get_str(value), *dot = text == NULL ? NULL : strchr(text, '.');
    if (text == NULL || *text == '\0' || yyjson_get_len(value) > TENSOR_NAME_MAX || dot == text) {
        reading_expect(reading, field,
                       "STEP.OUTPUT of a step before, or the name of an input of the pipeline", value);
        return false;
    }
    source->step = PIPELINE_INPUT;
    source->tensor = object_strdup(dot == NULL ? text : dot + 1);
    for (size_t i = 0; dot != NULL && i < at; i++)
        if (text_is((struct text){text, (size_t)(dot - text)}, pipeline->steps[i].name))
            source->step = i;
    if (dot != NULL && source->step == PIPELINE_INPUT)
        reading_complain(reading, field, "no step before this one is called %.*s", (int)(dot - text), text);
    return true;
}

static bool is_linked(const struct pipeline_link *links, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(links[i].name, name) == 0)
            return true;
    return false;
}

/* One NAME = SOURCE. */
static void read_link(struct reading *reading, const char *place, yyjson_val *key, yyjson_val *value,
                      const struct pipeline *pipeline, size_t at, struct pipeline_link *links, size_t *count)
{
    char field[READING_FIELD_MAX];
    const char *name = yyjson_get_str(key);
    reading_field(place, name == NULL ? "" : name, field);
    if (name == NULL || *name == '\0' || yyjson_get_len(key) > TENSOR_NAME_MAX)
        reading_expect(reading, place, "the name of a tensor", key);
    else if (is_linked(links, *count, name))
        reading_complain(reading, field, "stands there twice");
    else if (read_source(reading, field, value, pipeline, at, &links[*count].from))
        links[(*count)++].name = object_strdup(name);
}

/* { name = "source"; }, or, for names that are none of libconfig's, ( ( "name", "source" ), ... ). */
static void read_links(struct reading *reading, const char *place, yyjson_val *value,
                       const struct pipeline *pipeline, size_t at, struct pipeline_link **links,
                       size_t *count)
{
    size_t index, size = yyjson_is_obj(value) ? yyjson_obj_size(value) : yyjson_arr_size(value);
    yyjson_val *key, *element;
    if ((!yyjson_is_obj(value) && !yyjson_is_arr(value)) || size == 0 || size > PIPELINE_LINKS_MAX) {
        reading_expect(reading, place, "1 to 64 tensors, as { features = \"scale.output\"; }", value);
        return;
    }
    *links = object_alloc(size * sizeof **links);
    if (yyjson_is_obj(value))
        yyjson_obj_foreach(value, index, size, key, element)
        {
            read_link(reading, place, key, element, pipeline, at, *links, count);
        }
    else
        yyjson_arr_foreach(value, index, size, element)
        {
            if (yyjson_arr_size(element) == 2)
                read_link(reading, place, yyjson_arr_get(element, 0), yyjson_arr_get(element, 1), pipeline,
                          at, *links, count);
            else
                reading_expect(reading, place, "pairs, as ( ( \"dense:0\", \"scale.output\" ) )", element);
        }
}

/* What an average or a vote is of. */
static void read_combined(struct reading *reading, const char *place, yyjson_val *list,
                          const struct pipeline *pipeline, size_t at, struct pipeline_step *step)
{
    char field[READING_FIELD_MAX], element[READING_FIELD_MAX];
    size_t index, size = yyjson_arr_size(list);
    yyjson_val *value;
    reading_field(place, kinds[step->kind], field);
    if (!yyjson_is_arr(list) || size < 2 || size > PIPELINE_LINKS_MAX) {
        reading_expect(reading, field, "a list of 2 to 64 tensors, as ( \"a.output\", \"b.output\" )", list);
        return;
    }
    step->links = object_alloc(size * sizeof *step->links);
    yyjson_arr_foreach(list, index, size, value)
    {
        snprintf(element, sizeof element, "%.60s[%zu]", field, index);
        if (read_source(reading, element, value, pipeline, at, &step->links[step->link_count].from))
            step->link_count++;
    }
}

/* ---- steps ---- */

static bool find_kind(struct reading *reading, const char *place, yyjson_val *object,
                      enum pipeline_kind *kind)
{
    size_t found = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (yyjson_obj_get(object, kinds[i]) != NULL) {
            *kind = (enum pipeline_kind)i;
            found++;
        }
    if (found != 1)
        reading_complain(reading, place, "expected one of model, cascade, average and vote, got %zu of them",
                         found);
    return found == 1;
}

static void check_step_keys(struct reading *reading, const char *place, yyjson_val *object,
                            enum pipeline_kind kind)
{
    static const char *const of_model[] = {"name", "model", "version", "inputs"};
    static const char *const of_cascade[] = {"name", "cascade", "confidence", "threshold", "inputs"};
    const char *of_combination[] = {"name", kinds[kind], "weights"};
    if (kind == PIPELINE_MODEL)
        reading_check_keys(reading, place, object, of_model, COUNT_OF(of_model));
    else if (kind == PIPELINE_CASCADE)
        reading_check_keys(reading, place, object, of_cascade, COUNT_OF(of_cascade));
    else
        reading_check_keys(reading, place, object, of_combination, COUNT_OF(of_combination));
}

static void read_step_name(struct reading *reading, const char *place, yyjson_val *object,
                           struct pipeline *pipeline, size_t at)
{
    char field[READING_FIELD_MAX];
    const char *name = yyjson_get_str(yyjson_obj_get(object, "name"));
    reading_field(place, "name", field);
    if (name == NULL || !is_step_name(name))
        reading_expect(reading, field, "the step's name (1 to 64 of A-Z a-z 0-9 _ -)",
                       yyjson_obj_get(object, "name"));
    for (size_t i = 0; name != NULL && i < at; i++)
        if (strcmp(pipeline->steps[i].name, name) == 0)
            reading_complain(reading, field, "\"%.64s\" is the name of [%zu], too", name, i);
    pipeline->steps[at].name = object_strdup(name == NULL ? "" : name);
}

static void read_step(struct reading *reading, yyjson_val *object, struct pipeline *pipeline, size_t at)
{
    char place[READING_FIELD_MAX], field[READING_FIELD_MAX];
    struct pipeline_step *step = &pipeline->steps[at];
    snprintf(place, sizeof place, "[%zu]", at);
    read_step_name(reading, place, object, pipeline, at);
    if (!find_kind(reading, place, object, &step->kind))
        return;
    check_step_keys(reading, place, object, step->kind);
    yyjson_val *said = yyjson_obj_get(object, kinds[step->kind]), *inputs = yyjson_obj_get(object, "inputs");
    if (step->kind == PIPELINE_MODEL)
        read_part(reading, place, object, step);
    if (step->kind == PIPELINE_CASCADE) {
        read_stages(reading, place, said, step);
        read_confidence(reading, place, object, step);
    }
    if (step->kind == PIPELINE_AVERAGE || step->kind == PIPELINE_VOTE) {
        read_combined(reading, place, said, pipeline, at, step);
        read_weights(reading, place, object, step);
    } else if (inputs != NULL) {
        read_links(reading, reading_field(place, "inputs", field), inputs, pipeline, at, &step->links,
                   &step->link_count);
    }
}

/* ---- the two groups of the file ---- */

static void read_steps(void *target, yyjson_val *value, parameter_fault *fault, void *self)
{
    struct pipeline *pipeline = target;
    struct reading reading = {.fault = fault, .self = self};
    size_t index, size = yyjson_arr_size(value);
    yyjson_val *object;
    if (!yyjson_is_arr(value) || size == 0 || size > PIPELINE_STEPS_MAX) {
        reading_expect(&reading, "",
                       "a list of 1 to 32 steps, as ( { name = \"scale\"; model = \"scaler\"; }, ... )",
                       value);
        return;
    }
    pipeline->steps = object_alloc(size * sizeof *pipeline->steps);
    yyjson_arr_foreach(value, index, size, object)
    {
        pipeline->step_count++;
        read_step(&reading, object, pipeline, index);
    }
}

static void read_outputs(void *target, yyjson_val *value, parameter_fault *fault, void *self)
{
    struct pipeline *pipeline = target;
    struct reading reading = {.fault = fault, .self = self};
    read_links(&reading, "", value, pipeline, pipeline->step_count, &pipeline->outputs,
               &pipeline->output_count);
    for (size_t i = 0; i < pipeline->output_count; i++)
        if (pipeline->outputs[i].from.step == PIPELINE_INPUT)
            reading_complain(&reading, pipeline->outputs[i].name, "expected STEP.OUTPUT, got \"%.80s\"",
                             pipeline->outputs[i].from.tensor);
}

static void pass_over(void *target, yyjson_val *value, parameter_fault *fault, void *self)
{
    (void)target;
    (void)value;
    (void)fault;
    (void)self;
}

/* Outputs are of steps, and may stand before them in the file: so the file is gone through for the steps, and
 * then for the outputs. */
static const struct parameter_group passes[][2] = {
    {{"steps", read_steps, NULL}, {"outputs", pass_over, NULL}},
    {{"steps", pass_over, NULL}, {"outputs", read_outputs, NULL}}};

struct pipeline *pipeline_parse(const char *name, const char *text, struct config_errors *errors)
{
    struct pipeline *pipeline = object_alloc(sizeof *pipeline);
    int before = errors->count;
    for (size_t i = 0; i < COUNT_OF(passes) && errors->count == before; i++) {
        const struct parameter_table table = {.groups = passes[i], .group_count = COUNT_OF(passes[i])};
        struct parameter_reader *reader = parameter_reader_new(&table, pipeline, name, errors);
        parameter_read_text(reader, name, text);
        parameter_reader_free(reader);
    }
    if (pipeline->step_count == 0 && errors->count == before)
        config_complain(errors, "%s: steps: expected a list of steps, got nothing", name);
    if (errors->count == before)
        return pipeline;
    pipeline_free(pipeline);
    return NULL;
}

bool pipeline_is_file(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcmp(dot, ".pipeline") == 0;
}

struct pipeline *pipeline_read(const char *file, struct config_errors *errors)
{
    const char *reason;
    char *text = parameter_slurp(file, &reason);
    struct pipeline *pipeline = text == NULL ? NULL : pipeline_parse(file, text, errors);
    if (text == NULL)
        config_complain(errors, "%s: %s", file, reason);
    free(text);
    return pipeline;
}
