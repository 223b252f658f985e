/* postgres_writer: see postgres_writer.h. SPDX-License-Identifier: MIT */
#include "postgres_writer.h"

#include "postgres_copy.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- keys ---- */

struct text postgres_key_text(const struct row_value *key, char buffer[NUMBER_TEXT_MAX])
{
    if (key->kind == ROW_INTEGER)
        snprintf(buffer, NUMBER_TEXT_MAX, "%" PRId64, key->integer);
    else if (key->kind == ROW_NUMBER)
        snprintf(buffer, NUMBER_TEXT_MAX, "%.17g", key->number);
    else
        return key->text;
    return text_of(buffer);
}

static bool read_integer(struct text text, int64_t *integer)
{
    char digits[NUMBER_TEXT_MAX], *end;
    text_copy(text, digits, sizeof digits);
    *integer = strtoll(digits, &end, 10);
    return end != digits && *end == '\0';
}

bool postgres_put_key(const struct postgres_key *of, struct postgres_array *array,
                      const struct row_value *key)
{
    char buffer[NUMBER_TEXT_MAX];
    int64_t integer;
    if (!of->integer)
        postgres_array_text(array, postgres_key_text(key, buffer));
    else if (key->kind == ROW_INTEGER)
        postgres_array_integer(array, key->integer);
    else if (read_integer(postgres_key_text(key, buffer), &integer))
        postgres_array_integer(array, integer);
    else
        return false;
    return true;
}

/* ---- results ---- */

static void put_number(struct postgres_array *array, double value)
{
    if (isnan(value))
        postgres_array_null(array);
    else
        postgres_array_number(array, value);
}

static void put_prediction_text(struct postgres_array *array, const struct scored *scored)
{
    char text[NUMBER_TEXT_MAX];
    if (scored->list != NULL)
        postgres_array_text(array, text_of(scored->list));
    else if (!isnan(scored->value))
        postgres_array_text(array, (struct text){text, scored_value(scored, text)});
    else if (scored->has_label)
        postgres_array_text(array, text_of(scored->label));
    else
        postgres_array_null(array);
}

static void put_probability_text(struct postgres_array *array, const struct scored *scored)
{
    char text[NUMBER_TEXT_MAX];
    if (isnan(scored->probability))
        postgres_array_null(array);
    else
        postgres_array_text(
            array, (struct text){text, scored_number(scored->probability, scored->probability_single, text)});
}

static void put_result(struct postgres_array *array, size_t result, const struct scored *scored)
{
    bool number = array->type == POSTGRES_FLOAT8_ARRAY;
    if (result == POSTGRES_RESULT_prediction && number)
        put_number(array, scored->value);
    else if (result == POSTGRES_RESULT_prediction)
        put_prediction_text(array, scored);
    else if (result == POSTGRES_RESULT_probability && number)
        put_number(array, scored->probability);
    else if (result == POSTGRES_RESULT_probability)
        put_probability_text(array, scored);
    else if (result == POSTGRES_RESULT_model_version)
        postgres_array_text(array, text_of(scored->version));
    else if (scored->has_label)
        postgres_array_text(array, text_of(scored->label));
    else
        postgres_array_null(array);
}

/* predicted_at is one for all: it is no array. */
static bool is_array(const struct postgres_plan *plan, size_t result)
{
    return plan->results[result] != NULL && result != POSTGRES_RESULT_predicted_at;
}

static void begin_arrays(struct postgres_writer *writer, const struct postgres_plan *plan)
{
    enum postgres_type keys = plan->key.integer ? POSTGRES_INT8_ARRAY : POSTGRES_TEXT_ARRAY;
    postgres_array_begin(&writer->first, keys);
    postgres_array_begin(&writer->keys, keys);
    postgres_array_begin(&writer->rejected, POSTGRES_TEXT_ARRAY);
    postgres_array_begin(&writer->reasons, POSTGRES_TEXT_ARRAY);
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (is_array(plan, i))
            postgres_array_begin(&writer->results[i],
                                 postgres_result_form(plan->results[i]) == POSTGRES_AS_NUMBER
                                     ? POSTGRES_FLOAT8_ARRAY
                                     : POSTGRES_TEXT_ARRAY);
}

static void put_reject(struct postgres_writer *writer, const struct chunk_row *row)
{
    char buffer[NUMBER_TEXT_MAX];
    postgres_array_text(&writer->rejected, postgres_key_text(&row->key, buffer));
    postgres_array_text(&writer->reasons, text_of(row->reason));
}

