/* scorer: see scorer.h.
 *
 * A chunk waits in a line until the asker has room, and is cut into pieces then, each of which is one
 * request. A piece that is refused for what is in it comes back as two halves, before all others, so that the
 * chunk with the bad row is not the last one to be done. A row belongs to one piece at a time, so each is
 * told once.
 *
 * What a worker has in hand nobody can overtake, so no request shall take long: the answers say how long a
 * row is computed, and a piece has as many rows as are in a short time. The broker puts them together into
 * batches, as long as nobody else is there. They are the smaller the slower the model is, so what is open is
 * bounded by rows, too.
 * SPDX-License-Identifier: MIT */
#include "scorer.h"

#include "prediction_list.h"
#include "score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    SCORER_MAGIC = 0x05c0e001,
    TRIES_MAX = 3,       /* of what failed in the engine */
    ROWS_UNKNOWN = 8,    /* a request, while nobody knows how long a row takes */
    SHORT_US = 250,      /* what is computed in that time is one request */
    REQUESTS_ENOUGH = 16 /* of the most rows that one may have: so many rows keep any workers busy */
};

#define WEIGHT 0.2 /* of the newest answer in what a row takes */

/* The lists of a piece's rows, one behind the other. */
struct texts {
    struct texts *next;
    char bytes[];
};

struct chunk {
    struct scorer *scorer;
    uint8_t *bytes; /* the payload */
    struct tensor *tensors;
    size_t tensor_count;
    size_t **starts; /* where each row of a tensor of BYTES begins; NULL for the others */
    struct scored *rows;
    struct texts *texts;
    size_t row_count, left;
    uint8_t trace[PROTOCOL_TRACE_BYTES];
    size_t trace_bytes;
    scorer_done *done;
    void *owner;
    struct chunk *prev, *next;
};

/* Rows [from, to) of a chunk: a request, or one to be. */
struct piece {
    struct chunk *chunk;
    size_t from, to;
    unsigned tries;
    struct piece *prev, *next;
};

/* Of the versions that answered. */
struct name {
    char text[PROTOCOL_NAME_MAX + 1];
    struct name *next;
};

struct scorer {
    unsigned magic;
    struct asker *asker;
    size_t rows_a_request;
    double row_us; /* what a row takes to compute; 0: nothing is known */
    size_t rows_asked;
    struct chunk *chunks;
    size_t chunk_count;
    struct piece *line;  /* those that are not asked yet */
    struct piece *asked; /* those that are */
    struct name *names;
};

/* ---- chunks ---- */

/* What comes from row_builder, or from a payload that was checked. */
static void find_starts(struct chunk *chunk)
{
    chunk->starts = object_alloc(chunk->tensor_count * sizeof *chunk->starts);
    for (size_t i = 0; i < chunk->tensor_count; i++) {
        const struct tensor *tensor = &chunk->tensors[i];
        size_t offset = 0, columns = value_columns(tensor);
        if (tensor->datatype != DATATYPE_BYTES)
            continue;
        chunk->starts[i] = object_alloc((chunk->row_count + 1) * sizeof *chunk->starts[i]);
        for (size_t row = 0; row < chunk->row_count; row++) {
            for (size_t column = 0; column < columns; column++)
                value_bytes(tensor, &offset);
            chunk->starts[i][row + 1] = offset;
        }
    }
}

static struct chunk *chunk_new(struct scorer *scorer, const struct rows_payload *rows)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t decoded;
    struct chunk *chunk = object_alloc(sizeof *chunk);
    chunk->scorer = scorer;
    chunk->bytes = object_alloc(rows->length);
    memcpy(chunk->bytes, rows->bytes, rows->length);
    ENSURE(tensors_decode(chunk->bytes, rows->length, tensors, &chunk->tensor_count, &decoded) == NULL);
    ENSURE(rows->rows > 0 && decoded == rows->rows && rows->trace.length <= PROTOCOL_TRACE_BYTES);
    chunk->row_count = chunk->left = rows->rows;
    chunk->tensors = object_alloc(chunk->tensor_count * sizeof *tensors);
    memcpy(chunk->tensors, tensors, chunk->tensor_count * sizeof *tensors);
    find_starts(chunk);
    chunk->rows = malloc(rows->rows * sizeof *chunk->rows); /* each is written whole, but for its texts */
    ENSURE(chunk->rows != NULL);
    chunk->trace_bytes = rows->trace.length;
    if (chunk->trace_bytes > 0)
        memcpy(chunk->trace, rows->trace.at, chunk->trace_bytes);
    return chunk;
}

