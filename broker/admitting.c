/* admitting: whether READY is believed.
 *
 * A model may be a program, and it has its worker's process and socket: so what READY says of model, version,
 * process and instance is what anybody may say. At the local endpoint it is held against what the supervisor
 * has announced of the token that it shows (admission.c). Over tcp the keys decide, and what the worker says
 * of itself has to do with none but its own. All of it is looked at here, once for each READY; batches and
 * results are bound to the connection that it came over. SPDX-License-Identifier: MIT */
#include "state.h"

#include "control.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>

/* A supervisor that is away is asked again. */
#define ASK_EVERY (500 * MILLISECOND)

static const char *const reasons[REFUSALS_OF_WORKERS] = {
    [REFUSED_MISSING] = "missing", [REFUSED_UNKNOWN] = "unknown",   [REFUSED_OTHER] = "other",
    [REFUSED_TWICE] = "twice",     [REFUSED_INSTANCE] = "instance", [REFUSED_KEY_OF_OTHERS] = "key"};

/* The worker that has come in with this pass; NULL. */
static struct worker *holder_of(struct broker *broker, const struct pass *pass)
{
    struct worker *worker = pool_find(broker->pool, &pass->holder);
    return worker != NULL && worker->pass == pass->number ? worker : NULL;
}

static bool is_held(void *self, const struct pass *pass)
{
    return holder_of(self, pass) != NULL;
}

void admitting_begin(struct broker *broker)
{
    broker->admitting.admission = admission_new(is_held, broker);
    for (size_t i = 0; i < REFUSALS_OF_WORKERS; i++)
        broker->admitting.refused[i] =
            metrics_series(broker->metrics, METRIC_WORKERS_REFUSED, reasons[i], NULL, NULL);
}

void admitting_free(struct broker *broker)
{
    admission_free(broker->admitting.admission);
}

/* It ends then, unless it is a worker's model that does not mean to. */
static void turn_away(struct broker *broker, const struct peer *peer, const struct claim *claim,
                      enum refusal_of_worker reason, const char *why)
{
    char message[PROTOCOL_TEXT_MAX];
    series_add(broker->admitting.refused[reason], 1);
    if (log_allowed(&broker->admitting.logged[reason], 1))
        log_warning("a worker was refused: it says that it serves %s %s as process %" PRIu32 ", but %s",
                    claim->model, claim->version, claim->pid, why);
    snprintf(message, sizeof message, "it is not believed to serve %s %s: %s", claim->model, claim->version,
             why);
    serving_send_away(broker, peer, message);
}

/* ---- those whom nobody knows yet ---- */

static void ask_supervisor(struct broker *broker)
{
    char path[256], line[96];
    int64_t now = loop_now(broker->loop);
    if (broker->admitting.asked_at != 0 && now - broker->admitting.asked_at < ASK_EVERY)
        return;
    broker->admitting.asked_at = now;
    snprintf(path, sizeof path, "%s/supervisor.sock", broker->config->runtime_directory);
    snprintf(line, sizeof line, "{\"command\":\"worker-unknown\",\"question\":%" PRIu64 "}",
             admission_ask(broker->admitting.admission));
    control_tell(path, line);
}

void admitting_look(struct broker *broker)
{
    if (admission_waiting(broker->admitting.admission) > 0)
        ask_supervisor(broker);
}

void admitting_settle(struct broker *broker, uint64_t answered)
{
    struct knocker knocker;
    struct admission *admission = broker->admitting.admission;
    while (admission_next_known(admission, &knocker))
        serving_beat(broker, &knocker.peer, 0); /* an epoch that it does not know: it says READY again */
    while (admission_next_unknown(admission, answered, &knocker))
        turn_away(broker, &knocker.peer, &knocker.claim, REFUSED_UNKNOWN,
                  "the supervisor does not know its token");
}

/* ---- those who are known ---- */

