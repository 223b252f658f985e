/* rollout: the state machine of each model's roll-out.
 *
 * A look does the one thing that the state wants. What is decided is first written to STATE/rollouts.json,
 * then done: a supervisor that dies in between finds out from the file what it was about to do and does it
 * (again; each of its hands may be used twice). The figures since the step began are in the file, too, with
 * the broker's counters up to which they were added: what was counted while no supervisor looked is not lost.
 * When the broker itself was started again (another epoch) its counters begin at 0, and are added to what was
 * there. The time in which nobody watched does not count for the step.
 *
 * The candidate's share is an arm of the model's route, set as the operator would set it. A model whose route
 * has arms already is somebody else's experiment: the roll-out is refused. The route that was said before is
 * kept and put back in any end. Without a version pinned the highest one takes the traffic by itself: so the
 * present one is pinned at the beginning, and stays so. A candidate that was rolled back stays loaded,
 * without traffic, to be looked into (`outrigger unload` ends it). When the route or the stable version
 * changes under a roll-out, by whatever hand, the roll-out ends: it would judge by something that is not so.
 *
 * While it is paused a roll-out goes no further, but a candidate that surely breaks a bound is rolled back
 * all the same. SPDX-License-Identifier: MIT */
#include "rollout_state.h"

#include "clock.h"
#include "log.h"
#include "tally.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* How often figures are written down while nothing else is: so much is lost to a crash of the machine. */
#define SAVE_EVERY (10 * SECOND)
/* Between two looks; more means that nobody watched. */
#define LOOK_AT_MOST (5 * SECOND)

/* ---- what is decided ---- */

/* Milliseconds since 1970; 0: it was not. */
static int64_t rolled_back_at(const struct rollout *rollout)
{
    for (size_t i = rollout->decision_count; i > 0 && rollout->decision_count - i < ROLLOUT_DECISIONS_MAX;
         i--) {
        const struct rollout_decision *decision = &rollout->decisions[(i - 1) % ROLLOUT_DECISIONS_MAX];
        if (strcmp(decision->what, "roll back") == 0)
            return decision->time_ms;
    }
    return 0;
}

void rollout_show(const struct rollouts *rollouts, const struct rollout *rollout)
{
    int64_t back_ms = rolled_back_at(rollout);
    series_set(
        metrics_series(rollouts->metrics, METRIC_ROLLOUT_SHARE, rollout->model, rollout->version, NULL),
        (int64_t)rollout_weight(rollout));
    if (back_ms > 0)
        series_set(metrics_series(rollouts->metrics, METRIC_ROLLED_BACK, rollout->model, NULL, NULL),
                   back_ms / 1000 * SECOND);
    else
        metrics_forget(rollouts->metrics, METRIC_ROLLED_BACK, rollout->model, NULL, NULL);
}

static void add_side(yyjson_mut_doc *entry, yyjson_mut_val *root, const char *name,
                     const struct judged *judged)
{
    yyjson_mut_val *side = yyjson_mut_obj_add_obj(entry, root, name);
    yyjson_mut_obj_add_uint(entry, side, "requests", judged_requests(judged));
    yyjson_mut_obj_add_uint(entry, side, "errors", judged->errors);
    yyjson_mut_obj_add_real(entry, side, "error_rate", judged_error_rate(judged));
    yyjson_mut_obj_add_uint(entry, side, "unserved", judged->unserved);
    yyjson_mut_obj_add_real(entry, side, "p50_ms", (double)latency_quantile(&judged->latency, 0.5) / 1e6);
    yyjson_mut_obj_add_real(entry, side, "p99_ms", (double)latency_quantile(&judged->latency, 0.99) / 1e6);
}

void rollout_add_figures(yyjson_mut_doc *entry, yyjson_mut_val *root, const struct rollout *rollout)
{
    const struct judged *candidate = &rollout->gathered[ROLLOUT_CANDIDATE];
    const struct judged *stable = &rollout->gathered[ROLLOUT_STABLE];
    add_side(entry, root, "candidate", candidate);
    add_side(entry, root, "stable_version", stable);
    yyjson_mut_obj_add_real(entry, root, "slower", judged_slower(candidate, stable, 1));
    if (rollout->bounds.min_agreement > 0) {
        yyjson_mut_obj_add_uint(entry, root, "compared", rollout->agreement.count);
        yyjson_mut_obj_add_uint(entry, root, "agreed", rollout->agreement.good);
    }
    if (rollout->bounds.min_accuracy > 0) {
        yyjson_mut_obj_add_uint(entry, root, "known", rollout->accuracy.count);
        yyjson_mut_obj_add_uint(entry, root, "right", rollout->accuracy.good);
    }
}

