/* rollout_record: to and from JSON: the operator's wish, and the file. SPDX-License-Identifier: MIT */
#include "rollout_record.h"

#include "clock.h"
#include "protocol.h"
#include "tally.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double default_steps[] = {5, 25, 50, 100};

enum { EVERY_MS_DEFAULT = 600000, EVERY_MS_MAX = 7 * 86400 * 1000, MIN_REQUESTS_DEFAULT = 500 };
#define MAX_ERROR_RATE_DEFAULT 0.01

const char *rollout_state_name(enum rollout_state state)
{
    static const char *const names[] = {
#define X(name, text) [ROLLOUT_##name] = text,
        ROLLOUT_STATES(X)
#undef X
    };
    ENSURE(state < ROLLOUT_STATE_COUNT);
    return names[state];
}

struct rollout *rollout_record_new(void)
{
    return object_alloc(sizeof(struct rollout));
}

void rollout_record_free(struct rollout *rollout)
{
    if (rollout == NULL)
        return;
    free(rollout->model);
    free(rollout->version);
    free(rollout->stable);
    route_free(rollout->said);
    free(rollout);
}

bool rollout_active(const struct rollout *rollout)
{
    return rollout->state <= ROLLOUT_GOING_BACK;
}

uint32_t rollout_weight(const struct rollout *rollout)
{
    if (rollout->state == ROLLOUT_DONE)
        return ROUTE_WHOLE;
    bool has = rollout->moved && rollout->state != ROLLOUT_LOADING && rollout_active(rollout);
    return has ? rollout->steps[rollout->step] : 0;
}

/* ---- reading ---- */

/* Where the reading of an object stands: after the first fault nothing is taken any more. */
struct reading {
    yyjson_val *object;
    char *reason; /* "" while all is well */
    size_t capacity;
};

static bool faulty(const struct reading *reading)
{
    return reading->reason[0] != '\0';
}

#define FAULT(reading, ...)                                                                                  \
    do {                                                                                                     \
        if (!faulty(reading))                                                                                \
            snprintf((reading)->reason, (reading)->capacity, __VA_ARGS__);                                   \
    } while (0)

static double read_number(struct reading *reading, const char *name, double fallback, double least,
                          double most)
{
    yyjson_val *value = yyjson_obj_get(reading->object, name);
    if (value == NULL || yyjson_is_null(value))
        return fallback;
    double number = yyjson_get_num(value);
    if (!yyjson_is_num(value) || !isfinite(number) || number < least || number > most)
        FAULT(reading, "%s: expected a number from %.15g to %.15g", name, least, most);
    return number;
}

static char *read_name(struct reading *reading, const char *name)
{
    yyjson_val *value = yyjson_obj_get(reading->object, name);
    struct text text = {yyjson_get_str(value), yyjson_get_len(value)};
    if (text.at != NULL && protocol_name_ok(text))
        return object_strdup(text.at);
    FAULT(reading, "%s: expected a name", name);
    return NULL;
}

static void add_step(struct reading *reading, struct rollout *rollout, double percent)
{
    double weight = round(percent * ROUTE_WHOLE / 100);
    uint32_t before = rollout->step_count == 0 ? 0 : rollout->steps[rollout->step_count - 1];
    if (!(percent > 0 && percent <= 100) || weight < 1)
        FAULT(reading, "steps: expected percents above 0 and up to 100, in hundredths");
    else if (rollout->step_count == ROLLOUT_STEPS_MAX)
        FAULT(reading, "steps: more than %d", ROLLOUT_STEPS_MAX);
    else if ((uint32_t)weight <= before)
        FAULT(reading, "steps: each must be larger than the one before");
    else
        rollout->steps[rollout->step_count++] = (uint32_t)weight;
}

