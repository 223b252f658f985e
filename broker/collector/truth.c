/* truth: see truth.h.
 *
 * Nothing is kept in memory of predictions whose truth is not known: there may be millions of them, and of
 * most it never comes. What is kept is the other side, the truths that have not found their prediction yet.
 * Each new one waits for the next look, which reads all files once from their beginning (a few milliseconds
 * for each quarter of a million predictions); and then for a while at their ends, for a frontend writes a
 * moment after it has answered. A truth that finds nothing is counted and forgotten.
 *
 * What was joined goes to a file of the same kind, "joined", so that a collector that starts again knows what
 * the one before it knew. Called by main.c, with each interval. SPDX-License-Identifier: MIT */
#include "truth.h"

#include "log.h"
#include "path.h"
#include "process.h"
#include "unmet.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TRUTH_MAGIC = 0x07247401,
    WAITING_MAX = 100000, /* truths without a prediction; bounds the memory: about 15 MB */
    FILES_MAX = 256
};
#define PATIENCE_MS 10000

struct truth {
    unsigned magic;
    char *directory;
    struct metrics *metrics;
    struct accuracy *accuracy;
    struct predictions *joined; /* NULL: it could not be made */
    struct file {
        char name[NAME_MAX + 1];
        struct predictions_reader *reader;
    } * files;
    size_t file_count;
    struct unmet *unmet;
    bool any_fresh;
};

static void count(struct truth *truth, const char *result, uint64_t many)
{
    series_add(metrics_series(truth->metrics, METRIC_FEEDBACK, result, NULL, NULL), many);
}

static struct predictions_reader *reader_of(const struct truth *truth, const char *name)
{
    char *path = path_in(truth->directory, name);
    struct predictions_reader *reader = predictions_reader_new(path);
    free(path);
    return reader;
}

/* ---- what was joined before ---- */

static void read_joined(struct truth *truth)
{
    static const char *const names[] = {"joined.0", "joined.1"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct predictions_reader *reader = reader_of(truth, names[i]);
        struct prediction prediction;
        while (predictions_read(reader, &prediction))
            if (prediction.kind == PREDICTION_JOINED)
                accuracy_take(truth->accuracy, &prediction);
        predictions_reader_free(reader);
    }
}

struct truth *truth_new(const struct config *config, struct metrics *metrics, struct accuracy *accuracy)
{
    if (config->feedback_keep == 0)
        return NULL;
    struct truth *truth = object_alloc(sizeof *truth);
    truth->magic = TRUTH_MAGIC;
    truth->metrics = metrics;
    truth->accuracy = accuracy;
    truth->unmet = unmet_new(WAITING_MAX);
    truth->files = object_alloc(FILES_MAX * sizeof *truth->files);
    ENSURE(asprintf(&truth->directory, "%s/predictions", config->state_directory) != -1);
    if (process_make_directory(truth->directory, 0750) != 0) {
        log_error("%s: %s; feedback is not joined with predictions", truth->directory, strerror(errno));
        truth_free(truth);
        return NULL;
    }
    read_joined(truth);
    truth->joined = predictions_new(truth->directory, "joined", (size_t)config->feedback_keep);
    if (truth->joined == NULL)
        log_error("%s: %s; what is joined is forgotten at the next start", truth->directory, strerror(errno));
    return truth;
}

void truth_free(struct truth *truth)
{
    if (truth == NULL)
        return;
    CHECK_OBJECT(truth, TRUTH_MAGIC);
    for (size_t i = 0; i < truth->file_count; i++)
        predictions_reader_free(truth->files[i].reader);
    free(truth->files);
    unmet_free(truth->unmet);
    predictions_free(truth->joined);
    free(truth->directory);
    truth->magic = 0;
    free(truth);
}

/* ---- joining ---- */

/* Whether the predicted class is the true one. */
static bool is_right(const struct prediction *prediction, const struct unmet_truth *actual)
{
    if (actual->flags & PREDICTION_BY_LABEL)
        return prediction->label != 0 && prediction->label == actual->actual_label;
    return prediction->value == actual->actual;
}

/* The true class as 0 or 1; NaN when the name that was said is neither. */
static double binary_truth(const struct prediction *prediction, const struct unmet_truth *actual)
{
    if (actual->flags & PREDICTION_BY_NUMBER)
        return actual->actual;
    if (prediction->positive != 0)
        return actual->actual_label == prediction->positive;
    return NAN;
}

static bool join(const struct prediction *prediction, const struct unmet_truth *actual,
                 struct prediction *joined)
{
    *joined = *prediction;
    joined->kind = PREDICTION_JOINED;
    joined->flags |= actual->flags;
    joined->actual = actual->flags & PREDICTION_BY_NUMBER ? actual->actual : NAN;
    if (prediction->flags & PREDICTION_REGRESSION)
        return isfinite(joined->actual) && isfinite(prediction->value);
    joined->flags |= is_right(prediction, actual) ? PREDICTION_RIGHT : 0;
    if (prediction->flags & PREDICTION_BINARY)
        joined->actual = binary_truth(prediction, actual);
    return true;
}