/* Writes down what was decided, everywhere: in the record, the audit log, the log, the counters. The file is
 * written before anything follows. */
void rollout_decide(struct rollouts *rollouts, struct rollout *rollout, const char *what)
{
    struct rollout_decision *decision =
        &rollout->decisions[rollout->decision_count++ % ROLLOUT_DECISIONS_MAX];
    decision->time_ms = clock_wall() / MILLISECOND;
    decision->weight = rollout_weight(rollout);
    text_copy(text_of(what), decision->what, sizeof decision->what);
    text_copy(text_of(rollout->reason), decision->reason, sizeof decision->reason);
    log_info("rollout of %s %s: %s at %g %%: %s", rollout->model, rollout->version, what,
             rollout_percent(decision->weight), rollout->reason);
    yyjson_mut_doc *entry = audit_begin(AUDIT_SUPERVISOR, "rollout-decision");
    yyjson_mut_val *root = yyjson_mut_doc_get_root(entry);
    yyjson_mut_obj_add_strcpy(entry, root, "model", rollout->model);
    yyjson_mut_obj_add_strcpy(entry, root, "version", rollout->version);
    yyjson_mut_obj_add_strcpy(entry, root, "stable", rollout->stable);
    yyjson_mut_obj_add_str(entry, root, "decision", what);
    yyjson_mut_obj_add_real(entry, root, "share", rollout_percent(decision->weight));
    yyjson_mut_obj_add_strcpy(entry, root, "reason", rollout->reason);
    rollout_add_figures(entry, root, rollout);
    audit_end(rollouts->audit, entry);
    series_add(metrics_series(rollouts->metrics, METRIC_ROLLOUT_DECISIONS, rollout->model, what, NULL), 1);
    rollout_show(rollouts, rollout);
    rollouts_save(rollouts);
}

void rollout_say(struct rollout *rollout, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rollout->reason, sizeof rollout->reason, format, arguments);
    va_end(arguments);
}

/* ---- ends ---- */

static void end(struct rollouts *rollouts, struct rollout *rollout, enum rollout_state state,
                const char *what)
{
    rollout->state = state;
    rollout->moved = false;
    rollout->ended_ms = clock_wall() / MILLISECOND;
    rollout_decide(rollouts, rollout, what);
}

static const char *word_of_end(enum rollout_state ending)
{
    return ending == ROLLOUT_ROLLED_BACK ? "roll back" : ending == ROLLOUT_ABORTED ? "abort" : "fail";
}

/* The route is made what it was; as long as that cannot be, each look tries again. */
static void restore(struct rollouts *rollouts, struct rollout *rollout)
{
    char reason[512] = "";
    const struct rollout_hands *hands = &rollouts->hands;
    enum rollout_act act =
        hands->set_route(hands->self, rollout->model, rollout->said, reason, sizeof reason);
    struct route *present = hands->route(hands->self, rollout->model);
    if (present == NULL) /* the model is gone, and its route with it */
        act = ROLLOUT_ACT_DONE;
    route_free(present);
    if (act == ROLLOUT_ACT_REFUSED) {
        static long long last;
        if (log_allowed(&last, 10))
            log_error("rollout of %s %s: the route cannot be put back: %s; it is tried again", rollout->model,
                      rollout->version, reason);
    }
    if (act != ROLLOUT_ACT_DONE)
        return;
    enum rollout_state ending = rollout->ending;
    end(rollouts, rollout, ending, ending == ROLLOUT_DONE ? "done" : word_of_end(ending));
}

/* Nothing has moved: only the record changes. Else the route goes back at once. */
void rollout_go_back(struct rollouts *rollouts, struct rollout *rollout, enum rollout_state ending)
{
    if (rollout->state == ROLLOUT_LOADING) {
        end(rollouts, rollout, ending, word_of_end(ending));
        return;
    }
    rollout->state = ROLLOUT_GOING_BACK;
    rollout->ending = ending;
    rollouts_save(rollouts); /* whoever comes after us must go on with it */
    restore(rollouts, rollout);
}

/* ---- figures ---- */

static yyjson_val *figures(struct rollouts *rollouts)
{
    if (!rollouts->asked)
        rollouts->figures = rollouts->hands.figures(rollouts->hands.self);
    rollouts->asked = true;
    return yyjson_doc_get_root(rollouts->figures);
}

