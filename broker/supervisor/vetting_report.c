/* vetting_report: see vetting_report.h. Called by vetting.c, when a validation begins and when it has ended.
 * SPDX-License-Identifier: MIT */
#include "vetting_report.h"

#include "durable.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum { BYTES_MAX = 1 << 20, PATH_BYTES = 4600 };

struct vetting_report {
    char *text;
    size_t length;
    yyjson_doc *document;
};

static yyjson_val *member(const struct vetting_report *report, const char *name)
{
    return yyjson_obj_get(yyjson_doc_get_root(report->document), name);
}

static bool read_text(struct vetting_report *report, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size == 0 || status.st_size > BYTES_MAX)
        return false;
    report->length = (size_t)status.st_size;
    report->text = object_alloc(report->length + 1);
    return pread(fd, report->text, report->length, 0) == status.st_size;
}

struct vetting_report *vetting_report_read(int fd)
{
    struct vetting_report *report = object_alloc(sizeof *report);
    if (read_text(report, fd))
        report->document = yyjson_read(report->text, report->length, YYJSON_READ_NOFLAG);
    if (report->document != NULL)
        return report;
    vetting_report_free(report);
    return NULL;
}

void vetting_report_free(struct vetting_report *report)
{
    if (report == NULL)
        return;
    yyjson_doc_free(report->document);
    free(report->text);
    free(report);
}

/* ---- what it says ---- */

const char *vetting_report_digest(const struct vetting_report *report)
{
    return yyjson_get_str(member(report, "digest"));
}

static void add_failed_check(FILE *out, yyjson_val *check)
{
    yyjson_val *value = yyjson_obj_get(check, "value"), *threshold = yyjson_obj_get(check, "threshold");
    const char *name = yyjson_get_str(yyjson_obj_get(check, "name"));
    const char *relation = yyjson_get_str(yyjson_obj_get(check, "relation"));
    const char *note = yyjson_get_str(yyjson_obj_get(check, "note"));
    if (!yyjson_equals_str(yyjson_obj_get(check, "result"), "failed") || name == NULL)
        return;
    fprintf(out, "; %s", name);
    if (yyjson_is_num(value))
        fprintf(out, " %.6g", yyjson_get_num(value));
    if (relation != NULL && yyjson_is_num(threshold))
        fprintf(out, ", which must be %s %g", relation, yyjson_get_num(threshold));
    if (note != NULL)
        fprintf(out, ": %s", note);
}

void vetting_report_say(const struct vetting_report *report, char *reason, size_t capacity)
{
    char *text = NULL;
    size_t length, index, count;
    yyjson_val *check;
    FILE *out = open_memstream(&text, &length);
    ENSURE(out != NULL);
    fputs("it has not passed its validation", out);
    yyjson_arr_foreach(member(report, "checks"), index, count, check)
    {
        add_failed_check(out, check);
    }
    ENSURE(fclose(out) == 0);
    snprintf(reason, capacity, "%s", text);
    free(text);
}

/* ---- the one that is kept ---- */

void vetting_report_keep(const struct vetting_report *report, const char *state_directory, const char *model,
                         const char *version)
{
    enum { FOLDER_MODE = 0750, FILE_MODE = 0640 };
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/validations/%s", state_directory, model);
    bool kept = process_make_directory(path, FOLDER_MODE) != -1;
    if (kept) {
        snprintf(path, sizeof path, "%s/validations/%s/%s.json", state_directory, model, version);
        kept = durable_write_as(path, report->text, report->length, FILE_MODE, (uid_t)-1, (gid_t)-1) != -1;
    }
    if (!kept)
        log_error("%s: %s", path, strerror(errno));
}

char *vetting_report_passed(const char *state_directory, const char *model, const char *version)
{
    char path[PATH_BYTES];
    struct stat status;
    snprintf(path, sizeof path, "%s/validations/%s/%s.json", state_directory, model, version);
    if (stat(path, &status) != 0 || status.st_size > BYTES_MAX)
        return NULL;
    yyjson_doc *kept = yyjson_read_file(path, YYJSON_READ_NOFLAG, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(kept);
    const char *digest = yyjson_get_str(yyjson_obj_get(root, "digest"));
    char *copy =
        yyjson_get_bool(yyjson_obj_get(root, "passed")) && digest != NULL ? object_strdup(digest) : NULL;
    yyjson_doc_free(kept);
    return copy;
}
