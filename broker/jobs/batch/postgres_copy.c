/* postgres_copy: see postgres_copy.h. For postgres_writer.c.
 *
 *   "PGCOPY\n\377\r\n\0" | int32 flags = 0 | int32 more of the head = 0
 *   for each row: int16 columns | for each of them int32 length, or -1 for NULL | its bytes
 *   int16 -1
 *
 * all of it with the high byte first. SPDX-License-Identifier: MIT */
#include "postgres_copy.h"

#include <endian.h>
#include <math.h>

#define YEAR_2000_US INT64_C(946684800000000) /* of 1970; the server counts from there */

/* ---- columns ---- */

enum form { FORM_NONE, FORM_INT4, FORM_INT8, FORM_FLOAT8, FORM_TEXT, FORM_TIME };

static enum form form_of(const struct postgres_column *column)
{
    static const struct {
        const char *type;
        enum form form;
    } forms[] = {{"integer", FORM_INT4},
                 {"bigint", FORM_INT8},
                 {"double precision", FORM_FLOAT8},
                 {"text", FORM_TEXT},
                 {"character varying", FORM_TEXT},
                 {"timestamp with time zone", FORM_TIME}};
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (strcmp(column->type, forms[i].type) == 0)
            return forms[i].form;
    return FORM_NONE;
}

struct forms {
    enum form key, results[POSTGRES_RESULTS_COUNT]; /* FORM_NONE: it is not written, or in no such form */
};

/* The key's column in the sink may be of another type than the source's. */
static struct forms forms_of(const struct postgres_plan *plan)
{
    struct forms forms = {.key = form_of(postgres_column(plan->sink, text_of(plan->key.parts[0]->name)))};
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (plan->results[i] != NULL)
            forms.results[i] = form_of(plan->results[i]);
    return forms;
}

static bool fits(enum form form, size_t result)
{
    if (result == POSTGRES_RESULT_predicted_at)
        return form == FORM_TIME || form == FORM_TEXT;
    if (result == POSTGRES_RESULT_prediction || result == POSTGRES_RESULT_probability)
        return form == FORM_INT4 || form == FORM_INT8 || form == FORM_FLOAT8;
    return form == FORM_TEXT;
}

bool postgres_copy_can(const struct postgres_plan *plan)
{
    if (plan->sink == NULL || plan->sink == plan->source || plan->sink->rules || plan->key.count != 1)
        return false;
    struct forms forms = forms_of(plan);
    if (plan->key.integer ? forms.key != FORM_INT4 && forms.key != FORM_INT8 : forms.key != FORM_TEXT)
        return false;
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (plan->results[i] != NULL && !fits(forms.results[i], i))
            return false;
    return true;
}

/* ---- values ---- */

static void put_16(struct draft *copy, uint16_t value)
{
    value = htobe16(value);
    draft_add(copy, (const char *)&value, sizeof value);
}

static void put_32(struct draft *copy, uint32_t value)
{
    value = htobe32(value);
    draft_add(copy, (const char *)&value, sizeof value);
}

static void put_64(struct draft *copy, uint64_t value)
{
    value = htobe64(value);
    put_32(copy, sizeof value);
    draft_add(copy, (const char *)&value, sizeof value);
}

static bool put_null(struct draft *copy)
{
    put_32(copy, UINT32_MAX);
    return true;
}

static bool put_text(struct draft *copy, struct text text)
{
    put_32(copy, (uint32_t)text.length);
    draft_add(copy, text.at, text.length);
    return true;
}

static bool put_integer(struct draft *copy, enum form form, int64_t value)
{
    if (form == FORM_INT4 && (value < INT32_MIN || value > INT32_MAX))
        return false;
    if (form == FORM_INT4) {
        put_32(copy, sizeof(uint32_t));
        put_32(copy, (uint32_t)value);
    } else
        put_64(copy, (uint64_t)value);
    return true;
}

static bool put_number(struct draft *copy, enum form form, double value)
{
    uint64_t bits;
    if (isnan(value))
        return put_null(copy);
    if (form != FORM_FLOAT8)
        return fabs(value) < (double)INT64_MAX && value == trunc(value) &&
               put_integer(copy, form, (int64_t)value);
    memcpy(&bits, &value, sizeof bits);
    put_64(copy, bits);
    return true;
}

static bool put_time(struct draft *copy, enum form form, const struct chunk *chunk)
{
    if (form == FORM_TEXT)
        return put_text(copy, text_of(chunk->predicted_at));
    put_64(copy, (uint64_t)(chunk->predicted_at_us / 1000 * 1000 - YEAR_2000_US)); /* as in the text */
    return true;
}

static bool put_result(struct draft *copy, enum form form, size_t result, const struct chunk *chunk,
                       const struct scored *scored)
{
    switch (result) {
    case POSTGRES_RESULT_prediction:
        return put_number(copy, form, scored->value);
    case POSTGRES_RESULT_probability:
        return put_number(copy, form, scored->probability);
    case POSTGRES_RESULT_label:
        return scored->has_label ? put_text(copy, text_of(scored->label)) : put_null(copy);
    case POSTGRES_RESULT_model_version:
        return put_text(copy, text_of(scored->version));
    default:
        return put_time(copy, form, chunk);
    }
}

static bool put_key(struct draft *copy, enum form form, const struct row_value *key)
{
    if (form == FORM_TEXT)
        return key->kind == ROW_STRING && put_text(copy, key->text);
    return key->kind == ROW_INTEGER && put_integer(copy, form, key->integer);
}

/* ---- rows ---- */

static bool put_row(struct draft *copy, const struct forms *forms, const struct chunk *chunk,
                    const struct chunk_row *row)
{
    const struct scored *scored = chunk_scored(chunk, row);
    if (!put_key(copy, forms->key, &row->key))
        return false;
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (forms->results[i] != FORM_NONE && !put_result(copy, forms->results[i], i, chunk, scored))
            return false;
    return true;
}

bool postgres_copy_put(struct draft *copy, const struct postgres_plan *plan, const struct chunk *chunk)
{
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* and the zero behind it */
    const struct forms forms = forms_of(plan);
    uint16_t columns = 1;
    copy->length = 0;
    draft_add(copy, head, sizeof head);
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        columns = (uint16_t)(columns + (plan->results[i] != NULL));
    for (size_t i = 0; i < chunk->count; i++) {
        chunk_give_way(i);
        if (chunk->rows[i].reason == NULL) {
            put_16(copy, columns);
            if (!put_row(copy, &forms, chunk, &chunk->rows[i]))
                return false;
        }
    }
    put_16(copy, UINT16_MAX);
    return true;
}