/* Another process, or a model that would have twice its share. One that has connected anew is the same
 * instance, and one whose connection is gone counts no more. */
static bool is_second(struct broker *broker, const struct pass *pass, const struct port_message *message)
{
    const struct worker *holder = holder_of(broker, pass);
    return holder != NULL && memcmp(&holder->peer, &message->peer, sizeof holder->peer) != 0 &&
           holder->state != WORKER_DRAINING && holder->instance != message->envelope.ready.instance;
}

/* Who says that he is an instance that is there already must be who that one was: it is forgotten for him. */
static bool is_others_instance(struct broker *broker, const struct pass *pass,
                               const struct port_message *message)
{
    const struct worker *worker = pool_find_instance(broker->pool, message->envelope.ready.instance);
    if (worker == NULL)
        return false;
    const char *key = message->peer.remote ? gate_key(message->frame) : "";
    return worker->remote != message->peer.remote || worker->pass != (pass == NULL ? 0 : pass->number) ||
           strcmp(worker->key, key) != 0;
}

static struct claim claim_of(const struct envelope *ready)
{
    struct claim claim = {.token = worker_token_read(ready->ready.token), .pid = ready->ready.pid};
    text_copy(ready->ready.model, claim.model, sizeof claim.model);
    text_copy(ready->ready.version, claim.version, sizeof claim.version);
    return claim;
}

static bool is_allowed(struct broker *broker, const struct port_message *message, const struct claim *claim,
                       const struct pass *pass)
{
    char why[PROTOCOL_TEXT_MAX];
    if (pass != NULL &&
        (strcmp(pass->claim.model, claim->model) != 0 || strcmp(pass->claim.version, claim->version) != 0)) {
        snprintf(why, sizeof why, "its token is that of process %" PRIu32 ", which serves %s %s",
                 pass->claim.pid, pass->claim.model, pass->claim.version);
        turn_away(broker, &message->peer, claim, REFUSED_OTHER, why);
        return false;
    }
    if (message->peer.remote && !gate_serves(broker->gate, gate_key(message->frame), text_of(claim->model))) {
        turn_away(broker, &message->peer, claim, REFUSED_KEY_OF_OTHERS,
                  "broker.curve_allow lets its key serve other models alone");
        return false;
    }
    if (pass != NULL && is_second(broker, pass, message)) {
        turn_away(broker, &message->peer, claim, REFUSED_TWICE, "another worker has come with its token");
        return false;
    }
    if (is_others_instance(broker, pass, message)) {
        turn_away(broker, &message->peer, claim, REFUSED_INSTANCE, "its instance is that of another worker");
        return false;
    }
    return true;
}

bool admitting_lets(struct broker *broker, const struct port_message *message, struct pass **pass)
{
    struct claim claim = claim_of(&message->envelope);
    bool by_hand = message->peer.remote ||
                   (broker->config->broker_workers_by_hand != 0 && message->envelope.ready.token.length == 0);
    *pass = by_hand ? NULL : admission_find(broker->admitting.admission, &claim.token);
    if (by_hand || *pass != NULL)
        return is_allowed(broker, message, &claim, *pass);
    if (claim.token.text[0] == '\0') {
        turn_away(broker, &message->peer, &claim, REFUSED_MISSING,
                  "no supervisor has started it (broker.workers_by_hand = true lets such workers in)");
        return false;
    }
    admission_wait(broker->admitting.admission, &message->peer, &claim);
    ask_supervisor(broker);
    return false;
}

void admitting_came(struct broker *broker, struct worker *worker, struct pass *pass)
{
    struct worker *holder = holder_of(broker, pass);
    if (holder != NULL) /* it has connected anew */
        losing_worker(broker, holder, "left", FATE_FORGOT);
    pass->holder = worker->peer;
    worker->pass = pass->number;
    worker->pid = pass->claim.pid; /* the process that the supervisor ends if it has to, whatever it says */
}
