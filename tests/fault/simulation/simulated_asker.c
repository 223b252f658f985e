/* simulated_asker: a frontend without HTTP. It makes requests in bursts, as many as its window allows, holds
 * each answer against the ledger, and takes some requests back. The client below it is the product's, so that
 * what is proved is what a frontend sees: one call for each request, with the right answer or with a failure
 * that the scenario allows. SPDX-License-Identifier: MIT */
#include "simulated_asker.h"

#include "clock.h"
#include "network.h"
#include "report.h"
#include "train.h"
#include "world.h"

#include <stdlib.h>
#include <zmq.h>

/* How often each question is asked, on the average, where whoever asks it does so under one name. */
enum { ASKED_TIMES = 4 };
/* By then all workers that are started at the beginning, at a second, have come. */
#define ALL_THERE (SECOND + 250 * MILLISECOND)

struct simulated_asker {
    struct asker_plan plan;
    struct loop *loop;
    struct client *client;
    struct metrics *metrics;
    struct loop_timer next;
    bool dead;
    void *rude; /* a second socket, for what the client does not send; nobody holds its answers against
                   anything */
    uint32_t told_workers;
};

/* ---- answers ---- */

static bool deserved(const struct ask *ask, const struct asker_plan *plan, enum failure failure)
{
    const struct scenario *scenario = plan->scenario;
    if ((unsigned)failure >= FAILURE_KINDS)
        return false;
    if (plan->quiet)
        return failure == FAILURE_NONE;
    if (ask->poison)
        return failure == FAILURE_POISON || (scenario->allowed >> failure & 1);
    if (ask->failing && failure != FAILURE_NONE)
        return failure == FAILURE_INVALID || (scenario->allowed >> failure & 1);
    return failure == FAILURE_NONE || (scenario->allowed >> failure & 1);
}

static void check_solution(const struct ask *ask, const struct client_answer *answer)
{
    struct solution right = ledger_solution(ask->content), given = {0};
    PROMISE(answer->payload_bytes == sizeof given, "request %lu: an answer of %zu bytes",
            (unsigned long)ask->serial, answer->payload_bytes);
    memcpy(&given, answer->payload, sizeof given);
    PROMISE(given.content == right.content && given.proof == right.proof,
            "request %lu gets the answer of request %lu", (unsigned long)ask->serial,
            (unsigned long)given.content);
}

static void check_kills(const struct ask *ask, const struct scenario *scenario)
{
    PROMISE(scenario->poison_forgotten || ask->kills <= scenario->max_kills + 1,
            "request %lu has killed %u workers", (unsigned long)ask->serial, ask->kills);
}

static void answered(void *owner, const struct client_answer *answer)
{
    struct ask *ask = owner;
    struct simulated_asker *asker = ask->asker;
    loop_timer_cancel(asker->loop, &ask->cancel);
    if (asker->dead && asker->plan.lost != NULL) {
        asker->plan.lost(asker->plan.self, ask);
        return;
    }
    if (asker->dead) {
        asker->plan.ledger->orphaned++;
        ledger_close(asker->plan.ledger, ask);
        return;
    }
    PROMISE(deserved(ask, &asker->plan, answer->failure),
            "request %lu (%s, sent %u times, killed %u workers) is answered %s after %.3f ms: %.*s",
            (unsigned long)ask->serial, ask->poison ? "poison" : "sound", ask->sent, ask->kills,
            failure_label(answer->failure), (double)(world_now() - ask->asked_at) / 1e6,
            (int)answer->message.length, answer->message.at);
    if (answer->failure == FAILURE_NONE)
        check_solution(ask, answer);
    check_kills(ask, asker->plan.scenario);
    int64_t longest =
        asker->plan.quiet ? asker->plan.scenario->quiet_wait : asker->plan.scenario->longest_wait;
    PROMISE(longest == 0 || world_now() - ask->asked_at <= longest, "request %lu has waited for %.3f ms",
            (unsigned long)ask->serial, (double)(world_now() - ask->asked_at) / 1e6);
    if (asker->plan.quiet && ask->asked_at >= ALL_THERE) {
        asker->plan.ledger->quiet++;
        asker->plan.ledger->quiet_late += world_now() - ask->asked_at > asker->plan.scenario->quiet_usually;
    }
    asker->plan.ledger->answered[answer->failure]++;
    ledger_close(asker->plan.ledger, ask);
}

/* ---- requests ---- */

static void take_back(void *self)
{
    struct ask *ask = self;
    struct simulated_asker *asker = ask->asker;
    client_cancel(asker->client, ask->request);
    asker->plan.ledger->cancelled++;
    ledger_close(asker->plan.ledger, ask);
}

/* Three small ones of four, then any size. */
static int64_t draw_size(int64_t most)
{
    if (most <= 1)
        return most;
    return chance_between(world_chance(), 1, chance_below(world_chance(), 4) > 0 && most > 4 ? 4 : most);
}

