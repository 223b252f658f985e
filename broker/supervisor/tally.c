/* tally: decides which ends of requests are a version's own fault.
 *
 * - Errors of the version: model_failed, internal, worker_died, a deadline that passed while one of its
 * workers had the request, and each death of a worker with requests in hand (once, though those requests were
 * given to others and mostly answered: a version that kills its workers is a bad one). poison is not counted
 * again: it is known by the deaths that it cost.
 * - Not served: overloaded, not_ready, and a deadline that passed in the queue: the version had nothing to do
 *   with that request yet, though much with how long the queue is; invalid: mostly the client's fault, but a
 *   version that refuses what the stable one takes is not the same service. Those are only ever compared with
 *   the stable version's.
 * - Nobody's: cancelled, stopping, too_large, and requests that were never a version's.
 * - Answers that were computed for another request, or kept, say nothing: they are not counted at all.
 * SPDX-License-Identifier: MIT */
#include "tally.h"

#include "protocol.h"

static uint64_t outcome(yyjson_val *outcomes, enum failure failure)
{
    return yyjson_get_uint(yyjson_obj_get(outcomes, failure_label(failure)));
}

static void read_latency(yyjson_val *parts, struct latency *latency)
{
    size_t index, count;
    yyjson_val *part;
    yyjson_arr_foreach(parts, index, count, part)
    {
        int64_t bound = yyjson_get_sint(yyjson_arr_get(part, 0));
        if (bound > 0)
            latency->counts[latency_bucket(bound - 1)] += yyjson_get_uint(yyjson_arr_get(part, 1));
    }
}

static void read_version(yyjson_val *version, struct judged *judged)
{
    yyjson_val *outcomes = yyjson_obj_get(version, "outcomes");
    uint64_t shared = yyjson_get_uint(yyjson_obj_get(version, "shared"));
    uint64_t late = yyjson_get_uint(yyjson_obj_get(version, "late_computing"));
    uint64_t none = outcome(outcomes, FAILURE_NONE), deadline = outcome(outcomes, FAILURE_DEADLINE);
    judged->answered = none > shared ? none - shared : 0;
    judged->errors = outcome(outcomes, FAILURE_MODEL_FAILED) + outcome(outcomes, FAILURE_INTERNAL) +
                     outcome(outcomes, FAILURE_WORKER_DIED) + late +
                     yyjson_get_uint(yyjson_obj_get(version, "deaths"));
    judged->unserved = outcome(outcomes, FAILURE_OVERLOADED) + outcome(outcomes, FAILURE_NOT_READY) +
                       outcome(outcomes, FAILURE_INVALID) + (deadline > late ? deadline - late : 0);
    read_latency(yyjson_obj_get(version, "latency_ns"), &judged->latency);
}

/* The entry of a list whose `key` is that name; NULL. */
static yyjson_val *find(yyjson_val *list, const char *key, const char *name)
{
    size_t index, count;
    yyjson_val *entry;
    yyjson_arr_foreach(list, index, count, entry)
    {
        if (yyjson_equals_str(yyjson_obj_get(entry, key), name))
            return entry;
    }
    return NULL;
}

bool tally_read(yyjson_val *answer, const char *model, const char *version, uint64_t *epoch,
                struct judged *judged)
{
    yyjson_val *models = yyjson_obj_get(answer, "models");
    *judged = (struct judged){0};
    *epoch = yyjson_get_uint(yyjson_obj_get(answer, "epoch"));
    if (!yyjson_is_arr(models) || *epoch == 0)
        return false;
    yyjson_val *versions = yyjson_obj_get(find(models, "model", model), "versions");
    read_version(find(versions, "version", version), judged);
    return true;
}

static uint64_t gained(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

void tally_gather(struct judged *sum, const struct judged *now, const struct judged *before)
{
    sum->answered += gained(now->answered, before->answered);
    sum->errors += gained(now->errors, before->errors);
    sum->unserved += gained(now->unserved, before->unserved);
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        sum->latency.counts[i] += gained(now->latency.counts[i], before->latency.counts[i]);
}

void tally_to_json(const struct judged *judged, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_obj_add_uint(document, object, "answered", judged->answered);
    yyjson_mut_obj_add_uint(document, object, "errors", judged->errors);
    yyjson_mut_obj_add_uint(document, object, "unserved", judged->unserved);
    yyjson_mut_val *latency = yyjson_mut_obj_add_arr(document, object, "latency_ns");
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        if (judged->latency.counts[i] == 0)
            continue;
        yyjson_mut_val *part = yyjson_mut_arr_add_arr(document, latency);
        yyjson_mut_arr_add_sint(document, part, latency_bound(i));
        yyjson_mut_arr_add_uint(document, part, judged->latency.counts[i]);
    }
}

void tally_from_json(yyjson_val *object, struct judged *judged)
{
    *judged = (struct judged){.answered = yyjson_get_uint(yyjson_obj_get(object, "answered")),
                              .errors = yyjson_get_uint(yyjson_obj_get(object, "errors")),
                              .unserved = yyjson_get_uint(yyjson_obj_get(object, "unserved"))};
    read_latency(yyjson_obj_get(object, "latency_ns"), &judged->latency);
}
