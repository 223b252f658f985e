/* predictions: what was answered, and what turned out to be true, kept on disk for a while so that the one
 * can be joined with the other. Written by frontends (and by the collector, what it has joined), read by the
 * collector. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PREDICTIONS_H
#define OUTRIGGER_PREDICTIONS_H

#include "protocol.h"

enum {
    PREDICTION_BYTES = 64,       /* of a record on disk */
    PREDICTION_ALLOWED_MAX = 512 /* bytes of the models that somebody may use */
};

/* One record. Which members count depends on its kind. */
enum prediction_kind {
    PREDICTION_NAMES = 1,    /* internal: of a version, in parts */
    PREDICTION_ANSWERED = 2, /* a prediction */
    PREDICTION_ACTUAL = 3,   /* what is true of one */
    PREDICTION_JOINED = 4,   /* both */
    PREDICTION_ALLOWED = 5   /* internal: of models that somebody may use, in parts */
};
enum prediction_flags {
    PREDICTION_REGRESSION = 1,
    PREDICTION_BINARY = 2,    /* two classes: `probability` is that of the positive one */
    PREDICTION_BY_LABEL = 4,  /* ACTUAL, JOINED: the truth was said by name; `actual` holds no number */
    PREDICTION_BY_NUMBER = 8, /* ACTUAL, JOINED: by number; `actual_label` holds no name */
    PREDICTION_RIGHT = 16     /* JOINED, no regression: predicted class and truth are the same */
};

struct prediction {
    enum prediction_kind kind;
    unsigned flags;
    uint64_t request;   /* prediction_request */
    uint32_t row;       /* of the request, from 0 */
    int64_t at_ms;      /* since 1970: when it was answered, or said */
    double value;       /* the predicted class's index, or the number; NaN: a class that only has a name */
    double probability; /* of the positive class; NaN: not said */
    uint64_t label;     /* prediction_label of the predicted class; 0: it has no name */
    uint64_t positive;  /* ANSWERED: prediction_label of the positive class; 0 */
    double actual;      /* ACTUAL, JOINED */
    uint64_t actual_label;
    struct text model, version; /* ANSWERED, JOINED; views, good until the next record is read */
    struct text allowed; /* ACTUAL: the models that who said it may use, as api_key.h lists them; empty:
                          * all; a view, too */
};

/* Hashes of a request id and of the name of a class; never 0. */
uint64_t prediction_request(struct text id);
uint64_t prediction_label(struct text name);

/* ---- writing: any thread, one at a time ---- */

struct predictions;
/* Writes to `directory`, which must be there, as `process`.0 and .1, in turns, of at most `records` together,
 * going on where it ended before. NULL with errno. */
struct predictions *predictions_new(const char *directory, const char *process, size_t records);
void predictions_free(struct predictions *predictions);
/* Adds some of one kind, and of one version, or said by one who may use the same models; they are on their
 * way to the disk after predictions_flush, or when some dozens have gathered. False when the disk does not
 * take them: then some are lost. Thread-safe. */
bool predictions_add(struct predictions *predictions, const struct prediction *list, size_t count);
/* Writes what has gathered. Thread-safe. */
bool predictions_flush(struct predictions *predictions);

/* ---- reading ---- */

/* One file, from the beginning or from where it was left; follows its writer. */
struct predictions_reader;
/* `path`: of one of the two files. */
struct predictions_reader *predictions_reader_new(const char *path);
void predictions_reader_free(struct predictions_reader *reader);
/* The next record; false: there is none (yet). What is damaged is passed over. A file that was begun anew by
 * its writer is read from its beginning. */
bool predictions_read(struct predictions_reader *reader, struct prediction *prediction);
/* The next ACTUAL one, passing over all others: of many predictions few are ever said to be true. */
bool predictions_read_actual(struct predictions_reader *reader, struct prediction *prediction);
/* Back to the beginning. */
void predictions_rewind(struct predictions_reader *reader);

#endif
