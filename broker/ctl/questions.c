/* questions: see questions.h. Used by `outrigger profile` (profile_command.c) and `outrigger replay`
 * (replay_command.c, replay_against.c), each of which turns the loop that is in here until it has what it
 * wants.
 *
 * The asking is asker.c's, as for jobs: behind clients, and again where waiting helps. A few requests are
 * under way at a time: enough that a worker need not wait for us, and few enough that clients hardly do.
 * SPDX-License-Identifier: MIT */
#include "questions.h"

#include "clock.h"
#include "ctl.h"

#include <stdlib.h>
#include <utlist.h>
#include <zmq.h>

enum { QUESTIONS_MAGIC = 0x0a5c0001, AT_A_TIME = 4 };
#define CATALOG_TIME (10 * SECOND)
#define ANSWER_TIME  (60 * SECOND)
#define GIVE_UP      (3 * ANSWER_TIME)

/* One that is asked. */
struct open_question {
    struct questions *questions;
    void *context;
    struct open_question *prev, *next;
};

struct questions {
    unsigned magic;
    struct loop *loop;
    struct metrics *metrics;
    void *zmq;
    struct asker *asker;
    struct open_question *open;
    bool ended; /* there are no more, or it failed */
    bool failed;
    questions_next *next;
    questions_answered *answered;
    void *self;
    char *reason;
};

/* ---- life ---- */

struct questions *questions_new(const struct config *config, const char *who)
{
    struct questions *questions = object_alloc(sizeof *questions);
    questions->magic = QUESTIONS_MAGIC;
    questions->loop = loop_new();
    questions->metrics = metrics_new(NULL);
    questions->zmq = zmq_ctx_new();
    ENSURE(questions->loop != NULL && questions->metrics != NULL && questions->zmq != NULL);
    questions->asker = asker_new(&(struct asker_context){.zmq = questions->zmq,
                                                         .loop = questions->loop,
                                                         .metrics = questions->metrics,
                                                         .config = config,
                                                         .tenant = who,
                                                         .priority = PROTOCOL_PRIORITY_JOB,
                                                         .deadline = ANSWER_TIME,
                                                         .at_a_time = AT_A_TIME,
                                                         .hasty = true,
                                                         .give_up = GIVE_UP});
    return questions;
}

static void *close_question(struct open_question *open)
{
    void *context = open->context;
    DL_DELETE(open->questions->open, open);
    free(open);
    return context;
}

void questions_free(struct questions *questions)
{
    if (questions == NULL)
        return;
    CHECK_OBJECT(questions, QUESTIONS_MAGIC);
    asker_free(questions->asker);
    while (questions->open != NULL)
        free(close_question(questions->open));
    zmq_ctx_term(questions->zmq);
    metrics_free(questions->metrics);
    loop_free(questions->loop);
    questions->magic = 0;
    free(questions);
}

const struct schema *questions_version(struct questions *questions, const char *model, const char *version,
                                       const char **name, char reason[QUESTIONS_REASON_MAX])
{
    CHECK_OBJECT(questions, QUESTIONS_MAGIC);
    const struct schema *schema = asker_version(questions->asker, model, version, CATALOG_TIME, reason);
    *name = asker_version_name(questions->asker);
    return schema;
}

int questions_fault(const struct questions *questions)
{
    CHECK_OBJECT(questions, QUESTIONS_MAGIC);
    const struct asker *asker = questions->asker;
    bool found = *asker_version_name(asker) != '\0';
    return asker_gave_up(asker) || (!found && !asker_connected(asker)) ? CTL_NOT_RUNNING : CTL_FAULT;
}

/* ---- asking ---- */

static void ask_more(struct questions *questions);

static void fail(struct questions *questions)
{
    questions->ended = questions->failed = true;
    loop_stop(questions->loop);
}

static void answered(void *self, const struct client_answer *answer)
{
    struct open_question *open = self;
    struct questions *questions = open->questions;
    void *context = close_question(open);
    if (questions->failed || asker_gave_up(questions->asker)) {
        free(context);
        if (!questions->failed)
            text_copy(answer->message, questions->reason, QUESTIONS_REASON_MAX);
        fail(questions);
        return;
    }
    if (!questions->answered(questions->self, context, answer, questions->reason)) {
        fail(questions);
        return;
    }
    ask_more(questions);
    if (questions->ended && questions->open == NULL)
        loop_stop(questions->loop);
}

static void ask(struct questions *questions, const struct question *question)
{
    struct open_question *open = object_alloc(sizeof *open);
    open->questions = questions;
    open->context = question->context;
    DL_APPEND(questions->open, open);
    uint8_t *payload = object_alloc(question->bytes);
    memcpy(payload, question->payload, question->bytes);
    asker_send(questions->asker, payload, question->bytes,
               &(struct asker_ask){.rows = question->rows,
                                   .model = question->model,
                                   .version = question->version,
                                   .tag = question->tag,
                                   .deadline = question->time,
                                   .once = question->once},
               answered, open);
}

static void ask_more(struct questions *questions)
{
    while (!questions->ended && asker_room(questions->asker)) {
        struct question question = {0};
        int next = questions->next(questions->self, &question, questions->reason);
        if (next > 0)
            ask(questions, &question);
        else if (next < 0)
            fail(questions);
        questions->ended = questions->ended || next == 0;
    }
}

bool questions_all(struct questions *questions, questions_next *next, questions_answered *taken, void *self,
                   char reason[QUESTIONS_REASON_MAX])
{
    CHECK_OBJECT(questions, QUESTIONS_MAGIC);
    questions->next = next;
    questions->answered = taken;
    questions->self = self;
    questions->reason = reason;
    questions->ended = questions->failed = false;
    ask_more(questions);
    while (!questions->failed && questions->open != NULL)
        loop_run(questions->loop);
    return !questions->failed;
}
