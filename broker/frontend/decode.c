/* decode: from bytes to the members that a prediction has.
 *
 * yyjson reads the body in place into an arena of this thread, so a small body costs no allocation. The
 * reader is strict (no comments, no trailing commas, valid UTF-8) with one exception: literals like NaN and
 * numbers like 1e400 are let through as non-finite numbers, so that the refusal can say which value it was,
 * and because a model may allow them. yyjson does not recurse; depth is checked on the tree, whose flat
 * arrays need not be walked.
 *
 * A batch that is nothing but numbers is read without a tree of them (plain.c); only what stands behind its
 * rows is then read as one.
 *
 * Every member must be known: a misspelt "model" or "timeout_ms" that is passed over would be answered by
 * another model, or too late. rows.c turns the rows into tensors. SPDX-License-Identifier: MIT */
#include "decode.h"

#include "element.h"

#include <stdlib.h>

enum {
    DECODER_MAGIC = 0x0dec0de0,
    ARENA_MAX = 16 << 20, /* bytes that a thread keeps for reading; larger bodies get memory of their own */
    TIMEOUT_MAX_MS = 86400000,
    NAME_SHOWN_MAX = 64
};

struct decoder {
    unsigned magic;
    void *arena;
    size_t arena_size;
    yyjson_doc *document; /* NULL: none */
    struct plain plain;
};

struct decoder *decoder_new(void)
{
    struct decoder *decoder = object_alloc(sizeof *decoder);
    decoder->magic = DECODER_MAGIC;
    return decoder;
}

void decoder_done(struct decoder *decoder)
{
    CHECK_OBJECT(decoder, DECODER_MAGIC);
    yyjson_doc_free(decoder->document);
    decoder->document = NULL;
    plain_done(&decoder->plain);
}

void decoder_free(struct decoder *decoder)
{
    if (decoder == NULL)
        return;
    decoder_done(decoder);
    plain_free(&decoder->plain);
    free(decoder->arena);
    decoder->magic = 0;
    free(decoder);
}

/* ---- reading ---- */

/* The arena as an allocator; false when the body needs more than a thread keeps. */
static bool use_arena(struct decoder *decoder, size_t needed, yyjson_alc *allocator)
{
    if (needed == 0 || needed > ARENA_MAX)
        return false;
    if (needed > decoder->arena_size) {
        free(decoder->arena);
        decoder->arena_size = needed < 65536 ? 65536 : needed;
        decoder->arena = malloc(decoder->arena_size);
        ENSURE(decoder->arena != NULL);
    }
    return yyjson_alc_pool_init(allocator, decoder->arena, decoder->arena_size);
}

static yyjson_val *read_json(struct decoder *decoder, char *bytes, size_t length, size_t capacity,
                             struct problem_faults *faults)
{
    yyjson_read_flag flags = YYJSON_READ_ALLOW_INF_AND_NAN;
    if (capacity >= length + YYJSON_PADDING_SIZE) {
        memset(bytes + length, 0, YYJSON_PADDING_SIZE);
        flags |= YYJSON_READ_INSITU;
    }
    yyjson_alc arena;
    bool small = use_arena(decoder, yyjson_read_max_memory_usage(length, flags), &arena);
    yyjson_read_err error = {0};
    decoder->document = yyjson_read_opts(bytes, length, flags, small ? &arena : NULL, &error);
    if (decoder->document == NULL)
        problem_fault(faults, "body", "not valid JSON: %s at byte %zu", error.msg, error.pos);
    return yyjson_doc_get_root(decoder->document);
}

/* True when nothing is nested more than `levels` deep. */
static bool depth_ok(yyjson_val *value, size_t levels)
{
    size_t at, count;
    yyjson_val *key, *member;
    if (!yyjson_is_ctn(value))
        return true;
    if (levels == 0)
        return false;
    if (yyjson_is_arr(value) && unsafe_yyjson_arr_is_flat(value))
        return true;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, at, count, member)
        {
            if (yyjson_is_ctn(member) && !depth_ok(member, levels - 1))
                return false;
        }
        return true;
    }
    yyjson_obj_foreach(value, at, count, key, member)
    {
        if (yyjson_is_ctn(member) && !depth_ok(member, levels - 1))
            return false;
    }
    return true;
}