/* Whoever counts may have begun anew. */
static void gather_share(bool (*ask)(void *, const char *, const char *, struct judged_share *), void *self,
                         const struct rollout *rollout, struct judged_share *seen, struct judged_share *sum)
{
    struct judged_share now;
    if (ask == NULL || !ask(self, rollout->model, rollout->version, &now))
        return;
    bool anew = now.count < seen->count || now.good < seen->good;
    sum->count += now.count - (anew ? 0 : seen->count);
    sum->good += now.good - (anew ? 0 : seen->good);
    *seen = now;
}

/* The shares count from the beginning: what was compared before is not the roll-out's. */
static void begin_shares(struct rollouts *rollouts, struct rollout *rollout)
{
    const struct rollout_hands *hands = &rollouts->hands;
    gather_share(hands->agreement, hands->self, rollout, &rollout->agreement_seen, &rollout->agreement);
    gather_share(hands->accuracy, hands->self, rollout, &rollout->accuracy_seen, &rollout->accuracy);
    rollout->agreement = rollout->accuracy = (struct judged_share){0};
}

/* Remembers the worst look. `before`: the candidate's figures before it. */
static void note_worst(struct rollout *rollout, const struct judged *before)
{
    const struct judged *now = &rollout->gathered[ROLLOUT_CANDIDATE];
    int64_t bound = rollout->bounds.max_p99;
    judged_worst(&rollout->worst_errors, judged_requests(now) - judged_requests(before),
                 now->errors - before->errors);
    judged_worst(&rollout->worst_times, latency_total(&now->latency) - latency_total(&before->latency),
                 judged_longer(now, bound) - judged_longer(before, bound));
    judged_worst(&rollout->worst_unserved,
                 judged_requests(now) + now->unserved - judged_requests(before) - before->unserved,
                 now->unserved - before->unserved);
}

/* Adds what was counted since the last look. False when the broker does not answer. */
static bool gather(struct rollouts *rollouts, struct rollout *rollout)
{
    const char *const names[ROLLOUT_SIDES] = {rollout->version, rollout->stable};
    const struct rollout_hands *hands = &rollouts->hands;
    struct judged now[ROLLOUT_SIDES];
    uint64_t epoch = 0;
    for (size_t i = 0; i < ROLLOUT_SIDES; i++)
        if (!tally_read(figures(rollouts), rollout->model, names[i], &epoch, &now[i]))
            return false;
    const struct judged nothing = {0}, before = rollout->gathered[ROLLOUT_CANDIDATE];
    for (size_t i = 0; i < ROLLOUT_SIDES; i++) {
        if (!rollout->fresh)
            tally_gather(&rollout->gathered[i], &now[i],
                         epoch == rollout->epoch ? &rollout->seen[i] : &nothing);
        rollout->seen[i] = now[i];
    }
    note_worst(rollout, &before);
    rollout->epoch = epoch;
    rollout->fresh = false;
    if (rollout->bounds.min_agreement > 0)
        gather_share(hands->agreement, hands->self, rollout, &rollout->agreement_seen, &rollout->agreement);
    if (rollout->bounds.min_accuracy > 0)
        gather_share(hands->accuracy, hands->self, rollout, &rollout->accuracy_seen, &rollout->accuracy);
    return true;
}

/* ---- steps ---- */

/* The route of a step: what was said (or model.conf says), with our arm. NULL: the model is gone. */
static struct route *route_of_step(struct rollouts *rollouts, const struct rollout *rollout)
{
    const struct rollout_hands *hands = &rollouts->hands;
    struct route *route =
        rollout->said == NULL ? hands->route(hands->self, rollout->model) : route_copy(rollout->said);
    if (route == NULL)
        return NULL;
    for (size_t i = 0; i < route->arm_count; i++) /* ours, of the step before */
        free(route->arms[i].version);
    free(route->arms);
    route->arms = object_alloc(sizeof *route->arms);
    route->arms[0] = (struct route_arm){object_strdup(rollout->version), rollout->steps[rollout->step]};
    route->arm_count = 1;
    if (rollout->bounds.min_agreement > 0 && route->shadow.version == NULL)
        route->shadow = (struct route_arm){object_strdup(rollout->version), ROUTE_WHOLE};
    return route;
}

