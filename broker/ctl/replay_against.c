/* replay_against: `outrigger replay --against VERSION`: what a version would have answered to the last
 * requests.
 *
 * The tensors that the flight recorders have kept (flight.payload = full) are sent through the broker to the
 * version that answered then and to the other one, both now, and their answers are compared: that of then is
 * not kept, and two answers of the same code to the same tensors are what may be held against each other.
 * SPDX-License-Identifier: MIT */
#include "comparing.h"
#include "flight_view.h"
#include "model_config.h"
#include "questions.h"
#include "replay.h"
#include "say.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { LAST = 1000, SHOWN_MAX = 10 };

/* One request, and what both versions say to it. */
struct pair {
    const struct flight_found *found;
    uint8_t *payload;
    uint8_t *answers[2];
    size_t lengths[2];
    enum failure failures[2];
    bool compared;
    struct agreement agreement;
};

struct replay {
    const struct arguments *arguments;
    const char *model, *against;
    struct flight_view *view;
    struct pair *pairs;
    size_t count, written_over, unanswered; /* of what was recorded: pairs, and those that could be none */
    size_t next;                            /* request: two for each pair */
    enum observation_task task;
    uint32_t tolerance_ppm;
    /* What came of it. */
    size_t compared, failed, rows;
    struct agreement sum;
};

/* ---- asking ---- */

/* Which of the two answers of which pair a question is for. */
struct half {
    struct pair *pair;
    int side;
};

static int next_question(void *self, struct question *question, char reason[QUESTIONS_REASON_MAX])
{
    struct replay *replay = self;
    (void)reason;
    if (replay->next == 2 * replay->count)
        return 0;
    struct half *half = object_alloc(sizeof *half);
    half->pair = &replay->pairs[replay->next / 2];
    half->side = (int)(replay->next++ % 2);
    const struct flight_entry *entry = &half->pair->found->entry;
    *question = (struct question){.context = half,
                                  .payload = half->pair->payload,
                                  .bytes = entry->payload_length,
                                  .rows = entry->rows,
                                  .version = half->side == 0 ? entry->version : replay->against};
    return 1;
}

static bool take_answer(void *self, void *context, const struct client_answer *answer,
                        char reason[QUESTIONS_REASON_MAX])
{
    struct half *half = context;
    (void)self;
    (void)reason;
    half->pair->failures[half->side] = answer->failure;
    if (answer->failure == FAILURE_NONE) {
        half->pair->answers[half->side] = object_alloc(answer->payload_bytes + 1);
        half->pair->lengths[half->side] = answer->payload_bytes;
        memcpy(half->pair->answers[half->side], answer->payload, answer->payload_bytes);
    }
    free(half);
    return true;
}

/* ---- comparing ---- */

static struct text answer_of(const struct pair *pair, int side)
{
    return (struct text){(const char *)pair->answers[side], pair->lengths[side]};
}

static void compare(struct replay *replay, struct pair *pair)
{
    const struct observation observation = {.kind = OBSERVATION_SHADOW,
                                            .task = replay->task,
                                            .tolerance_ppm = replay->tolerance_ppm,
                                            .answer = answer_of(pair, 0),
                                            .shadow_answer = answer_of(pair, 1)};
    pair->compared = pair->answers[0] != NULL && pair->answers[1] != NULL &&
                     comparison_of(&observation, &pair->agreement) == NULL;
    if (!pair->compared) {
        replay->failed++;
        replay->rows += pair->found->entry.rows;
        return;
    }
    replay->compared++;
    replay->rows += pair->agreement.rows;
    replay->sum.rows += pair->agreement.rows;
    replay->sum.agreed += pair->agreement.agreed;
    replay->sum.elements += pair->agreement.elements;
    replay->sum.sum += pair->agreement.sum;
    if (pair->agreement.largest > replay->sum.largest)
        replay->sum.largest = pair->agreement.largest;
}

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

/* ---- telling ---- */

/* Rows that were not compared do not agree. */
static double rate(const struct replay *replay)
{
    return replay->rows == 0 ? 0 : (double)replay->sum.agreed / (double)replay->rows;
}

