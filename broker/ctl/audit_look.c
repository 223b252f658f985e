/* audit_look: the chain of a process, from its files. The writer may go on meanwhile: its head is read before
 * the lines, so it can only be behind; and when files were taken away while they were read, the look is made
 * again. SPDX-License-Identifier: MIT */
#include "audit_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum {
    LOOKS_MAX = 3,
    FILE_SHIFT = 40 /* a place is FILE << 40 | LINE */
};

void audit_fault_text(const struct audit_fault *fault, char *text, size_t capacity)
{
    char which[64];
    if (fault->first == fault->last)
        snprintf(which, sizeof which, "line %" PRIu64, fault->first);
    else
        snprintf(which, sizeof which, "lines %" PRIu64 " to %" PRIu64, fault->first, fault->last);
    switch (fault->fault) {
    case CHAIN_CHANGED:
        snprintf(text, capacity, "changed: %s is not what it was when it was written", which);
        break;
    case CHAIN_FOREIGN:
        snprintf(text, capacity, "changed: this is no line of the log");
        break;
    case CHAIN_MISSING:
        snprintf(text, capacity, "missing: %s of the log should stand before this one", which);
        break;
    case CHAIN_MOVED:
        snprintf(text, capacity, "reordered: %s of the log belongs elsewhere", which);
        break;
    case CHAIN_REPEATED:
        snprintf(text, capacity, "repeated: %s of the log stands elsewhere already", which);
        break;
    case CHAIN_CUT_OFF:
        snprintf(text, capacity, "cut off: %s of the log should follow", which);
        break;
    }
}

/* ---- single lines ---- */

bool audit_removed(struct text line, struct chain_point *point)
{
    static const char event[] = "\"event\":\"removed\"";
    if (line.length == 0 || memmem(line.at, line.length, event, sizeof event - 1) == NULL)
        return false;
    yyjson_doc *document = yyjson_read(line.at, line.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *digest = yyjson_obj_get(root, "digest");
    bool good = yyjson_equals_str(yyjson_obj_get(root, "event"), "removed") && yyjson_is_str(digest) &&
                chain_unhex((struct text){yyjson_get_str(digest), yyjson_get_len(digest)}, point->digest);
    point->seq = yyjson_get_uint(yyjson_obj_get(root, "last_seq"));
    yyjson_doc_free(document);
    return good && point->seq > 0;
}

char *audit_time(struct text line, char time[AUDIT_TIME_MAX])
{
    static const char before[] = "\"time\":\"";
    size_t length = line.length < 2 * CHAIN_HEAD_MAX ? line.length : 2 * CHAIN_HEAD_MAX;
    const char *at = length == 0 ? NULL : memmem(line.at, length, before, sizeof before - 1);
    *time = '\0';
    if (at == NULL)
        return time;
    at += sizeof before - 1;
    const char *end = memchr(at, '"', (size_t)(line.at + line.length - at));
    if (end != NULL && end - at < AUDIT_TIME_MAX)
        text_copy((struct text){at, (size_t)(end - at)}, time, AUDIT_TIME_MAX);
    return time;
}

/* ---- all lines ---- */

static void take_fault(void *self, enum chain_fault fault, uint64_t place, uint64_t first, uint64_t last)
{
    struct audit_verdict *verdict = self;
    size_t file = (size_t)(place >> FILE_SHIFT);
    verdict->faults = realloc(verdict->faults, (verdict->fault_count + 1) * sizeof *verdict->faults);
    ENSURE(verdict->faults != NULL);
    verdict->faults[verdict->fault_count++] =
        (struct audit_fault){.fault = fault,
                             .file = file < verdict->file_count ? verdict->files[file] : verdict->process,
                             .line = place & ((UINT64_C(1) << FILE_SHIFT) - 1),
                             .first = first,
                             .last = last};
}

static void take_files(struct audit_verdict *verdict, const struct audit_reader *reader)
{
    for (const char *name; (name = audit_reader_file(reader, verdict->file_count)) != NULL;) {
        verdict->files = realloc(verdict->files, (verdict->file_count + 1) * sizeof *verdict->files);
        ENSURE(verdict->files != NULL);
        verdict->files[verdict->file_count++] = object_strdup(name);
    }
}

static struct audit_verdict look_once(int folder, const char *process)
{
    struct audit_verdict verdict = {.process = object_strdup(process)};
    struct chain_point head, point;
    struct audit_line line;
    uint64_t number;
    bool has_head = audit_files_head(folder, process, &head, &number) == 1;
    struct chain_look *look = chain_look_new();
    struct audit_reader *reader = audit_reader_new(folder, process);
    while (audit_reader_next(reader, &line)) {
        if (*verdict.begin == '\0')
            audit_time(line.text, verdict.begin);
        audit_time(line.text, verdict.end);
        chain_look_at(look, line.text, (uint64_t)line.file_index << FILE_SHIFT | line.number);
        if (audit_removed(line.text, &point))
            chain_look_removed(look, &point);
    }
    take_files(&verdict, reader);
    verdict.unfinished = audit_reader_rest(reader);
    verdict.error = audit_reader_error(reader);
    verdict.head_missing = !has_head;
    verdict.lines = chain_look_lines(look);
    verdict.last_seq = chain_look_point(look).seq;
    chain_look_end(look, has_head ? &head : NULL, &verdict.removed_to, take_fault, &verdict);
    audit_reader_free(reader);
    chain_look_free(look);
    return verdict;
}

bool audit_verdict_good(const struct audit_verdict *verdict)
{
    return verdict->fault_count == 0 && verdict->error == 0 && !verdict->head_missing;
}

struct audit_verdict audit_look(int folder, const char *process)
{
    struct chain_point head;
    for (int looks = 1;; looks++) {
        uint64_t before = 0, after = 0;
        audit_files_head(folder, process, &head, &before);
        struct audit_verdict verdict = look_once(folder, process);
        audit_files_head(folder, process, &head, &after);
        if (audit_verdict_good(&verdict) || before == after || looks == LOOKS_MAX)
            return verdict;
        audit_verdict_free(&verdict);
    }
}

void audit_verdict_free(struct audit_verdict *verdict)
{
    for (size_t i = 0; i < verdict->file_count; i++)
        free(verdict->files[i]);
    free(verdict->files);
    free(verdict->faults);
    free(verdict->process);
    *verdict = (struct audit_verdict){0};
}
