/* feedback: the truth of a prediction, by the id of its request:
 *
 *     {"request_id": "...", "actual": 1}               a class by its index, true or false, or a number
 *     {"request_id": "...", "actual": "churned"}       a class by its name
 *     {"request_id": "...", "row": 3, "actual": 0}     one row of a batch, from 0
 *     {"request_id": "...", "actuals": [1, null, 0]}   a whole batch in its order; null: not known
 *     [{...}, {...}]                                   many of them; all are taken, or none
 *
 * Nobody is asked whether such a prediction was made: it may have been answered by another frontend, and be
 * joined later, by the collector, who counts what never finds its prediction. Of which model it was is not
 * known here either, so the models that who says it may use go with it: the collector takes it for those
 * only. The answer is the same, and as fast, whether there is such a prediction or not, and whose it is.
 * Whose key asked for it does not count: truth often comes from another program than the one that asks.
 * Called by api.c in whatever thread has the request. SPDX-License-Identifier: MIT */
#include "feedback.h"

#include "clock.h"
#include "media.h"
#include "problem.h"
#include "remember.h"

#include <math.h>
#include <stdio.h>
#include <yyjson.h>

enum { MANY_MAX = 10000 /* objects of one body */ };
_Static_assert((int)IDENTITY_MODELS_MAX <= (int)PREDICTION_ALLOWED_MAX,
               "what one may use fits into a record");

/* One body, read twice: first to find all faults, then to write it down. */
struct reading {
    struct predictions *predictions; /* NULL: only looking */
    struct problem_faults *faults;
    const char *path;    /* "" or "[3]." */
    struct text allowed; /* models */
    int64_t now_ms;
    size_t count; /* truths that were said */
    bool failed;  /* the disk */
};

static void fault(const struct reading *reading, const char *member, const char *complaint)
{
    char field[PROBLEM_FIELD_MAX];
    snprintf(field, sizeof field, "%.24s%.60s", reading->path, member);
    problem_fault(reading->faults, field, "%s", complaint);
}

static bool is_truth(yyjson_val *value)
{
    if (yyjson_is_str(value))
        return yyjson_get_len(value) > 0 && yyjson_get_len(value) <= PROTOCOL_TEXT_MAX;
    return yyjson_is_bool(value) || (yyjson_is_num(value) && isfinite(yyjson_get_num(value)));
}

static void take(struct reading *reading, uint64_t request, uint32_t row, yyjson_val *value)
{
    struct prediction actual = {.kind = PREDICTION_ACTUAL,
                                .request = request,
                                .row = row,
                                .at_ms = reading->now_ms,
                                .allowed = reading->allowed};
    reading->count++;
    if (reading->predictions == NULL)
        return;
    actual.flags = yyjson_is_str(value) ? PREDICTION_BY_LABEL : PREDICTION_BY_NUMBER;
    if (yyjson_is_str(value))
        actual.actual_label = prediction_label((struct text){yyjson_get_str(value), yyjson_get_len(value)});
    else
        actual.actual = yyjson_is_bool(value) ? (double)yyjson_get_bool(value) : yyjson_get_num(value);
    reading->failed |= !predictions_add(reading->predictions, &actual, 1);
}

static void read_many_rows(struct reading *reading, uint64_t request, yyjson_val *values)
{
    size_t index, count;
    yyjson_val *value;
    char member[32];
    if (!yyjson_is_arr(values) || yyjson_arr_size(values) == 0 ||
        yyjson_arr_size(values) > REMEMBER_ROWS_MAX) {
        snprintf(member, sizeof member, "expected a list of 1 to %d", REMEMBER_ROWS_MAX);
        fault(reading, "actuals", member);
        return;
    }
    yyjson_arr_foreach(values, index, count, value)
    {
        snprintf(member, sizeof member, "actuals[%zu]", index);
        if (is_truth(value))
            take(reading, request, (uint32_t)index, value);
        else if (!yyjson_is_null(value))
            fault(reading, member, "expected a number, true, false, the name of a class or null");
    }
}

static void complain_of_members(const struct reading *reading, yyjson_val *object)
{
    static const char *const known[] = {"request_id", "row", "actual", "actuals"};
    yyjson_obj_iter members = yyjson_obj_iter_with(object);
    unsigned seen = 0;
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)) != NULL;) {
        size_t i = 0;
        while (i < COUNT_OF(known) && !yyjson_equals_str(key, known[i]))
            i++;
        if (i == COUNT_OF(known))
            fault(reading, yyjson_get_str(key), "is not known here");
        else if (seen & 1u << i)
            fault(reading, known[i], "is there twice");
        seen |= 1u << i;
    }
}

