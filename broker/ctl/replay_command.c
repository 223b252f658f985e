/* replay_command: `outrigger replay`: sends a request that workers died of to a version once more, and tells
 * what comes of it. It goes the way of every request, through the broker, so that a version that still dies
 * of it costs what it cost before and the others do not notice. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "clock.h"
#include "kept.h"
#include "outcome.h"
#include "replay.h"
#include "say.h"

#include "client.h"
#include "log.h"

#include <zmq.h>

enum {
    ANSWER_TIMEOUT_MS = 2000, /* of the broker's control socket */
    WAIT_MS = 30000,          /* unless --wait says otherwise */
    REASON_BYTES = 4608
};

struct replay {
    struct loop *loop;
    yyjson_mut_doc *said; /* with --json, else NULL */
    int64_t sent_at;
    int result;
};

static void answered(void *self, const struct client_answer *answer)
{
    struct replay *replay = self;
    int64_t took = clock_now() - replay->sent_at;
    bool good =
        replay->said != NULL ? outcome_add(answer, took, replay->said) : outcome_print(answer, took, stdout);
    replay->result = good ? CTL_GOOD : CTL_FAULT;
    loop_stop(replay->loop);
}

static void ignore_catalog(void *self, const struct catalog_entry *entries, size_t count)
{
    (void)self;
    (void)entries;
    (void)count;
}

/* Sends it and waits for the answer, or for the deadline. */
static int send_again(const struct config *config, const struct quarantined *record,
                      const struct arguments *arguments, yyjson_mut_doc *said)
{
    int64_t wait_ms = arguments_number(arguments, OPTION_WAIT, WAIT_MS);
    const char *model = arguments_text(arguments, OPTION_REPLAY_MODEL);
    const char *version = arguments_text(arguments, OPTION_REPLAY_VERSION);
    struct replay replay = {.loop = loop_new(), .said = said, .sent_at = clock_now(), .result = CTL_FAULT};
    struct metrics *metrics = metrics_new(NULL);
    void *zmq = zmq_ctx_new();
    ENSURE(replay.loop != NULL && metrics != NULL && zmq != NULL);
    struct client *client =
        client_new(zmq, replay.loop, config->broker_askers, 1, metrics, ignore_catalog, NULL);
    struct client_request *request = client_request_new(record->payload.length);
    memcpy(client_request_payload(request), record->payload.at, record->payload.length);
    const struct client_ask ask = {.model = model == NULL ? record->model : text_of(model),
                                   .version = version == NULL ? record->version : text_of(version),
                                   .rows = record->rows,
                                   .deadline = replay.sent_at + wait_ms * MILLISECOND,
                                   .tag = record->tag};
    client_send(client, request, &ask, answered, &replay);
    loop_run(replay.loop);
    client_free(client);
    zmq_ctx_term(zmq);
    metrics_free(metrics);
    loop_free(replay.loop);
    return replay.result;
}

/* CTL_GOOD when there is a broker. */
static int find_broker(const struct arguments *arguments, const struct config *config)
{
    int status;
    yyjson_doc *answer =
        ask_broker(arguments, config, ask_new("status"), ANSWER_TIMEOUT_MS, "not sent", &status);
    yyjson_doc_free(answer);
    return status;
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
    int result = find_broker(arguments, config);
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
    int result = find_broker(arguments, config);
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