static void read_steps(struct reading *reading, struct rollout *rollout)
{
    yyjson_val *steps = yyjson_obj_get(reading->object, "steps"), *step;
    size_t index, count;
    if (steps == NULL || yyjson_is_null(steps)) {
        for (size_t i = 0; i < COUNT_OF(default_steps); i++)
            add_step(reading, rollout, default_steps[i]);
        return;
    }
    yyjson_arr_foreach(steps, index, count, step)
    {
        add_step(reading, rollout, yyjson_is_num(step) ? yyjson_get_num(step) : 0);
    }
    if (rollout->step_count == 0)
        FAULT(reading, "steps: expected a list of percents");
}

/* What both the operator and the file say. */
static void read_wish(struct reading *reading, struct rollout *rollout)
{
    struct judge_bounds *bounds = &rollout->bounds;
    rollout->model = read_name(reading, "model");
    rollout->version = read_name(reading, "version");
    read_steps(reading, rollout);
    rollout->every_ms = (int64_t)read_number(reading, "every_ms", EVERY_MS_DEFAULT, 100, EVERY_MS_MAX);
    bounds->max_error_rate = read_number(reading, "max_error_rate", MAX_ERROR_RATE_DEFAULT, 0, 1);
    bounds->max_p99 = (int64_t)(read_number(reading, "max_p99_ms", 0, 0, 60000) * (double)MILLISECOND);
    bounds->min_agreement = read_number(reading, "min_agreement", 0, 0, 1);
    bounds->min_accuracy = read_number(reading, "min_accuracy", 0, 0, 1);
    bounds->min_requests = (uint64_t)read_number(reading, "min_requests", MIN_REQUESTS_DEFAULT, 0, 1e12);
}

struct rollout *rollout_record_asked(yyjson_val *request, char *reason, size_t capacity)
{
    struct reading reading = {request, reason, capacity};
    struct rollout *rollout = rollout_record_new();
    reason[0] = '\0';
    read_wish(&reading, rollout);
    if (!faulty(&reading))
        return rollout;
    rollout_record_free(rollout);
    return NULL;
}

static void read_share(yyjson_val *object, const char *name, struct judged_share *share)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    share->count = yyjson_get_uint(yyjson_obj_get(value, "count"));
    share->good = yyjson_get_uint(yyjson_obj_get(value, "good"));
}

static void read_text(yyjson_val *object, const char *name, char *text, size_t capacity)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    text_copy((struct text){yyjson_get_str(value), yyjson_get_len(value)}, text, capacity);
}

static enum rollout_state read_state(struct reading *reading, const char *name)
{
    yyjson_val *value = yyjson_obj_get(reading->object, name);
    for (size_t i = 0; i < ROLLOUT_STATE_COUNT; i++)
        if (yyjson_equals_str(value, rollout_state_name((enum rollout_state)i)))
            return (enum rollout_state)i;
    FAULT(reading, "%s: expected a state", name);
    return ROLLOUT_FAILED;
}

static void read_decisions(yyjson_val *object, struct rollout *rollout)
{
    size_t index, count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(object, "decisions"), index, count, entry)
    {
        struct rollout_decision *decision =
            &rollout->decisions[rollout->decision_count++ % ROLLOUT_DECISIONS_MAX];
        decision->time_ms = yyjson_get_sint(yyjson_obj_get(entry, "time_ms"));
        decision->weight =
            (uint32_t)round(yyjson_get_num(yyjson_obj_get(entry, "share")) * ROUTE_WHOLE / 100);
        read_text(entry, "decision", decision->what, sizeof decision->what);
        read_text(entry, "reason", decision->reason, sizeof decision->reason);
    }
}

