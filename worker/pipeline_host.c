/* pipeline_host: see pipeline_host.h.
 *
 * The worker of a pipeline is an asker, too: what its models take it reads in the catalog, as any asker does.
 * It waits for them at its start: for long where they are on their way, and not where one is missing, has
 * failed or does not fit, for then a person has to see to it and shall read at once in the supervisor's
 * report why. When a model has another version later that takes or gives something else, the worker ends, and
 * the one that is started for it finds out whether the pipeline can go on with that.
 *
 * Golden requests and the warm-up call `run` as of any engine, one request at a time; the session starts
 * flows of its own, many at a time. SPDX-License-Identifier: MIT */
#include "pipeline_host.h"

#include "clock.h"
#include "schema_fields.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)SCHEMA_PARTS_MAX >= PIPELINE_STEPS_MAX * PIPELINE_STAGES_MAX, "all are told");

enum { HOST_MAGIC = 0x90570001, PARTS_MAX = PIPELINE_STEPS_MAX * PIPELINE_STAGES_MAX, SHOWN = 160 };

/* A model that is missing, has failed or does not fit may be seen to in a moment, as when all is started. */
#define GRACE (2 * SECOND)

/* A model of some step, as the last catalog has it. */
struct part {
    const struct pipeline_part *said;
    bool ready;
    bool hopeless;  /* it does not come by waiting alone */
    uint8_t *bytes; /* of the schema as it came, to see that it is still the same; NULL: none came */
    size_t length;
    struct schema *schema;
    char why[SHOWN * 2]; /* it is not ready */
};

struct pipeline_host {
    unsigned magic;
    struct pipeline_host_options options;
    struct client *client;
    struct pipeline *pipeline;
    struct wiring *wiring;
    struct flows *flows;
    struct part *parts;
    size_t part_count;
    bool opening; /* the loop runs until the models are there */
    char why[WIRING_REASON_MAX];
    struct loop_timer patience, grace;
    bool impatient;
    pipeline_changed *changed;
    void *self;
    /* of the call of run: */
    bool ended;
    struct tensor outputs[TENSOR_COUNT_MAX];
    char *error; /* NULL: it went well */
    struct backend_tensor described[2][TENSOR_COUNT_MAX];
};

/* ---- the models, by the catalog ---- */

static bool is_part(const struct part *part, const struct catalog_entry *entry)
{
    return text_is(entry->model, part->said->model) &&
           (*part->said->version == '\0' ? entry->stable : text_is(entry->version, part->said->version));
}

static const struct catalog_entry *find_entry(const struct part *part, const struct catalog_entry *entries,
                                              size_t count, bool *has_model)
{
    *has_model = false;
    for (size_t i = 0; i < count; i++) {
        *has_model = *has_model || text_is(entries[i].model, part->said->model);
        if (is_part(part, &entries[i]))
            return &entries[i];
    }
    return NULL;
}

static void take_schema(struct part *part, struct text bytes)
{
    const char *wrong = NULL;
    if (bytes.length == 0 ||
        (part->length == bytes.length && memcmp(part->bytes, bytes.at, bytes.length) == 0))
        return; /* a version that is loading is told without: what it said before holds */
    free(part->bytes);
    schema_free(part->schema);
    part->bytes = object_alloc(bytes.length);
    memcpy(part->bytes, bytes.at, bytes.length);
    part->length = bytes.length;
    part->schema = schema_decode(part->bytes, part->length, &wrong);
}

static void look_at(struct part *part, const struct catalog_entry *entries, size_t count)
{
    const struct pipeline_part *said = part->said;
    bool has_model;
    const struct catalog_entry *entry = find_entry(part, entries, count, &has_model);
    part->ready = entry != NULL && entry->state == CATALOG_READY;
    part->hopeless = entry == NULL || entry->state == CATALOG_FAILED || entry->reason.length > 0;
    part->why[0] = '\0';
    if (!has_model)
        snprintf(part->why, sizeof part->why, "there is no model %s", said->model);
    else if (entry == NULL && *said->version == '\0')
        snprintf(part->why, sizeof part->why, "model %s has no version that takes requests", said->model);
    else if (entry == NULL)
        snprintf(part->why, sizeof part->why, "no version %s of model %s is served", said->version,
                 said->model);
    else if (!part->ready)
        snprintf(part->why, sizeof part->why, "version %.*s of model %s is not ready%s%.*s",
                 (int)entry->version.length, entry->version.at, said->model,
                 entry->reason.length > 0 ? ": " : "",
                 (int)(entry->reason.length < SHOWN ? entry->reason.length : SHOWN), entry->reason.at);
    if (entry != NULL)
        take_schema(part, entry->schema);
    if (part->bytes != NULL && part->schema == NULL) {
        part->hopeless = true;
        snprintf(part->why, sizeof part->why, "what model %s takes is unreadable", said->model);
    }
}

