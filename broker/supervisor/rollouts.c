/* rollouts: all roll-outs of a supervisor: the file in which they last, and what the operator says to them.
 * How each goes on is rollout.c's. SPDX-License-Identifier: MIT */
#include "rollout_state.h"

#include "clock.h"
#include "durable.h"
#include "log.h"
#include "parameter_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

static struct rollout *find(const struct rollouts *rollouts, const char *model)
{
    struct rollout *rollout;
    DL_FOREACH(rollouts->first, rollout)
    {
        if (strcmp(rollout->model, model) == 0)
            return rollout;
    }
    return NULL;
}

/* ---- the file ---- */

void rollouts_save(struct rollouts *rollouts)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "rollouts");
    const struct rollout *rollout;
    DL_FOREACH(rollouts->first, rollout)
    {
        rollout_record_to_json(rollout, document, yyjson_mut_arr_add_obj(document, list));
    }
    size_t length;
    char *text = yyjson_mut_write(document, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &length);
    ENSURE(text != NULL);
    if (durable_write(rollouts->path, text, length) != 0)
        log_error("%s: %s; a supervisor that starts now would not know of the last decisions", rollouts->path,
                  strerror(errno));
    rollouts->changed = false;
    free(text);
    yyjson_mut_doc_free(document);
}

static void take_in(struct rollouts *rollouts, yyjson_val *list)
{
    char reason[512];
    size_t index, count;
    yyjson_val *object;
    yyjson_arr_foreach(list, index, count, object)
    {
        struct rollout *rollout = rollout_record_from_json(object, reason, sizeof reason);
        if (rollout == NULL)
            log_error("%s: roll-out %zu: %s; it is left out", rollouts->path, index, reason);
        else if (find(rollouts, rollout->model) != NULL)
            rollout_record_free(rollout);
        else
            DL_APPEND(rollouts->first, rollout);
    }
}

static void put_aside(const struct rollouts *rollouts, const char *reason)
{
    char *broken;
    ENSURE(asprintf(&broken, "%s.broken", rollouts->path) >= 0);
    log_error("%s: %s; it is kept as %s, and no roll-out goes on", rollouts->path, reason, broken);
    if (rename(rollouts->path, broken) != 0)
        log_error("%s: %s", broken, strerror(errno));
    free(broken);
}

static void load(struct rollouts *rollouts)
{
    const char *reason = NULL;
    if (access(rollouts->path, F_OK) == -1 && errno == ENOENT)
        return;
    char *text = parameter_slurp(rollouts->path, &reason);
    yyjson_doc *document =
        text == NULL ? NULL : yyjson_read(text, strlen(text), YYJSON_READ_ALLOW_INVALID_UNICODE);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(document), "rollouts");
    if (yyjson_is_arr(list))
        take_in(rollouts, list);
    else
        put_aside(rollouts, text == NULL ? reason : "expected {\"rollouts\": [...]}");
    yyjson_doc_free(document);
    free(text);
}

/* ---- commands ---- */

bool rollouts_active(const struct rollouts *rollouts, const char *model)
{
    CHECK_OBJECT(rollouts, ROLLOUTS_MAGIC);
    const struct rollout *rollout;
    DL_FOREACH(rollouts->first, rollout)
    {
        if (rollout_active(rollout) && (model == NULL || strcmp(rollout->model, model) == 0))
            return true;
    }
    return false;
}

#define REFUSE(...) (snprintf(reason, capacity, __VA_ARGS__), false)

/* Whether the route leaves room for an arm of ours. */
static bool may_route(struct rollouts *rollouts, const struct rollout *rollout, char *reason, size_t capacity)
{
    const struct rollout_hands *hands = &rollouts->hands;
    struct route *route = hands->route(hands->self, rollout->model);
    bool arms = route != NULL && route->arm_count > 0;
    bool shadow = route != NULL && rollout->bounds.min_agreement > 0 && route->shadow.version != NULL &&
                  strcmp(route->shadow.version, rollout->version) != 0;
    bool none = route == NULL;
    route_free(route);
    if (none)
        return REFUSE("there is no model %s", rollout->model);
    if (arms)
        return REFUSE("the route of %s has arms already: outrigger route %s reset", rollout->model,
                      rollout->model);
    if (shadow)
        return REFUSE("min_agreement: the route of %s shadows another version", rollout->model);
    return true;
}

static bool may_begin(struct rollouts *rollouts, const struct rollout *rollout, char *reason, size_t capacity)
{
    const struct rollout_hands *hands = &rollouts->hands;
    if (rollouts_active(rollouts, rollout->model))
        return REFUSE("a roll-out of %s is under way", rollout->model);
    if (rollout->stable == NULL)
        return REFUSE("no version of %s serves yet: there is nothing to roll out from", rollout->model);
    if (strcmp(rollout->stable, rollout->version) == 0)
        return REFUSE("%s is the stable version of %s already", rollout->version, rollout->model);
    if (rollout->bounds.min_accuracy > 0 && hands->accuracy == NULL)
        return REFUSE("min_accuracy: nobody measures how often answers are right");
    return may_route(rollouts, rollout, reason, capacity);
}

