/* output_form: see output_form.h. SPDX-License-Identifier: MIT */
#include "output_form.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum result { PREDICTION, PROBABILITY, LABEL, MODEL_VERSION, PREDICTED_AT };
static const char *const result_names[] = {"prediction", "probability", "label", "model_version",
                                           "predicted_at"};
_Static_assert(COUNT_OF(result_names) == OUTPUT_RESULTS, "each has a name");

#define COMPLAIN(reason, ...) (snprintf((reason), TABLE_REASON_MAX, __VA_ARGS__), false)

static char delimiter_of(const struct table_job *job)
{
    const char *said = job->to->delimiter != NULL                                     ? job->to->delimiter
                       : job->from->kind == PLACE_CSV && job->from->delimiter != NULL ? job->from->delimiter
                                                                                      : ",";
    return strcmp(said, "tab") == 0 ? '\t' : *said;
}

struct output_form output_form_of(const struct table_job *job)
{
    struct output_form form = {.job = job, .csv = job->to->kind == PLACE_CSV, .delimiter = delimiter_of(job)};
    form.as_it_was = job->from->kind == job->to->kind &&
                     (!form.csv || form.delimiter ==
                                       delimiter_of(&(struct table_job){.from = job->from, .to = job->from}));
    for (size_t i = 0; i < OUTPUT_RESULTS; i++)
        form.names[i] = place_result(job->to, result_names[i]);
    return form;
}

/* ---- values ---- */

static void add_key(struct draft *text, const struct row_value *key, bool csv, char delimiter)
{
    char words[NUMBER_TEXT_MAX];
    if (key->kind == ROW_INTEGER)
        draft_add_integer(text, key->integer);
    else if (key->kind == ROW_NUMBER)
        draft_add(text, words, number_write_double(key->number, words));
    else if (csv)
        draft_add_field(text, key->text, delimiter, false);
    else
        draft_add_json(text, key->text);
}

static void add_text(const struct output_form *form, struct draft *text, const char *value)
{
    if (form->csv)
        draft_add_field(text, text_of(value), form->delimiter, false);
    else
        draft_add_json(text, text_of(value));
}

/* JSON's null is nothing in CSV. */
static void add_scored_number(const struct output_form *form, struct draft *text, double number, bool single)
{
    char words[NUMBER_TEXT_MAX];
    if (!isnan(number) || !form->csv)
        draft_add(text, words, scored_number(number, single, words));
}

static void add_result(const struct output_form *form, struct draft *text, enum result result,
                       const struct chunk *chunk, const struct scored *scored)
{
    char words[NUMBER_TEXT_MAX];
    bool named = scored->has_label && isnan(scored->value); /* the class is only a name */
    if (result == PREDICTION && scored->list != NULL && !form->csv)
        draft_add_string(text, scored->list);
    else if (result == PREDICTION && scored->list != NULL)
        add_text(form, text, scored->list);
    else if (result == PREDICTION && named)
        add_text(form, text, scored->label);
    else if (result == PREDICTION && isnan(scored->value))
        add_scored_number(form, text, NAN, false);
    else if (result == PREDICTION)
        draft_add(text, words, scored_value(scored, words));
    else if (result == PROBABILITY)
        add_scored_number(form, text, scored->probability, scored->probability_single);
    else if (result == LABEL && scored->has_label)
        add_text(form, text, scored->label);
    else if (result == LABEL)
        add_scored_number(form, text, NAN, false);
    else
        add_text(form, text, result == MODEL_VERSION ? scored->version : chunk->predicted_at);
}

/* ---- lines ---- */

static const char *key_name(const struct output_form *form)
{
    const char *name = form->job->head.key;
    return name == NULL ? "row" : name;
}

void output_form_head(const struct output_form *form, struct draft *text)
{
    if (!form->csv || (form->as_it_was && form->job->head.line == NULL))
        return;
    if (form->as_it_was)
        draft_add_string(text, form->job->head.line);
    else
        draft_add_field(text, text_of(key_name(form)), form->delimiter, false);
    for (size_t i = 0; i < OUTPUT_RESULTS; i++)
        if (form->names[i] != NULL) {
            draft_add_char(text, form->delimiter);
            draft_add_field(text, text_of(form->names[i]), form->delimiter, false);
        }
    draft_add_char(text, '\n');
}

static void add_csv_row(const struct output_form *form, const struct chunk *chunk,
                        const struct chunk_row *row, struct draft *text)
{
    if (form->as_it_was)
        draft_add(text, row->original.at, row->original.length);
    else
        add_key(text, &row->key, true, form->delimiter);
    for (size_t i = 0; i < OUTPUT_RESULTS; i++)
        if (form->names[i] != NULL) {
            draft_add_char(text, form->delimiter);
            add_result(form, text, (enum result)i, chunk, chunk_scored(chunk, row));
        }
    draft_add_char(text, '\n');
}

static bool is_ours(const struct output_form *form, struct text name)
{
    for (size_t i = 0; i < OUTPUT_RESULTS; i++)
        if (form->names[i] != NULL && text_is(name, form->names[i]))
            return true;
    return false;
}

