/* xgboost_model: see xgboost_model.h. SPDX-License-Identifier: MIT */
#include "xgboost_model.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

static struct text text_at(yyjson_val *object, const char *outer, const char *inner)
{
    yyjson_val *value = yyjson_obj_get(yyjson_obj_get(object, outer), inner);
    return (struct text){yyjson_get_str(value), yyjson_get_len(value)};
}

bool xgboost_objective_read(const char *json, size_t length, char objective[XGBOOST_OBJECTIVE_MAX],
                            bool *linear)
{
    /* The library writes numbers that are not finite as words. */
    yyjson_doc *doc = yyjson_read_opts((char *)json, length, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL);
    yyjson_val *learner = yyjson_obj_get(yyjson_doc_get_root(doc), "learner");
    struct text name = text_at(learner, "objective", "name");
    bool good = name.length > 0 && name.length < XGBOOST_OBJECTIVE_MAX;
    for (size_t i = 0; good && i < name.length; i++)
        good = name.at[i] > ' ' && name.at[i] <= '~';
    if (good) {
        text_copy(name, objective, XGBOOST_OBJECTIVE_MAX);
        *linear = text_is(text_at(learner, "gradient_booster", "name"), "gblinear");
    }
    yyjson_doc_free(doc);
    return good;
}

enum xgboost_answer xgboost_answer_of(const char *objective, size_t columns)
{
    static const struct {
        const char *objective;
        enum xgboost_answer answer;
        bool many; /* columns; else exactly one */
    } answers[] = {
        {"binary:logistic", XGBOOST_PROBABILITY, false}, {"binary:logitraw", XGBOOST_MARGIN, false},
        {"binary:hinge", XGBOOST_CLASS, false},          {"multi:softmax", XGBOOST_MARGINS, true},
        {"multi:softprob", XGBOOST_PROBABILITIES, true},
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        if (strcmp(answers[i].objective, objective) == 0 && answers[i].many == (columns > 1))
            return answers[i].answer;
    return XGBOOST_VALUES; /* many columns of a binary objective are labels that do not exclude each other */
}

int xgboost_rounds_of(const char *best, int rounds)
{
    char *end;
    if (best == NULL || !isdigit((unsigned char)*best))
        return 0;
    errno = 0;
    long last = strtol(best, &end, 10);
    return errno == 0 && *end == '\0' && last < rounds - 1 ? (int)last + 1 : 0;
}

const char *xgboost_column_type(const char *type)
{
    static const char *const types[][2] = {
        {"float", "number"}, {"q", "number"}, {"int", "integer"}, {"c", "integer"}, {"i", "boolean"}};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i][0], type) == 0)
            return types[i][1];
    return NULL;
}

void xgboost_complaint(const char *said, char *error, size_t capacity)
{
    const char *stack = strstr(said, "\nStack trace"), *place;
    size_t length = stack != NULL ? (size_t)(stack - said) : strlen(said);
    struct text text = {said, length};
    if (length > 0 && *said == '[' && (place = memchr(said, ']', length)) != NULL) {
        /* "[12:00:00] ../src/learner.cc:1: what is wrong" */
        const char *colon = memchr(place, ':', length - (size_t)(place - said));
        while (colon != NULL && !(isdigit((unsigned char)colon[-1]) && colon[1] == ' '))
            colon = memchr(colon + 1, ':', length - (size_t)(colon + 1 - said));
        const char *start = colon != NULL ? colon + 1 : place + 1;
        text = (struct text){start, length - (size_t)(start - said)};
    }
    text_copy(text_trim(text), error, capacity);
    for (char *at = error; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = ' ';
}