static void chunk_free(struct chunk *chunk)
{
    while (chunk->texts != NULL) {
        struct texts *texts = chunk->texts;
        LL_DELETE(chunk->texts, texts);
        free(texts);
    }
    for (size_t i = 0; i < chunk->tensor_count; i++)
        free(chunk->starts[i]);
    free(chunk->starts);
    free(chunk->tensors);
    free(chunk->rows);
    free(chunk->bytes);
    free(chunk);
}

/* The payload of some of its rows; the caller frees. */
static uint8_t *slice(const struct chunk *chunk, size_t from, size_t to, size_t *bytes)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    for (size_t i = 0; i < chunk->tensor_count; i++) {
        tensors[i] = chunk->tensors[i];
        size_t row_bytes = tensor_row_bytes(&tensors[i]);
        size_t begin = chunk->starts[i] != NULL ? chunk->starts[i][from] : from * row_bytes;
        size_t end = chunk->starts[i] != NULL ? chunk->starts[i][to] : to * row_bytes;
        tensors[i].shape[0] = (int64_t)(to - from);
        tensors[i].data += begin;
        tensors[i].bytes = end - begin;
    }
    *bytes = tensors_encoded_size(tensors, chunk->tensor_count);
    uint8_t *payload = malloc(*bytes);
    ENSURE(payload != NULL);
    ENSURE(tensors_encode(tensors, chunk->tensor_count, payload, *bytes, NULL) == *bytes);
    return payload;
}

/* ---- what the model gave ---- */

/* One payload of outputs taken apart. */
struct outputs {
    const struct schema *schema;
    const char *version;
    struct tensor tensors[TENSOR_COUNT_MAX];
    struct roles roles;
    size_t class_offset; /* of the next one, of BYTES */
};

static const char *keep_name(struct scorer *scorer, struct text text)
{
    struct name *name;
    LL_FOREACH(scorer->names, name)
    if (text_is(text, name->text))
        return name->text;
    name = object_alloc(sizeof *name);
    text_copy(text, name->text, sizeof name->text);
    LL_PREPEND(scorer->names, name);
    return name->text;
}

static bool is_single(const struct tensor *tensor)
{
    return value_is_float(tensor) && tensor->datatype != DATATYPE_FP64;
}

static void take_number(struct scored *scored, const struct tensor *tensor, size_t row)
{
    scored->is_whole = !value_is_float(tensor);
    scored->is_truth = tensor->datatype == DATATYPE_BOOL;
    scored->single = is_single(tensor);
    if (value_is_float(tensor))
        scored->value = value_float(tensor, row);
    else
        scored->value = value_is_signed(tensor) ? (double)(int64_t)value_integer(tensor, row)
                                                : (double)value_integer(tensor, row);
}

/* The class, and its label: a name that the model gives, or the schema has for its index. */
static void take_class(struct scored *scored, struct outputs *outputs, size_t row)
{
    const struct schema *schema = outputs->schema;
    const struct tensor *class = outputs->roles.class;
    uint64_t index;
    scored->is_class = true;
    if (class != NULL && class->datatype == DATATYPE_BYTES) {
        text_copy(value_bytes(class, &outputs->class_offset), scored->label, sizeof scored->label);
        scored->has_label = true;
        return;
    }
    ENSURE(roles_class_index(&outputs->roles, false, row, &index));
    if (class != NULL) {
        take_number(scored, class, row);
    } else {
        scored->value = (double)index;
        scored->is_whole = true;
    }
    if (index >= schema->label_count)
        return;
    text_copy(text_of(schema->labels[index]), scored->label, sizeof scored->label);
    scored->has_label = true;
}