/* Whether it may have a member that we write, too: one of the names stands in it, or an escape, which a name
 * may be written with. Most rows have neither, and are not read once more. */
static bool may_have_ours(const struct output_form *form, struct text object)
{
    bool may = memmem(object.at, object.length, "\\u", 2) != NULL;
    for (size_t i = 0; i < OUTPUT_RESULTS && !may; i++)
        may = form->names[i] != NULL &&
              memmem(object.at, object.length, form->names[i], strlen(form->names[i])) != NULL;
    return may;
}

/* The object without its end and without members of those names: ours replace them. Numbers stay as they are
 * written. False when it has none such. */
static bool add_without_ours(const struct output_form *form, struct draft *text, struct text object)
{
    yyjson_doc *document =
        yyjson_read(object.at, object.length, YYJSON_READ_NUMBER_AS_RAW); /* it was read before */
    yyjson_val *root = yyjson_doc_get_root(document), *name, *value;
    size_t at, most, kept = 0, begin = text->length;
    yyjson_obj_foreach(root, at, most, name, value)
    {
        struct text word = {yyjson_get_str(name), yyjson_get_len(name)};
        char *written = is_ours(form, word) ? NULL : yyjson_val_write(value, 0, NULL);
        if (written == NULL)
            continue;
        draft_add_string(text, kept++ == 0 ? "{" : ", ");
        draft_add_json(text, word);
        draft_add_string(text, ": ");
        draft_add_string(text, written);
        free(written);
    }
    bool had = kept < yyjson_obj_size(root);
    yyjson_doc_free(document);
    if (!had)
        text->length = begin;
    else if (kept == 0)
        draft_add_char(text, '{');
    return had;
}

/* The row's object without its end: what is added stands behind what was there. An array becomes a member. */
static void add_original(const struct output_form *form, struct draft *text, struct text original)
{
    if (*original.at == '[') {
        draft_add_string(text, "{\"features\": ");
        draft_add(text, original.at, original.length);
        return;
    }
    if (may_have_ours(form, original) && add_without_ours(form, text, original))
        return;
    original.length--;
    while (original.length > 0 && strchr(" \t", original.at[original.length - 1]) != NULL)
        original.length--;
    draft_add(text, original.at, original.length);
}

static void add_json_row(const struct output_form *form, const struct chunk *chunk,
                         const struct chunk_row *row, struct draft *text)
{
    if (form->as_it_was)
        add_original(form, text, row->original);
    else {
        draft_add_char(text, '{');
        draft_add_json(text, text_of(key_name(form)));
        draft_add_string(text, ": ");
        add_key(text, &row->key, false, 0);
    }
    for (size_t i = 0; i < OUTPUT_RESULTS; i++)
        if (form->names[i] != NULL) {
            draft_add_string(text, text->bytes[text->length - 1] == '{' ? "" : ", ");
            draft_add_json(text, text_of(form->names[i]));
            draft_add_string(text, ": ");
            add_result(form, text, (enum result)i, chunk, chunk_scored(chunk, row));
        }
    draft_add_string(text, "}\n");
}

void output_form_row(const struct output_form *form, const struct chunk *chunk, const struct chunk_row *row,
                     struct draft *text)
{
    if (form->csv)
        add_csv_row(form, chunk, row, text);
    else
        add_json_row(form, chunk, row, text);
}

void output_form_reject(const struct output_form *form, const struct chunk_row *row, struct draft *text)
{
    draft_add_char(text, '{');
    draft_add_json(text, text_of(key_name(form)));
    draft_add_string(text, ": ");
    add_key(text, &row->key, false, 0);
    draft_add_string(text, ", \"reason\": ");
    draft_add_json(text, text_of(row->reason));
    if (row->original.length > 0) {
        draft_add_string(text, ", \"input\": ");
        draft_add_json(text, row->original);
    }
    draft_add_string(text, "}\n");
}

/* ---- names ---- */

/* What a line has besides, by the names that are known before it is read. */
static bool is_taken(const struct output_form *form, const char *name)
{
    const struct table_head *head = &form->job->head;
    if (!form->as_it_was)
        return strcmp(name, key_name(form)) == 0;
    for (size_t i = 0; i < head->count; i++)
        if (strcmp(name, head->names[i]) == 0)
            return true;
    return !form->csv && strcmp(name, "features") == 0; /* which an array becomes */
}

/* Rows that were scored before have columns of these names: two of one name are of no use to anybody. */
bool output_form_check(const struct output_form *form, char reason[TABLE_REASON_MAX])
{
    const char *at = form->job->to->at, *const *names = form->names;
    for (size_t i = 0; i < OUTPUT_RESULTS; i++) {
        if (names[i] != NULL && is_taken(form, names[i]))
            return COMPLAIN(
                reason, "%s: the rows have a column %s already: call this one otherwise, as in %s?%s=NAME",
                at, names[i], at, result_names[i]);
        for (size_t j = 0; j < i; j++)
            if (names[i] != NULL && names[j] != NULL && strcmp(names[i], names[j]) == 0)
                return COMPLAIN(reason, "%s: %s and %s are both called %s", at, result_names[j],
                                result_names[i], names[i]);
    }
    return true;
}
