/* optimize_version: see optimize_version.h. Called by optimize_command.c.
 *
 * The golden requests are rows of the file, spread over it. A row whose two likeliest classes are as good as
 * equal is left out: another processor may, within the tolerance, tell the other. Before the version has its
 * name it is loaded once more as a worker will load it, with these requests. SPDX-License-Identifier: MIT */
#include "optimize_version.h"

#include "folder.h"
#include "inspect.h"

#include "durable.h"
#include "roles.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GOLDEN_ROWS = 8, FOLDER_MODE = 0755, FILE_MODE = 0644, TRIES = 16 };

#define WORKPLACE           ".optimize-" /* no version: its name begins with a dot */
#define REFUSE(reason, ...) (snprintf((reason), OPTIMIZE_REASON_MAX, __VA_ARGS__), false)

/* ---- where it is made ---- */

void optimize_clear(char *workplace)
{
    if (workplace != NULL)
        folder_remove(workplace);
    free(workplace);
}

/* False when somebody else works there. The lock is held until the process ends. */
static bool lock(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (fd != -1)
        close(fd);
    return false;
}

/* Those whose command was broken off are removed. */
static void clear_old(const struct model_config *model)
{
    DIR *folder = opendir(model->directory);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char *path;
        if (strncmp(entry->d_name, WORKPLACE, strlen(WORKPLACE)) != 0)
            continue;
        ENSURE(asprintf(&path, "%s/%s", model->directory, entry->d_name) >= 0);
        if (lock(path))
            folder_remove(path);
        free(path);
    }
    if (folder != NULL)
        closedir(folder);
}

char *optimize_workplace(const struct model_config *model, char reason[OPTIMIZE_REASON_MAX])
{
    char *path;
    clear_old(model);
    ENSURE(asprintf(&path, "%s/" WORKPLACE "XXXXXX", model->directory) >= 0);
    if (mkdtemp(path) != NULL && chmod(path, FOLDER_MODE) == 0 && lock(path))
        return path;
    snprintf(reason, OPTIMIZE_REASON_MAX, "%.900s: %s", path, strerror(errno));
    free(path);
    return NULL;
}

/* ---- golden requests ---- */

/* Another processor would say the same class. */
static bool is_clear(const struct answers *answers, size_t row, double tolerance)
{
    double first = -INFINITY, second = -INFINITY;
    for (size_t i = 0; i < answers->columns; i++) {
        double p = answers_probability(answers, row, i);
        second = p > first ? first : fmax(second, p);
        first = fmax(first, p);
    }
    return answers_finite(answers, row) && (answers->columns < 2 || first - second > 4 * tolerance);
}

static void add_element(yyjson_mut_doc *document, yyjson_mut_val *list, const struct tensor *tensor,
                        size_t index, size_t *offset)
{
    if (tensor->datatype == DATATYPE_BYTES) {
        struct text text = value_bytes(tensor, offset);
        yyjson_mut_arr_add_strncpy(document, list, text.at, text.length);
    } else if (tensor->datatype == DATATYPE_BOOL) {
        yyjson_mut_arr_add_bool(document, list, value_integer(tensor, index) != 0);
    } else if (value_is_float(tensor)) {
        yyjson_mut_arr_add_real(document, list, value_float(tensor, index));
    } else if (value_is_signed(tensor)) {
        yyjson_mut_arr_add_sint(document, list, (int64_t)value_integer(tensor, index));
    } else {
        yyjson_mut_arr_add_uint(document, list, value_integer(tensor, index));
    }
}

/* `whole`: datatype and shape, too. */
static void add_tensors(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name,
                        const struct tensor *tensors, size_t count, bool whole)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, name);
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_strncpy(document, entry, "name", tensors[i].name.at, tensors[i].name.length);
        if (whole) {
            yyjson_mut_obj_add_str(document, entry, "datatype", datatype_name(tensors[i].datatype));
            yyjson_mut_val *shape = yyjson_mut_obj_add_arr(document, entry, "shape");
            for (uint32_t d = 0; d < tensors[i].rank; d++)
                yyjson_mut_arr_add_sint(document, shape, tensors[i].shape[d]);
        }
        yyjson_mut_val *data = yyjson_mut_obj_add_arr(document, entry, "data");
        size_t elements, offset = 0;
        ENSURE(tensor_elements(&tensors[i], &elements));
        for (size_t element = 0; element < elements; element++)
            add_element(document, data, &tensors[i], element, &offset);
    }
}

/* One row as a request, and what the candidate answers to it alone. */
static bool add_request(struct candidate *candidate, const struct validate_rows *rows, size_t row,
                        yyjson_mut_doc *document, yyjson_mut_val *requests, char reason[OPTIMIZE_REASON_MAX])
{
    struct tensor inputs[TENSOR_COUNT_MAX], outputs[TENSOR_COUNT_MAX];
    size_t bytes, length, input_count, output_count, count;
    uint8_t *payload = validate_rows_payload(rows, &row, 1, &bytes);
    const uint8_t *answer = measured_ask(candidate->measured, payload, bytes, &length, reason);
    bool good = answer != NULL;
    if (good && tensors_decode(answer, length, outputs, &output_count, &count) == NULL) {
        ENSURE(tensors_decode(payload, bytes, inputs, &input_count, &count) == NULL); /* it was just made */
        yyjson_mut_val *request = yyjson_mut_arr_add_obj(document, requests);
        add_tensors(document, request, "inputs", inputs, input_count, true);
        yyjson_mut_val *expected = yyjson_mut_obj_add_obj(document, request, "expected");
        add_tensors(document, expected, "outputs", outputs, output_count, false);
    }
    free(payload);
    return good;
}