/* Some questions come by the name of another. */
static struct text name_request(const struct scenario *scenario, const struct ask *ask,
                                uint64_t once[PROTOCOL_ONCE_BYTES / sizeof(uint64_t)])
{
    if (!chance_hits(world_chance(), scenario->named))
        return (struct text){0};
    memset(once, 0, PROTOCOL_ONCE_BYTES);
    once[0] = ask->content + (!ask->named && chance_below(world_chance(), 20) == 0);
    once[PROTOCOL_ONCE_BYTES / sizeof *once / 2] = ask->content;
    return (struct text){(const char *)once, PROTOCOL_ONCE_BYTES};
}

static uint8_t draw_priority(const struct simulated_asker *asker)
{
    const struct scenario *scenario = asker->plan.scenario;
    if (scenario->priorities > 0)
        return (uint8_t)chance_below(world_chance(), scenario->priorities);
    return scenario->jobs && !asker->plan.quiet ? PROTOCOL_PRIORITY_JOB : PROTOCOL_PRIORITY_ONLINE;
}

static void make_payload(const struct simulated_asker *asker, struct ask *ask)
{
    const struct scenario *scenario = asker->plan.scenario;
    struct question question = ledger_question(ask);
    size_t bytes = sizeof question + (scenario->contents > 0 ? 0 : (size_t)draw_size(scenario->most_bytes));
    ask->request = client_request_new(bytes);
    memset(client_request_payload(ask->request), 0, bytes);
    memcpy(client_request_payload(ask->request), &question, sizeof question);
}

bool simulated_asker_take(struct simulated_asker *asker, struct ask *ask)
{
    if (client_full(asker->client, 0))
        return false;
    ask->asker = asker;
    make_payload(asker, ask);
    struct client_ask words = {.model = text_of(asker->plan.models[ask->model]),
                               .rows = (uint32_t)draw_size(asker->plan.scenario->most_rows),
                               .deadline = ask->deadline,
                               .priority = draw_priority(asker),
                               .tag = text_of("simulated")};
    client_send(asker->client, ask->request, &words, answered, ask);
    return true;
}

static void make_request(struct simulated_asker *asker)
{
    const struct scenario *scenario = asker->plan.scenario;
    struct chance *chance = world_chance();
    int64_t now = world_now();
    struct ask *ask = ledger_open(asker->plan.ledger,
                                  now + chance_between(chance, scenario->deadline[0], scenario->deadline[1]));
    ask->asker = asker;
    ask->poison = chance_hits(chance, scenario->poison);
    ask->failing = !ask->poison && chance_hits(chance, scenario->failing);
    unsigned model = (unsigned)chance_below(chance, scenario->models);
    ask->once = strstr(scenario->model_conf, "idempotent = false") != NULL;
    ask->named = ask->once && scenario->named > 0;
    if (scenario->contents > 0)
        ask->content =
            1 + chance_below(chance, scenario->contents) + (ask->named ? ask->serial / ASKED_TIMES : 0);
    ask->model = model;
    make_payload(asker, ask);
    bool misnamed = chance_hits(chance, scenario->misnamed), wishes = chance_hits(chance, scenario->wishes);
    uint64_t once[PROTOCOL_ONCE_BYTES / sizeof(uint64_t)];
    char key[24] = "";
    if (scenario->keys > 0)
        snprintf(key, sizeof key, "%u", (unsigned)chance_below(chance, scenario->keys));
    struct client_ask words = {.model = text_of(misnamed ? "nobody" : asker->plan.models[model]),
                               .version = text_of(wishes ? "2" : ""),
                               .version_optional = wishes,
                               .key = text_of(key),
                               .rows = (uint32_t)draw_size(scenario->most_rows),
                               .deadline = ask->deadline,
                               .tenant = scenario->tenants > 0 ? chance_below(chance, scenario->tenants)
                                                               : asker->plan.quiet,
                               .priority = draw_priority(asker),
                               .tag = text_of("simulated"),
                               .once = name_request(scenario, ask, once)};
    if (chance_hits(chance, scenario->cancelled))
        loop_timer_set(asker->loop, &ask->cancel, now + chance_between(chance, 0, scenario->compute * 4),
                       take_back, ask);
    client_send(asker->client, ask->request, &words, answered, ask);
}

static void make_burst(void *self)
{
    struct simulated_asker *asker = self;
    const struct scenario *scenario = asker->plan.scenario;
    int64_t left = asker->plan.quiet ? 1 : chance_between(world_chance(), 1, scenario->burst);
    int64_t pause = asker->plan.quiet ? 10 * scenario->pause : scenario->pause;
    if (asker->plan.hosts_alive != NULL)
        pause = pause * *asker->plan.hosts_alive / scenario->hosts + 1;
    while (left-- > 0 && asker->plan.ledger->asked < asker->plan.ledger->planned &&
           !client_full(asker->client, 0) && client_in_flight(asker->client) < scenario->window)
        make_request(asker);
    if (asker->plan.ledger->asked < asker->plan.ledger->planned)
        loop_timer_set(asker->loop, &asker->next, world_now() + chance_between(world_chance(), 1, 2 * pause),
                       make_burst, asker);
}