/* Which of several probabilities is that of the class, as far as the class is known by its index. */
static double probability_of(const struct outputs *outputs, const struct scored *scored, size_t row)
{
    const struct tensor *probabilities = outputs->roles.probabilities;
    size_t columns = value_columns(probabilities);
    uint64_t index;
    if (columns > 2 && roles_class_index(&outputs->roles, false, row, &index) && index < columns)
        return value_float(probabilities, row * columns + index);
    for (size_t i = 0; columns > 2 && scored->has_label && i < outputs->schema->label_count && i < columns;
         i++)
        if (strcmp(outputs->schema->labels[i], scored->label) == 0)
            return value_float(probabilities, row * columns + i);
    return score_of(&outputs->roles, score_kind_of(&outputs->roles, false), row);
}

static void take_probability(struct scored *scored, const struct outputs *outputs, size_t row)
{
    const struct roles *roles = &outputs->roles;
    if (roles->probabilities != NULL) {
        scored->probability = probability_of(outputs, scored, row);
        scored->probability_single = is_single(roles->probabilities);
    } else if (roles->score != NULL) {
        scored->probability = value_float(roles->score, row);
        scored->probability_single = is_single(roles->score);
    }
}

static void clear(struct scored *scored)
{
    scored->failure = FAILURE_NONE;
    scored->is_class = scored->is_truth = scored->is_whole = scored->has_label = false;
    scored->single = scored->probability_single = false;
    scored->value = scored->probability = NAN;
    scored->version = "";
    scored->list = NULL;
    scored->label[0] = scored->reason[0] = '\0';
}

static void take_row(struct scored *scored, struct outputs *outputs, size_t row)
{
    clear(scored);
    scored->version = outputs->version;
    if (!outputs->schema->regression) {
        take_class(scored, outputs, row);
        take_probability(scored, outputs, row);
        return;
    }
    take_number(scored, outputs->roles.score != NULL ? outputs->roles.score : outputs->roles.class, row);
}

/* False: there is nothing in them that is a prediction. */
static bool predicts(const struct schema *schema, const struct roles *roles)
{
    bool text = roles->class != NULL && roles->class->datatype == DATATYPE_BYTES;
    return roles_predict(roles) && !(schema->regression && text);
}

static void take_lists(struct chunk *chunk, const struct outputs *outputs, size_t from, size_t count)
{
    struct texts *texts = malloc(sizeof *texts + count * prediction_list_room(&outputs->roles));
    ENSURE(texts != NULL);
    LL_PREPEND(chunk->texts, texts);
    char *at = texts->bytes;
    for (size_t row = 0; row < count; row++) {
        struct scored *scored = &chunk->rows[from + row];
        clear(scored);
        scored->version = outputs->version;
        scored->is_whole = outputs->roles.labels;
        scored->list = at;
        at += prediction_list_write(&outputs->roles, row, at) + 1;
    }
}

/* ---- pieces ---- */

static void fill(struct scorer *scorer);

/* It is asked no more. */
static void take_back(struct piece *piece)
{
    struct scorer *scorer = piece->chunk->scorer;
    DL_DELETE(scorer->asked, piece);
    scorer->rows_asked -= piece->to - piece->from;
}

static struct piece *piece_new(struct chunk *chunk, size_t from, size_t to)
{
    struct piece *piece = object_alloc(sizeof *piece);
    piece->chunk = chunk;
    piece->from = from;
    piece->to = to;
    return piece;
}

/* The rows are told, if they were the chunk's last ones. */
static void end_piece(struct piece *piece)
{
    struct chunk *chunk = piece->chunk;
    struct scorer *scorer = chunk->scorer;
    take_back(piece);
    chunk->left -= piece->to - piece->from;
    free(piece);
    if (chunk->left > 0)
        return;
    DL_DELETE(scorer->chunks, chunk);
    scorer->chunk_count--;
    chunk->done(chunk->owner, chunk->rows, chunk->row_count);
    chunk_free(chunk);
}

