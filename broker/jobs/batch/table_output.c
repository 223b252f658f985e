/* table_output: predictions as lines of a file: CSV or JSON lines, plain or gzip.
 *
 * Where rows came from a file of the same kind they stand as they were, with the predictions behind them (a
 * member of a JSON line that is called as one of ours is replaced; the input still has it); else a line has
 * the row's key and its prediction. Beside the file lies PATH.progress, which says how far the source was
 * read when the file, and that of the rejects, were so long: a quarter of a second old at most. A job that
 * died is gone on with there, and what was written after that is cut off: so each row stands there once. On a
 * stream (stdout) there is no going on. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "draft.h"
#include "durable.h"
#include "table.h"
#include "writing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

enum { OUTPUT_MAGIC = 0x0077e001, PROGRESS_BYTES_MAX = 64 << 10 };
#define CHECKPOINT_TIME (250 * MILLISECOND)

enum result { PREDICTION, PROBABILITY, LABEL, MODEL_VERSION, PREDICTED_AT, RESULT_COUNT };
static const char *const result_names[] = {"prediction", "probability", "label", "model_version",
                                           "predicted_at"};
_Static_assert(COUNT_OF(result_names) == RESULT_COUNT, "each has a name");

struct output {
    unsigned magic;
    const struct table_job *job;
    struct writing_file *file, *rejects; /* rejects NULL: not yet, or they go to stderr */
    char *rejects_path;                  /* NULL: stderr */
    char *progress_path;                 /* NULL: a stream */
    bool csv, as_it_was;
    char delimiter;
    const char *names[RESULT_COUNT]; /* of what is written; NULL: it is not */
    struct draft lines, rejected;
    char position[CHUNK_POSITION_MAX]; /* of the last commit */
    uint64_t rejects_length;           /* that the progress knew at the beginning */
    bool unsaved;
    bool broken; /* the files are not as they should be, or not on the disk: the progress stays as it was */
    int64_t saved_at;
};

#define COMPLAIN(reason, ...) (snprintf((reason), TABLE_REASON_MAX, __VA_ARGS__), false)

/* ---- progress ---- */

static void add_member(struct draft *text, const char *name, struct text value)
{
    draft_add_string(text, text->length == 0 ? "{" : ", ");
    draft_add_json(text, text_of(name));
    draft_add_string(text, ": ");
    draft_add_json(text, value);
}

static void add_number(struct draft *text, const char *name, uint64_t value)
{
    draft_add_string(text, ", ");
    draft_add_json(text, text_of(name));
    draft_add_string(text, ": ");
    draft_add_integer(text, (int64_t)value);
}

static uint64_t rejects_length(const struct output *output)
{
    return output->rejects == NULL ? output->rejects_length : writing_length(output->rejects);
}

static bool save(struct output *output, char *reason)
{
    struct draft text = {0};
    char words[WRITING_REASON_MAX];
    if (output->progress_path == NULL)
        return true;
    /* What the disk has refused once it does not tell of again: a second sync would say that all is well. */
    if (!writing_sync(output->file, words)) {
        output->broken = true;
        return COMPLAIN(reason, "%s: %s", output->job->to->at, words);
    }
    if (output->rejects != NULL && !writing_sync(output->rejects, words)) {
        output->broken = true;
        return COMPLAIN(reason, "%s: %s", output->rejects_path, words);
    }
    add_member(&text, "job", text_of(output->job->name));
    add_member(&text, "position", text_of(output->position));
    add_number(&text, "output", writing_length(output->file));
    add_number(&text, "rejects", rejects_length(output));
    draft_add_string(&text, "}\n");
    int result = durable_write(output->progress_path, text.bytes, text.length);
    draft_free(&text);
    output->unsaved = result != 0;
    output->saved_at = clock_now();
    return result == 0 || COMPLAIN(reason, "%s: %s", output->progress_path, strerror(errno));
}

/* Cuts both files to what the progress knows of. */
static bool go_back(struct output *output, yyjson_val *root, char *reason)
{
    char words[WRITING_REASON_MAX];
    yyjson_val *job = yyjson_obj_get(root, "job"), *position = yyjson_obj_get(root, "position");
    uint64_t length = yyjson_get_uint(yyjson_obj_get(root, "output"));
    output->rejects_length = yyjson_get_uint(yyjson_obj_get(root, "rejects"));
    if (!yyjson_is_str(job) || !yyjson_is_str(position) || yyjson_get_len(position) >= CHUNK_POSITION_MAX)
        return COMPLAIN(reason, "%s: it is no progress of a job", output->progress_path);
    if (!yyjson_equals_str(job, output->job->name))
        return COMPLAIN(reason, "%s: it is of another job (%s); with overwrite, both are written anew",
                        output->progress_path, yyjson_get_str(job));
    if (!writing_cut(output->file, length, words))
        return COMPLAIN(reason, "%s: %s; with overwrite, it is written anew", output->job->to->at, words);
    snprintf(output->position, sizeof output->position, "%s", yyjson_get_str(position));
    return true;
}

