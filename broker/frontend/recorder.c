/* recorder: see recorder.h. An entry is some two hundred bytes that are copied and hashed, which costs a
 * request less than what is counted of it: no call of the system, no message. Who asks for what there is not,
 * or may not have it, drives no prediction out of the ring. Called by api.c, in the order of a call's life.
 * SPDX-License-Identifier: MIT */
#include "recorder.h"

#include "api.h"
#include "clock.h"
#include "flight.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>

enum { RECORDER_MAGIC = 0x04ec0001 };

struct recorder {
    unsigned magic;
    struct flight *flight;
    bool hash, full;
};

struct recorder *recorder_new(const struct config *config, const char *name)
{
    char *directory;
    bool full = strcmp(config->flight_payload, "full") == 0;
    if (config->flight_requests == 0)
        return NULL;
    ENSURE(asprintf(&directory, "%s/flight", config->runtime_directory) >= 0);
    struct flight *flight = flight_new(directory, name, (size_t)config->flight_requests,
                                       full ? (size_t)config->flight_payload_bytes : 0);
    if (flight == NULL)
        log_warning("%s/%s: %s; the last requests are not recorded", directory, name, strerror(errno));
    free(directory);
    if (flight == NULL)
        return NULL;
    struct recorder *recorder = object_alloc(sizeof *recorder);
    recorder->magic = RECORDER_MAGIC;
    recorder->flight = flight;
    recorder->full = full;
    recorder->hash = full || strcmp(config->flight_payload, "hash") == 0;
    return recorder;
}

void recorder_free(struct recorder *recorder)
{
    if (recorder == NULL)
        return;
    CHECK_OBJECT(recorder, RECORDER_MAGIC);
    flight_free(recorder->flight);
    recorder->magic = 0;
    free(recorder);
}

void recorder_body(const struct recorder *recorder, const struct http_request *request,
                   struct recorder_note *note)
{
    if (recorder == NULL || !recorder->hash)
        return;
    note->hash = flight_hash(request->body, request->body_length);
    note->hashed = true;
}

void recorder_asks(struct recorder *recorder, const uint8_t *payload, size_t bytes,
                   struct recorder_note *note)
{
    struct flight_entry entry = {.payload_length = 0};
    if (recorder == NULL || !recorder->full)
        return;
    flight_keep(recorder->flight, payload, bytes, &entry);
    note->payload_at = entry.payload_at;
    note->payload_hash = entry.payload_hash;
    note->payload_length = entry.payload_length;
}

static uint32_t microseconds(uint64_t us)
{
    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* All but the texts. */
static void fill(struct flight_entry *entry, const struct api_call *call,
                 const struct http_response *response)
{
    const struct recorder_note *note = &call->recorded;
    entry->at_ns = clock_wall();
    entry->status = (uint16_t)response->status;
    entry->rows = call->ask.rows;
    entry->batch_rows = call->calling.batch_rows;
    entry->total_us = microseconds((uint64_t)(call->duration / MICROSECOND));
    entry->queue_us = microseconds(call->calling.queue_us);
    entry->compute_us = microseconds(call->calling.compute_us);
    entry->bytes_in = call->calling.bytes;
    entry->bytes_out = http_response_bytes(response);
    entry->hashed = note->hashed;
    entry->hash = note->hash;
    entry->payload_at = note->payload_at;
    entry->payload_hash = note->payload_hash;
    entry->payload_length = note->payload_length;
    memcpy(entry->trace, call->trace.id, sizeof entry->trace);
}

void recorder_end(struct recorder *recorder, const struct api_call *call,
                  const struct http_response *response)
{
    struct flight_entry entry;
    if (recorder == NULL || (!call_is_prediction(call->call) && response->status < 500))
        return;
    CHECK_OBJECT(recorder, RECORDER_MAGIC);
    fill(&entry, call, response);
    flight_add(recorder->flight, &entry,
               &(struct flight_texts){.id = text_of(call->id),
                                      .call = text_of(call_label(call->call)),
                                      .kind = text_of(response->kind == NULL ? "" : response->kind),
                                      .model = text_of(call->model == NULL ? "" : call->model->name),
                                      .version = text_of(api_call_version(call))});
}
