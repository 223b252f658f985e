/* wiring: see wiring.h. A step is looked at when all before it are known, so one walk finds every fault of
 * shape before anything is computed: in the pipeline's worker when it starts and whenever one of its models
 * has another version, and in `outrigger check`. All that is kept is copied: schemas come and go with
 * catalogs. SPDX-License-Identifier: MIT */
#include "wiring.h"

#include "schema_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHAPE_SHOWN = 96, NAME_SHOWN = 64 };

/* One walk. */
struct walk {
    struct wiring *wiring;
    wiring_find *find;
    void *self;
    char *reason;
    size_t at;         /* the step */
    bool takes_inputs; /* some model gets an input of the pipeline, */
    bool nan;          /* and all that do take NaN */
};

/* Always false. */
__attribute__((format(printf, 2, 3))) static bool fault(struct walk *walk, const char *format, ...)
{
    va_list arguments;
    int length =
        snprintf(walk->reason, WIRING_REASON_MAX, "step %s: ", walk->wiring->pipeline->steps[walk->at].name);
    va_start(arguments, format);
    vsnprintf(walk->reason + length, WIRING_REASON_MAX - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- tensors ---- */

static struct schema_tensor copy_tensor(const struct schema_tensor *tensor, const char *name)
{
    struct schema_tensor copy = *tensor;
    copy.name = object_strdup(name);
    return copy;
}

static struct schema_tensor *add_tensor(struct schema_tensor **tensors, size_t *count)
{
    *tensors = reallocarray(*tensors, *count + 1, sizeof **tensors);
    ENSURE(*tensors != NULL);
    return &(*tensors)[(*count)++];
}

/* "FP32 [-1, 30]" */
static const char *show(const struct schema_tensor *tensor, char text[SHAPE_SHOWN])
{
    int length = snprintf(text, SHAPE_SHOWN, "%s [", datatype_name(tensor->datatype));
    for (uint32_t i = 0; i < tensor->rank && length < SHAPE_SHOWN - 24; i++)
        length += snprintf(text + length, (size_t)(SHAPE_SHOWN - length), i == 0 ? "%lld" : ", %lld",
                           (long long)tensor->shape[i]);
    snprintf(text + length, (size_t)(SHAPE_SHOWN - length), "]");
    return text;
}

/* What one gives may be what the other takes: where both say how many, it is as many. */
static bool fits(const struct schema_tensor *given, const struct schema_tensor *taken)
{
    if (given->datatype != taken->datatype || given->rank != taken->rank)
        return false;
    for (uint32_t i = 1; i < given->rank; i++)
        if (given->shape[i] != -1 && taken->shape[i] != -1 && given->shape[i] != taken->shape[i])
            return false;
    return true;
}

/* What either says of the shape holds. */
static void narrow(struct schema_tensor *tensor, const struct schema_tensor *other)
{
    for (uint32_t i = 1; i < tensor->rank; i++)
        if (tensor->shape[i] == -1)
            tensor->shape[i] = other->shape[i];
}

const struct schema_tensor *wiring_tensor(const struct wiring *wiring, struct wire_end end)
{
    return end.step == PIPELINE_INPUT ? &wiring->inputs[end.tensor]
                                      : &wiring->steps[end.step].outputs[end.tensor];
}

/* ---- sources ---- */

static struct wire_end *add_source(struct wired_step *step)
{
    step->sources = reallocarray(step->sources, step->source_count + 1, sizeof *step->sources);
    ENSURE(step->sources != NULL);
    return &step->sources[step->source_count++];
}

/* An input of the pipeline is what the first model that gets it takes; the others must take the same. */
static bool take_input(struct walk *walk, const char *name, const struct schema_tensor *taken,
                       struct wire_end *end)
{
    struct wiring *wiring = walk->wiring;
    char given[SHAPE_SHOWN], wanted[SHAPE_SHOWN];
    size_t i = 0;
    while (i < wiring->input_count && strcmp(wiring->inputs[i].name, name) != 0)
        i++;
    *end = (struct wire_end){PIPELINE_INPUT, i};
    if (i == wiring->input_count) {
        if (i == PIPELINE_LINKS_MAX)
            return fault(walk, "the pipeline has more than %d inputs", PIPELINE_LINKS_MAX);
        *add_tensor(&wiring->inputs, &wiring->input_count) = copy_tensor(taken, name);
        return true;
    }
    if (!fits(&wiring->inputs[i], taken))
        return fault(walk, "input %.*s: expected %s, but the pipeline's %.*s is %s for a step before",
                     NAME_SHOWN, taken->name, show(taken, wanted), NAME_SHOWN, name,
                     show(&wiring->inputs[i], given));
    narrow(&wiring->inputs[i], taken);
    return true;
}

/* The output of that name of an earlier step. */
static bool find_output(struct walk *walk, const struct pipeline_source *source, struct wire_end *end)
{
    struct wired_step *step = &walk->wiring->steps[source->step];
    for (size_t i = 0; i < step->output_count; i++)
        if (strcmp(step->outputs[i].name, source->tensor) == 0) {
            *end = (struct wire_end){source->step, i};
            step->needed = true;
            return true;
        }
    return fault(walk, "step %s has no output %.*s", step->said->name, NAME_SHOWN, source->tensor);
}

static bool take_source(struct walk *walk, const struct pipeline_source *source,
                        const struct schema_tensor *taken, struct wire_end *end)
{
    char given[SHAPE_SHOWN], wanted[SHAPE_SHOWN];
    if (source->step == PIPELINE_INPUT)
        return take_input(walk, source->tensor, taken, end);
    if (!find_output(walk, source, end))
        return false;
    const struct schema_tensor *tensor = wiring_tensor(walk->wiring, *end);
    return fits(tensor, taken) ||
           fault(walk, "input %.*s: expected %s, but %s.%.*s is %s", NAME_SHOWN, taken->name,
                 show(taken, wanted), walk->wiring->pipeline->steps[source->step].name, NAME_SHOWN,
                 tensor->name, show(tensor, given));
}

/* ---- a step that asks ---- */

static const struct pipeline_link *find_link(const struct pipeline_step *step, const char *name)
{
    for (size_t i = 0; i < step->link_count; i++)
        if (strcmp(step->links[i].name, name) == 0)
            return &step->links[i];
    return NULL;
}

/* Nothing is said of where the inputs come from: those of the first step are the pipeline's, and where one
 * tensor is given and one is taken it is that. */
static bool take_by_default(struct walk *walk, struct wired_step *step, const struct schema_tensor *taken)
{
    struct wired_step *before = walk->at == 0 ? NULL : &walk->wiring->steps[walk->at - 1];
    if (before == NULL)
        return take_input(walk, taken->name, taken, add_source(step));
    if (before->output_count - before->own_outputs != 1 || step->source_count > 0)
        return fault(walk, "inputs: expected where input %.*s comes from, as %s is not clear without",
                     NAME_SHOWN, taken->name, before->output_count == 1 ? "the second one" : "that");
    struct pipeline_source source = {walk->at - 1, before->outputs[0].name};
    return take_source(walk, &source, taken, add_source(step));
}

static bool take_inputs(struct walk *walk, struct wired_step *step, const struct schema *schema)
{
    const struct pipeline_step *said = step->said;
    size_t linked = 0;
    step->inputs = object_alloc(schema->input_count * sizeof *step->inputs);
    for (size_t i = 0; i < schema->input_count; i++) {
        const struct schema_tensor *taken = &schema->inputs[i];
        const struct pipeline_link *link = find_link(said, taken->name);
        step->inputs[step->input_count++] = copy_tensor(taken, taken->name);
        linked += link != NULL;
        if (said->link_count > 0 && link == NULL)
            return fault(walk, "inputs: input %.*s of model %s is missing", NAME_SHOWN, taken->name,
                         said->parts[0].model);
        if (!(link == NULL ? take_by_default(walk, step, taken)
                           : take_source(walk, &link->from, taken, add_source(step))))
            return false;
        if (step->sources[i].step == PIPELINE_INPUT) {
            walk->takes_inputs = true;
            walk->nan = walk->nan && schema->allow_nan;
        }
    }
    return linked == said->link_count ||
           fault(walk, "inputs: model %s takes %zu inputs, and not all of these", said->parts[0].model,
                 schema->input_count);
}

static bool give_outputs(struct walk *walk, struct wired_step *step, const struct schema *schema)
{
    for (size_t i = 0; i < schema->output_count; i++)
        *add_tensor(&step->outputs, &step->output_count) =
            copy_tensor(&schema->outputs[i], schema->outputs[i].name);
    step->labels = schema_copy_names((const char *const *)schema->labels, schema->label_count);
    step->label_count = schema->label_count;
    step->regression = schema->regression;
    step->kind = schema->kind;
    return step->output_count > 0 || fault(walk, "model %s gives nothing", step->said->parts[0].model);
}

static bool same_tensors(struct walk *walk, const char *kind, const struct schema_tensor *one,
                         size_t one_count, const struct schema_tensor *other, size_t other_count,
                         const char *model)
{
    char first[SHAPE_SHOWN], second[SHAPE_SHOWN];
    if (one_count != other_count)
        return fault(walk, "model %s has %zu %ss, the first one %zu", model, other_count, kind, one_count);
    for (size_t i = 0; i < one_count; i++)
        if (strcmp(one[i].name, other[i].name) != 0 || !fits(&one[i], &other[i]))
            return fault(walk, "%s %.*s of model %s is %s, of the first one %.*s %s", kind, NAME_SHOWN,
                         other[i].name, model, show(&other[i], second), NAME_SHOWN, one[i].name,
                         show(&one[i], first));
    return true;
}

/* So that it can be told for each row whether it is in doubt. */
static bool find_confidence(struct walk *walk, struct wired_step *step)
{
    char shown[SHAPE_SHOWN];
    for (size_t i = 0; i < step->output_count; i++) {
        const struct schema_tensor *output = &step->outputs[i];
        if (strcmp(output->name, step->said->confidence) != 0)
            continue;
        step->confidence = i;
        return (datatype_is_float(output->datatype) && output->rank >= 1 && output->rank <= 2) ||
               fault(walk, "confidence: expected floats, some for each row, but %.*s is %s", NAME_SHOWN,
                     output->name, show(output, shown));
    }
    return fault(walk, "confidence: model %s has no output %.*s", step->said->parts[0].model, NAME_SHOWN,
                 step->said->confidence);
}

static void give_own(struct wired_step *step, const char *name, enum datatype datatype)
{
    *add_tensor(&step->outputs, &step->output_count) =
        (struct schema_tensor){object_strdup(name), datatype, 1, {-1}};
    step->own_outputs++;
}

static bool wire_models(struct walk *walk, struct wired_step *step)
{
    const struct pipeline_step *said = step->said;
    for (size_t i = 0; i < said->part_count; i++) {
        char why[WIRING_REASON_MAX] = "";
        const struct schema *schema = walk->find(walk->self, &said->parts[i], why);
        if (schema == NULL)
            return fault(walk, "%s", why);
        if (i == 0 && !(take_inputs(walk, step, schema) && give_outputs(walk, step, schema)))
            return false;
        if (i > 0 && !(same_tensors(walk, "input", step->inputs, step->input_count, schema->inputs,
                                    schema->input_count, said->parts[i].model) &&
                       same_tensors(walk, "output", step->outputs, step->output_count, schema->outputs,
                                    schema->output_count, said->parts[i].model)))
            return false;
    }
    if (said->kind != PIPELINE_CASCADE)
        return true;
    if (!find_confidence(walk, step))
        return false;
    give_own(step, "stage", DATATYPE_INT64);
    return true;
}

/* ---- a step that combines ---- */

static bool is_one_value(const struct schema_tensor *tensor)
{
    return tensor->rank == 1 || (tensor->rank == 2 && tensor->shape[1] == 1);
}

static bool may_combine(struct walk *walk, enum pipeline_kind kind, const struct schema_tensor *tensor)
{
    char shown[SHAPE_SHOWN];
    if (kind == PIPELINE_AVERAGE)
        return tensor->datatype == DATATYPE_FP32 || tensor->datatype == DATATYPE_FP64 ||
               fault(walk, "average: expected FP32 or FP64, but %.*s is %s", NAME_SHOWN, tensor->name,
                     show(tensor, shown));
    return (!datatype_is_float(tensor->datatype) && is_one_value(tensor)) ||
           fault(walk, "vote: expected a label for each row, but %.*s is %s", NAME_SHOWN, tensor->name,
                 show(tensor, shown));
}

static bool wire_combination(struct walk *walk, struct wired_step *step)
{
    const struct pipeline_step *said = step->said;
    struct schema_tensor given = {.rank = 0};
    for (size_t i = 0; i < said->link_count; i++) {
        const struct pipeline_source *source = &said->links[i].from;
        char first[SHAPE_SHOWN], other[SHAPE_SHOWN];
        if (source->step == PIPELINE_INPUT)
            return fault(walk, "%s: expected STEP.OUTPUT, got \"%.*s\"", pipeline_kind_name(said->kind),
                         NAME_SHOWN, source->tensor);
        struct wire_end *end = add_source(step);
        if (!find_output(walk, source, end))
            return false;
        const struct schema_tensor *tensor = wiring_tensor(walk->wiring, *end);
        if (!may_combine(walk, said->kind, tensor))
            return false;
        if (i == 0)
            given = *tensor;
        if (!fits(&given, tensor))
            return fault(walk, "%s: %s.%.*s is %s, but what comes before it %s",
                         pipeline_kind_name(said->kind), walk->wiring->pipeline->steps[source->step].name,
                         NAME_SHOWN, tensor->name, show(tensor, other), show(&given, first));
        narrow(&given, tensor);
    }
    const struct wired_step *first = &walk->wiring->steps[said->links[0].from.step];
    *add_tensor(&step->outputs, &step->output_count) = copy_tensor(&given, "output");
    if (said->kind == PIPELINE_VOTE)
        give_own(step, "share", DATATYPE_FP32);
    step->labels = schema_copy_names((const char *const *)first->labels, first->label_count);
    step->label_count = first->label_count;
    step->regression = first->regression;
    step->kind = first->kind;
    return true;
}

/* ---- the whole ---- */

static bool add_output(struct walk *walk, const char *name, struct wire_end end)
{
    struct wiring *wiring = walk->wiring;
    if (wiring->output_count == PIPELINE_LINKS_MAX)
        return fault(walk, "the pipeline has more than %d outputs", PIPELINE_LINKS_MAX);
    wiring->outputs[wiring->output_count++] = (struct wired_output){object_strdup(name), end};
    return true;
}

static bool wire_outputs(struct walk *walk)
{
    struct wiring *wiring = walk->wiring;
    const struct pipeline *pipeline = wiring->pipeline;
    struct wired_step *last = &wiring->steps[pipeline->step_count - 1];
    wiring->outputs = object_alloc(PIPELINE_LINKS_MAX * sizeof *wiring->outputs);
    last->needed = last->needed || pipeline->output_count == 0;
    for (size_t i = 0; pipeline->output_count == 0 && i < last->output_count - last->own_outputs; i++)
        if (!add_output(walk, last->outputs[i].name, (struct wire_end){pipeline->step_count - 1, i}))
            return false;
    for (size_t i = 0; i < pipeline->output_count; i++) {
        struct wire_end end;
        if (!find_output(walk, &pipeline->outputs[i].from, &end) ||
            !add_output(walk, pipeline->outputs[i].name, end))
            return false;
    }
    for (walk->at = 0; walk->at < pipeline->step_count; walk->at++)
        if (!wiring->steps[walk->at].needed)
            return fault(walk, "nothing takes what it gives");
    if (wiring->input_count == 0) {
        snprintf(walk->reason, WIRING_REASON_MAX, "no step takes anything that is asked");
        return false;
    }
    return true;
}

/* True for a step that gets all that is asked, in that order, and so knows what its columns are. */
static bool takes_all(const struct wiring *wiring, const struct wired_step *step)
{
    bool all = step->said->part_count > 0 && step->source_count == wiring->input_count;
    for (size_t i = 0; all && i < step->source_count; i++)
        all = step->sources[i].step == PIPELINE_INPUT && step->sources[i].tensor == i;
    return all;
}

/* The names of the columns, and what may stand in them, come from the first model that gets them all. */
static void take_columns(struct walk *walk)
{
    struct wiring *wiring = walk->wiring;
    char why[WIRING_REASON_MAX];
    for (size_t i = 0; i < wiring->pipeline->step_count; i++) {
        const struct wired_step *step = &wiring->steps[i];
        const struct schema *schema =
            takes_all(wiring, step) ? walk->find(walk->self, &step->said->parts[0], why) : NULL;
        if (schema == NULL || schema->feature_count == 0)
            continue;
        wiring->features = schema_copy_names((const char *const *)schema->features, schema->feature_count);
        wiring->feature_count = schema->feature_count;
        if (schema->fields != NULL)
            wiring->fields = schema_fields_copy(schema->fields, schema->feature_count);
        return;
    }
}

struct wiring *wiring_new(const struct pipeline *pipeline, wiring_find *find, void *self,
                          char reason[WIRING_REASON_MAX])
{
    struct wiring *wiring = object_alloc(sizeof *wiring);
    struct walk walk = {.wiring = wiring, .find = find, .self = self, .reason = reason, .nan = true};
    bool good = true;
    wiring->pipeline = pipeline;
    wiring->steps = object_alloc(pipeline->step_count * sizeof *wiring->steps);
    for (size_t i = 0; good && i < pipeline->step_count; i++) {
        struct wired_step *step = &wiring->steps[i];
        step->said = &pipeline->steps[i];
        walk.at = i;
        good = step->said->part_count > 0 ? wire_models(&walk, step) : wire_combination(&walk, step);
    }
    if (good && wire_outputs(&walk)) {
        wiring->allow_nan = walk.takes_inputs && walk.nan;
        take_columns(&walk);
        return wiring;
    }
    wiring_free(wiring);
    return NULL;
}

void wiring_free(struct wiring *wiring)
{
    if (wiring == NULL)
        return;
    for (size_t i = 0; i < wiring->pipeline->step_count; i++) {
        struct wired_step *step = &wiring->steps[i];
        schema_free_tensors(step->inputs, step->input_count);
        free(step->sources);
        schema_free_tensors(step->outputs, step->output_count);
        schema_free_names(step->labels, step->label_count);
    }
    for (size_t i = 0; i < wiring->output_count; i++)
        free(wiring->outputs[i].name);
    schema_fields_free(wiring->fields, wiring->feature_count);
    schema_free_names(wiring->features, wiring->feature_count);
    schema_free_tensors(wiring->inputs, wiring->input_count);
    free(wiring->outputs);
    free(wiring->steps);
    free(wiring);
}
