/* golden: see golden.h. The gate of a version: what does not answer as it must never takes a request. The
 * requests go through the same code as those of a batch. SPDX-License-Identifier: MIT */
#include "golden.h"

#include "golden_expected.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GOLDEN_MAGIC = 0x901de001,
    FILE_BYTES_MAX = 16 << 20,
    REQUESTS_MAX = 4096,
    FAULTS_LOGGED = 4 /* besides the first */
};

/* Where the file says nothing. */
#define ABSOLUTE 1e-6
#define RELATIVE 1e-5

struct golden_case {
    yyjson_val *expected;
    struct golden_tolerance tolerance;
    uint8_t *payload;
    size_t bytes;
};

struct golden {
    unsigned magic;
    char *path;
    const struct schema *schema;
    yyjson_doc *document;
    struct golden_case *cases;
    size_t count;
};

/* ---- the file ---- */

/* Its bytes, which the caller frees. NULL: it is not there (`error` is empty), or cannot be read. */
static char *read_all(const char *path, size_t *length, char *error)
{
    struct stat status;
    *error = '\0';
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not even a pipe of that name holds us up */
    if (file == -1) {
        if (errno != ENOENT)
            snprintf(error, GOLDEN_ERROR_MAX, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        snprintf(error, GOLDEN_ERROR_MAX, "%s: is no file", path);
    } else if (status.st_size > FILE_BYTES_MAX) {
        snprintf(error, GOLDEN_ERROR_MAX, "%s: is larger than %d MiB", path, FILE_BYTES_MAX >> 20);
    } else {
        text = object_alloc((size_t)status.st_size + 1);
        ssize_t got = read(file, text, (size_t)status.st_size);
        *length = got < 0 ? 0 : (size_t)got;
    }
    close(file);
    return text;
}

static bool parse(struct golden *golden, const char *text, size_t length, char *error)
{
    yyjson_read_err fault;
    size_t line = 0, column = 0, character;
    golden->document = yyjson_read_opts((char *)text, length, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, &fault);
    if (golden->document != NULL)
        return true;
    yyjson_locate_pos(text, length, fault.pos, &line, &column, &character);
    snprintf(error, GOLDEN_ERROR_MAX, "%s:%zu:%zu: %s", golden->path, line, column, fault.msg);
    return false;
}

/* ---- what is in it ---- */

/* Names in it come from outside: whatever is not printable ASCII becomes a question mark. */
static void say_complaint(const struct golden *golden, const char *place, char *complaint, char *error)
{
    for (char *at = complaint; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    snprintf(error, GOLDEN_ERROR_MAX, "%.400s: %s%s", golden->path, place, complaint);
}

static void say_request(const struct golden *golden, size_t i, char *complaint, char *error)
{
    char place[40];
    snprintf(place, sizeof place, "requests[%zu]: ", i);
    say_complaint(golden, place, complaint, error);
}

static bool knows(yyjson_val *object, const char *const *names, size_t name_count, const char **unknown)
{
    size_t at, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, at, count, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < name_count; i++)
            known = known || yyjson_equals_str(key, names[i]);
        *unknown = yyjson_get_str(key);
        if (!known)
            return false;
    }
    return true;
}

/* The tolerance that the object gives, else that of `outer`. */
static const char *read_tolerance(yyjson_val *object, const struct golden_tolerance *outer,
                                  struct golden_tolerance *tolerance)
{
    const struct {
        const char *name;
        double *value;
    } parts[] = {{"absolute", &tolerance->absolute}, {"relative", &tolerance->relative}};
    *tolerance = *outer;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        yyjson_val *value = yyjson_obj_get(object, parts[i].name);
        if (value == NULL)
            continue;
        double number = yyjson_get_num(value);
        if (!yyjson_is_num(value) || !isfinite(number) || number < 0)
            return parts[i].name;
        *parts[i].value = number;
    }
    return NULL;
}

static bool read_case(struct golden *golden, const struct layout *layout, yyjson_val *request,
                      const struct golden_tolerance *outer, char *complaint)
{
    static const char *const names[] = {"features", "instances", "inputs",
                                        "expected", "absolute",  "relative"};
    struct golden_case *one = &golden->cases[golden->count];
    const char *unknown, *fault;
    one->expected = yyjson_obj_get(request, "expected");
    if (!yyjson_is_obj(request))
        snprintf(complaint, GOLDEN_TEXT_MAX, "expected an object");
    else if (!knows(request, names, COUNT_OF(names), &unknown))
        snprintf(complaint, GOLDEN_TEXT_MAX, "unknown key %.64s", unknown);
    else if ((fault = read_tolerance(request, outer, &one->tolerance)) != NULL)
        snprintf(complaint, GOLDEN_TEXT_MAX, "%s: expected a number, 0 or more", fault);
    else if ((fault = golden_expected_fault(one->expected)) != NULL)
        snprintf(complaint, GOLDEN_TEXT_MAX, "%s", fault);
    else
        one->payload = golden_request_encode(golden->schema, layout, request, &one->bytes, complaint);
    return one->payload != NULL;
}

