/* baseline: how the inputs of a model's version, and its scores, were distributed in data that it is known to
 * be good for: what drift is told against. `outrigger profile` writes it, the collector reads it.
 *
 * It is a file of JSON beside the folder of the version, MODEL/baseline-VERSION.json: in the folder it would
 * be one of the files that a digest and a signature are of, and a version that is profiled would be another
 * one.
 *
 * A number has bins between quantiles, `edges`: bin i holds what is above edge i - 1 and at most edge i, the
 * last one what is above all; a value that is there often has a bin of its own. Between them lie finer
 * `steps` (the edges among them), with the values at most so large: what two distributions are compared at by
 * Kolmogorov and Smirnov. A category has its texts or numbers, with a count of each. SPDX-License-Identifier:
 * MIT */
#ifndef OUTRIGGER_BASELINE_H
#define OUTRIGGER_BASELINE_H

#include "columns.h"
#include "score.h"

enum {
    BASELINE_BINS = 10,     /* unless it is said otherwise */
    BASELINE_BINS_MAX = 50, /* of a feature */
    BASELINE_PERCENTILES = 100,
    BASELINE_STEPS_MAX = BASELINE_PERCENTILES + BASELINE_BINS_MAX,
    BASELINE_CATEGORIES_MAX = 100, /* the most frequent ones; further ones are counted together */
    BASELINE_FEATURES_MAX = 256,
    BASELINE_NAME_MAX = 512,      /* bytes of a name or a category */
    BASELINE_BYTES_MAX = 16 << 20 /* of the file */
};

/* Codes of values, of one byte. Below these: the number's bin between steps, or the category's index. */
enum {
    BASELINE_OTHER = 252, /* a category that was none of those that are named */
    BASELINE_LOW = 253,   /* below what there was; belongs to the first bin, too */
    BASELINE_HIGH = 254,  /* above it; to the last one */
    BASELINE_MISSING = 255,
    BASELINE_CODES = 256
};

struct baseline_category {
    char *text; /* NULL: it is the number */
    double number;
    uint64_t count;
};

struct baseline_feature {
    char *name;
    char *input;   /* the tensor */
    size_t column; /* of its rows */
    bool categorical;
    uint64_t count;   /* values, without the missing ones */
    uint64_t missing; /* no finite number, or an empty text */
    /* Of a number. */
    double minimum, maximum, mean; /* when there is any value */
    double *steps;                 /* ascending */
    uint64_t *below;               /* values at most as large as that step */
    size_t step_count;
    size_t *edges; /* indices of steps */
    size_t edge_count;
    /* Of a category. */
    struct baseline_category *categories;
    size_t category_count;
    uint64_t others;
};

struct baseline {
    char *model, *version;
    char *digest;  /* of the version's files; "": not known */
    char *created; /* "2026-01-31T12:00:00Z" */
    uint64_t rows;
    struct baseline_feature *features;
    size_t feature_count;
    uint64_t left_out; /* columns beyond BASELINE_FEATURES_MAX, of which nothing is kept */
    enum score_kind score_kind;
    struct baseline_feature score; /* a number; without values for SCORE_NONE */
};

void baseline_free(struct baseline *baseline); /* NULL is fine */

/* MODELS/MODEL/baseline-VERSION.json; the caller frees. */
char *baseline_path(const char *models_directory, const char *model, const char *version);
/* JSON with a newline behind it; the caller frees. */
char *baseline_to_json(const struct baseline *baseline, size_t *length);
/* NULL when it is no baseline: *reason (a constant) says why. */
struct baseline *baseline_read(const char *text, size_t length, const char **reason);
/* Reads the file. NULL with *reason, a constant or strerror's text. */
struct baseline *baseline_load(const char *path, const char **reason);

/* The code of a value. */
uint8_t baseline_code(const struct baseline_feature *feature, struct column_value value);
/* Bins of a feature that PSI is taken over: those between edges, or the categories and one more for all
 * others. */
size_t baseline_bins(const struct baseline_feature *feature);
/* In which of them a code is; not asked for BASELINE_MISSING. */
size_t baseline_bin(const struct baseline_feature *feature, uint8_t code);
/* The baseline's count of one. */
uint64_t baseline_count(const struct baseline_feature *feature, size_t bin);

/* A share that is smaller counts as so much: the logarithm of nothing is no number. */
#define BASELINE_SHARE_MIN 1e-4
/* PSI, the population stability index: the sum over the bins of (a - e) ln(a / e), where a is the bin's share
 * of `count` values, counted in `bins`, and e its share of the baseline's. Both must have values. */
double baseline_psi(const struct baseline_feature *feature, const uint64_t *bins, uint64_t count);

/* ---- making one ---- */

/* What the features are, before there are values; texts are copied. `bins`: 2 to BASELINE_BINS_MAX. */
struct baseline_builder;
struct baseline_builder *baseline_builder_new(size_t bins);
void baseline_builder_free(struct baseline_builder *builder); /* NULL is fine */
/* One more feature, by the order of the columns; one too many is counted and left out. */
void baseline_builder_feature(struct baseline_builder *builder, const char *name, const char *input,
                              size_t column, bool categorical);
/* Adds the rows. False when the tensors have not the features. `scores`: one for each row, or NULL. */
bool baseline_builder_add(struct baseline_builder *builder, const struct tensor *tensors, size_t count,
                          size_t rows, enum score_kind kind, const double *scores);
/* The baseline of all that was added; texts are copied. */
struct baseline *baseline_builder_end(struct baseline_builder *builder, const char *model,
                                      const char *version, const char *digest);

#endif