static void read_progress(struct reading *reading, struct rollout *rollout)
{
    yyjson_val *object = reading->object, *seen = yyjson_obj_get(object, "seen");
    yyjson_val *gathered = yyjson_obj_get(object, "gathered");
    rollout->state = read_state(reading, "state");
    rollout->ending = read_state(reading, "ending");
    rollout->paused = yyjson_get_bool(yyjson_obj_get(object, "paused"));
    rollout->step = (size_t)read_number(reading, "step", 0, 0, (double)rollout->step_count - 1);
    rollout->moved = yyjson_get_bool(yyjson_obj_get(object, "moved"));
    rollout->fresh = yyjson_get_bool(yyjson_obj_get(object, "fresh"));
    rollout->watched_ms = yyjson_get_sint(yyjson_obj_get(object, "watched_ms"));
    rollout->epoch = yyjson_get_uint(yyjson_obj_get(object, "epoch"));
    tally_from_json(yyjson_obj_get(seen, "candidate"), &rollout->seen[ROLLOUT_CANDIDATE]);
    tally_from_json(yyjson_obj_get(seen, "stable"), &rollout->seen[ROLLOUT_STABLE]);
    tally_from_json(yyjson_obj_get(gathered, "candidate"), &rollout->gathered[ROLLOUT_CANDIDATE]);
    tally_from_json(yyjson_obj_get(gathered, "stable"), &rollout->gathered[ROLLOUT_STABLE]);
    read_share(object, "agreement_seen", &rollout->agreement_seen);
    read_share(object, "agreement", &rollout->agreement);
    read_share(object, "accuracy_seen", &rollout->accuracy_seen);
    read_share(object, "accuracy", &rollout->accuracy);
    read_share(object, "worst_errors", &rollout->worst_errors);
    read_share(object, "worst_times", &rollout->worst_times);
    read_share(object, "worst_unserved", &rollout->worst_unserved);
    rollout->requests_before = yyjson_get_uint(yyjson_obj_get(object, "requests_before"));
    rollout->began_ms = yyjson_get_sint(yyjson_obj_get(object, "began_ms"));
    rollout->ended_ms = yyjson_get_sint(yyjson_obj_get(object, "ended_ms"));
    read_text(object, "reason", rollout->reason, sizeof rollout->reason);
    read_decisions(object, rollout);
}

struct rollout *rollout_record_from_json(yyjson_val *object, char *reason, size_t capacity)
{
    struct reading reading = {object, reason, capacity};
    struct rollout *rollout = rollout_record_new();
    yyjson_val *said = yyjson_obj_get(object, "said");
    reason[0] = '\0';
    read_wish(&reading, rollout);
    rollout->stable = read_name(&reading, "stable");
    if (!faulty(&reading) && said != NULL && !yyjson_is_null(said))
        rollout->said = route_from_json(said, reason, capacity);
    if (!faulty(&reading))
        read_progress(&reading, rollout);
    if (!faulty(&reading))
        return rollout;
    rollout_record_free(rollout);
    return NULL;
}

/* ---- writing ---- */

static double percent(uint32_t weight)
{
    return weight * 100.0 / ROUTE_WHOLE;
}

static void write_wish(const struct rollout *rollout, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    const struct judge_bounds *bounds = &rollout->bounds;
    yyjson_mut_obj_add_strcpy(document, object, "model", rollout->model);
    yyjson_mut_obj_add_strcpy(document, object, "version", rollout->version);
    yyjson_mut_obj_add_strcpy(document, object, "stable", rollout->stable);
    yyjson_mut_val *steps = yyjson_mut_obj_add_arr(document, object, "steps");
    for (size_t i = 0; i < rollout->step_count; i++)
        yyjson_mut_arr_add_real(document, steps, percent(rollout->steps[i]));
    yyjson_mut_obj_add_sint(document, object, "every_ms", rollout->every_ms);
    yyjson_mut_obj_add_real(document, object, "max_error_rate", bounds->max_error_rate);
    yyjson_mut_obj_add_real(document, object, "max_p99_ms", (double)bounds->max_p99 / (double)MILLISECOND);
    yyjson_mut_obj_add_real(document, object, "min_agreement", bounds->min_agreement);
    yyjson_mut_obj_add_real(document, object, "min_accuracy", bounds->min_accuracy);
    yyjson_mut_obj_add_uint(document, object, "min_requests", bounds->min_requests);
}