static bool same_part(const struct pipeline_part *one, const struct pipeline_part *other)
{
    return strcmp(one->model, other->model) == 0 && strcmp(one->version, other->version) == 0;
}

static struct part *find_part(struct pipeline_host *host, const struct pipeline_part *said)
{
    for (size_t i = 0; i < host->part_count; i++)
        if (same_part(host->parts[i].said, said))
            return &host->parts[i];
    return NULL;
}

static void list_parts(struct pipeline_host *host)
{
    const struct pipeline *pipeline = host->pipeline;
    host->parts = object_alloc(PARTS_MAX * sizeof *host->parts);
    for (size_t i = 0; i < pipeline->step_count; i++)
        for (size_t j = 0; j < pipeline->steps[i].part_count; j++) {
            const struct pipeline_part *said = &pipeline->steps[i].parts[j];
            if (find_part(host, said) == NULL)
                host->parts[host->part_count++] = (struct part){.said = said};
        }
}

static const struct schema *find_schema(void *self, const struct pipeline_part *said,
                                        char reason[WIRING_REASON_MAX])
{
    const struct part *part = find_part(self, said);
    if (part->schema == NULL)
        snprintf(reason, WIRING_REASON_MAX, "%s",
                 *part->why == '\0' ? "what its model takes is not known" : part->why);
    return part->schema;
}

/* ---- models that are made of it in turn ---- */

/* A catalog, to be asked for stable versions. */
struct told {
    const struct catalog_entry *entries;
    size_t count;
    char version[PROTOCOL_NAME_MAX + 1];
};

static const char *stable_version(void *self, const char *model)
{
    struct told *told = self;
    for (size_t i = 0; i < told->count; i++)
        if (told->entries[i].stable && text_is(told->entries[i].model, model))
            return text_copy(told->entries[i].version, told->version, sizeof told->version);
    return NULL;
}

static bool contains_itself(struct pipeline_host *host, const struct catalog_entry *entries, size_t count)
{
    struct told told = {.entries = entries, .count = count};
    return !pipeline_tree_check(host->options.tree, host->options.model, host->options.version,
                                stable_version, &told, host->why);
}

/* ---- at the start ---- */

static void lose_patience(void *self)
{
    struct pipeline_host *host = self;
    host->impatient = true;
    loop_stop(host->options.loop);
}

/* What is in the way stands in host->why; "" when nothing is. True when waiting alone will not help. */
static bool look_for_fault(struct pipeline_host *host)
{
    const struct pipeline *pipeline = host->pipeline;
    const char *why = NULL;
    host->why[0] = '\0';
    for (size_t i = 0; i < pipeline->step_count; i++)
        for (size_t j = 0; j < pipeline->steps[i].part_count; j++) {
            const struct part *part = find_part(host, &pipeline->steps[i].parts[j]);
            if ((part->ready && part->schema != NULL) || (why != NULL && !part->hopeless))
                continue;
            why = part->why;
            snprintf(host->why, sizeof host->why, "step %s: %s", pipeline->steps[i].name, why);
            if (part->hopeless)
                return true;
        }
    if (why != NULL)
        return false;
    host->wiring = wiring_new(pipeline, find_schema, host, host->why);
    return host->wiring == NULL;
}

static void try_to_open(struct pipeline_host *host, const struct catalog_entry *entries, size_t count)
{
    bool hopeless = contains_itself(host, entries, count) || look_for_fault(host);
    if (host->wiring != NULL)
        loop_stop(host->options.loop);
    else if (!hopeless)
        loop_timer_cancel(host->options.loop, &host->grace);
    else if (!heap_contains(&host->grace.node))
        loop_timer_set(host->options.loop, &host->grace, loop_now(host->options.loop) + GRACE, lose_patience,
                       host);
}

/* ---- later ---- */

static bool same_tensors(const struct schema_tensor *one, size_t one_count, const struct schema_tensor *other,
                         size_t other_count)
{
    bool same = one_count == other_count;
    for (size_t i = 0; same && i < one_count; i++)
        same = strcmp(one[i].name, other[i].name) == 0 && one[i].datatype == other[i].datatype &&
               one[i].rank == other[i].rank &&
               memcmp(one[i].shape, other[i].shape, one[i].rank * sizeof one[i].shape[0]) == 0;
    return same;
}

static bool same_names(char *const *one, size_t one_count, char *const *other, size_t other_count)
{
    bool same = one_count == other_count;
    for (size_t i = 0; same && i < one_count; i++)
        same = strcmp(one[i], other[i]) == 0;
    return same;
}