static void fail_piece(struct piece *piece, enum failure failure, struct text reason)
{
    for (size_t row = piece->from; row < piece->to; row++) {
        struct scored *scored = &piece->chunk->rows[row];
        clear(scored);
        scored->failure = failure;
        text_copy(reason.length > 0 ? reason : text_of(failure_label(failure)), scored->reason,
                  sizeof scored->reason);
    }
    end_piece(piece);
}

/* Back to the head of the line. */
static void ask_again(struct piece *piece)
{
    take_back(piece);
    DL_PREPEND(piece->chunk->scorer->line, piece);
}

static void halve(struct piece *piece)
{
    struct scorer *scorer = piece->chunk->scorer;
    size_t middle = piece->from + (piece->to - piece->from) / 2;
    struct piece *second = piece_new(piece->chunk, middle, piece->to);
    take_back(piece);
    piece->to = middle;
    piece->tries = 0;
    DL_PREPEND(scorer->line, second);
    DL_PREPEND(scorer->line, piece);
}

static bool failed_in_engine(enum failure failure)
{
    return failure == FAILURE_WORKER_DIED || failure == FAILURE_MODEL_FAILED || failure == FAILURE_INTERNAL;
}

bool scored_is_reject(enum failure failure)
{
    return failed_in_engine(failure) || failure == FAILURE_DEADLINE || failure == FAILURE_INVALID ||
           failure == FAILURE_POISON || failure == FAILURE_TOO_LARGE || failure == FAILURE_BAD_MESSAGE;
}

static void refused(struct piece *piece, const struct client_answer *answer)
{
    piece->tries++;
    if (failed_in_engine(answer->failure) && piece->tries < TRIES_MAX)
        ask_again(piece);
    else if (scored_is_reject(answer->failure) && piece->to - piece->from > 1)
        halve(piece);
    else
        fail_piece(piece, answer->failure, answer->message);
}

static void take_outputs(struct piece *piece, const struct client_answer *answer)
{
    struct outputs outputs;
    size_t count, rows;
    const char *complaint =
        tensors_decode(answer->payload, answer->payload_bytes, outputs.tensors, &count, &rows);
    if (complaint == NULL && rows != piece->to - piece->from)
        complaint = "the model answered another number of rows than it was asked";
    if (complaint != NULL) {
        fail_piece(piece, FAILURE_INTERNAL, text_of(complaint));
        return;
    }
    outputs.schema = asker_schema(piece->chunk->scorer->asker, answer->version);
    outputs.version = keep_name(piece->chunk->scorer, answer->version);
    outputs.roles = roles_of(outputs.schema, outputs.tensors, count);
    outputs.class_offset = 0;
    if (!predicts(outputs.schema, &outputs.roles)) {
        fail_piece(piece, FAILURE_INTERNAL, text_of("no output of the model is a prediction"));
        return;
    }
    bool lists = prediction_is_list(&outputs.roles, outputs.schema->regression);
    if (lists)
        take_lists(piece->chunk, &outputs, piece->from, rows);
    for (size_t row = 0; row < rows && !lists; row++)
        take_row(&piece->chunk->rows[piece->from + row], &outputs, row);
    end_piece(piece);
}

static void learn(struct scorer *scorer, const struct client_answer *answer)
{
    if (answer->batch_rows == 0 || answer->age_us > 0)
        return; /* it was not computed for us */
    double row_us = (double)answer->compute_us / answer->batch_rows;
    scorer->row_us = scorer->row_us == 0 ? row_us : scorer->row_us * (1 - WEIGHT) + row_us * WEIGHT;
}

static void answered(void *owner, const struct client_answer *answer)
{
    struct piece *piece = owner;
    struct scorer *scorer = piece->chunk->scorer;
    if (answer->failure == FAILURE_NONE)
        learn(scorer, answer);
    if (answer->failure == FAILURE_NONE)
        take_outputs(piece, answer);
    else
        refused(piece, answer);
    fill(scorer);
}

/* Rows of the next request. */
static size_t rows_now(const struct scorer *scorer)
{
    size_t most = scorer->rows_a_request;
    if (scorer->row_us == 0)
        return most < ROWS_UNKNOWN ? most : ROWS_UNKNOWN;
    double rows = SHORT_US / scorer->row_us;
    return rows < 1 ? 1 : rows < (double)most ? (size_t)rows : most;
}

