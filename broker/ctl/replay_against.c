/* replay_against: `outrigger replay --against VERSION`: what a version would have answered to the last
 * requests. Called by replay_command.c.
 *
 * The tensors that the flight recorders have kept (flight.payload = full) are sent through the broker to the
 * version that answered then and to the other one, both now, and their answers are compared: that of then is
 * not kept, and two answers of the same code to the same tensors are what may be held against each other.
 * Tensors are read when their turn comes, and answers are gone when they are compared: of however many
 * requests, few are in memory at a time. SPDX-License-Identifier: MIT */
#include "comparing.h"
#include "flight_view.h"
#include "model_config.h"
#include "questions.h"
#include "replay.h"
#include "say.h"
#include "table.h"

#include "tensor.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { LAST = 1000, SHOWN_MAX = 10 };

/* One request, and what both versions say to it. */
struct pair {
    const struct flight_entry *entry;
    uint8_t *answers[2]; /* until both are there */
    size_t lengths[2];
    enum failure failures[2];
    unsigned answered;
    bool compared;
    struct agreement agreement;
};

struct rerun {
    const struct arguments *arguments;
    const char *model, *against;
    struct flight_view *view;
    const struct flight_found *found;
    size_t found_count, next; /* that were recorded; of which the next comes */
    uint8_t *payload;         /* of the last pair */
    bool half;                /* only one of the versions was asked it */
    struct pair *pairs;
    size_t count, written_over, unanswered; /* pairs, and those that could be none */
    enum observation_task task;
    uint32_t tolerance_ppm;
    /* What came of it. */
    size_t compared, failed, rows;
    struct agreement sum;
};

/* ---- the requests ---- */

/* That a version has answered, and not VERSION itself. The file may hold anything. */
static bool is_askable(const struct rerun *rerun, const struct flight_entry *entry)
{
    return entry->status == 200 && entry->rows > 0 && entry->rows <= PROTOCOL_ROWS_MAX &&
           protocol_name_ok(text_of(entry->version)) && strcmp(entry->version, rerun->against) != 0;
}

/* The tensors of a request, which the caller frees; NULL: they were written over. */
static uint8_t *payload_of(const struct rerun *rerun, const struct flight_found *found)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    uint8_t *payload = flight_view_payload(rerun->view, found);
    if (payload != NULL &&
        tensors_decode(payload, found->entry.payload_length, tensors, &count, &rows) == NULL &&
        rows == found->entry.rows)
        return payload;
    free(payload);
    return NULL;
}

/* The next pair; NULL: there are no more. */
static struct pair *begin_pair(struct rerun *rerun)
{
    free(rerun->payload);
    rerun->payload = NULL;
    while (rerun->payload == NULL) {
        if (rerun->next == rerun->found_count)
            return NULL;
        const struct flight_found *found = &rerun->found[rerun->next++];
        if (!is_askable(rerun, &found->entry))
            continue;
        rerun->payload = payload_of(rerun, found);
        if (rerun->payload == NULL)
            rerun->written_over++;
        else
            rerun->pairs[rerun->count++].entry = &found->entry;
    }
    return &rerun->pairs[rerun->count - 1];
}

/* ---- asking ---- */

/* Which of the two answers of which pair a question is for. */
struct half {
    struct pair *pair;
    int side;
};

static int next_question(void *self, struct question *question, char reason[QUESTIONS_REASON_MAX])
{
    struct rerun *rerun = self;
    struct pair *pair = rerun->half ? &rerun->pairs[rerun->count - 1] : begin_pair(rerun);
    (void)reason;
    if (pair == NULL)
        return 0;
    struct half *half = object_alloc(sizeof *half);
    half->pair = pair;
    half->side = rerun->half ? 1 : 0;
    rerun->half = !rerun->half;
    *question =
        (struct question){.context = half,
                          .payload = rerun->payload,
                          .bytes = pair->entry->payload_length,
                          .rows = pair->entry->rows,
                          .version = text_of(half->side == 0 ? pair->entry->version : rerun->against)};
    return 1;
}