bool rollouts_begin(struct rollouts *rollouts, yyjson_val *request, char *reason, size_t capacity)
{
    CHECK_OBJECT(rollouts, ROLLOUTS_MAGIC);
    const struct rollout_hands *hands = &rollouts->hands;
    struct rollout *rollout = rollout_record_asked(request, reason, capacity);
    if (rollout == NULL)
        return false;
    const char *stable = hands->stable(hands->self, rollout->model); /* good until anything is done */
    rollout->stable = stable == NULL ? NULL : object_strdup(stable);
    /* Nothing moves before the end of this turn: a version that would take the traffic as soon as it is
     * loaded does not, since the stable one is pinned by then. */
    if (!may_begin(rollouts, rollout, reason, capacity) ||
        !hands->load(hands->self, rollout->model, rollout->version, reason, capacity) ||
        !hands->pin(hands->self, rollout->model, rollout->stable, reason, capacity)) {
        rollout_record_free(rollout);
        return false;
    }
    rollout->said = hands->said(hands->self, rollout->model);
    rollout->began_ms = clock_wall() / MILLISECOND;
    struct rollout *last = find(rollouts, rollout->model);
    if (last != NULL) {
        series_set(metrics_series(rollouts->metrics, METRIC_ROLLOUT_SHARE, last->model, last->version, NULL),
                   0);
        DL_DELETE(rollouts->first, last);
        rollout_record_free(last);
    }
    DL_APPEND(rollouts->first, rollout);
    rollout_say(rollout, "from %s to %s in %zu steps", rollout->stable, rollout->version,
                rollout->step_count);
    rollout_decide(rollouts, rollout, "begin");
    return true;
}

/* The one of that model that is under way; NULL and a reason. */
static struct rollout *under_way(struct rollouts *rollouts, const char *model, char *reason, size_t capacity)
{
    CHECK_OBJECT(rollouts, ROLLOUTS_MAGIC);
    struct rollout *rollout = model == NULL ? NULL : find(rollouts, model);
    if (rollout != NULL && rollout_active(rollout))
        return rollout;
    if (model == NULL)
        snprintf(reason, capacity, "of which model?");
    else
        snprintf(reason, capacity, "no roll-out of %s is under way", model);
    return NULL;
}

bool rollouts_pause(struct rollouts *rollouts, const char *model, char *reason, size_t capacity)
{
    struct rollout *rollout = under_way(rollouts, model, reason, capacity);
    if (rollout == NULL)
        return false;
    if (rollout->state >= ROLLOUT_PROMOTING)
        return REFUSE("the roll-out of %s is %s: too late to pause", model,
                      rollout_state_name(rollout->state));
    if (rollout->paused)
        return REFUSE("the roll-out of %s is paused already", model);
    rollout->paused = true;
    rollout_say(rollout, "paused by the operator; what breaks a bound is rolled back all the same");
    rollout_decide(rollouts, rollout, "pause");
    return true;
}

bool rollouts_resume(struct rollouts *rollouts, const char *model, char *reason, size_t capacity)
{
    struct rollout *rollout = under_way(rollouts, model, reason, capacity);
    if (rollout == NULL)
        return false;
    if (!rollout->paused)
        return REFUSE("the roll-out of %s is not paused", model);
    rollout->paused = false;
    rollout_say(rollout, "resumed by the operator");
    rollout_decide(rollouts, rollout, "resume");
    return true;
}

bool rollouts_abort(struct rollouts *rollouts, const char *model, char *reason, size_t capacity)
{
    struct rollout *rollout = under_way(rollouts, model, reason, capacity);
    if (rollout == NULL)
        return false;
    if (rollout->state >= ROLLOUT_PROMOTING)
        return REFUSE("the roll-out of %s is %s: too late to abort", model,
                      rollout_state_name(rollout->state));
    rollout_say(rollout, "aborted by the operator");
    rollout_go_back(rollouts, rollout, ROLLOUT_ABORTED);
    return true;
}

void rollouts_status(const struct rollouts *rollouts, const char *model, yyjson_mut_doc *reply)
{
    CHECK_OBJECT(rollouts, ROLLOUTS_MAGIC);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(reply, yyjson_mut_doc_get_root(reply), "rollouts");
    const struct rollout *rollout;
    DL_FOREACH(rollouts->first, rollout)
    {
        if (model != NULL && strcmp(rollout->model, model) != 0)
            continue;
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(reply, list);
        rollout_record_describe(rollout, reply, entry);
        yyjson_mut_obj_add_real(reply, entry, "share", rollout_percent(rollout_weight(rollout)));
        yyjson_mut_obj_add_uint(reply, entry, "requests",
                                rollout->requests_before +
                                    judged_requests(&rollout->gathered[ROLLOUT_CANDIDATE]));
        rollout_add_figures(reply, entry, rollout);
    }
}

/* ---- life ---- */

struct rollouts *rollouts_new(const char *path, const struct rollout_hands *hands, struct audit *audit,
                              struct metrics *metrics)
{
    struct rollouts *rollouts = object_alloc(sizeof *rollouts);
    rollouts->magic = ROLLOUTS_MAGIC;
    rollouts->path = object_strdup(path);
    rollouts->hands = *hands;
    rollouts->audit = audit;
    rollouts->metrics = metrics;
    load(rollouts);
    const struct rollout *rollout;
    DL_FOREACH(rollouts->first, rollout)
    {
        if (!rollout_active(rollout))
            continue;
        log_info("rollout of %s %s goes on: %s, step %zu of %zu", rollout->model, rollout->version,
                 rollout_state_name(rollout->state), rollout->step + 1, rollout->step_count);
        rollout_show(rollouts, rollout);
    }
    return rollouts;
}

void rollouts_free(struct rollouts *rollouts)
{
    if (rollouts == NULL)
        return;
    CHECK_OBJECT(rollouts, ROLLOUTS_MAGIC);
    if (rollouts_active(rollouts, NULL))
        rollouts_save(rollouts);
    struct rollout *rollout, *next;
    DL_FOREACH_SAFE(rollouts->first, rollout, next)
    {
        DL_DELETE(rollouts->first, rollout);
        rollout_record_free(rollout);
    }
    yyjson_doc_free(rollouts->figures);
    free(rollouts->path);
    rollouts->magic = 0;
    free(rollouts);
}
