/* oip_statistics: see oip_statistics.h. Every key is there in every answer, since clients that measure
 * (perf_analyzer) read all of them. The engine's time is compute_infer; all else between the broker's
 * decision and the answer, the way there and back, is compute_input, and compute_output is 0: nobody can tell
 * the halves apart. Called by oip.c. SPDX-License-Identifier: MIT */
#include "oip_statistics.h"

#include "clock.h"
#include "oip_task.h"
#include "problem.h"

bool oip_statistics_ask(const struct config *config, struct text model, struct text version,
                        struct api_call *call, struct http_response *response)
{
    const struct catalog_model *found =
        model.length == 0 ? NULL : auth_find_model(call->catalog, &call->identity, model);
    if (model.length > 0 && found == NULL) {
        problem_kind(response, FAILURE_INVALID, "requested model '%.*s' is not available", (int)model.length,
                     model.at);
        return false;
    }
    if (found != NULL && version.length > 0 && catalog_version(found, version) == NULL) {
        problem_kind(response, FAILURE_INVALID, "requested model version is not available for model '%s'",
                     found->name);
        return false;
    }
    call->task = object_alloc(sizeof *call->task);
    call->task->errand =
        (struct errand){.kind = ERRAND_STATISTICS,
                        .deadline = call->received + config->frontend_request_timeout_ms * MILLISECOND};
    text_copy(model, call->task->model, sizeof call->task->model);
    text_copy(version, call->task->version, sizeof call->task->version);
    return true;
}

/* ---- writing ---- */

struct part {
    uint64_t count, ns;
};

static struct part part_in(yyjson_val *entry, const char *name)
{
    yyjson_val *part = yyjson_obj_get(entry, name);
    return (struct part){yyjson_get_uint(yyjson_arr_get(part, 0)), yyjson_get_uint(yyjson_arr_get(part, 1))};
}

static uint64_t number_in(yyjson_val *entry, const char *name)
{
    return yyjson_get_uint(yyjson_obj_get(entry, name));
}

static void add_number(struct output *out, const char *name, uint64_t number)
{
    output_add_string(out, name);
    output_add_unsigned(out, number);
}

static void add_part(struct output *out, const char *name, struct part part)
{
    output_add_string(out, name);
    add_number(out, "{\"count\":", part.count);
    add_number(out, ",\"ns\":", part.ns);
    output_add_char(out, '}');
}

static void add_inference(struct output *out, yyjson_val *entry)
{
    struct part computed = part_in(entry, "computed"), none = {0, 0};
    struct part misses =
        yyjson_is_true(yyjson_obj_get(entry, "caches")) ? (struct part){computed.count, 0} : none;
    add_part(out, ",\"inference_stats\":{\"success\":", part_in(entry, "success"));
    add_part(out, ",\"fail\":", part_in(entry, "fail"));
    add_part(out, ",\"queue\":", part_in(entry, "queue"));
    add_part(out, ",\"compute_input\":", part_in(entry, "handed"));
    add_part(out, ",\"compute_infer\":", computed);
    add_part(out, ",\"compute_output\":", (struct part){computed.count, 0});
    add_part(out, ",\"cache_hit\":", part_in(entry, "shared"));
    add_part(out, ",\"cache_miss\":", misses);
    output_add_char(out, '}');
}

static void add_sizes(struct output *out, yyjson_val *entry)
{
    size_t at, count;
    yyjson_val *size;
    output_add_string(out, ",\"response_stats\":{},\"batch_stats\":[");
    yyjson_arr_foreach(yyjson_obj_get(entry, "sizes"), at, count, size)
    {
        uint64_t batches = yyjson_get_uint(yyjson_arr_get(size, 1));
        add_number(
            out, at > 0 ? ",{\"batch_size\":" : "{\"batch_size\":", yyjson_get_uint(yyjson_arr_get(size, 0)));
        add_part(out,
                 ",\"compute_input\":", (struct part){batches, yyjson_get_uint(yyjson_arr_get(size, 2))});
        add_part(out,
                 ",\"compute_infer\":", (struct part){batches, yyjson_get_uint(yyjson_arr_get(size, 3))});
        add_part(out, ",\"compute_output\":", (struct part){batches, 0});
        output_add_char(out, '}');
    }
    output_add_string(out, "],\"memory_usage\":[]");
}

static void add_version(struct output *out, yyjson_val *entry, const char *model, const char *version)
{
    output_add_string(out, "{\"name\":");
    output_add_json(out, text_of(model));
    output_add_string(out, ",\"version\":");
    output_add_json(out, text_of(version));
    add_number(out, ",\"last_inference\":", number_in(entry, "last_ms"));
    add_number(out, ",\"inference_count\":", number_in(entry, "rows"));
    add_number(out, ",\"execution_count\":", number_in(entry, "batches"));
    add_inference(out, entry);
    add_sizes(out, entry);
    output_add_char(out, '}');
}

static bool is_wanted(const char *wanted, const char *name)
{
    return *wanted == '\0' || strcmp(wanted, name) == 0;
}

void oip_statistics_answer(const struct api_call *call, yyjson_val *answer, struct http_response *response)
{
    size_t at, count;
    yyjson_val *entry, *models = yyjson_obj_get(answer, "models");
    struct output *out = &response->body;
    bool first = true;
    if (!yyjson_is_arr(models)) {
        problem_kind(response, FAILURE_NOT_READY, "the statistics are not there at the moment");
        response->retry_after = 1;
        return;
    }
    output_add_string(out, "{\"model_stats\":[");
    yyjson_arr_foreach(models, at, count, entry)
    {
        const char *model = yyjson_get_str(yyjson_obj_get(entry, "model"));
        const char *version = yyjson_get_str(yyjson_obj_get(entry, "version"));
        if (model == NULL || version == NULL || !is_wanted(call->task->model, model) ||
            !is_wanted(call->task->version, version) || !auth_may_use(&call->identity, text_of(model)))
            continue;
        if (!first)
            output_add_char(out, ',');
        add_version(out, entry, model, version);
        first = false;
    }
    output_add_string(out, "]}");
}
