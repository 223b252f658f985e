/* table_scene: a job of a model with the features "age", 0 to 120, and "income", which may be missing, and a
 * chunk whose rows are scored by the scene: the age is the class's number, the income the probability.
 * Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TABLE_SCENE_H
#define OUTRIGGER_TABLE_SCENE_H

#include "lanes.h"
#include "scratch_directory.h"
#include "suite.h"

#include <math.h>

enum { TABLE_SCENE_MOST = 100 };

static struct schema *schema;
static struct chunk *chunk;
static struct place from, to;
static struct table_job job;
static char reason[TABLE_REASON_MAX];
static bool stopping;
static const char *const table_scene_columns[] = {"age", "income"};
static const bool table_scene_optional[] = {false, true}, table_scene_texts[] = {false, false};

static inline bool table_scene_stopping(void *self)
{
    (void)self;
    return stopping;
}

static inline void table_scene_tell(void *self, const char *line)
{
    (void)self;
    ck_abort_msg("%s", line);
}

static inline struct schema *table_scene_schema(void)
{
    struct schema *made = schema_new();
    made->inputs = object_alloc(sizeof *made->inputs);
    made->inputs[0] = (struct schema_tensor){
        .name = object_strdup("x"), .datatype = DATATYPE_FP32, .rank = 2, .shape = {-1, 2}};
    made->input_count = 1;
    made->features = object_alloc(2 * sizeof *made->features);
    made->fields = object_alloc(2 * sizeof *made->fields);
    made->feature_count = 2;
    for (size_t i = 0; i < 2; i++) {
        made->features[i] = object_strdup(table_scene_columns[i]);
        made->fields[i].name = object_strdup(table_scene_columns[i]);
    }
    made->fields[0].has_minimum = made->fields[0].has_maximum = true;
    made->fields[0].maximum = 120;
    made->fields[1].optional = true;
    made->fields[1].standard.number = 0.5;
    return made;
}

static inline void table_scene_places(const char *source, const char *sink)
{
    char words[PLACE_REASON_MAX];
    place_free(&from);
    place_free(&to);
    ck_assert_msg(place_parse(source, &from, words), "%s", words);
    ck_assert_msg(place_parse(sink, &to, words), "%s", words);
}

static inline void table_scene_make(void)
{
    scratch_make();
    schema = table_scene_schema();
    chunk = chunk_new(schema, 0, TABLE_SCENE_MOST);
    ck_assert_ptr_nonnull(chunk);
    job = (struct table_job){.from = &from,
                             .to = &to,
                             .rejects = "",
                             .name = "m from to",
                             .model = "m",
                             .columns = table_scene_columns,
                             .optional = table_scene_optional,
                             .is_text = table_scene_texts,
                             .width = 2,
                             .prediction = TABLE_PREDICTION_CLASS,
                             .lanes = 4,
                             .batch_size = TABLE_SCENE_MOST,
                             .stopping = table_scene_stopping,
                             .tell = table_scene_tell};
}

static inline void table_scene_unmake(void)
{
    place_free(&from);
    place_free(&to);
    chunk_free(chunk);
    schema_free(schema);
    scratch_remove();
}

/* The rows of the chunk as a model would score them. Those with an age of 99 make it fail. */
static inline void table_scene_score(struct chunk *of)
{
    static struct scored rows[TABLE_SCENE_MOST];
    char words[CHUNK_REASON_MAX];
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count = row_builder_rows(of->builder), length, tensor_count, row_count;
    if (count > 0) {
        const uint8_t *payload = row_builder_payload(of->builder, 0, count, &length);
        ck_assert_ptr_null(tensors_decode(payload, length, tensors, &tensor_count, &row_count));
    }
    for (size_t i = 0; i < count; i++) {
        float values[2];
        memcpy(values, tensors[0].data + i * sizeof values, sizeof values);
        rows[i] = (struct scored){.is_class = true,
                                  .is_whole = true,
                                  .value = (double)values[0],
                                  .probability = (double)values[1],
                                  .probability_single = true,
                                  .has_label = true,
                                  .version = "7"};
        snprintf(rows[i].label, sizeof rows[i].label, "years %g", (double)values[0]);
        if (values[0] == 99)
            rows[i] = (struct scored){.failure = FAILURE_INTERNAL, .reason = "it fell over", .version = ""};
    }
    ck_assert_msg(chunk_answered(of, rows, count, words), "%s", words);
}

/* Adds a row with that key; an age below 0 is refused. */
static inline void table_scene_add(int64_t key, double age, double income, const char *original)
{
    const struct row_value name = {.kind = ROW_INTEGER, .integer = key};
    const struct row_value values[] = {{.kind = ROW_NUMBER, .number = age},
                                       {.kind = ROW_NUMBER, .number = income}};
    chunk_add(chunk, &name, text_of(original), values);
}

/* What a file holds; good until the next call. */
static inline const char *table_scene_read(const char *path)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    return text;
}

#endif