static bool read_progress(struct output *output, bool *there, char *reason)
{
    char *text = object_alloc(PROGRESS_BYTES_MAX);
    int fd = open(output->progress_path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd == -1 ? -1 : read(fd, text, PROGRESS_BYTES_MAX);
    bool good =
        length >= 0 || errno == ENOENT || COMPLAIN(reason, "%s: %s", output->progress_path, strerror(errno));
    *there = length >= 0;
    if (*there) {
        yyjson_doc *document = yyjson_read(text, (size_t)length, 0);
        good = go_back(output, yyjson_doc_get_root(document), reason);
        yyjson_doc_free(document);
    }
    if (fd != -1)
        close(fd);
    free(text);
    return good;
}

/* ---- rejects ---- */

/* Made with the first one; what an earlier run wrote of them is kept as far as the progress knows of it. */
static bool open_rejects(struct output *output, char *reason)
{
    char words[WRITING_REASON_MAX];
    if (output->rejects_path == NULL || output->rejects != NULL)
        return true;
    output->rejects =
        writing_open(output->rejects_path, false, output->job->stopping, output->job->self, words);
    if (output->rejects == NULL)
        return COMPLAIN(reason, "%s", words);
    return writing_cut(output->rejects, output->rejects_length, words) ||
           COMPLAIN(reason, "%s: %s", output->rejects_path, words);
}

static bool write_rejects(struct output *output, char *reason)
{
    char words[WRITING_REASON_MAX];
    if (output->rejected.length == 0)
        return true;
    if (output->rejects_path == NULL) {
        fwrite(output->rejected.bytes, 1, output->rejected.length, stderr);
        return true;
    }
    return open_rejects(output, reason) &&
           (writing_add(output->rejects, output->rejected.bytes, output->rejected.length, words) ||
            COMPLAIN(reason, "%s: %s", output->rejects_path, words));
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

static void add_text(const struct output *output, struct draft *text, const char *value)
{
    if (output->csv)
        draft_add_field(text, text_of(value), output->delimiter, false);
    else
        draft_add_json(text, text_of(value));
}

/* JSON's null is nothing in CSV. */
static void add_scored_number(const struct output *output, struct draft *text, double number, bool single)
{
    char words[NUMBER_TEXT_MAX];
    if (!isnan(number) || !output->csv)
        draft_add(text, words, scored_number(number, single, words));
}

static void add_result(const struct output *output, struct draft *text, enum result result,
                       const struct chunk *chunk, const struct scored *scored)
{
    char words[NUMBER_TEXT_MAX];
    bool named = scored->has_label && isnan(scored->value); /* the class is only a name */
    if (result == PREDICTION && named)
        add_text(output, text, scored->label);
    else if (result == PREDICTION && isnan(scored->value))
        add_scored_number(output, text, NAN, false);
    else if (result == PREDICTION)
        draft_add(text, words, scored_value(scored, words));
    else if (result == PROBABILITY)
        add_scored_number(output, text, scored->probability, scored->probability_single);
    else if (result == LABEL && scored->has_label)
        add_text(output, text, scored->label);
    else if (result == LABEL)
        add_scored_number(output, text, NAN, false);
    else
        add_text(output, text, result == MODEL_VERSION ? scored->version : chunk->predicted_at);
}

/* ---- lines ---- */

static const char *key_name(const struct output *output)
{
    const char *name = output->job->head.key;
    return name == NULL ? "row" : name;
}

static void add_head(const struct output *output, struct draft *text)
{
    if (output->as_it_was)
        draft_add_string(text, output->job->head.line);
    else
        draft_add_field(text, text_of(key_name(output)), output->delimiter, false);
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (output->names[i] != NULL) {
            draft_add_char(text, output->delimiter);
            draft_add_field(text, text_of(output->names[i]), output->delimiter, false);
        }
    draft_add_char(text, '\n');
}

static void add_csv_row(struct output *output, const struct chunk *chunk, const struct chunk_row *row)
{
    struct draft *text = &output->lines;
    if (output->as_it_was)
        draft_add(text, row->original.at, row->original.length);
    else
        add_key(text, &row->key, true, output->delimiter);
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (output->names[i] != NULL) {
            draft_add_char(text, output->delimiter);
            add_result(output, text, (enum result)i, chunk, chunk_scored(chunk, row));
        }
    draft_add_char(text, '\n');
}

static bool is_ours(const struct output *output, struct text name)
{
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (output->names[i] != NULL && text_is(name, output->names[i]))
            return true;
    return false;
}

/* Whether it may have a member that we write, too: one of the names stands in it, or an escape, which a name
 * may be written with. Most rows have neither, and are not read once more. */
static bool may_have_ours(const struct output *output, struct text object)
{
    bool may = memmem(object.at, object.length, "\\u", 2) != NULL;
    for (size_t i = 0; i < RESULT_COUNT && !may; i++)
        may = output->names[i] != NULL &&
              memmem(object.at, object.length, output->names[i], strlen(output->names[i])) != NULL;
    return may;
}

/* The object without its end and without members of those names: ours replace them. Numbers stay as they are
 * written. False when it has none such. */
static bool add_without_ours(const struct output *output, struct draft *text, struct text object)
{
    yyjson_doc *document =
        yyjson_read(object.at, object.length, YYJSON_READ_NUMBER_AS_RAW); /* it was read before */
    yyjson_val *root = yyjson_doc_get_root(document), *name, *value;
    size_t at, most, kept = 0, begin = text->length;
    yyjson_obj_foreach(root, at, most, name, value)
    {
        struct text word = {yyjson_get_str(name), yyjson_get_len(name)};
        char *written = is_ours(output, word) ? NULL : yyjson_val_write(value, 0, NULL);
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
static void add_original(struct output *output, struct text original)
{
    struct draft *text = &output->lines;
    if (*original.at == '[') {
        draft_add_string(text, "{\"features\": ");
        draft_add(text, original.at, original.length);
        return;
    }
    if (may_have_ours(output, original) && add_without_ours(output, text, original))
        return;
    original.length--;
    while (original.length > 0 && strchr(" \t", original.at[original.length - 1]) != NULL)
        original.length--;
    draft_add(text, original.at, original.length);
}

static void add_json_row(struct output *output, const struct chunk *chunk, const struct chunk_row *row)
{
    struct draft *text = &output->lines;
    if (output->as_it_was)
        add_original(output, row->original);
    else {
        draft_add_char(text, '{');
        draft_add_json(text, text_of(key_name(output)));
        draft_add_string(text, ": ");
        add_key(text, &row->key, false, 0);
    }
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (output->names[i] != NULL) {
            draft_add_string(text, text->bytes[text->length - 1] == '{' ? "" : ", ");
            draft_add_json(text, text_of(output->names[i]));
            draft_add_string(text, ": ");
            add_result(output, text, (enum result)i, chunk, chunk_scored(chunk, row));
        }
    draft_add_string(text, "}\n");
}

static void add_reject(struct output *output, const struct chunk_row *row)
{
    struct draft *text = &output->rejected;
    draft_add_char(text, '{');
    draft_add_json(text, text_of(key_name(output)));
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

/* Both files, or none: a fault of the rejects takes the lines back, too. */
static bool write_files(struct output *output, char *reason)
{
    char words[WRITING_REASON_MAX];
    uint64_t before = writing_length(output->file), rejects = rejects_length(output);
    bool good = writing_add(output->file, output->lines.bytes, output->lines.length, words);
    if (!good && *words != '\0')
        (void)COMPLAIN(reason, "%s: %s", output->job->to->at, words);
    if (good && write_rejects(output, reason))
        return true;
    bool whole = writing_length(output->file) == before || writing_cut(output->file, before, words);
    output->broken = !whole || rejects_length(output) != rejects;
    return false;
}

static bool output_commit(void *self, unsigned lane, struct chunk *chunk, char reason[TABLE_REASON_MAX])
{
    struct output *output = self;
    (void)lane;
    output->rejected.length = 0;
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->rows[i].reason != NULL)
            add_reject(output, &chunk->rows[i]);
        else if (output->csv)
            add_csv_row(output, chunk, &chunk->rows[i]);
        else
            add_json_row(output, chunk, &chunk->rows[i]);
    if (!write_files(output, reason))
        return false;
    output->lines.length = 0;
    snprintf(output->position, sizeof output->position, "%s", chunk->position);
    output->unsaved = true;
    return clock_now() - output->saved_at < CHECKPOINT_TIME || save(output, reason);
}

/* ---- life ---- */

static bool output_settle(void *self, bool finished, char reason[TABLE_REASON_MAX])
{
    struct output *output = self;
    char words[WRITING_REASON_MAX];
    CHECK_OBJECT(output, OUTPUT_MAGIC);
    /* The head of a table without rows. */
    if (finished && output->lines.length > 0) {
        if (!writing_add(output->file, output->lines.bytes, output->lines.length, words))
            return COMPLAIN(reason, "%s: %s", output->job->to->at, words);
        output->lines.length = 0;
        output->unsaved = true;
    }
    return !output->unsaved || output->broken || save(output, reason);
}

static void output_close(void *self)
{
    struct output *output = self;
    CHECK_OBJECT(output, OUTPUT_MAGIC);
    writing_free(output->file);
    writing_free(output->rejects);
    free(output->rejects_path);
    free(output->progress_path);
    draft_free(&output->lines);
    draft_free(&output->rejected);
    output->magic = 0;
    free(output);
}

static void name_files(struct output *output)
{
    const struct table_job *job = output->job;
    bool stream = writing_is_stream(output->file);
    if (!stream)
        ENSURE(asprintf(&output->progress_path, "%s.progress", job->to->at) >= 0);
    if (*job->rejects != '\0')
        output->rejects_path = object_strdup(job->rejects);
    else if (!stream)
        ENSURE(asprintf(&output->rejects_path, "%s.rejects.jsonl", job->to->at) >= 0);
}

static bool begin_anew(struct output *output, char *reason)
{
    char words[WRITING_REASON_MAX];
    if (output->job->overwrite && unlink(output->progress_path) != 0 && errno != ENOENT)
        return COMPLAIN(reason, "%s: %s", output->progress_path, strerror(errno));
    if (writing_length(output->file) > 0 && !output->job->overwrite)
        return COMPLAIN(reason, "%s is there already, and no %s: with overwrite, it is written anew",
                        output->job->to->at, output->progress_path);
    if (unlink(output->rejects_path) != 0 && errno != ENOENT)
        return COMPLAIN(reason, "%s: %s", output->rejects_path, strerror(errno));
    if (!writing_cut(output->file, 0, words))
        return COMPLAIN(reason, "%s: %s", output->job->to->at, words);
    return save(output, reason); /* so that what is written from now on is known to be ours */
}

/* What a line has besides, by the names that are known before it is read. */
static bool is_taken(const struct output *output, const char *name)
{
    const struct table_head *head = &output->job->head;
    if (!output->as_it_was)
        return strcmp(name, key_name(output)) == 0;
    for (size_t i = 0; i < head->count; i++)
        if (strcmp(name, head->names[i]) == 0)
            return true;
    return !output->csv && strcmp(name, "features") == 0; /* which an array becomes */
}

/* Rows that were scored before have columns of these names: two of one name are of no use to anybody. */
static bool check_names(const struct output *output, char *reason)
{
    const char *at = output->job->to->at, *const *names = output->names;
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        if (names[i] != NULL && is_taken(output, names[i]))
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

static bool begin(struct output *output, char *reason)
{
    const struct table_job *job = output->job;
    bool there = false;
    if (!check_names(output, reason))
        return false;
    output->file = writing_open(job->to->at, job->to->packed, job->stopping, job->self, reason);
    if (output->file == NULL)
        return false;
    name_files(output);
    if (output->progress_path != NULL && !job->overwrite && !read_progress(output, &there, reason))
        return false;
    if (output->progress_path != NULL && !there && !begin_anew(output, reason))
        return false;
    bool has_head = output->csv && (!output->as_it_was || job->head.line != NULL);
    if (has_head && writing_length(output->file) == 0)
        add_head(output, &output->lines); /* goes out with the first rows */
    return true;
}

static char delimiter_of(const struct table_job *job)
{
    const char *said = job->to->delimiter != NULL                                     ? job->to->delimiter
                       : job->from->kind == PLACE_CSV && job->from->delimiter != NULL ? job->from->delimiter
                                                                                      : ",";
    return strcmp(said, "tab") == 0 ? '\t' : *said;
}

static void *output_open(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX])
{
    ENSURE(part == TABLE_SINK);
    struct output *output = object_alloc(sizeof *output);
    output->magic = OUTPUT_MAGIC;
    output->job = job;
    output->csv = job->to->kind == PLACE_CSV;
    output->delimiter = delimiter_of(job);
    output->as_it_was =
        job->from->kind == job->to->kind &&
        (!output->csv ||
         output->delimiter == delimiter_of(&(struct table_job){.from = job->from, .to = job->from}));
    for (size_t i = 0; i < RESULT_COUNT; i++)
        output->names[i] = place_result(job->to, result_names[i]);
    if (begin(output, reason))
        return output;
    output_close(output);
    return NULL;
}

static bool output_resume(void *self, char position[CHUNK_POSITION_MAX], char reason[TABLE_REASON_MAX])
{
    struct output *output = self;
    (void)reason;
    memcpy(position, output->position, CHUNK_POSITION_MAX);
    return true;
}

const struct table table_output = {.open = output_open,
                                   .commit = output_commit,
                                   .resume = output_resume,
                                   .settle = output_settle,
                                   .close = output_close};