struct meeting {
    struct truth *truth;
    const struct prediction *prediction;
};

/* Ids may be chosen by clients: one that may not use this model may mean a prediction of another, so its
 * truth waits on. Nobody is told either way. */
static enum unmet_fate meet_one(void *self, struct unmet_truth *actual)
{
    const struct meeting *meeting = self;
    struct truth *truth = meeting->truth;
    struct prediction joined;
    if (!unmet_allows(actual, meeting->prediction->model)) {
        actual->forbidden = true;
        return UNMET_STAYS;
    }
    if (!join(meeting->prediction, actual, &joined))
        count(truth, "unusable", 1);
    else if (!accuracy_take(truth->accuracy, &joined))
        count(truth, "repeated", 1);
    else {
        count(truth, "joined", 1);
        if (truth->joined != NULL)
            predictions_add(truth->joined, &joined, 1);
    }
    return UNMET_GOES;
}

static void meet(struct truth *truth, const struct prediction *prediction)
{
    struct meeting meeting = {truth, prediction};
    unmet_of(truth->unmet, prediction->request, prediction->row, meet_one, &meeting);
}

static void wait_for(struct truth *truth, const struct prediction *actual, int64_t now_ms)
{
    if (unmet_add(truth->unmet, actual, now_ms))
        truth->any_fresh = true;
    else
        count(truth, "dropped", 1);
}

/* ---- looking ---- */

static bool is_of_frontend(const char *name)
{
    size_t length = strlen(name);
    return length > 2 && name[0] != '.' &&
           (strcmp(name + length - 2, ".0") == 0 || strcmp(name + length - 2, ".1") == 0) &&
           strncmp(name, "joined.", 7) != 0;
}

static bool is_known(const struct truth *truth, const char *name)
{
    for (size_t i = 0; i < truth->file_count; i++)
        if (strcmp(truth->files[i].name, name) == 0)
            return true;
    return false;
}

static void find_files(struct truth *truth)
{
    DIR *directory = opendir(truth->directory);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (!is_of_frontend(entry->d_name) || is_known(truth, entry->d_name) ||
            truth->file_count == FILES_MAX)
            continue;
        struct file *file = &truth->files[truth->file_count++];
        snprintf(file->name, sizeof file->name, "%s", entry->d_name);
        file->reader = reader_of(truth, file->name);
    }
    if (directory != NULL)
        closedir(directory);
}

/* What a file holds since the last look, and anybody wants. */
static bool read_wanted(const struct truth *truth, struct predictions_reader *reader,
                        struct prediction *prediction)
{
    return unmet_any(truth->unmet) ? predictions_read(reader, prediction)
                                   : predictions_read_actual(reader, prediction);
}

/* The truths that files hold since the last look; predictions among them meet those that wait already. */
static void read_ends(struct truth *truth, int64_t now_ms)
{
    for (size_t i = 0; i < truth->file_count; i++) {
        struct prediction prediction;
        while (read_wanted(truth, truth->files[i].reader, &prediction)) {
            if (prediction.kind == PREDICTION_ACTUAL)
                wait_for(truth, &prediction, now_ms);
            else if (prediction.kind == PREDICTION_ANSWERED)
                meet(truth, &prediction);
        }
    }
}

/* All that was predicted, for the new ones among those that wait. */
static void search(struct truth *truth)
{
    for (size_t i = 0; i < truth->file_count && unmet_any(truth->unmet); i++) {
        struct predictions_reader *reader = reader_of(truth, truth->files[i].name);
        struct prediction prediction;
        while (unmet_any(truth->unmet) && predictions_read(reader, &prediction))
            if (prediction.kind == PREDICTION_ANSWERED)
                meet(truth, &prediction);
        predictions_reader_free(reader);
    }
    truth->any_fresh = false;
}

struct forgetting {
    struct truth *truth;
    int64_t now_ms;
};

static enum unmet_fate forget_one(void *self, struct unmet_truth *actual)
{
    const struct forgetting *forgetting = self;
    if (forgetting->now_ms - actual->since_ms < PATIENCE_MS)
        return UNMET_STAYS;
    count(forgetting->truth, actual->forbidden ? "forbidden" : "unmatched", 1);
    return UNMET_GOES;
}

static void forget_old(struct truth *truth, int64_t now_ms)
{
    struct forgetting forgetting = {truth, now_ms};
    unmet_each(truth->unmet, forget_one, &forgetting);
}

void truth_look(struct truth *truth, int64_t now_ms)
{
    CHECK_OBJECT(truth, TRUTH_MAGIC);
    find_files(truth);
    read_ends(truth, now_ms);
    if (truth->any_fresh)
        search(truth);
    forget_old(truth, now_ms);
    if (truth->joined != NULL)
        predictions_flush(truth->joined);
}