/* ---- members: each takes its value, or adds a fault ---- */

static void expected(struct problem_faults *faults, const char *field, const char *what, yyjson_val *value)
{
    problem_fault(faults, field, "expected %s, got %s", what, element_kind(value));
}

static void take_text(yyjson_val *value, const char *field, size_t maximum, struct text *text,
                      struct problem_faults *faults)
{
    *text = (struct text){yyjson_get_str(value), yyjson_get_len(value)};
    if (!yyjson_is_str(value))
        expected(faults, field, "a string", value);
    else if (text->length == 0 || text->length > maximum)
        problem_fault(faults, field, "expected 1 to %zu bytes, got %zu", maximum, text->length);
}

static void take_model(struct decode_body *body, yyjson_val *value, struct problem_faults *faults)
{
    take_text(value, "model", PROTOCOL_NAME_MAX, &body->model, faults);
}

/* Versions are names, but most are numbers and written so. */
static void take_version(struct decode_body *body, yyjson_val *value, struct problem_faults *faults)
{
    if (!yyjson_is_uint(value)) {
        take_text(value, "version", PROTOCOL_NAME_MAX, &body->version, faults);
        return;
    }
    uint64_t number = yyjson_get_uint(value);
    size_t at = sizeof body->version_digits;
    do {
        body->version_digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    body->version = (struct text){body->version_digits + at, sizeof body->version_digits - at};
}

static void take_key(struct decode_body *body, yyjson_val *value, struct problem_faults *faults)
{
    take_text(value, "key", PROTOCOL_TEXT_MAX, &body->key, faults);
}

/* 500.0 is whole, too: there are clients whose numbers all have a point. */
static void take_timeout(struct decode_body *body, yyjson_val *value, struct problem_faults *faults)
{
    double milliseconds = yyjson_get_num(value);
    if (milliseconds >= 1 && milliseconds <= TIMEOUT_MAX_MS && (double)(int64_t)milliseconds == milliseconds)
        body->timeout_ms = (int64_t)milliseconds;
    else
        problem_fault(faults, "timeout_ms", "expected a whole number from 1 to %d", TIMEOUT_MAX_MS);
}

static void take_features(struct decode_body *body, yyjson_val *value, struct problem_faults *faults)
{
    (void)faults; /* what a row must look like depends on the model */
    body->rows = value;
}

static void take_instances(struct decode_body *body, yyjson_val *value, struct problem_faults *faults)
{
    if (!yyjson_is_arr(value))
        expected(faults, "instances", "an array of rows", value);
    else if (yyjson_arr_size(value) == 0)
        problem_fault(faults, "instances", "expected at least one row");
    body->rows = value;
}

static const struct member {
    const char *name;
    void (*take)(struct decode_body *body, yyjson_val *value, struct problem_faults *faults);
    bool single, batch; /* the calls that it belongs to */
} members[] = {
    {"features", take_features, true, false},
    {"instances", take_instances, false, true},
    {"model", take_model, true, true},
    {"version", take_version, true, true},
    {"key", take_key, true, true},
    {"timeout_ms", take_timeout, true, true},
};

static void refuse_member(struct text name, bool batch, struct problem_faults *faults)
{
    char field[NAME_SHOWN_MAX + 1];
    text_copy(name, field, sizeof field);
    if (text_is(name, batch ? "features" : "instances"))
        problem_fault(faults, field,
                      batch ? "a batch takes \"instances\", an array of rows"
                            : "one prediction takes \"features\"; for many there is batch-predict");
    else
        problem_fault(faults, field, "no such member: there are %s, model, version, key and timeout_ms",
                      batch ? "instances" : "features");
}

static void take_member(struct decode_body *body, yyjson_val *key, yyjson_val *value, bool batch,
                        unsigned *seen, struct problem_faults *faults)
{
    struct text name = {yyjson_get_str(key), yyjson_get_len(key)};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct member *member = &members[i];
        if (!(batch ? member->batch : member->single) || !text_is(name, member->name))
            continue;
        if ((*seen & 1u << i) != 0)
            problem_fault(faults, member->name, "is there twice");
        else
            member->take(body, value, faults);
        *seen |= 1u << i;
        return;
    }
    refuse_member(name, batch, faults);
}

