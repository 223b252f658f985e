/* fuzz_feedback: the body of POST /api/v1/feedback, and a file of predictions, from any bytes. What a body
 * says is written down as a whole or not at all, and comes back with the models that who says it may use.
 * What a file says goes to the collector's list of truths. The first byte chooses, and begins the models.
 * SPDX-License-Identifier: MIT */
#include "feedback.h"
#include "unmet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void remove_folder(void)
{
    char path[80];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/f.%d", folder, i);
        unlink(path);
    }
    rmdir(folder);
}

static void make_folder(void)
{
    if (folder[0] != '\0')
        return;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz.XXXXXX" : "/tmp/fuzz.XXXXXX");
    ENSURE(mkdtemp(folder) != NULL);
    atexit(remove_folder);
}

static enum unmet_fate ask_it(void *self, struct unmet_truth *truth)
{
    return unmet_allows(truth, text_of(self)) ? UNMET_GOES : UNMET_STAYS;
}

/* `allowed`: that every truth was said by one who may use these models; NULL: by anybody. */
static size_t read_all(const char *path, const char *allowed)
{
    struct predictions_reader *reader = predictions_reader_new(path);
    struct unmet *unmet = unmet_new(8);
    struct prediction prediction;
    size_t count = 0;
    while (predictions_read(reader, &prediction)) {
        if (prediction.kind == PREDICTION_ACTUAL) {
            ENSURE(prediction.allowed.length <= PREDICTION_ALLOWED_MAX);
            ENSURE(allowed == NULL || text_is(prediction.allowed, allowed));
            unmet_add(unmet, &prediction, 0);
        } else {
            ENSURE(protocol_name_ok(prediction.model) && protocol_name_ok(prediction.version));
            unmet_of(unmet, prediction.request, prediction.row, ask_it, (char[]){"m"});
        }
        count++;
    }
    unmet_each(unmet, ask_it, (char[]){"models"});
    unmet_free(unmet);
    predictions_reader_free(reader);
    return count;
}

/* The list ends where its first byte says, at the end of the body at last. */
static void fill_models(struct identity *identity, const uint8_t *data, size_t size)
{
    size_t length = size > 0 ? data[0] * 2u : 0;
    length = length < size ? length : size;
    for (size_t i = 0; i < length; i++)
        identity->models[i] = data[size - 1 - i] == '\0' ? ' ' : (char)data[size - 1 - i];
}

static void one_body(const uint8_t *data, size_t size)
{
    char path[80], other[80];
    char *body = malloc(size + 1);
    ENSURE(body != NULL);
    memcpy(body, data, size);
    struct predictions *predictions = predictions_new(folder, "f", 0);
    struct http_request request = {.body = body, .body_length = size, .body_capacity = size + 1};
    struct http_response response = {0};
    struct identity identity = {.kind = IDENTITY_KEY};
    fill_models(&identity, data, size);
    ENSURE(predictions != NULL);
    http_response_begin(&response, &request);
    feedback(predictions, &identity, &request, &response);
    predictions_free(predictions);
    snprintf(path, sizeof path, "%s/f.0", folder);
    snprintf(other, sizeof other, "%s/f.1", folder);
    if (response.status == 202)
        read_all(path, identity.models);
    else
        ENSURE(response.status == 400 && read_all(path, NULL) + read_all(other, NULL) == 0);
    http_response_free(&response);
    remove(path);
    remove(other);
    free(body);
}

static void one_file(const uint8_t *data, size_t size)
{
    char path[80];
    snprintf(path, sizeof path, "%s/f.0", folder);
    FILE *file = fopen(path, "w");
    ENSURE(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    ENSURE(read_all(path, NULL) <= size / PREDICTION_BYTES);
    remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    make_folder();
    if (data[0] % 2 == 0)
        one_body(data + 1, size - 1);
    else
        one_file(data + 1, size - 1);
    return 0;
}