/* The first piece of the line, or as much of it as one request may have. */
static struct piece *cut_piece(struct scorer *scorer)
{
    struct piece *piece = scorer->line;
    size_t rows = rows_now(scorer);
    if (piece->to - piece->from <= rows) {
        DL_DELETE(scorer->line, piece);
        return piece;
    }
    struct piece *cut = piece_new(piece->chunk, piece->from, piece->from + rows);
    cut->tries = piece->tries;
    piece->from += rows;
    return cut;
}

static bool has_room(const struct scorer *scorer)
{
    return asker_room(scorer->asker) && scorer->rows_asked < REQUESTS_ENOUGH * scorer->rows_a_request;
}

/* Asks for as much as there is room for. */
static void fill(struct scorer *scorer)
{
    while (scorer->line != NULL && has_room(scorer)) {
        struct piece *piece = cut_piece(scorer);
        size_t bytes;
        DL_APPEND(scorer->asked, piece);
        scorer->rows_asked += piece->to - piece->from;
        uint8_t *payload = slice(piece->chunk, piece->from, piece->to, &bytes);
        asker_send(
            scorer->asker, payload, bytes,
            &(struct asker_ask){.rows = (uint32_t)(piece->to - piece->from),
                                .trace = {(const char *)piece->chunk->trace, piece->chunk->trace_bytes}},
            answered, piece);
    }
}

/* ---- the outside ---- */

struct scorer *scorer_new(struct asker *asker, size_t rows_a_request)
{
    struct scorer *scorer = object_alloc(sizeof *scorer);
    ENSURE(rows_a_request > 0 && rows_a_request <= PROTOCOL_ROWS_MAX);
    scorer->magic = SCORER_MAGIC;
    scorer->asker = asker;
    scorer->rows_a_request = rows_a_request;
    return scorer;
}

static void free_pieces(struct piece *list)
{
    struct piece *piece, *next;
    DL_FOREACH_SAFE(list, piece, next)
    free(piece);
}

void scorer_free(struct scorer *scorer)
{
    if (scorer == NULL)
        return;
    CHECK_OBJECT(scorer, SCORER_MAGIC);
    struct chunk *chunk, *next;
    free_pieces(scorer->line);
    free_pieces(scorer->asked);
    DL_FOREACH_SAFE(scorer->chunks, chunk, next)
    chunk_free(chunk);
    while (scorer->names != NULL) {
        struct name *name = scorer->names;
        LL_DELETE(scorer->names, name);
        free(name);
    }
    scorer->magic = 0;
    free(scorer);
}

void scorer_submit(struct scorer *scorer, const struct rows_payload *rows, scorer_done *done, void *owner)
{
    CHECK_OBJECT(scorer, SCORER_MAGIC);
    struct chunk *chunk = chunk_new(scorer, rows);
    chunk->done = done;
    chunk->owner = owner;
    DL_APPEND(scorer->chunks, chunk);
    scorer->chunk_count++;
    struct piece *whole = piece_new(chunk, 0, rows->rows);
    DL_APPEND(scorer->line, whole);
    fill(scorer);
}

bool scorer_room(const struct scorer *scorer)
{
    CHECK_OBJECT(scorer, SCORER_MAGIC);
    return scorer->line == NULL && asker_room(scorer->asker);
}

size_t scorer_open(const struct scorer *scorer)
{
    CHECK_OBJECT(scorer, SCORER_MAGIC);
    return scorer->chunk_count;
}

size_t scored_number(double number, bool single, char text[NUMBER_TEXT_MAX])
{
    return single ? number_write_float((float)number, text) : number_write_double(number, text);
}

size_t scored_value(const struct scored *row, char text[NUMBER_TEXT_MAX])
{
    if (row->is_truth)
        return (size_t)snprintf(text, NUMBER_TEXT_MAX, row->value != 0 ? "true" : "false");
    if (row->is_whole)
        return (size_t)snprintf(text, NUMBER_TEXT_MAX, "%.0f", row->value);
    return scored_number(row->value, row->single, text);
}
