/* test_api_access: that the API hides from somebody the models that are not for it.
 * SPDX-License-Identifier: MIT */
#include "api_once.h"
#include "auth_scene.h"
#include "example_schema.h"

static bool connected(void *self)
{
    (void)self;
    return true;
}

static enum api_next handle(struct api *api, struct api_lane *lane, struct api_call *call, const char *method,
                            const char *uri, const char *key)
{
    read_request(method, uri, (const char *const[]){REMOTE, KEY(key), "HTTP_X_REQUEST_ID=r", NULL});
    return api_once(api, lane, &request, call, &response);
}

static void remember_answer(char answer[1024])
{
    text_copy((struct text){response.body.bytes, response.body.length}, answer, 1024);
}

START_TEST(a_model_for_others_is_none)
{
    char narrow[API_KEY_LENGTH + 1], hidden[1024], missing[1024];
    struct schema *schema = example_classifier(3);
    struct api_call call = {0};
    size_t length;
    uint8_t *bytes = schema_encode(schema, &length);
    struct text told = {(const char *)bytes, length};
    const struct catalog_entry entries[] = {{.model = text_of("aaaa"),
                                             .version = text_of("1"),
                                             .state = CATALOG_READY,
                                             .workers = 1,
                                             .stable = true,
                                             .schema = told},
                                            {.model = text_of("mine"),
                                             .version = text_of("1"),
                                             .state = CATALOG_READY,
                                             .workers = 1,
                                             .stable = true,
                                             .schema = told}};
    add_key((struct api_key){.rights = RIGHT_PREDICT, .models = "mine"}, narrow);
    start(NULL);
    struct metrics *metrics = metrics_new(NULL);
    struct api *api = api_new(&(struct api_context){
        .config = &config, .metrics = metrics, .broker_connected = connected, .auth = auth});
    struct api_lane *lane = api_lane_new();
    api_catalog(api, entries, COUNT_OF(entries));

    strcpy(body, "{\"features\":[1,2,3]}");
    ck_assert_int_eq(handle(api, lane, &call, "POST", "/api/v1/models/mine/predict", narrow), API_ASK);
    ck_assert_uint_eq(call.ask.tenant, call.identity.tenant);
    static const char *const ends[] = {"predict", "versions/1/predict", "versions/9/predict",
                                       "batch-predict"};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        static const char *const bodies[] = {"{\"features\":[1,2,3]}", "{\"instances\":[[1,2]]}", "{"};
        for (size_t j = 0; j < COUNT_OF(bodies); j++) {
            char path[64];
            strcpy(body, bodies[j]);
            snprintf(path, sizeof path, "/api/v1/models/aaaa/%s", ends[i]);
            ck_assert_int_eq(handle(api, lane, &call, "POST", path, narrow), API_RESPOND);
            remember_answer(hidden);
            memcpy(strstr(path, "aaaa"), "bbbb", 4);
            strcpy(body, bodies[j]); /* it was read in place */
            ck_assert_int_eq(handle(api, lane, &call, "POST", path, narrow), API_RESPOND);
            remember_answer(missing);
            for (char *at = hidden; (at = strstr(at, "aaaa")) != NULL;)
                memcpy(at, "bbbb", 4);
            ck_assert_str_eq(hidden, missing);
        }
    }
    *body = '\0';
    ck_assert_int_eq(handle(api, lane, &call, "GET", "/api/v1/models/aaaa", narrow), API_RESPOND);
    ck_assert_int_eq(response.status, 404);
    ck_assert_int_eq(handle(api, lane, &call, "GET", "/api/v1/models", narrow), API_RESPOND);
    remember_answer(hidden);
    ck_assert_ptr_null(strstr(hidden, "aaaa"));
    ck_assert_ptr_nonnull(strstr(hidden, "\"id\":\"mine\""));
    handle(api, lane, &call, "GET", "/api/v1/models", text);
    remember_answer(hidden);
    ck_assert_ptr_nonnull(strstr(hidden, "\"id\":\"aaaa\""));
    ck_assert_int_eq(handle(api, lane, &call, "GET", "/api/v1/models", "x"), API_RESPOND);
    ck_assert_int_eq(response.status, 401);
    api_count(api, &call, &response);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_AUTH, "nobody", "invalid", NULL)->value, 1);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_HTTP_REQUESTS, "models", "401", NULL)->value, 1);

    api_call_end(&call);
    api_lane_free(lane);
    api_free(api);
    metrics_free(metrics);
    schema_free(schema);
    free(bytes);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_model_for_others_is_none};
    return SUITE_RUN("api_access", set_up, tear_down, tests);
}