static void read_object(struct reading *reading, yyjson_val *object)
{
    if (!yyjson_is_obj(object)) {
        fault(reading, "", "expected an object with request_id and actual");
        return;
    }
    yyjson_val *id = yyjson_obj_get(object, "request_id"), *row = yyjson_obj_get(object, "row");
    yyjson_val *actual = yyjson_obj_get(object, "actual"), *actuals = yyjson_obj_get(object, "actuals");
    struct text id_text = {yyjson_get_str(id), yyjson_get_len(id)};
    complain_of_members(reading, object);
    if (!yyjson_is_str(id) || id_text.length == 0 || id_text.length > HTTP_ID_MAX)
        fault(reading, "request_id", "expected the request_id of an answer");
    if (row != NULL && (!yyjson_is_uint(row) || yyjson_get_uint(row) >= REMEMBER_ROWS_MAX))
        fault(reading, "row", "expected the row of a batch, from 0; the first 1024 of each are remembered");
    if ((actual == NULL) == (actuals == NULL) || (actuals != NULL && row != NULL))
        fault(reading, "actual", "expected one of actual (with row for one of a batch) and actuals");
    else if (actual != NULL && !is_truth(actual))
        fault(reading, "actual", "expected a number, true, false or the name of a class");
    if (!yyjson_is_str(id) || reading->faults->count > 0)
        return;
    if (actual != NULL)
        take(reading, prediction_request(id_text), (uint32_t)yyjson_get_uint(row), actual);
    else
        read_many_rows(reading, prediction_request(id_text), actuals);
}

static void read_root(struct reading *reading, yyjson_val *root)
{
    size_t index, count;
    yyjson_val *object;
    char path[32];
    reading->count = 0;
    if (!yyjson_is_arr(root)) {
        read_object(reading, root);
        return;
    }
    if (yyjson_arr_size(root) == 0 || yyjson_arr_size(root) > MANY_MAX)
        fault(reading, "", "expected 1 to 10000 objects");
    else
        yyjson_arr_foreach(root, index, count, object)
        {
            snprintf(path, sizeof path, "[%zu].", index);
            reading->path = path;
            read_object(reading, object);
        }
    reading->path = "";
}

static void read_tree(struct reading *reading, struct predictions *predictions, yyjson_val *root,
                      struct http_response *response)
{
    read_root(reading, root);
    if (reading->faults->count > 0) {
        problem_faults(response, FAILURE_INVALID, reading->faults);
        return;
    }
    reading->predictions = predictions;
    read_root(reading, root);
    if (!predictions_flush(predictions) || reading->failed) {
        problem_status(response, 503, "the disk takes no more: nothing was written down for sure");
        response->retry_after = 1;
        return;
    }
    char text[64];
    response->status = 202;
    snprintf(text, sizeof text, "{\"status\":\"accepted\",\"accepted\":%zu}\n", reading->count);
    output_add_string(&response->body, text);
}

void feedback(struct predictions *predictions, const struct identity *identity,
              const struct http_request *request, struct http_response *response)
{
    enum csv_header ignored = CSV_HEADER_UNKNOWN;
    if (predictions == NULL) {
        problem_status(response, 404,
                       "predictions are not kept here, so nothing can be said of them: "
                       "feedback.keep is 0");
        return;
    }
    if (media_type(request->content_type, &ignored) != MEDIA_JSON) {
        problem_status(response, 415, "expected a body of Content-Type application/json");
        return;
    }
    struct problem_faults faults;
    yyjson_read_err error;
    faults.count = 0;
    yyjson_doc *document =
        yyjson_read_opts(request->body, request->body_length, YYJSON_READ_NOFLAG, NULL, &error);
    struct reading reading = {.faults = &faults,
                              .path = "",
                              .allowed = text_of(identity->models),
                              .now_ms = clock_wall() / MILLISECOND};
    if (document == NULL) {
        problem_fault(&faults, "body", "is no JSON: %s at byte %zu", error.msg, error.pos);
        problem_faults(response, FAILURE_INVALID, &faults);
        return;
    }
    read_tree(&reading, predictions, yyjson_doc_get_root(document), response);
    yyjson_doc_free(document);
}