/* All members but those that are `seen` already. */
static void take_members(struct decode_body *body, yyjson_val *root, bool batch, unsigned seen,
                         struct problem_faults *faults)
{
    size_t at, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, at, count, key, value)
    {
        if (!problem_faults_full(faults))
            take_member(body, key, value, batch, &seen, faults);
    }
}

yyjson_val *decoder_read(struct decoder *decoder, char *bytes, size_t length, size_t capacity,
                         size_t max_depth, struct problem_faults *faults)
{
    decoder_done(decoder);
    yyjson_val *root = read_json(decoder, bytes, length, capacity, faults);
    if (root == NULL || depth_ok(root, max_depth))
        return root;
    problem_fault(faults, "body", "nested deeper than %zu levels", max_depth);
    return NULL;
}

bool decode_body(struct decoder *decoder, char *bytes, size_t length, size_t capacity, bool batch,
                 size_t max_depth, struct decode_body *body, struct problem_faults *faults)
{
    memset(body, 0, sizeof *body);
    if (length == 0) {
        problem_fault(faults, "body", "is empty: expected a JSON object");
        return false;
    }
    yyjson_val *root = decoder_read(decoder, bytes, length, capacity, max_depth, faults);
    if (root == NULL)
        return false;
    if (!yyjson_is_obj(root)) {
        expected(faults, "body", "an object", root);
        return false;
    }
    take_members(body, root, batch, 0, faults);
    if (body->rows == NULL && faults->count == 0)
        problem_fault(faults, batch ? "instances" : "features", "is missing");
    return faults->count == 0;
}

/* Which of `members` that is, as a bit. */
static unsigned bit_of_instances(void)
{
    unsigned i = 0;
    while (members[i].take != take_instances)
        i++;
    return 1u << i;
}

/* The members behind the rows, from the comma or brace at `at` on. A brace in the place of the comma, or of
 * the byte before the brace, makes an object of them, for as long as it is read (into memory of its own). */
static bool read_rest(struct decoder *decoder, char *bytes, size_t length, size_t at, size_t max_depth,
                      struct decode_body *body, struct problem_faults *faults)
{
    size_t begin = bytes[at] == ',' ? at : at - 1;
    char first = bytes[begin];
    bytes[begin] = '{';
    yyjson_val *root = read_json(decoder, bytes + begin, length - begin, length - begin, faults);
    bytes[begin] = first;
    if (root == NULL || !depth_ok(root, max_depth) || (bytes[at] == ',' && yyjson_obj_size(root) == 0))
        return false;
    take_members(body, root, true, bit_of_instances(), faults);
    return faults->count == 0;
}

bool decode_plain(struct decoder *decoder, char *bytes, size_t length, size_t capacity, size_t max_depth,
                  struct decode_body *body)
{
    enum { DEPTH = 3 /* of the values: body, rows, row */ };
    struct problem_faults ignored = {.count = 0};
    decoder_done(decoder);
    memset(body, 0, sizeof *body);
    if (capacity < length + YYJSON_PADDING_SIZE || max_depth < DEPTH)
        return false;
    memset(bytes + length, 0, YYJSON_PADDING_SIZE);
    size_t at = plain_read(&decoder->plain, bytes, length);
    if (at == 0 || (bytes[at] != ',' && bytes[at] != '}') ||
        !read_rest(decoder, bytes, length, at, max_depth, body, &ignored))
        return false;
    body->plain = &decoder->plain;
    return true;
}