/* ---- life ---- */

static void told(void *self, const struct catalog_entry *entries, size_t count)
{
    struct simulated_asker *asker = self;
    asker->told_workers = 0;
    for (size_t i = 0; i < count; i++)
        asker->told_workers += entries[i].workers;
}

static void ignore_messages(void *self)
{
    struct simulated_asker *asker = self;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, asker->rude, ZMQ_DONTWAIT) >= 0)
        continue;
    zmq_msg_close(&frame);
}

struct simulated_asker *simulated_asker_new(const struct asker_plan *plan)
{
    struct simulated_asker *asker = object_alloc(sizeof *asker);
    asker->plan = *plan;
    asker->loop = loop_new();
    asker->metrics = metrics_new(NULL);
    asker->client = client_new(plan->network, asker->loop, plan->endpoint, plan->scenario->window,
                               asker->metrics, told, asker);
    if (plan->scenario->every[MISHAP_RUBBISH] > 0) {
        asker->rude = zmq_socket(plan->network, ZMQ_DEALER);
        loop_zmq_add(asker->loop, asker->rude, ignore_messages, asker);
        zmq_connect(asker->rude, plan->endpoint);
    }
    loop_timer_set(asker->loop, &asker->next,
                   world_now() + chance_between(world_chance(), 0, 10 * MILLISECOND), make_burst, asker);
    return asker;
}

void simulated_asker_kill(struct simulated_asker *asker)
{
    asker->dead = true;
    network_kill(asker->plan.network, asker->loop);
    loop_timer_cancel(asker->loop, &asker->next);
}

void simulated_asker_free(struct simulated_asker *asker)
{
    if (asker == NULL)
        return;
    asker->dead = true;
    loop_timer_cancel(asker->loop, &asker->next);
    client_free(asker->client);
    if (asker->rude != NULL) {
        loop_zmq_remove(asker->loop, asker->rude);
        zmq_close(asker->rude);
    }
    metrics_free(asker->metrics);
    loop_free(asker->loop);
    free(asker);
}

void simulated_asker_cut(struct simulated_asker *asker)
{
    network_cut(asker->plan.network, asker->loop);
}

void simulated_asker_pause(struct simulated_asker *asker, int64_t until)
{
    loop_pause(asker->loop, until);
}

static void send_rude(struct simulated_asker *asker, const struct envelope *envelope, const void *payload,
                      size_t payload_bytes)
{
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    size_t length = protocol_encode(envelope, bytes, sizeof bytes);
    ENSURE(length > 0);
    if (zmq_send(asker->rude, bytes, length, ZMQ_DONTWAIT | (payload == NULL ? 0 : ZMQ_SNDMORE)) >= 0 &&
        payload != NULL)
        zmq_send(asker->rude, payload, payload_bytes, ZMQ_DONTWAIT);
}

void simulated_asker_babble(struct simulated_asker *asker)
{
    struct envelope request = {.verb = VERB_REQUEST, .request = {.rows = 1, .time_left_us = 1000000}};
    struct question question = {.content = chance_next(world_chance()) | 1, .slot = LEDGER_SHARED};
    struct train train = {0};
    if (asker->rude == NULL)
        return;
    switch (chance_below(world_chance(), 7)) {
    case 0:
        zmq_send(asker->rude, "\x93\x01\xc1", 3, ZMQ_DONTWAIT);
        return;
    case 1: /* a verb of workers */
        send_rude(asker, &(struct envelope){.verb = VERB_HEARTBEAT}, NULL, 0);
        return;
    case 2:
        send_rude(asker, &(struct envelope){.verb = VERB_CANCEL, .id = chance_next(world_chance())}, NULL, 0);
        return;
    case 3: /* without an id */
        send_rude(asker, &request, &question, sizeof question);
        return;
    case 4: /* with an id that is open, perhaps, or was */
        request.id = 1 + chance_below(world_chance(), 4);
        for (int i = 0; i < 2; i++)
            send_rude(asker, &request, &question, sizeof question);
        return;
    case 5: /* the payload is cut off */
        request.id = 6;
        train_add(&train, &request);
        train_add_payload(&train, sizeof question);
        zmq_send(asker->rude, train.bytes, train.length - sizeof question, ZMQ_DONTWAIT);
        train_free(&train);
        return;
    default: /* the payload is missing */
        request.id = 5;
        send_rude(asker, &request, NULL, 0);
    }
}

uint32_t simulated_asker_told_workers(const struct simulated_asker *asker)
{
    return asker->told_workers;
}