static struct text answer_of(const struct pair *pair, int side)
{
    return (struct text){(const char *)pair->answers[side], pair->lengths[side]};
}

static void compare(struct rerun *rerun, struct pair *pair)
{
    const struct observation observation = {.kind = OBSERVATION_SHADOW,
                                            .task = rerun->task,
                                            .tolerance_ppm = rerun->tolerance_ppm,
                                            .answer = answer_of(pair, 0),
                                            .shadow_answer = answer_of(pair, 1)};
    pair->compared = pair->answers[0] != NULL && pair->answers[1] != NULL &&
                     comparison_of(&observation, &pair->agreement) == NULL;
    if (!pair->compared) {
        rerun->failed++;
        rerun->rows += pair->entry->rows;
        return;
    }
    rerun->compared++;
    rerun->rows += pair->agreement.rows;
    rerun->sum.rows += pair->agreement.rows;
    rerun->sum.agreed += pair->agreement.agreed;
    rerun->sum.elements += pair->agreement.elements;
    rerun->sum.sum += pair->agreement.sum;
    if (pair->agreement.largest > rerun->sum.largest)
        rerun->sum.largest = pair->agreement.largest;
}

static void drop_answers(struct pair *pair)
{
    for (int side = 0; side < 2; side++) {
        free(pair->answers[side]);
        pair->answers[side] = NULL;
    }
}

static bool take_answer(void *self, void *context, const struct client_answer *answer,
                        char reason[QUESTIONS_REASON_MAX])
{
    struct half *half = context;
    struct pair *pair = half->pair;
    (void)reason;
    pair->failures[half->side] = answer->failure;
    if (answer->failure == FAILURE_NONE) {
        pair->answers[half->side] = object_alloc(answer->payload_bytes + 1);
        pair->lengths[half->side] = answer->payload_bytes;
        memcpy(pair->answers[half->side], answer->payload, answer->payload_bytes);
    }
    free(half);
    if (++pair->answered < 2)
        return true;
    compare(self, pair);
    drop_answers(pair);
    return true;
}

/* ---- telling ---- */

/* Those that failed first, then by rows that do not agree, then by the largest difference. */
static int by_difference(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (a->compared != b->compared)
        return a->compared ? 1 : -1;
    size_t a_differs = a->agreement.rows - a->agreement.agreed,
           b_differs = b->agreement.rows - b->agreement.agreed;
    if (a_differs != b_differs)
        return a_differs > b_differs ? -1 : 1;
    return (a->agreement.largest < b->agreement.largest) - (a->agreement.largest > b->agreement.largest);
}

static bool is_worth_showing(const struct pair *pair)
{
    return !pair->compared || pair->agreement.agreed < pair->agreement.rows || pair->agreement.largest > 0;
}

/* Rows that were not compared do not agree. */
static double rate(const struct rerun *rerun)
{
    return rerun->rows == 0 ? 0 : (double)rerun->sum.agreed / (double)rerun->rows;
}

static double mean(const struct rerun *rerun)
{
    return rerun->sum.elements == 0 ? 0 : rerun->sum.sum / (double)rerun->sum.elements;
}

static const char *outcome(const struct pair *pair)
{
    if (pair->failures[0] != FAILURE_NONE || pair->failures[1] != FAILURE_NONE)
        return failure_label(pair->failures[pair->failures[1] != FAILURE_NONE]);
    return pair->compared ? "" : "not comparable";
}

