/* test_scorer: chunks cut into requests, the rows at fault found, what the model gave as the front door tells
 * it. SPDX-License-Identifier: MIT */
#include "scorer.h"

#include "answer.h"
#include "asker_scene.h"
#include "example_schema.h"
#include "row_builder.h"

#include <math.h>
#include <yyjson.h>

enum { A_REQUEST = 8, ROWS_MAX = 300, CHUNKS_MAX = 8, POISON = 666, HEAVY = 777, BROKEN = 888 };

static struct scorer *scorer;
static struct row_builder *builder;

static struct chunk_told {
    int times;
    size_t count;
    struct scored rows[ROWS_MAX];
} chunks[CHUNKS_MAX];
static int told_chunks;
static char told_lists[256]; /* "[[1,0],[0,1]]": of the last chunk, where rows have lists */

static void set_up(void)
{
    scene_make(false);
    scene_start_broker();
    scene_find(NULL);
    scorer = scorer_new(asker, A_REQUEST);
    builder = row_builder_new(told, ROWS_MAX);
}

static void tear_down(void)
{
    row_builder_free(builder);
    asker_free(asker);
    asker = NULL;
    scorer_free(scorer);
    scene_unmake();
}

static void done(void *owner, const struct scored *rows, size_t count)
{
    struct chunk_told *chunk = owner;
    chunk->times++;
    chunk->count = count;
    memcpy(chunk->rows, rows, count * sizeof *rows);
    for (size_t i = 0, length = 0; i < count && rows[i].list != NULL; i++)
        length += (size_t)snprintf(told_lists + length, sizeof told_lists - length, "%c%s%s",
                                   i == 0 ? '[' : ',', rows[i].list, i + 1 == count ? "]" : "");
    told_chunks++;
}

/* Row i is {numbers[i], 0}. */
static void submit(size_t index, const double *numbers, size_t count)
{
    char faults[ROW_FAULTS_MAX];
    size_t bytes;
    row_builder_clear(builder);
    for (size_t i = 0; i < count; i++) {
        const struct row_value row[SCENE_WIDTH] = {{.kind = ROW_NUMBER, .number = numbers[i]},
                                                   {.kind = ROW_INTEGER, .integer = 0}};
        ck_assert(row_builder_add(builder, row, faults));
    }
    const uint8_t *payload = row_builder_payload(builder, 0, count, &bytes);
    scorer_submit(scorer, &(struct rows_payload){.bytes = payload, .length = bytes, .rows = count}, done,
                  &chunks[index]);
}

/* Numbers from `first` on, 1/1000 apart. */
static const double *numbers_from(double first)
{
    static double numbers[ROWS_MAX];
    for (size_t i = 0; i < ROWS_MAX; i++)
        numbers[i] = (first + (double)i) / 1000;
    return numbers;
}

static void expect_row(const struct scored *row, double number)
{
    ck_assert_int_eq(row->failure, FAILURE_NONE);
    ck_assert_double_eq(row->value, number > 0);
    ck_assert_double_eq(row->probability, (double)(float)number);
    ck_assert(row->is_class && row->is_whole && row->probability_single && row->has_label);
    ck_assert_str_eq(row->label, number > 0 ? "yes" : "no");
    ck_assert_str_eq(row->version, "2");
    ck_assert_str_eq(row->reason, "");
}

/* ---- chunks ---- */

START_TEST(rows_are_scored_in_their_order)
{
    submit(0, numbers_from(-10), 100);
    ck_assert_int_eq(told_chunks, 0);
    ck_assert(!scorer_room(scorer)); /* 13 requests, 4 at a time */
    ck_assert_uint_eq(scorer_open(scorer), 1);
    WAIT_FOR(told_chunks == 1);
    ck_assert(chunks[0].times == 1 && chunks[0].count == 100);
    for (size_t i = 0; i < 100; i++)
        expect_row(&chunks[0].rows[i], numbers_from(-10)[i]);
    ck_assert_int_eq(requests, 13);
    for (size_t i = 0; i < 12; i++)
        ck_assert_uint_eq(request_rows[i], A_REQUEST);
    ck_assert_uint_eq(request_rows[12], 4);
    ck_assert(scorer_room(scorer));
    ck_assert_uint_eq(scorer_open(scorer), 0);
}
END_TEST

START_TEST(chunks_are_told_once_each)
{
    for (size_t i = 0; i < 5; i++)
        submit(i, numbers_from((double)i * 7), 10 + i);
    WAIT_FOR(told_chunks == 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert(chunks[i].times == 1 && chunks[i].count == 10 + i);
        expect_row(&chunks[i].rows[9 + i], numbers_from((double)i * 7)[9 + i]);
    }
}
END_TEST

