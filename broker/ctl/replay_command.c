/* replay_command: `outrigger replay`: sends a request that workers died of to a version once more, and tells
 * what comes of it. It goes the way of every request, through the broker, so that a version that still dies
 * of it costs what it cost before and the others do not notice. With --against it is replay_against.c's.
 * SPDX-License-Identifier: MIT */
#include "ask.h"
#include "clock.h"
#include "kept.h"
#include "outcome.h"
#include "questions.h"
#include "replay.h"
#include "say.h"

#include "log.h"

enum {
    WAIT_MS = 30000, /* unless --wait says otherwise */
    REASON_BYTES = 4608
};

struct replay {
    const struct arguments *arguments;
    const struct quarantined *record;
    yyjson_mut_doc *said; /* with --json, else NULL */
    int64_t sent_at;      /* 0: not yet */
    int result;
};

static int next_question(void *self, struct question *question, char reason[QUESTIONS_REASON_MAX])
{
    struct replay *replay = self;
    const struct quarantined *record = replay->record;
    const char *model = arguments_text(replay->arguments, OPTION_REPLAY_MODEL);
    const char *version = arguments_text(replay->arguments, OPTION_REPLAY_VERSION);
    (void)reason;
    if (replay->sent_at != 0)
        return 0;
    replay->sent_at = clock_now();
    *question =
        (struct question){.payload = (const uint8_t *)record->payload.at,
                          .bytes = record->payload.length,
                          .rows = record->rows,
                          .model = model == NULL ? record->model : text_of(model),
                          .version = version == NULL ? record->version : text_of(version),
                          .tag = record->tag,
                          .time = arguments_number(replay->arguments, OPTION_WAIT, WAIT_MS) * MILLISECOND,
                          .once = true};
    return 1;
}

static bool take_answer(void *self, void *context, const struct client_answer *answer,
                        char reason[QUESTIONS_REASON_MAX])
{
    struct replay *replay = self;
    int64_t took = clock_now() - replay->sent_at;
    (void)context, (void)reason;
    bool good =
        replay->said != NULL ? outcome_add(answer, took, replay->said) : outcome_print(answer, took, stdout);
    replay->result = good ? CTL_GOOD : CTL_FAULT;
    return true;
}

/* Sends it and waits for the answer, or for the deadline. */
static int send_again(const struct config *config, const struct quarantined *record,
                      const struct arguments *arguments, yyjson_mut_doc *said)
{
    char reason[QUESTIONS_REASON_MAX];
    struct replay replay = {.arguments = arguments, .record = record, .said = said, .result = CTL_FAULT};
    struct questions *questions = questions_new(config, "outrigger replay");
    (void)questions_all(questions, next_question, take_answer, &replay, reason); /* neither of them refuses */
    questions_free(questions);
    return replay.result;
}

static void introduce(const struct quarantined *record)
{
    char time[KEPT_TIME_BYTES];
    printf("request ");
    outcome_print_text(record->tag, stdout);
    printf(" for %.*s %.*s, %u rows, refused %s UTC: %u workers died of it (", (int)record->model.length,
           record->model.at, (int)record->version.length, record->version.at, record->rows,
           kept_time(record->time_ms, time), record->kills);
    outcome_print_text(record->cause, stdout);
    puts(")");
    fflush(stdout);
}

/* With --json: what is said in the end, begun with the request. */
static yyjson_mut_doc *new_json(const struct quarantined *record)
{
    yyjson_mut_doc *document = say_new();
    kept_add(record, document,
             yyjson_mut_obj_add_obj(document, yyjson_mut_doc_get_root(document), "request"));
    return document;
}

static int replay_record(const struct config *config, const struct arguments *arguments,
                         const struct quarantined *record)
{
    yyjson_mut_doc *said = arguments->json ? new_json(record) : NULL;
    if (said == NULL)
        introduce(record);
    int result = ask_whether_broker(arguments, config, "not sent");
    bool is_there = result == CTL_GOOD;
    if (is_there)
        result = send_again(config, record, arguments, said);
    if (is_there && said != NULL)
        say_json(said);
    else
        yyjson_mut_doc_free(said);
    return result;
}

static int replay_file(const struct config *config, const struct arguments *arguments)
{
    struct kept kept;
    char reason[REASON_BYTES];
    if (!kept_read(config, arguments->operands[0], &kept, reason, sizeof reason))
        return say_fault(arguments, CTL_FAULT, "%s", reason);
    int result = replay_record(config, arguments, &kept.record);
    kept_free(&kept);
    return result;
}

static int list(const struct config *config, const struct arguments *arguments)
{
    if (!arguments->json)
        return kept_list(config, stdout, say_coloured()) ? CTL_GOOD : CTL_FAULT;
    yyjson_mut_doc *document = say_new();
    bool good = kept_add_list(config, document);
    if (!good)
        say_set_error(document, "not all that is kept can be read");
    say_json(document);
    return good ? CTL_GOOD : CTL_FAULT;
}

static int replay_recorded(const struct config *config, const struct arguments *arguments)
{
    int result = ask_whether_broker(arguments, config, "not sent");
    return result == CTL_GOOD ? replay_against(arguments, config) : result;
}

int replay_command(const struct arguments *arguments)
{
    bool lists = arguments_has(arguments, OPTION_LIST), compares = arguments_has(arguments, OPTION_AGAINST);
    if (lists + compares + (arguments->operands[0] != NULL) != 1)
        return say_usage(arguments, "expected a FILE, or --list, or --against VERSION");
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    log_open("outrigger", "warning");
    int result = lists      ? list(config, arguments)
                 : compares ? replay_recorded(config, arguments)
                            : replay_file(config, arguments);
    config_free(config);
    return result;
}