static double mean(const struct replay *replay)
{
    return replay->sum.elements == 0 ? 0 : replay->sum.sum / (double)replay->sum.elements;
}

static const char *outcome(const struct pair *pair)
{
    if (pair->failures[0] != FAILURE_NONE || pair->failures[1] != FAILURE_NONE)
        return failure_label(pair->failures[pair->failures[1] != FAILURE_NONE]);
    return pair->compared ? "" : "not comparable";
}

static void print(const struct replay *replay)
{
    static const char *const heads[] = {"REQUEST ID",          "VERSION", ">ROWS", ">AGREED",
                                        ">LARGEST DIFFERENCE", "FAILED"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    printf("%zu requests (%zu rows) of %s asked again: %.2f %% of the rows agree with version %s; difference "
           "%.6g in "
           "the mean, %.6g at most; %zu failed\n",
           replay->count, replay->rows, replay->model, 100 * rate(replay), replay->against, mean(replay),
           replay->sum.largest, replay->failed);
    if (replay->written_over + replay->unanswered > 0)
        printf("not asked: %zu whose tensors were written over, %zu that had no answer, or one of %s\n",
               replay->written_over, replay->unanswered, replay->against);
    for (size_t i = 0; i < replay->count && i < SHOWN_MAX && is_worth_showing(&replay->pairs[i]); i++) {
        const struct pair *pair = &replay->pairs[i];
        table_cell(table, TONE_PLAIN, "%s", pair->found->entry.id);
        table_cell(table, TONE_PLAIN, "%s", pair->found->entry.version);
        table_cell(table, TONE_PLAIN, "%" PRIu32, pair->found->entry.rows);
        table_cell(table, pair->agreement.agreed < pair->agreement.rows ? TONE_BAD : TONE_PLAIN, "%zu",
                   pair->agreement.agreed);
        table_cell(table, TONE_PLAIN, "%.6g", pair->agreement.largest);
        table_cell(table, TONE_BAD, "%s", outcome(pair));
    }
    table_print(table, stdout, say_coloured());
    table_free(table);
}

static void print_json(const struct replay *replay, bool good)
{
    yyjson_mut_doc *said = say_new();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(said);
    if (!good)
        say_set_error(said, "the versions agree less than they must");
    yyjson_mut_obj_add_strcpy(said, root, "model", replay->model);
    yyjson_mut_obj_add_strcpy(said, root, "against", replay->against);
    yyjson_mut_obj_add_uint(said, root, "requests", replay->count);
    yyjson_mut_obj_add_uint(said, root, "rows", replay->rows);
    yyjson_mut_obj_add_uint(said, root, "agreed", replay->sum.agreed);
    yyjson_mut_obj_add_uint(said, root, "failed", replay->failed);
    yyjson_mut_obj_add_uint(said, root, "written_over", replay->written_over);
    yyjson_mut_obj_add_uint(said, root, "unanswered", replay->unanswered);
    yyjson_mut_obj_add_real(said, root, "agreement", rate(replay));
    yyjson_mut_obj_add_real(said, root, "mean_difference", mean(replay));
    yyjson_mut_obj_add_real(said, root, "largest_difference", replay->sum.largest);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(said, root, "differ_most");
    for (size_t i = 0; i < replay->count && i < SHOWN_MAX && is_worth_showing(&replay->pairs[i]); i++) {
        const struct pair *pair = &replay->pairs[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(said, list);
        yyjson_mut_obj_add_strcpy(said, object, "request_id", pair->found->entry.id);
        yyjson_mut_obj_add_strcpy(said, object, "version", pair->found->entry.version);
        yyjson_mut_obj_add_uint(said, object, "rows", pair->found->entry.rows);
        yyjson_mut_obj_add_uint(said, object, "agreed", pair->agreement.agreed);
        yyjson_mut_obj_add_real(said, object, "largest_difference", pair->agreement.largest);
        if (*outcome(pair) != '\0')
            yyjson_mut_obj_add_str(said, object, "failed", outcome(pair));
    }
    say_json(said);
}

/* ---- the requests ---- */

/* Those that version VERSION has not answered itself, and whose tensors are still there. */
static void gather(struct replay *replay, const struct flight_found *found, size_t count)
{
    replay->pairs = object_alloc((count + 1) * sizeof *replay->pairs);
    for (size_t i = 0; i < count; i++) {
        const struct flight_entry *entry = &found[i].entry;
        if (entry->status != 200 || entry->rows == 0 || *entry->version == '\0' ||
            strcmp(entry->version, replay->against) == 0) {
            replay->unanswered++;
            continue;
        }
        uint8_t *payload = flight_view_payload(replay->view, &found[i]);
        if (payload == NULL)
            replay->written_over++;
        else
            replay->pairs[replay->count++] = (struct pair){.found = &found[i], .payload = payload};
    }
}

static void drop_pairs(struct replay *replay)
{
    for (size_t i = 0; i < replay->count; i++) {
        free(replay->pairs[i].payload);
        free(replay->pairs[i].answers[0]);
        free(replay->pairs[i].answers[1]);
    }
    free(replay->pairs);
}

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

static int tell(struct replay *replay)
{
    double least = arguments_fraction(replay->arguments, OPTION_REPLAY_MIN_AGREEMENT, 0);
    for (size_t i = 0; i < replay->count; i++)
        compare(replay, &replay->pairs[i]);
    if (replay->count > 0)
        qsort(replay->pairs, replay->count, sizeof *replay->pairs, by_difference);
    bool good = replay->count > 0 && rate(replay) >= least;
    if (replay->arguments->json)
        print_json(replay, good);
    else
        print(replay);
    return good ? CTL_GOOD : CTL_FAULT;
}

static int ask_both(struct replay *replay, const struct config *config)
{
    char reason[QUESTIONS_REASON_MAX];
    const char *name;
    struct questions *questions = questions_new(config);
    const struct schema *schema = questions_version(questions, replay->model, replay->against, &name, reason);
    if (schema != NULL) {
        replay->task = schema->regression ? TASK_REGRESSION : TASK_CLASSIFICATION;
        replay->tolerance_ppm = tolerance_of(config, replay->model);
    }
    bool good = schema != NULL && questions_all(questions, next_question, take_answer, replay, reason);
    questions_free(questions);
    return good ? tell(replay) : say_fault(replay->arguments, CTL_FAULT, "%s", reason);
}

static int replay_found(struct replay *replay, const struct config *config, const struct flight_found *found,
                        size_t count)
{
    if (replay->model == NULL)
        replay->model = only_model(found, count);
    if (count == 0)
        return say_fault(replay->arguments, CTL_FAULT,
                         "no request%s%s is recorded with its tensors: flight.payload = full keeps them",
                         replay->model == NULL ? "" : " of ", replay->model == NULL ? "" : replay->model);
    if (replay->model == NULL)
        return say_fault(replay->arguments, CTL_FAULT,
                         "requests of several models are recorded: --model says which");
    gather(replay, found, count);
    int status = replay->count == 0
                     ? say_fault(replay->arguments, CTL_FAULT,
                                 "none of %zu recorded requests can be asked again: %zu are written "
                                 "over, %zu have no answer, or one of %s",
                                 count, replay->written_over, replay->unanswered, replay->against)
                     : ask_both(replay, config);
    drop_pairs(replay);
    return status;
}

int replay_against(const struct arguments *arguments, const struct config *config)
{
    struct replay replay = {.arguments = arguments,
                            .model = arguments_text(arguments, OPTION_REPLAY_MODEL),
                            .against = arguments_text(arguments, OPTION_AGAINST)};
    const struct flight_filter filter = {.model = replay.model,
                                         .last = (size_t)arguments_number(arguments, OPTION_LAST, LAST),
                                         .with_payload = true};
    size_t count;
    replay.view = flight_view_new(config);
    if (replay.view == NULL)
        return say_fault(arguments, CTL_FAULT, "%s/flight: %s", config->runtime_directory, strerror(errno));
    struct flight_found *found = flight_view_read(replay.view, &filter, &count);
    int status = replay_found(&replay, config, found, count);
    free(found);
    flight_view_free(replay.view);
    return status;
}