static int more_left;
static void done_and_more(void *owner, const struct scored *rows, size_t count)
{
    size_t bytes;
    done(owner, rows, count);
    const uint8_t *payload = row_builder_payload(builder, 0, count, &bytes);
    if (more_left-- > 0)
        scorer_submit(scorer, &(struct rows_payload){.bytes = payload, .length = bytes, .rows = count},
                      done_and_more, owner);
}

START_TEST(requests_are_short_where_rows_take_long)
{
    compute_us = 100; /* two and a half of them in 250 us */
    submit(0, numbers_from(1), 40);
    WAIT_FOR(told_chunks == 1);
    for (size_t i = 0; i < SCENE_AT_A_TIME; i++)
        ck_assert_uint_eq(request_rows[i], A_REQUEST); /* nothing is known yet */
    ck_assert_uint_eq(request_rows[requests - 1], 2);
    compute_us = 100000;
    submit(1, numbers_from(1), 20);
    WAIT_FOR(told_chunks == 2);
    ck_assert_uint_eq(request_rows[requests - 1], 1);
    expect_row(&chunks[1].rows[19], numbers_from(1)[19]);
}
END_TEST

START_TEST(requests_are_large_where_rows_take_nothing)
{
    scorer_free(scorer);
    scorer = scorer_new(asker, 64);
    compute_us = 1;
    submit(0, numbers_from(1), 300);
    WAIT_FOR(told_chunks == 1);
    ck_assert_uint_eq(request_rows[0], A_REQUEST);
    ck_assert_uint_eq(request_rows[SCENE_AT_A_TIME + 1], 64);
    expect_row(&chunks[0].rows[299], numbers_from(1)[299]);
}
END_TEST

START_TEST(whoever_is_told_may_submit_more)
{
    size_t bytes;
    submit(0, numbers_from(1), 3); /* fills the builder */
    WAIT_FOR(told_chunks == 1);
    const uint8_t *payload = row_builder_payload(builder, 0, 3, &bytes);
    more_left = 4;
    scorer_submit(scorer, &(struct rows_payload){.bytes = payload, .length = bytes, .rows = 3}, done_and_more,
                  &chunks[1]);
    WAIT_FOR(told_chunks == 6);
    ck_assert_int_eq(chunks[1].times, 5);
}
END_TEST

START_TEST(a_trace_goes_with_every_request_of_its_rows)
{
    static const char trace[PROTOCOL_TRACE_BYTES] = "which one";
    size_t bytes;
    submit(0, numbers_from(1), 3);
    WAIT_FOR(told_chunks == 1);
    ck_assert_uint_eq(last.request.trace.length, 0);
    const uint8_t *payload = row_builder_payload(builder, 0, 3, &bytes);
    scorer_submit(
        scorer,
        &(struct rows_payload){.bytes = payload, .length = bytes, .rows = 3, .trace = {trace, sizeof trace}},
        done, &chunks[1]);
    WAIT_FOR(told_chunks == 2);
    ck_assert_mem_eq(last_trace, trace, sizeof trace);
}
END_TEST

/* ---- rows at fault ---- */

static bool holds(const struct tensor *rows, double number)
{
    bool any = false;
    for (size_t i = 0; i < (size_t)rows->shape[0]; i++)
        any = any || value_float(rows, i * SCENE_WIDTH) == number;
    return any;
}

static int refuse_bad(const struct envelope *request, const struct tensor *rows)
{
    (void)request;
    return holds(rows, POISON)   ? FAILURE_POISON
           : holds(rows, HEAVY)  ? FAILURE_INVALID
           : holds(rows, BROKEN) ? FAILURE_MODEL_FAILED
                                 : FAILURE_NONE;
}

START_TEST(the_rows_at_fault_are_found_and_the_others_scored)
{
    double numbers[20];
    refusal_of = refuse_bad;
    memcpy(numbers, numbers_from(1), sizeof numbers);
    numbers[3] = POISON;
    numbers[4] = HEAVY;
    numbers[17] = BROKEN;
    submit(0, numbers, 20);
    WAIT_FOR(told_chunks == 1);
    for (size_t i = 0; i < 20; i++) {
        const struct scored *row = &chunks[0].rows[i];
        if (i != 3 && i != 4 && i != 17) {
            expect_row(row, numbers[i]);
            continue;
        }
        ck_assert_int_eq(row->failure, i == 3   ? FAILURE_POISON
                                       : i == 4 ? FAILURE_INVALID
                                                : FAILURE_MODEL_FAILED);
        ck_assert(scored_is_reject(row->failure));
        ck_assert_str_eq(row->reason, "so it is");
        ck_assert(isnan(row->value) && isnan(row->probability) && !row->has_label);
        ck_assert_str_eq(row->version, "");
    }
}
END_TEST