static void move(struct rollouts *rollouts, struct rollout *rollout)
{
    char reason[512] = "there is no such model any more";
    const struct rollout_hands *hands = &rollouts->hands;
    struct route *route = route_of_step(rollouts, rollout);
    enum rollout_act act = route == NULL
                               ? ROLLOUT_ACT_REFUSED
                               : hands->set_route(hands->self, rollout->model, route, reason, sizeof reason);
    route_free(route);
    if (act == ROLLOUT_ACT_UNDER_WAY)
        return;
    if (act == ROLLOUT_ACT_REFUSED) {
        rollout_say(rollout, "the route cannot be set: %s", reason);
        rollout_go_back(rollouts, rollout, ROLLOUT_FAILED);
        return;
    }
    rollout->moved = true;
    gather(rollouts, rollout); /* what the step begins with; without an answer the next look sees to it */
    rollout_say(rollout, "step %zu of %zu", rollout->step + 1, rollout->step_count);
    rollout_decide(rollouts, rollout, "step");
}

static void enter_step(struct rollouts *rollouts, struct rollout *rollout, size_t step)
{
    rollout->requests_before += judged_requests(&rollout->gathered[ROLLOUT_CANDIDATE]);
    memset(rollout->gathered, 0, sizeof rollout->gathered);
    rollout->worst_errors = rollout->worst_times = rollout->worst_unserved = (struct judged_share){0};
    rollout->state = ROLLOUT_RUNNING;
    rollout->step = step;
    rollout->moved = false;
    rollout->fresh = true;
    rollout->watched_ms = 0;
    rollouts_save(rollouts);
    move(rollouts, rollout);
}

/* The route is what the step wants. Whoever promotes may tidy it. */
static bool route_is_ours(struct rollouts *rollouts, const struct rollout *rollout)
{
    const struct rollout_hands *hands = &rollouts->hands;
    if (!rollout->moved || rollout->state == ROLLOUT_PROMOTING)
        return true;
    struct route *route = hands->route(hands->self, rollout->model);
    bool ours = route != NULL && route->arm_count == 1 &&
                route_weight(route, rollout->version) == rollout->steps[rollout->step];
    route_free(route);
    return ours;
}

/* False, and the roll-out has ended, when what it goes by is not so any more. */
static bool still_ours(struct rollouts *rollouts, struct rollout *rollout)
{
    char reason[512] = "";
    const struct rollout_hands *hands = &rollouts->hands;
    const char *stable = hands->stable(hands->self, rollout->model);
    if (stable == NULL || strcmp(stable, rollout->stable) != 0) {
        rollout_say(rollout, "the stable version was %s and is %s now", rollout->stable,
                    stable == NULL ? "none" : stable);
        rollout_go_back(rollouts, rollout, ROLLOUT_FAILED);
        return false;
    }
    if (!route_is_ours(rollouts, rollout)) {
        rollout_say(rollout, "somebody else changed the route");
        end(rollouts, rollout, ROLLOUT_FAILED, "fail");
        return false;
    }
    if (hands->version(hands->self, rollout->model, rollout->version, reason, sizeof reason) ==
        ROLLOUT_VERSION_FAILED) {
        rollout_say(rollout, "a worker of the candidate does not start: %s", reason);
        rollout_go_back(rollouts, rollout, ROLLOUT_FAILED);
        return false;
    }
    return true;
}

/* Decided once a step: what is in doubt may change its mind with each look. */
static void hold(struct rollouts *rollouts, struct rollout *rollout)
{
    const struct rollout_decision *last =
        &rollout->decisions[(rollout->decision_count - 1) % ROLLOUT_DECISIONS_MAX];
    rollout->state = ROLLOUT_HOLDING;
    if (strcmp(last->what, "hold") != 0)
        rollout_decide(rollouts, rollout, "hold");
}

static void advance(struct rollouts *rollouts, struct rollout *rollout)
{
    if (rollout->step + 1 < rollout->step_count) {
        rollout_decide(rollouts, rollout, "advance");
        enter_step(rollouts, rollout, rollout->step + 1);
        return;
    }
    rollout->state = ROLLOUT_PROMOTING;
    rollout_decide(rollouts, rollout, "promote");
}

/* ---- a look, by state ---- */

static void look_loading(struct rollouts *rollouts, struct rollout *rollout)
{
    char reason[512] = "";
    const struct rollout_hands *hands = &rollouts->hands;
    if (!still_ours(rollouts, rollout) || rollout->paused)
        return;
    enum rollout_version version =
        hands->version(hands->self, rollout->model, rollout->version, reason, sizeof reason);
    if (version != ROLLOUT_VERSION_READY) {
        rollout_say(rollout, "waits for the candidate's workers%s%s", reason[0] == '\0' ? "" : ": ", reason);
        return;
    }
    begin_shares(rollouts, rollout);
    enter_step(rollouts, rollout, 0);
}