static bool put_arrays(struct postgres_writer *writer, const struct postgres_plan *plan,
                       const struct chunk *chunk, const struct chunk_row *row, char *reason)
{
    if (!postgres_put_key(&plan->key, &writer->keys, &row->key)) {
        char buffer[NUMBER_TEXT_MAX];
        struct text key = postgres_key_text(&row->key, buffer);
        snprintf(reason, TABLE_REASON_MAX, "table %s.%s, column %s: key %.*s is no integer",
                 plan->sink->schema, plan->sink->table, plan->key.parts[0]->name,
                 (int)(key.length < 64 ? key.length : 64), key.at);
        return false;
    }
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (is_array(plan, i))
            put_result(&writer->results[i], i, chunk_scored(chunk, row));
    return true;
}

bool postgres_writer_put(struct postgres_writer *writer, const struct postgres_plan *plan, bool copy,
                         const struct chunk *chunk, char reason[TABLE_REASON_MAX])
{
    begin_arrays(writer, plan);
    writer->copying = copy && postgres_copy_put(&writer->copy, plan, chunk);
    for (size_t i = 0; i < chunk->count; i++) {
        const struct chunk_row *row = &chunk->rows[i];
        chunk_give_way(i);
        if (row->reason != NULL) {
            put_reject(writer, row);
            continue;
        }
        if (!writer->copying && !put_arrays(writer, plan, chunk, row, reason))
            return false;
        if (writer->first.count == 0)
            (void)postgres_put_key(&plan->key, &writer->first, &row->key); /* as the others were put */
    }
    return true;
}

/* ---- writing ---- */

static struct postgres_value array_value(struct postgres_array *array)
{
    const uint8_t *bytes = postgres_array_bytes(array);
    return (struct postgres_value){.type = array->type, .at = bytes, .length = array->length, .binary = true};
}

bool postgres_writer_first(struct postgres_writer *writer, struct postgres_value *key)
{
    *key = array_value(&writer->first);
    return writer->first.count > 0;
}

static enum postgres_outcome write_results(struct postgres_writer *writer, struct postgres_link *link,
                                           const struct postgres_plan *plan, const char *statement,
                                           const char *predicted_at, char *reason)
{
    struct postgres_value values[POSTGRES_RESULTS_COUNT + 1] = {array_value(&writer->keys)};
    size_t count = 1;
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (is_array(plan, i))
            values[count++] = array_value(&writer->results[i]);
    if (plan->results[POSTGRES_RESULT_predicted_at] != NULL)
        values[count++] = (struct postgres_value){.at = predicted_at};
    enum postgres_outcome outcome = postgres_link_ask(link, statement, values, count, reason);
    if (outcome != POSTGRES_DONE || plan->sink != plan->source)
        return outcome;
    /* They are locked by us; rows that are not written would be taken again and again. */
    size_t changed = postgres_link_changed(link);
    if (changed == writer->keys.count)
        return outcome;
    postgres_link_rollback(link);
    snprintf(reason, TABLE_REASON_MAX,
             "table %s.%s: %zu of %zu rows were not written: a trigger, a rule or a policy holds them back",
             plan->sink->schema, plan->sink->table, writer->keys.count - changed, writer->keys.count);
    return POSTGRES_FAILED;
}

enum postgres_outcome postgres_writer_write(struct postgres_writer *writer, struct postgres_link *link,
                                            const struct postgres_plan *plan,
                                            const struct postgres_writes *writes, const char *model,
                                            const char *predicted_at, char reason[TABLE_REASON_MAX])
{
    enum postgres_outcome outcome = POSTGRES_DONE;
    if (writer->copying)
        outcome = postgres_link_copy(link, writes->copy, draft_text(&writer->copy), reason);
    else if (writer->keys.count > 0)
        outcome = write_results(writer, link, plan, writes->write, predicted_at, reason);
    if (outcome != POSTGRES_DONE || writer->rejected.count == 0)
        return outcome;
    const struct postgres_value values[] = {{.at = plan->job},
                                            array_value(&writer->rejected),
                                            array_value(&writer->reasons),
                                            {.at = model},
                                            {.at = predicted_at}};
    return postgres_link_ask(link, writes->reject, values, COUNT_OF(values), reason);
}

void postgres_writer_free(struct postgres_writer *writer)
{
    struct postgres_array *arrays[] = {&writer->first, &writer->keys, &writer->rejected, &writer->reasons};
    for (size_t i = 0; i < COUNT_OF(arrays); i++)
        postgres_array_free(arrays[i]);
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        postgres_array_free(&writer->results[i]);
    draft_free(&writer->copy);
}