static bool write_golden(struct candidate *candidate, const char *folder, const struct validate_rows *rows,
                         double tolerance, char reason[OPTIMIZE_REASON_MAX])
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_real(document, root, "absolute", tolerance);
    yyjson_mut_obj_add_real(document, root, "relative", tolerance);
    yyjson_mut_val *requests = yyjson_mut_obj_add_arr(document, root, "requests");
    size_t all = validate_rows_count(rows), next = 0;
    bool good = true;
    for (size_t row = 0; good && row < all && yyjson_mut_arr_size(requests) < GOLDEN_ROWS; row++) {
        if (row < next || !is_clear(candidate->answers, row, tolerance))
            continue;
        good = add_request(candidate, rows, row, document, requests, reason);
        next = yyjson_mut_arr_size(requests) * all / GOLDEN_ROWS;
    }
    size_t length;
    char *path, *text = yyjson_mut_write(document, YYJSON_WRITE_NEWLINE_AT_END, &length);
    ENSURE(text != NULL && asprintf(&path, "%s/golden.json", folder) >= 0);
    if (good && yyjson_mut_arr_size(requests) > 0)
        good = durable_write_as(path, text, length, FILE_MODE, (uid_t)-1, (gid_t)-1) == 0 ||
               REFUSE(reason, "%.900s: %s", path, strerror(errno));
    free(path);
    free(text);
    yyjson_mut_doc_free(document);
    return good;
}

/* ---- its name ---- */

/* A file, or a folder, is on the disk. */
static bool is_kept(const char *path, char reason[OPTIMIZE_REASON_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool kept = fd != -1 && fsync(fd) == 0;
    if (!kept)
        snprintf(reason, OPTIMIZE_REASON_MAX, "%.900s: %s", path, strerror(errno));
    if (fd != -1)
        close(fd);
    return kept;
}

/* The number behind the highest that is the name of a version. */
static uint64_t next_number(const struct model_config *model)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < model->versions.count; i++) {
        const char *name = model->versions.names[i];
        char *end;
        uint64_t number = isdigit((unsigned char)*name) ? strtoull(name, &end, 10) : 0;
        if (number > highest && *end == '\0' && number < UINT32_MAX)
            highest = number;
    }
    return highest + 1;
}

/* Gives the folder its name: that number, or, where something has it meanwhile, one behind it. */
static char *give_name(const char *folder, const struct model_config *model, char reason[OPTIMIZE_REASON_MAX])
{
    uint64_t number = next_number(model);
    for (int i = 0; i < TRIES; i++, number++) {
        char *path;
        ENSURE(asprintf(&path, "%s/%llu", model->directory, (unsigned long long)number) >= 0);
        bool named = renameat2(AT_FDCWD, folder, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
        int fault = errno;
        snprintf(reason, OPTIMIZE_REASON_MAX, "%.900s: %s", path, strerror(fault));
        free(path);
        if (named && is_kept(model->directory, reason)) {
            char *name;
            ENSURE(asprintf(&name, "%llu", (unsigned long long)number) >= 0);
            return name;
        }
        if (named || fault != EEXIST)
            break;
    }
    return NULL;
}

/* It is loaded and answers its golden requests, as it will when it is to serve. */
static bool would_serve(const struct config *config, const struct model_config *model, const char *file,
                        char reason[OPTIMIZE_REASON_MAX])
{
    struct config unsigned_yet = *config; /* a signature is of a folder that is finished */
    unsigned_yet.signing_keys = (char *)"";
    yyjson_doc *description =
        inspect_model(&unsigned_yet, file, model->directory, reason, OPTIMIZE_REASON_MAX);
    yyjson_doc_free(description);
    return description != NULL;
}

char *optimize_publish(struct candidate *candidate, const struct config *config,
                       const struct model_config *model, const char *workplace,
                       const struct validate_rows *rows, double tolerance, char reason[OPTIMIZE_REASON_MAX])
{
    char *folder, *file, *name = NULL;
    ENSURE(asprintf(&folder, "%s/version", workplace) >= 0 && asprintf(&file, "%s/model.onnx", folder) >= 0);
    bool made = (mkdir(folder, FOLDER_MODE) == 0 && rename(candidate->file, file) == 0 &&
                 chmod(file, FILE_MODE) == 0) ||
                REFUSE(reason, "%.900s: %s", folder, strerror(errno));
    if (made && is_kept(file, reason) && write_golden(candidate, folder, rows, tolerance, reason) &&
        is_kept(folder, reason) && would_serve(config, model, file, reason))
        name = give_name(folder, model, reason);
    free(folder);
    free(file);
    return name;
}
