/* table_output: predictions as lines of a file (output_form.c): CSV or JSON lines, plain or gzip.
 *
 * Beside the file lies PATH.progress, which says how far the source was read when the file, and that of the
 * rejects, were so long: a quarter of a second old at most. A job that died is gone on with there, and what
 * was written after that is cut off: so each row stands there once. On a stream (stdout) there is no going
 * on. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "durable.h"
#include "output_form.h"
#include "table.h"
#include "writing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

enum { OUTPUT_MAGIC = 0x0077e001, PROGRESS_BYTES_MAX = 64 << 10 };
#define CHECKPOINT_TIME (250 * MILLISECOND)

struct output {
    unsigned magic;
    const struct table_job *job;
    struct writing_file *file, *rejects; /* rejects NULL: not yet, or they go to stderr */
    char *rejects_path;                  /* NULL: stderr */
    char *progress_path;                 /* NULL: a stream */
    struct output_form form;
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
    for (size_t i = 0; i < chunk->count; i++) {
        chunk_give_way(i);
        if (chunk->rows[i].reason != NULL)
            output_form_reject(&output->form, &chunk->rows[i], &output->rejected);
        else
            output_form_row(&output->form, chunk, &chunk->rows[i], &output->lines);
    }
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

static bool begin(struct output *output, char *reason)
{
    const struct table_job *job = output->job;
    bool there = false;
    if (!output_form_check(&output->form, reason))
        return false;
    output->file = writing_open(job->to->at, job->to->packed, job->stopping, job->self, reason);
    if (output->file == NULL)
        return false;
    name_files(output);
    if (output->progress_path != NULL && !job->overwrite && !read_progress(output, &there, reason))
        return false;
    if (output->progress_path != NULL && !there && !begin_anew(output, reason))
        return false;
    if (writing_length(output->file) == 0)
        output_form_head(&output->form, &output->lines); /* goes out with the first rows */
    return true;
}

static void *output_open(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX])
{
    ENSURE(part == TABLE_SINK);
    struct output *output = object_alloc(sizeof *output);
    output->magic = OUTPUT_MAGIC;
    output->job = job;
    output->form = output_form_of(job);
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