static void print(const struct rerun *rerun)
{
    static const char *const heads[] = {"REQUEST ID",          "VERSION", ">ROWS", ">AGREED",
                                        ">LARGEST DIFFERENCE", "FAILED"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    printf("%zu requests (%zu rows) of %s asked again: %.2f %% of the rows agree with version %s; difference "
           "%.6g in "
           "the mean, %.6g at most; %zu failed\n",
           rerun->count, rerun->rows, rerun->model, 100 * rate(rerun), rerun->against, mean(rerun),
           rerun->sum.largest, rerun->failed);
    if (rerun->written_over + rerun->unanswered > 0)
        printf("not asked: %zu whose tensors were written over, %zu that had no answer, or one of %s\n",
               rerun->written_over, rerun->unanswered, rerun->against);
    for (size_t i = 0; i < rerun->count && i < SHOWN_MAX && is_worth_showing(&rerun->pairs[i]); i++) {
        const struct pair *pair = &rerun->pairs[i];
        table_cell(table, TONE_PLAIN, "%s", pair->entry->id);
        table_cell(table, TONE_PLAIN, "%s", pair->entry->version);
        table_cell(table, TONE_PLAIN, "%" PRIu32, pair->entry->rows);
        table_cell(table, pair->agreement.agreed < pair->agreement.rows ? TONE_BAD : TONE_PLAIN, "%zu",
                   pair->agreement.agreed);
        table_cell(table, TONE_PLAIN, "%.6g", pair->agreement.largest);
        table_cell(table, TONE_BAD, "%s", outcome(pair));
    }
    table_print(table, stdout, say_coloured());
    table_free(table);
}

/* JSON has no infinity, which the difference of two large numbers may be. */
static void add_real(yyjson_mut_doc *said, yyjson_mut_val *object, const char *name, double number)
{
    yyjson_mut_obj_add_real(said, object, name, fmin(number, DBL_MAX));
}

/* `wrong`: why it is no success; NULL: it is one. */
static void print_json(const struct rerun *rerun, const char *wrong)
{
    yyjson_mut_doc *said = say_new();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(said);
    if (wrong != NULL)
        say_set_error(said, wrong);
    yyjson_mut_obj_add_strcpy(said, root, "model", rerun->model);
    yyjson_mut_obj_add_strcpy(said, root, "against", rerun->against);
    yyjson_mut_obj_add_uint(said, root, "requests", rerun->count);
    yyjson_mut_obj_add_uint(said, root, "rows", rerun->rows);
    yyjson_mut_obj_add_uint(said, root, "agreed", rerun->sum.agreed);
    yyjson_mut_obj_add_uint(said, root, "failed", rerun->failed);
    yyjson_mut_obj_add_uint(said, root, "written_over", rerun->written_over);
    yyjson_mut_obj_add_uint(said, root, "unanswered", rerun->unanswered);
    add_real(said, root, "agreement", rate(rerun));
    add_real(said, root, "mean_difference", mean(rerun));
    add_real(said, root, "largest_difference", rerun->sum.largest);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(said, root, "differ_most");
    for (size_t i = 0; i < rerun->count && i < SHOWN_MAX && is_worth_showing(&rerun->pairs[i]); i++) {
        const struct pair *pair = &rerun->pairs[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(said, list);
        yyjson_mut_obj_add_strcpy(said, object, "request_id", pair->entry->id);
        yyjson_mut_obj_add_strcpy(said, object, "version", pair->entry->version);
        yyjson_mut_obj_add_uint(said, object, "rows", pair->entry->rows);
        yyjson_mut_obj_add_uint(said, object, "agreed", pair->agreement.agreed);
        add_real(said, object, "largest_difference", pair->agreement.largest);
        if (*outcome(pair) != '\0')
            yyjson_mut_obj_add_str(said, object, "failed", outcome(pair));
    }
    say_json(said);
}

/* ---- all of it ---- */

/* The one that all of them are of; NULL: there are several, or none. */
static const char *only_model(const struct flight_found *found, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (strcmp(found[i].entry.model, found[0].entry.model) != 0)
            return NULL;
    return count == 0 ? NULL : found[0].entry.model;
}

/* What model.conf says of agreement; the default where it says nothing that can be read. */
static uint32_t tolerance_of(const struct config *config, const char *model)
{
    enum { TOLERANCE_PPM = 1000 };
    struct config_errors errors = {0};
    struct model_config *settings = model_config_load(config->models_directory, model, &errors);
    uint32_t tolerance = settings == NULL ? TOLERANCE_PPM : (uint32_t)settings->shadow_tolerance_ppm;
    model_config_free(settings);
    return tolerance;
}

/* Where nothing could be compared nothing agrees, however little must. */
static int tell(struct rerun *rerun)
{
    double least = arguments_fraction(rerun->arguments, OPTION_REPLAY_MIN_AGREEMENT, 0);
    const char *wrong = rerun->compared == 0  ? "no two answers could be compared"
                        : rate(rerun) < least ? "the versions agree less than they must"
                                              : NULL;
    qsort(rerun->pairs, rerun->count, sizeof *rerun->pairs, by_difference);
    if (rerun->arguments->json)
        print_json(rerun, wrong);
    else
        print(rerun);
    return wrong == NULL ? CTL_GOOD : CTL_FAULT;
}

static int say_none(const struct rerun *rerun)
{
    return say_fault(rerun->arguments, CTL_FAULT,
                     "none of %zu recorded requests can be asked again: %zu are written over, %zu have no "
                     "answer, or one of %s",
                     rerun->found_count, rerun->written_over, rerun->unanswered, rerun->against);
}

static int ask_both(struct rerun *rerun, const struct config *config)
{
    char reason[QUESTIONS_REASON_MAX];
    const char *name;
    struct questions *questions = questions_new(config, "outrigger replay");
    const struct schema *schema = questions_version(questions, rerun->model, rerun->against, &name, reason);
    if (schema != NULL) {
        rerun->task = schema->kind == SCHEMA_LABELS ? TASK_LABELS
                      : schema->regression          ? TASK_REGRESSION
                                                    : TASK_CLASSIFICATION;
        rerun->tolerance_ppm = tolerance_of(config, rerun->model);
    }
    bool good = schema != NULL && questions_all(questions, next_question, take_answer, rerun, reason);
    int fault = questions_fault(questions);
    questions_free(questions);
    if (!good)
        return say_fault(rerun->arguments, fault, "%s", reason);
    return rerun->count == 0 ? say_none(rerun) : tell(rerun);
}

static int ask_all(struct rerun *rerun, const struct config *config)
{
    for (size_t i = 0; i < rerun->found_count; i++)
        rerun->unanswered += !is_askable(rerun, &rerun->found[i].entry);
    if (rerun->unanswered == rerun->found_count)
        return say_none(rerun);
    rerun->pairs = object_alloc(rerun->found_count * sizeof *rerun->pairs);
    int status = ask_both(rerun, config);
    for (size_t i = 0; i < rerun->count; i++)
        drop_answers(&rerun->pairs[i]);
    free(rerun->pairs);
    free(rerun->payload);
    return status;
}

static int rerun_found(struct rerun *rerun, const struct config *config)
{
    const char *model = rerun->model != NULL ? rerun->model : only_model(rerun->found, rerun->found_count);
    if (rerun->found_count == 0)
        return say_fault(rerun->arguments, CTL_FAULT,
                         "no request%s%s is recorded with its tensors: flight.payload = full keeps them",
                         model == NULL ? "" : " of ", model == NULL ? "" : model);
    if (model == NULL)
        return say_fault(rerun->arguments, CTL_FAULT,
                         "requests of several models are recorded: --model says which");
    rerun->model = model;
    return ask_all(rerun, config);
}

int replay_against(const struct arguments *arguments, const struct config *config)
{
    struct rerun rerun = {.arguments = arguments,
                          .model = arguments_text(arguments, OPTION_REPLAY_MODEL),
                          .against = arguments_text(arguments, OPTION_AGAINST)};
    const struct flight_filter filter = {.model = rerun.model,
                                         .last = (size_t)arguments_number(arguments, OPTION_LAST, LAST),
                                         .with_payload = true};
    rerun.view = flight_view_new(config);
    if (rerun.view == NULL)
        return say_fault(arguments, CTL_FAULT, "%s/flight: %s", config->runtime_directory, strerror(errno));
    struct flight_found *found = flight_view_read(rerun.view, &filter, &rerun.found_count);
    rerun.found = found;
    int status = rerun_found(&rerun, config);
    free(found);
    flight_view_free(rerun.view);
    return status;
}