static bool read_cases(struct golden *golden, yyjson_val *requests, const struct golden_tolerance *tolerance,
                       char *error)
{
    char complaint[GOLDEN_TEXT_MAX] = "";
    size_t at, count;
    yyjson_val *request;
    bool good = true;
    struct layout *layout = layout_new(golden->schema);
    golden->cases = object_alloc((yyjson_arr_size(requests) + 1) * sizeof *golden->cases);
    yyjson_arr_foreach(requests, at, count, request)
    {
        good = read_case(golden, layout, request, tolerance, complaint);
        if (!good)
            break;
        golden->count++;
    }
    if (!good)
        snprintf(error, GOLDEN_ERROR_MAX, "%.400s: requests[%zu]: %s", golden->path, golden->count,
                 complaint);
    layout_free(layout);
    return good;
}

static bool read_root(struct golden *golden, char *error)
{
    static const char *const names[] = {"absolute", "relative", "requests"};
    static const struct golden_tolerance usual = {ABSOLUTE, RELATIVE};
    yyjson_val *root = yyjson_doc_get_root(golden->document), *requests = yyjson_obj_get(root, "requests");
    struct golden_tolerance tolerance;
    const char *unknown, *fault;
    char complaint[GOLDEN_TEXT_MAX];
    if (!yyjson_is_obj(root))
        snprintf(complaint, sizeof complaint, "expected an object");
    else if (!knows(root, names, COUNT_OF(names), &unknown))
        snprintf(complaint, sizeof complaint, "unknown key %.64s", unknown);
    else if ((fault = read_tolerance(root, &usual, &tolerance)) != NULL)
        snprintf(complaint, sizeof complaint, "%s: expected a number, 0 or more", fault);
    else if (yyjson_arr_size(requests) == 0 || yyjson_arr_size(requests) > REQUESTS_MAX)
        snprintf(complaint, sizeof complaint, "requests: expected an array of 1 to %d requests",
                 REQUESTS_MAX);
    else
        return read_cases(golden, requests, &tolerance, error);
    say_complaint(golden, "", complaint, error);
    return false;
}

struct golden *golden_parse(const char *path, const char *text, size_t length, const struct schema *schema,
                            char error[GOLDEN_ERROR_MAX])
{
    struct golden *golden = object_alloc(sizeof *golden);
    golden->magic = GOLDEN_MAGIC;
    golden->schema = schema;
    golden->path = object_strdup(path);
    *error = '\0';
    if (parse(golden, text, length, error) && read_root(golden, error))
        return golden;
    golden_free(golden);
    return NULL;
}

static struct golden *read_from(const char *folder, const struct schema *schema, char *error)
{
    char *path;
    size_t length = 0;
    ENSURE(asprintf(&path, "%s/golden.json", folder) >= 0);
    char *text = read_all(path, &length, error);
    struct golden *golden = text == NULL ? NULL : golden_parse(path, text, length, schema, error);
    free(text);
    free(path);
    return golden;
}

struct golden *golden_read(const char *version_folder, const char *model_folder, const struct schema *schema,
                           char error[GOLDEN_ERROR_MAX])
{
    struct golden *golden = read_from(version_folder, schema, error);
    return golden != NULL || *error != '\0' ? golden : read_from(model_folder, schema, error);
}

void golden_free(struct golden *golden)
{
    if (golden == NULL)
        return;
    CHECK_OBJECT(golden, GOLDEN_MAGIC);
    for (size_t i = 0; i < golden->count; i++)
        free(golden->cases[i].payload);
    free(golden->cases);
    yyjson_doc_free(golden->document);
    free(golden->path);
    golden->magic = 0;
    free(golden);
}

size_t golden_count(const struct golden *golden)
{
    return golden == NULL ? 0 : golden->count;
}

struct text golden_payload(const struct golden *golden, size_t i)
{
    CHECK_OBJECT(golden, GOLDEN_MAGIC);
    ENSURE(i < golden->count);
    return (struct text){(const char *)golden->cases[i].payload, golden->cases[i].bytes};
}

/* ---- the gate ---- */

static bool answers(const struct golden *golden, const struct golden_case *one, struct batch *batch,
                    char *complaint)
{
    batch_clear(batch);
    batch_add(batch, one->payload, one->bytes);
    batch_run(batch, INT64_MAX);
    if (batch_failure(batch, 0) != FAILURE_NONE) {
        snprintf(complaint, GOLDEN_TEXT_MAX, "%s", batch_message(batch, 0));
        return false;
    }
    size_t bytes = batch_answer_bytes(batch, 0);
    uint8_t *answer = object_alloc(bytes);
    batch_answer(batch, 0, answer, bytes);
    bool met = golden_expected_met(one->expected, &one->tolerance, golden->schema, answer, bytes, complaint);
    free(answer);
    return met;
}

bool golden_pass(const struct golden *golden, struct batch *batch, char error[GOLDEN_ERROR_MAX])
{
    CHECK_OBJECT(golden, GOLDEN_MAGIC);
    size_t failed = 0;
    *error = '\0';
    for (size_t i = 0; i < golden->count; i++) {
        char complaint[GOLDEN_TEXT_MAX] = "", later[GOLDEN_ERROR_MAX];
        if (answers(golden, &golden->cases[i], batch, complaint))
            continue;
        say_request(golden, i, complaint, failed == 0 ? error : later);
        if (failed > 0 && failed <= FAULTS_LOGGED)
            log_error("%s", later);
        failed++;
    }
    size_t length = strlen(error);
    if (failed > 1)
        snprintf(error + length, GOLDEN_ERROR_MAX - length, "; %zu of %zu requests fail", failed,
                 golden->count);
    return failed == 0;
}