static int failures_left;
static int fail_some(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return failures_left-- > 0 ? FAILURE_WORKER_DIED : FAILURE_NONE;
}

START_TEST(an_engine_may_fail_twice)
{
    refusal_of = fail_some;
    failures_left = 2;
    submit(0, numbers_from(1), A_REQUEST);
    WAIT_FOR(told_chunks == 1);
    ck_assert_int_eq(requests, 3);
    for (size_t i = 0; i < A_REQUEST; i++) {
        ck_assert_uint_eq(i < 3 ? request_rows[i] : A_REQUEST, A_REQUEST);
        expect_row(&chunks[0].rows[i], numbers_from(1)[i]);
    }
}
END_TEST

static int no_version(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return FAILURE_UNKNOWN_VERSION;
}

START_TEST(what_is_no_fault_of_the_rows_is_not_looked_for_in_them)
{
    refusal_of = no_version;
    submit(0, numbers_from(1), A_REQUEST);
    WAIT_FOR(told_chunks == 1);
    ck_assert_int_eq(requests, 1);
    ck_assert_int_eq(chunks[0].rows[A_REQUEST - 1].failure, FAILURE_UNKNOWN_VERSION);
    ck_assert(!scored_is_reject(FAILURE_UNKNOWN_VERSION) && !scored_is_reject(FAILURE_CANCELLED));
}
END_TEST

static int silent(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return NO_ANSWER;
}

START_TEST(a_stop_ends_what_is_asked_and_what_waits_for_its_turn)
{
    refusal_of = silent;
    submit(0, numbers_from(1), 100);
    WAIT_FOR(requests == SCENE_AT_A_TIME);
    asker_stop(asker);
    WAIT_FOR(told_chunks == 1);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(chunks[0].rows[i].failure, FAILURE_CANCELLED);
}
END_TEST

START_TEST(what_is_open_may_be_forgotten)
{
    refusal_of = silent;
    submit(0, numbers_from(1), 100);
    submit(1, numbers_from(1), 3);
    WAIT_FOR(requests == SCENE_AT_A_TIME);
}
END_TEST

/* ---- what the model gives ---- */

/* A model with these outputs of three rows; the front door prints them and we tell them. */
static struct schema *model;
static uint8_t *outputs;
static size_t outputs_bytes;

static void give(const struct tensor *tensors, size_t count)
{
    free(outputs);
    outputs_bytes = tensors_encoded_size(tensors, count);
    outputs = object_alloc(outputs_bytes);
    ck_assert_uint_eq(tensors_encode(tensors, count, outputs, outputs_bytes, NULL), outputs_bytes);
}

static int give_outputs(const struct envelope *request, const struct tensor *rows)
{
    (void)rows;
    struct envelope envelope = {.verb = VERB_REPLY, .id = request->id, .reply = {.version = text_of("2")}};
    end_send_all(&broker, &envelope, &(struct text){(const char *)outputs, outputs_bytes}, 1);
    return NO_ANSWER;
}

/* The scene's version 2 gets another task and other labels. */
static void use_kind(enum schema_kind kind, bool regression, size_t labels)
{
    static const char *const names[] = {"red", "green", "blue"};
    ck_assert_uint_le(labels, COUNT_OF(names));
    model = example_classifier(SCENE_WIDTH);
    for (size_t i = 0; i < model->label_count; i++)
        free(model->labels[i]);
    free(model->labels);
    model->kind = kind;
    model->regression = regression;
    model->labels = example_names(names, labels);
    model->label_count = labels;
    free((void *)scene_schemas[1].at);
    size_t length;
    uint8_t *bytes = schema_encode(model, &length);
    scene_schemas[1] = (struct text){(const char *)bytes, length};
    scene_start_broker();
    scene_find(NULL);
    scorer = scorer_new(asker, A_REQUEST);
    builder = row_builder_new(told, ROWS_MAX);
    refusal_of = give_outputs;
}

static void use_model(bool regression, size_t labels)
{
    use_kind(SCHEMA_PLAIN, regression, labels);
}

static void set_up_model(void)
{
    scene_make(false);
}

static void tear_down_model(void)
{
    tear_down();
    schema_free(model);
    free(outputs);
}

