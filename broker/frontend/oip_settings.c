/* oip_settings: what clients of the protocol may ask about and set elsewhere.
 *
 * Here settings are the administrator's, and hold for all processes: outrigger.conf has them. So what is
 * there is told, and setting anything to what it is, or to nothing, is granted; any change is refused, and
 * not pretended. Memory that is shared with clients would need them on this host and in our trust: there is
 * never a region, so asking for them and giving them all up succeed. Called by oip.c.
 * SPDX-License-Identifier: MIT */
#include "oip_settings.h"

struct setting {
    const char *name;
    const char *value;  /* as JSON */
    const char *refuse; /* what a change is answered */
};

static void tell(const struct setting *settings, size_t count, struct output *out)
{
    for (size_t i = 0; i < count; i++) {
        output_add_string(out, i > 0 ? ",\"" : "{\"");
        output_add_string(out, settings[i].name);
        output_add_string(out, "\":");
        output_add_string(out, settings[i].value);
    }
    output_add_char(out, '}');
}

/* The same text or number, whatever way it is written. */
static bool is_value(yyjson_val *value, const char *json)
{
    yyjson_doc *document = yyjson_read(json, strlen(json), 0);
    bool equal = yyjson_equals(value, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return equal || yyjson_is_null(value);
}

static const struct setting *find(const struct setting *settings, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static bool refuse(const struct setting *setting, yyjson_val *value, struct http_response *response)
{
    const char *text = yyjson_get_str(value);
    if (strcmp(setting->name, "log_format") == 0 && text != NULL && strcmp(text, "ISO8601") != 0)
        problem_status(response, 503, "invalid argument for --log_format, got: %.64s", text);
    else
        problem_status(response, 501, "%s", setting->refuse);
    return false;
}

/* False: `response` is complete. */
static bool check(const struct setting *settings, size_t count, yyjson_val *root,
                  struct http_response *response)
{
    size_t at, members;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, at, members, key, value)
    {
        const char *name = yyjson_get_str(key);
        const struct setting *setting = find(settings, count, name);
        if (setting == NULL) {
            problem_kind(response, FAILURE_INVALID, "there is no setting '%.64s'", name);
            return false;
        }
        if (!is_value(value, setting->value))
            return refuse(setting, value, response);
    }
    return true;
}

static void answer(const struct config *config, struct api_lane *lane, const struct http_request *request,
                   const struct setting *settings, size_t count, struct http_response *response)
{
    struct problem_faults faults;
    faults.count = 0;
    if (request->method == HTTP_POST && request->body_length > 0) {
        yyjson_val *root = decoder_read(lane->decoder, request->body, request->body_length,
                                        request->body_capacity, (size_t)config->oip_max_json_depth, &faults);
        if (root == NULL || !yyjson_is_obj(root)) {
            problem_kind(response, FAILURE_INVALID, "failed to parse the request JSON buffer: %s",
                         root == NULL ? faults.list[0].message : "expected an object");
            return;
        }
        if (!check(settings, count, root, response))
            return;
    }
    tell(settings, count, &response->body);
}

void oip_settings_trace(const struct config *config, struct api_lane *lane,
                        const struct http_request *request, struct http_response *response)
{
    static const char refuse[] = "trace settings can not be updated through network protocol";
    static const struct setting settings[] = {
        {"trace_file", "\"\"", "trace file location can not be updated through network protocol"},
        {"trace_level", "[\"OFF\"]", refuse},
        {"trace_rate", "\"1000\"", refuse},
        {"trace_count", "\"-1\"", refuse},
        {"log_frequency", "\"0\"", refuse},
        {"trace_mode", "\"triton\"", refuse},
    };
    answer(config, lane, request, settings, COUNT_OF(settings), response);
}

void oip_settings_logging(const struct config *config, struct api_lane *lane,
                          const struct http_request *request, struct http_response *response)
{
    static const char refuse[] =
        "log settings can not be updated through network protocol: outrigger.conf has log_level";
    const char *level = config->log_level;
    bool debug = strcmp(level, "debug") == 0, info = debug || strcmp(level, "info") == 0;
    const struct setting settings[] = {
        {"log_file", "\"\"", "log file location can not be updated through network protocol"},
        {"log_info", info ? "true" : "false", refuse},
        {"log_warning", info || strcmp(level, "warning") == 0 ? "true" : "false", refuse},
        {"log_error", "true", refuse},
        {"log_verbose_level", debug ? "1" : "0", refuse},
        {"log_format", "\"default\"", refuse},
    };
    answer(config, lane, request, settings, COUNT_OF(settings), response);
}

void oip_settings_memory(enum call call, struct text region, struct http_response *response)
{
    if (call == CALL_V2_MEMORY_REGISTER)
        problem_status(response, 501, "shared memory is not supported: send the values of tensors");
    else if (call == CALL_V2_MEMORY_STATUS && region.length > 0)
        problem_status(response, 404, "Unable to find shared memory region: '%.*s'", (int)region.length,
                       region.at);
    else
        output_add_string(&response->body, call == CALL_V2_MEMORY_STATUS ? "[]" : "{}");
}