static bool same_wiring(const struct wiring *one, const struct wiring *other)
{
    bool same = same_tensors(one->inputs, one->input_count, other->inputs, other->input_count) &&
                same_names(one->features, one->feature_count, other->features, other->feature_count) &&
                one->allow_nan == other->allow_nan && (one->fields == NULL) == (other->fields == NULL) &&
                (one->fields == NULL || schema_fields_equal(one->fields, other->fields, one->feature_count));
    for (size_t i = 0; same && i < one->pipeline->step_count; i++) {
        const struct wired_step *a = &one->steps[i], *b = &other->steps[i];
        same = same_tensors(a->inputs, a->input_count, b->inputs, b->input_count) &&
               same_tensors(a->outputs, a->output_count, b->outputs, b->output_count) &&
               same_names(a->labels, a->label_count, b->labels, b->label_count);
    }
    return same;
}

/* Models come and go, and that is told to who asks; but what they take and give must stay. */
static void look_for_change(struct pipeline_host *host)
{
    char reason[WIRING_REASON_MAX] = "a model that it is made of takes or gives something else now";
    struct wiring *wiring = wiring_new(host->pipeline, find_schema, host, reason);
    pipeline_changed *changed = host->changed;
    if (wiring == NULL || !same_wiring(wiring, host->wiring)) {
        host->changed = NULL;
        changed(host->self, reason);
    }
    wiring_free(wiring);
}

static void catalog_came(void *self, const struct catalog_entry *entries, size_t count)
{
    struct pipeline_host *host = self;
    CHECK_OBJECT(host, HOST_MAGIC);
    for (size_t i = 0; i < host->part_count; i++)
        look_at(&host->parts[i], entries, count);
    if (host->opening && host->wiring == NULL)
        try_to_open(host, entries, count);
    else if (host->changed != NULL)
        look_for_change(host);
}

void pipeline_host_watch(struct pipeline_host *host, pipeline_changed *changed, void *self)
{
    CHECK_OBJECT(host, HOST_MAGIC);
    host->changed = changed;
    host->self = self;
    if (changed != NULL) /* since it was opened, something may have */
        look_for_change(host);
}

/* ---- one request at a time ---- */

static void run_ended(void *owner, const struct flow_end *end)
{
    struct pipeline_host *host = owner;
    host->ended = true;
    if (end->failure != FAILURE_NONE) {
        host->error = object_strdup(end->message);
    } else {
        for (size_t i = 0; i < host->wiring->output_count; i++) {
            uint8_t *copy = object_alloc(end->outputs[i].bytes);
            memcpy(copy, end->outputs[i].data, end->outputs[i].bytes);
            host->outputs[i] = end->outputs[i];
            host->outputs[i].data = copy;
        }
    }
    loop_stop(host->options.loop);
}

static void forget_outputs(struct pipeline_host *host)
{
    for (size_t i = 0; i < TENSOR_COUNT_MAX; i++)
        free((void *)host->outputs[i].data);
    memset(host->outputs, 0, sizeof host->outputs);
    free(host->error);
    host->error = NULL;
    host->ended = false;
}

static int run(void *state, const struct backend_values *inputs, struct backend_values *outputs, char *error)
{
    struct pipeline_host *host = state;
    struct tensor tensors[TENSOR_COUNT_MAX];
    CHECK_OBJECT(host, HOST_MAGIC);
    forget_outputs(host);
    for (size_t i = 0; i < host->wiring->input_count; i++) {
        const struct schema_tensor *input = &host->wiring->inputs[i];
        tensors[i] = (struct tensor){text_of(input->name), input->datatype, inputs[i].rank, {0},
                                     inputs[i].data,       inputs[i].bytes};
        memcpy(tensors[i].shape, inputs[i].shape, sizeof tensors[i].shape);
    }
    struct flow *flow = flow_start(host->flows,
                                   &(struct flow_ask){.inputs = tensors,
                                                      .rows = (size_t)inputs[0].shape[0],
                                                      .deadline = clock_now() + host->options.most_time,
                                                      .priority = PROTOCOL_PRIORITY_ONLINE},
                                   run_ended, host);
    if (!host->ended)
        loop_run(host->options.loop);
    if (!host->ended) {
        flow_cancel(flow);
        snprintf(error, BACKEND_ERROR_MAX, "stopped while its models were asked");
        return -1;
    }
    if (host->error != NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "%s", host->error);
        return -1;
    }
    for (size_t i = 0; i < host->wiring->output_count; i++) {
        outputs[i] = (struct backend_values){
            host->outputs[i].data, host->outputs[i].bytes, host->outputs[i].rank, {0}};
        memcpy(outputs[i].shape, host->outputs[i].shape, sizeof outputs[i].shape);
    }
    return 0;
}

static void keep_host(void *state)
{
    (void)state;
}

static const struct backend backend = {
    .name = "pipeline", .suffix = ".pipeline", .run = run, .close = keep_host};

/* ---- the model ---- */

