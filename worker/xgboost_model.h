/* xgboost_model: what the words that XGBoost keeps in a model's file mean to whoever serves it. Pure; knows
 * nothing of the library. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_XGBOOST_MODEL_H
#define OUTRIGGER_XGBOOST_MODEL_H

#include "object.h"

/* What the model computes for a row, and what is asked of the library for it. */
enum xgboost_answer {
    XGBOOST_VALUES,        /* numbers that stand for themselves: regression, ranking, counts, survival */
    XGBOOST_PROBABILITY,   /* that of class 1 of two */
    XGBOOST_PROBABILITIES, /* that of each class */
    XGBOOST_MARGINS,       /* of each class; their softmax is the probabilities (multi:softmax) */
    XGBOOST_MARGIN,        /* class 1 of two when it is above 0 (binary:logitraw) */
    XGBOOST_CLASS          /* 0 or 1 (binary:hinge) */
};

enum { XGBOOST_OBJECTIVE_MAX = 64 /* bytes of its name with the terminator */ };

/* Reads the objective's name, and whether the model is a linear one, out of the configuration that the
 * library writes as JSON, which holds texts of the model file. False when there is no name. */
bool xgboost_objective_read(const char *json, size_t length, char objective[XGBOOST_OBJECTIVE_MAX],
                            bool *linear);

/* What a model with that objective computes in `columns` numbers a row: one for each class, or target. */
enum xgboost_answer xgboost_answer_of(const char *objective, size_t columns);

/* How many of the model's rounds count: 0 for all. `best` is the last one that made the model better, as
 * early stopping notes it in the file (NULL: nobody has). */
int xgboost_rounds_of(const char *best, int rounds);

/* The schema's type of a column of that type, NULL when it says nothing of it. */
const char *xgboost_column_type(const char *type);

/* The library's complaint on one line, without the time, the place in its source and the stack that it wraps
 * it in. */
void xgboost_complaint(const char *said, char *error, size_t capacity);

#endif
