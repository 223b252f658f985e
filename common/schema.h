/* schema: what a model takes and gives, as its worker says in READY and the broker hands on in CATALOG
 * (PROTOCOL.md section 7). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCHEMA_H
#define OUTRIGGER_SCHEMA_H

#include "tensor.h"

enum {
    SCHEMA_NAMES_MAX = 65536, /* features or labels of one model: bounds a hostile worker's message */
    SCHEMA_COSTS_MAX = 32,    /* batch sizes whose cost is told */
    SCHEMA_PARTS_MAX = 256,   /* models that a pipeline asks */
    SCHEMA_DIGEST_MAX = 128   /* bytes of a digest */
};

struct schema_tensor {
    char *name;
    enum datatype datatype;
    uint32_t rank;
    int64_t shape[TENSOR_RANK_MAX]; /* -1 = any; shape[0] is the rows */
};

/* What the values of one column may be, as model.conf's `inputs` says it. Nothing is said of a member that is
 * NULL, or whose has_ is false. */
enum schema_type { SCHEMA_ANY, SCHEMA_NUMBER, SCHEMA_INTEGER, SCHEMA_BOOLEAN, SCHEMA_STRING };

struct schema_value {
    char *text; /* of a string; NULL: it is the number */
    double number;
};

struct schema_field {
    char *name; /* of the column it is about */
    char *description;
    enum schema_type type;
    bool has_minimum, has_maximum;
    double minimum, maximum;
    struct schema_value *allowed;
    size_t allowed_count; /* 0: whatever the rest lets through */
    bool optional;        /* may be left out of a row by name; then it is `standard` */
    struct schema_value standard;
};

/* A model that a step of a pipeline asks. */
struct schema_part {
    struct text step;
    struct text model;
    struct text version; /* empty: the one that its route gives */
};

/* What a batch of so many rows took the worker that tells it. */
struct schema_cost {
    uint32_t rows;
    uint32_t us;
};

/* What a task is besides a classification or a regression. */
enum schema_kind {
    SCHEMA_PLAIN,
    SCHEMA_LABELS,   /* a classification where several labels may hold at once: "multilabel" */
    SCHEMA_EMBEDDING /* a regression whose prediction is a vector that stands for the row: "embedding" */
};

struct schema {
    char *platform;
    char *description;
    struct schema_tensor *inputs;
    size_t input_count;
    struct schema_tensor *outputs;
    size_t output_count;
    char **features; /* names of the columns, in the order of the inputs; 0 or exactly feature_count names */
    size_t feature_count;
    struct schema_field *fields; /* one for each feature, in their order; NULL: nothing is said of any */
    char **labels;
    size_t label_count;
    bool regression; /* task: numbers, and no class */
    enum schema_kind kind;
    uint32_t timeout_ms; /* 0: not said */
    bool allow_nan;
    char *digest;              /* of the files of the version (contents.h); "": not said */
    struct schema_part *parts; /* of a pipeline, in the order of its steps; views of part_texts */
    size_t part_count;         /* 0: it is none */
    char *part_texts;
    struct schema_cost costs[SCHEMA_COSTS_MAX]; /* for the broker, which takes them out; not decoded */
    size_t cost_count;
};

/* An empty schema; every pointer is NULL or allocated, schema_free takes all. */
struct schema *schema_new(void);
void schema_free(struct schema *schema);

/* What the schema has of them, for others who keep some. */
void schema_free_tensors(struct schema_tensor *tensors, size_t count);
void schema_free_names(char **names, size_t count);
char **schema_copy_names(const char *const *names, size_t count);

/* "" when it is not said. */
static inline const char *schema_digest(const struct schema *schema)
{
    return schema->digest == NULL ? "" : schema->digest;
}

/* The task's name: "classification", "regression", "multilabel" or "embedding". */
const char *schema_task(const struct schema *schema);
/* The same without its kind: one of the first two. */
const char *schema_plain_task(const struct schema *schema);
/* The kind of a task by its name; SCHEMA_PLAIN for one that is not known. */
enum schema_kind schema_kind_of(struct text name);
/* Sets it by its name; false when there is none of that name. */
bool schema_set_task(struct schema *schema, struct text name);

/* The number of values in one row over all inputs (product of shape[1..], 1 for a rank of 1), 0 when an inner
 * dimension is variable. */
size_t schema_row_values(const struct schema *schema);

/* Encodes as a msgpack map into memory that the caller frees; *length in bytes. */
uint8_t *schema_encode(const struct schema *schema, size_t *length);
/* NULL when the bytes are no schema; *reason (a constant) then says why. What is decoded has at least one
 * input and one output, each of a rank of 1 or more, and as many features (if any) as a row has values. */
struct schema *schema_decode(const uint8_t *bytes, size_t length, const char **reason);
/* Takes the costs out of an encoded schema: two workers of one version measure differently, and what is left
 * is the same. Returns how many there were, and makes *length shorter; 0, and nothing is changed, when there
 * are none or the bytes are no schema. */
size_t schema_take_costs(uint8_t *bytes, size_t *length, struct schema_cost costs[SCHEMA_COSTS_MAX]);
/* Takes over the parts, with copies of their texts. */
void schema_set_parts(struct schema *schema, const struct schema_part *parts, size_t count);
/* The parts of an encoded schema, views of it; 0 where it says none, or the bytes are no schema. */
size_t schema_find_parts(const uint8_t *bytes, size_t length, struct schema_part parts[SCHEMA_PARTS_MAX]);
/* The digest of an encoded schema, a view; empty when it says none, or the bytes are no schema. */
struct text schema_find_digest(const uint8_t *bytes, size_t length);

#endif