static void compare_text(yyjson_val *value, const char *text, size_t length)
{
    char json[64];
    size_t written;
    char *printed = yyjson_val_write(value, 0, &written);
    snprintf(json, sizeof json, "%.*s", (int)length, text);
    ck_assert_msg(yyjson_equals_str(value, json) || strcmp(printed, json) == 0 ||
                      (yyjson_is_num(value) && yyjson_get_num(value) == strtod(json, NULL)),
                  "%s is told as %s", printed, json);
    free(printed);
}

/* Each row as the front door prints it: prediction, label, and the probability that is to be the column
 * `column` of "probabilities" (-1: the number itself, or there is none). */
static void compare_with_front_door(const int columns[3])
{
    static struct output out;
    char text[NUMBER_TEXT_MAX];
    const struct answer answer = {.schema = model,
                                  .batch = true,
                                  .rows = 3,
                                  .model = text_of("m"),
                                  .version = text_of("2"),
                                  .id = text_of("r")};
    submit(0, numbers_from(1), 3);
    WAIT_FOR(told_chunks == 1);
    ck_assert_ptr_null(answer_write(&answer, outputs, outputs_bytes, &out));
    yyjson_doc *document = yyjson_read(out.bytes, out.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    for (size_t i = 0; i < 3; i++) {
        const struct scored *row = &chunks[0].rows[i];
        yyjson_val *prediction = yyjson_arr_get(yyjson_obj_get(root, "predictions"), i);
        yyjson_val *label = yyjson_arr_get(yyjson_obj_get(root, "labels"), i);
        yyjson_val *probability = yyjson_arr_get(yyjson_obj_get(root, "probabilities"), i);
        ck_assert_int_eq(row->failure, FAILURE_NONE);
        if (yyjson_is_str(prediction))
            ck_assert_str_eq(row->label, yyjson_get_str(prediction));
        else
            compare_text(prediction, text, scored_value(row, text));
        if (!yyjson_is_str(prediction))
            ck_assert_int_eq(row->has_label, yyjson_is_str(label));
        if (yyjson_is_str(label))
            ck_assert_str_eq(row->label, yyjson_get_str(label));
        if (probability == NULL)
            ck_assert(isnan(row->probability));
        else
            compare_text(yyjson_is_arr(probability) ? yyjson_arr_get(probability, (size_t)columns[i])
                                                    : probability,
                         text, scored_number(row->probability, row->probability_single, text));
    }
    yyjson_doc_free(document);
    output_free(&out);
}

#define OUTPUT(name_, datatype_, rank_, columns_, ...)                                                       \
    (struct tensor)                                                                                          \
    {                                                                                                        \
        .name = text_of(name_), .datatype = DATATYPE_##datatype_, .rank = rank_, .shape = {3, columns_},     \
        .data = (const uint8_t *)(__VA_ARGS__), .bytes = sizeof(__VA_ARGS__)                                 \
    }

static const float two[] = {0.9f, 0.1f, 0.4f, 0.6f, 0.25f, 0.75f};
static const float three[] = {0.1f, 0.7f, 0.2f, 0.6f, 0.3f, 0.1f, 0.1f, 0.1f, 0.8f};
static const float scores[] = {0.1f, 0.5f, 0.9f};
static const double doubles[] = {0.1, -3, 1e300};
static const int64_t classes[] = {1, 0, 2};
static const int64_t strange[] = {-1, 7, 9007199254740992};
static const uint8_t truths[] = {0, 1, 1};
static const char names[] = "\4\0\0\0blue\3\0\0\0red\5\0\0\0green"; /* and a NUL */

START_TEST(predictions_are_those_of_the_front_door)
{
    const struct tensor label = OUTPUT("label", INT64, 1, 0, classes);
    const struct tensor odd = OUTPUT("label", INT64, 1, 0, strange);
    const struct tensor truth = OUTPUT("label", BOOL, 1, 0, truths);
    const struct tensor score = OUTPUT("score", FP32, 2, 1, scores);
    const struct tensor wide = OUTPUT("score", FP64, 1, 0, doubles);
    const struct tensor pairs = OUTPUT("probabilities", FP32, 2, 2, two);
    const struct tensor triples = OUTPUT("probabilities", FP32, 2, 3, three);
    struct tensor text = OUTPUT("label", BYTES, 1, 0, names);
    text.bytes--;
    static const int positive[] = {1, 1, 1}, largest[] = {1, 0, 2};
    const struct {
        bool regression;
        size_t labels, count;
        struct tensor tensors[2];
        const int *columns;
    } cases[] = {{false, 3, 2, {label, triples}, largest}, {false, 2, 1, {pairs}, positive},
                 {false, 2, 1, {score}, positive},         {false, 0, 1, {truth}, positive},
                 {false, 2, 2, {odd, pairs}, positive},    {false, 3, 2, {text, triples}, (int[]){2, 0, 1}},
                 {false, 0, 2, {text, pairs}, positive},   {false, 3, 1, {triples}, largest},
                 {true, 0, 1, {score}, positive},          {true, 0, 1, {wide}, positive},
                 {true, 0, 1, {label}, positive},          {false, 0, 1, {label}, positive}};
    ck_assert_int_lt(_i, (int)COUNT_OF(cases));
    use_model(cases[_i].regression, cases[_i].labels);
    give(cases[_i].tensors, cases[_i].count);
    compare_with_front_door(cases[_i].columns);
}
END_TEST

static void expect_failure(const char *why)
{
    submit(0, numbers_from(1), 3);
    WAIT_FOR(told_chunks == 1);
    ck_assert_int_eq(chunks[0].rows[0].failure, FAILURE_INTERNAL);
    ck_assert_str_eq(chunks[0].rows[0].reason, why);
    told_chunks = 0;
}

START_TEST(lists_are_those_of_the_front_door)
{
    static const int64_t holding[] = {1, 0, 0, 1, 1, 1};
    static const double vectors[] = {0.1, -3, 1e300, NAN, 7, 0};
    const struct {
        enum schema_kind kind;
        struct tensor tensor;
    } cases[] = {{SCHEMA_LABELS, OUTPUT("holds", INT64, 2, 2, holding)},
                 {SCHEMA_LABELS, OUTPUT("probabilities", FP32, 2, 3, three)},
                 {SCHEMA_EMBEDDING, OUTPUT("vector", FP32, 2, 2, two)},
                 {SCHEMA_EMBEDDING, OUTPUT("vector", FP64, 2, 2, vectors)}};
    ck_assert_int_lt(_i, (int)COUNT_OF(cases));
    use_kind(cases[_i].kind, cases[_i].kind == SCHEMA_EMBEDDING, 0);
    give(&cases[_i].tensor, 1);
    struct output out = {0};
    const struct answer answer = {.schema = model,
                                  .batch = true,
                                  .rows = 3,
                                  .model = text_of("m"),
                                  .version = text_of("2"),
                                  .id = text_of("r")};
    submit(0, numbers_from(1), 3);
    WAIT_FOR(told_chunks == 1);
    ck_assert_ptr_null(answer_write(&answer, outputs, outputs_bytes, &out));
    ck_assert_uint_eq(told_lists[0], '[');
    ck_assert_ptr_nonnull(memmem(out.bytes, out.length, told_lists, strlen(told_lists)));
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(chunks[0].rows[i].failure, FAILURE_NONE);
        ck_assert(isnan(chunks[0].rows[i].value) && isnan(chunks[0].rows[i].probability));
        ck_assert_int_eq(chunks[0].rows[i].is_whole, cases[_i].kind == SCHEMA_LABELS);
        ck_assert_str_eq(chunks[0].rows[i].version, "2");
    }
    output_free(&out);
}
END_TEST