static void look_running(struct rollouts *rollouts, struct rollout *rollout)
{
    if (!rollout->moved) {
        move(rollouts, rollout);
        return;
    }
    if (!still_ours(rollouts, rollout))
        return;
    if (!gather(rollouts, rollout)) {
        rollout_say(rollout, "the broker does not answer");
        return;
    }
    const struct judge_case facts = {
        .bounds = rollout->bounds,
        .candidate = &rollout->gathered[ROLLOUT_CANDIDATE],
        .stable = &rollout->gathered[ROLLOUT_STABLE],
        .share = (double)rollout->steps[rollout->step] / ROUTE_WHOLE,
        .worst_errors = rollout->worst_errors,
        .worst_times = rollout->worst_times,
        .worst_unserved = rollout->worst_unserved,
        .agreement = rollout->agreement,
        .accuracy = rollout->accuracy,
        .time_is_over = !rollout->paused && rollout->watched_ms >= rollout->every_ms,
    };
    struct judgement judgement = judge(&facts);
    rollout_say(rollout, "%s", judgement.reason);
    if (judgement.answer == JUDGE_ROLL_BACK)
        rollout_go_back(rollouts, rollout, ROLLOUT_ROLLED_BACK);
    else if (judgement.answer == JUDGE_ADVANCE)
        advance(rollouts, rollout);
    else if (judgement.answer == JUDGE_HOLD && !rollout->paused)
        hold(rollouts, rollout);
    else
        rollout->state = ROLLOUT_RUNNING;
}

static void look_promoting(struct rollouts *rollouts, struct rollout *rollout)
{
    char reason[512] = "";
    const struct rollout_hands *hands = &rollouts->hands;
    const char *stable = hands->stable(hands->self, rollout->model);
    if (stable != NULL && strcmp(stable, rollout->version) == 0) {
        rollout_say(rollout, "%s is the stable version now, after %" PRIu64 " requests", rollout->version,
                    rollout->requests_before + judged_requests(&rollout->gathered[ROLLOUT_CANDIDATE]));
        rollout_go_back(rollouts, rollout, ROLLOUT_DONE);
        return;
    }
    if (!still_ours(rollouts, rollout) || rollout->promote_asked)
        return;
    rollout->promote_asked =
        hands->promote(hands->self, rollout->model, rollout->version, reason, sizeof reason);
    if (!rollout->promote_asked) {
        rollout_say(rollout, "it cannot become the stable version: %s", reason);
        rollout_go_back(rollouts, rollout, ROLLOUT_FAILED);
    }
}

static void watch_time(struct rollout *rollout, int64_t now)
{
    int64_t passed = rollout->looked_at == 0 ? 0 : now - rollout->looked_at;
    if (passed > LOOK_AT_MOST)
        passed = LOOK_AT_MOST;
    if (!rollout->paused && rollout->moved)
        rollout->watched_ms += passed / MILLISECOND;
    /* What is less than a millisecond is not lost. */
    rollout->looked_at = rollout->looked_at == 0 ? now : now - passed % MILLISECOND;
}

static void look(struct rollouts *rollouts, struct rollout *rollout, int64_t now)
{
    static void (*const looks[])(struct rollouts *, struct rollout *) = {[ROLLOUT_LOADING] = look_loading,
                                                                         [ROLLOUT_RUNNING] = look_running,
                                                                         [ROLLOUT_HOLDING] = look_running,
                                                                         [ROLLOUT_PROMOTING] = look_promoting,
                                                                         [ROLLOUT_GOING_BACK] = restore};
    watch_time(rollout, now);
    looks[rollout->state](rollouts, rollout);
    if (now - rollout->saved_at >= SAVE_EVERY) {
        rollout->saved_at = now;
        rollouts->changed = true;
    }
}

void rollouts_look(struct rollouts *rollouts, int64_t now)
{
    CHECK_OBJECT(rollouts, ROLLOUTS_MAGIC);
    struct rollout *rollout;
    DL_FOREACH(rollouts->first, rollout)
    {
        if (rollout_active(rollout))
            look(rollouts, rollout, now);
    }
    if (rollouts->changed)
        rollouts_save(rollouts);
    yyjson_doc_free(rollouts->figures);
    rollouts->figures = NULL;
    rollouts->asked = false;
}