static void write_sides(const struct judged sides[ROLLOUT_SIDES], yyjson_mut_doc *document,
                        yyjson_mut_val *object, const char *name)
{
    yyjson_mut_val *both = yyjson_mut_obj_add_obj(document, object, name);
    tally_to_json(&sides[ROLLOUT_CANDIDATE], document, yyjson_mut_obj_add_obj(document, both, "candidate"));
    tally_to_json(&sides[ROLLOUT_STABLE], document, yyjson_mut_obj_add_obj(document, both, "stable"));
}

static void write_share(const struct judged_share *share, yyjson_mut_doc *document, yyjson_mut_val *object,
                        const char *name)
{
    yyjson_mut_val *value = yyjson_mut_obj_add_obj(document, object, name);
    yyjson_mut_obj_add_uint(document, value, "count", share->count);
    yyjson_mut_obj_add_uint(document, value, "good", share->good);
}

static void write_decisions(const struct rollout *rollout, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "decisions");
    size_t count = rollout->decision_count;
    for (size_t i = count > ROLLOUT_DECISIONS_MAX ? count - ROLLOUT_DECISIONS_MAX : 0; i < count; i++) {
        const struct rollout_decision *decision = &rollout->decisions[i % ROLLOUT_DECISIONS_MAX];
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_sint(document, entry, "time_ms", decision->time_ms);
        yyjson_mut_obj_add_strcpy(document, entry, "decision", decision->what);
        yyjson_mut_obj_add_real(document, entry, "share", percent(decision->weight));
        yyjson_mut_obj_add_strcpy(document, entry, "reason", decision->reason);
    }
}

void rollout_record_describe(const struct rollout *rollout, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    write_wish(rollout, document, object);
    yyjson_mut_obj_add_str(document, object, "state", rollout_state_name(rollout->state));
    yyjson_mut_obj_add_bool(document, object, "paused", rollout->paused);
    yyjson_mut_obj_add_uint(document, object, "step", rollout->step);
    yyjson_mut_obj_add_sint(document, object, "watched_ms", rollout->watched_ms);
    yyjson_mut_obj_add_sint(document, object, "began_ms", rollout->began_ms);
    yyjson_mut_obj_add_sint(document, object, "ended_ms", rollout->ended_ms);
    yyjson_mut_obj_add_strcpy(document, object, "reason", rollout->reason);
    write_decisions(rollout, document, object);
}

void rollout_record_to_json(const struct rollout *rollout, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    rollout_record_describe(rollout, document, object);
    if (rollout->said != NULL)
        route_to_json(rollout->said, document, yyjson_mut_obj_add_obj(document, object, "said"));
    yyjson_mut_obj_add_str(document, object, "ending", rollout_state_name(rollout->ending));
    yyjson_mut_obj_add_bool(document, object, "moved", rollout->moved);
    yyjson_mut_obj_add_bool(document, object, "fresh", rollout->fresh);
    yyjson_mut_obj_add_uint(document, object, "epoch", rollout->epoch);
    write_sides(rollout->seen, document, object, "seen");
    write_sides(rollout->gathered, document, object, "gathered");
    write_share(&rollout->agreement_seen, document, object, "agreement_seen");
    write_share(&rollout->agreement, document, object, "agreement");
    write_share(&rollout->accuracy_seen, document, object, "accuracy_seen");
    write_share(&rollout->accuracy, document, object, "accuracy");
    write_share(&rollout->worst_errors, document, object, "worst_errors");
    write_share(&rollout->worst_times, document, object, "worst_times");
    write_share(&rollout->worst_unserved, document, object, "worst_unserved");
    yyjson_mut_obj_add_uint(document, object, "requests_before", rollout->requests_before);
}