START_TEST(outputs_that_are_no_prediction_are_a_failure)
{
    struct tensor text = OUTPUT("label", BYTES, 1, 0, names);
    struct tensor fewer = OUTPUT("score", FP32, 1, 0, scores);
    text.bytes--;
    use_model(true, 0);
    give(&text, 1);
    expect_failure("no output of the model is a prediction");
    fewer.shape[0] = 2;
    fewer.bytes = 2 * sizeof(float);
    give(&fewer, 1);
    expect_failure("the model answered another number of rows than it was asked");
    give(&fewer, 1);
    outputs_bytes--;
    expect_failure("data is no bin");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scorer");
    suite_add(suite, "chunks", set_up, tear_down,
              (const TTest *const[]){
                  rows_are_scored_in_their_order, chunks_are_told_once_each,
                  requests_are_short_where_rows_take_long, requests_are_large_where_rows_take_nothing,
                  whoever_is_told_may_submit_more, a_trace_goes_with_every_request_of_its_rows,
                  the_rows_at_fault_are_found_and_the_others_scored, an_engine_may_fail_twice,
                  what_is_no_fault_of_the_rows_is_not_looked_for_in_them,
                  a_stop_ends_what_is_asked_and_what_waits_for_its_turn, what_is_open_may_be_forgotten,
                  NULL});
    TCase *group = suite_group(suite, "models", set_up_model, tear_down_model);
    tcase_add_loop_test(group, predictions_are_those_of_the_front_door, 0, 12);
    tcase_add_loop_test(group, lists_are_those_of_the_front_door, 0, 4);
    tcase_add_test(group, outputs_that_are_no_prediction_are_a_failure);
    return suite_finish(suite);
}