static struct backend_tensor describe(const struct schema_tensor *tensor, const char *name)
{
    struct backend_tensor described = {name, datatype_name(tensor->datatype), tensor->rank, {0}};
    memcpy(described.shape, tensor->shape, sizeof described.shape);
    return described;
}

/* What model.conf does not say of columns is what the models say, with all that values may be. */
static void inherit_columns(const struct wiring *wiring, const struct model_config *config,
                            struct schema *schema)
{
    schema->allow_nan = schema->allow_nan || wiring->allow_nan;
    if (config->features.count > 0 || config->input_count > 0 || wiring->feature_count == 0)
        return;
    schema_free_names(schema->features, schema->feature_count);
    schema->features = schema_copy_names((const char *const *)wiring->features, wiring->feature_count);
    schema->feature_count = wiring->feature_count;
    if (wiring->fields != NULL)
        schema->fields = schema_fields_copy(wiring->fields, wiring->feature_count);
}

/* For whoever wants to know what it is made of: the broker, which tells it as ready only while they are. */
static void tell_parts(const struct pipeline *pipeline, struct schema *schema)
{
    struct schema_part parts[SCHEMA_PARTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < pipeline->step_count; i++)
        for (size_t j = 0; j < pipeline->steps[i].part_count; j++) {
            const struct pipeline_part *part = &pipeline->steps[i].parts[j];
            parts[count++] = (struct schema_part){text_of(pipeline->steps[i].name), text_of(part->model),
                                                  text_of(part->version)};
        }
    schema_set_parts(schema, parts, count);
}

static struct loaded_model *make_model(struct pipeline_host *host, const struct model_config *config,
                                       char *error)
{
    const struct wiring *wiring = host->wiring;
    for (size_t i = 0; i < wiring->input_count; i++)
        host->described[0][i] = describe(&wiring->inputs[i], wiring->inputs[i].name);
    for (size_t i = 0; i < wiring->output_count; i++)
        host->described[1][i] =
            describe(wiring_tensor(wiring, wiring->outputs[i].from), wiring->outputs[i].name);
    const struct wired_step *last = &wiring->steps[wiring->outputs[0].from.step];
    struct backend_description description = {
        .platform = "pipeline",
        .inputs = host->described[0],
        .input_count = wiring->input_count,
        .outputs = host->described[1],
        .output_count = wiring->output_count,
        .task = schema_task(&(struct schema){.regression = last->regression, .kind = last->kind}),
        .labels = (const char *const *)last->labels,
        .label_count = last->label_count};
    struct loaded_model *model = loaded_model_take(&backend, host, &description, config, error);
    if (model != NULL) {
        inherit_columns(wiring, config, model->schema);
        tell_parts(host->pipeline, model->schema);
    }
    return model;
}

struct loaded_model *pipeline_host_open(struct pipeline_host *host, const char *path,
                                        const struct model_config *config, char *error)
{
    CHECK_OBJECT(host, HOST_MAGIC);
    const struct pipeline_host_options *options = &host->options;
    struct config_errors errors = {0};
    host->pipeline = pipeline_read(path, &errors);
    if (host->pipeline == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
        return NULL;
    }
    list_parts(host);
    snprintf(host->why, sizeof host->why, "the broker has not told of any model");
    host->opening = true;
    host->client = client_new(options->zmq, options->loop, options->endpoint,
                              options->slots * PIPELINE_STEPS_MAX, options->metrics, catalog_came, host);
    loop_timer_set(options->loop, &host->patience, loop_now(options->loop) + options->patience, lose_patience,
                   host);
    loop_run(options->loop);
    loop_timer_cancel(options->loop, &host->patience);
    loop_timer_cancel(options->loop, &host->grace);
    host->opening = false;
    if (host->wiring == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "%s", host->impatient ? host->why : "stopped while it waited");
        return NULL;
    }
    host->flows = flows_new(host->wiring, host->client, options->metrics, options->model, options->version);
    return make_model(host, config, error);
}

struct flows *pipeline_host_flows(struct pipeline_host *host)
{
    CHECK_OBJECT(host, HOST_MAGIC);
    return host->flows;
}

struct pipeline_host *pipeline_host_new(const struct pipeline_host_options *options)
{
    struct pipeline_host *host = object_alloc(sizeof *host);
    host->magic = HOST_MAGIC;
    host->options = *options;
    return host;
}

void pipeline_host_free(struct pipeline_host *host)
{
    if (host == NULL)
        return;
    CHECK_OBJECT(host, HOST_MAGIC);
    forget_outputs(host);
    flows_free(host->flows);
    client_free(host->client);
    for (size_t i = 0; i < host->part_count; i++) {
        free(host->parts[i].bytes);
        schema_free(host->parts[i].schema);
    }
    free(host->parts);
    wiring_free(host->wiring);
    pipeline_free(host->pipeline);
    host->magic = 0;
    free(host);
}
