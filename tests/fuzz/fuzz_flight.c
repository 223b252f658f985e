/* fuzz_flight: any bytes as the file of a flight recorder: what is read of it is text that can be shown, and
 * payloads lie inside it. SPDX-License-Identifier: MIT */
#include "flight.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_text(const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    ENSURE(length <= most);
    for (size_t i = 0; i < length; i++)
        ENSURE(text[i] > ' ' && text[i] <= '~');
}

static void expect_entry(const struct flight_reader *reader, const struct flight_entry *entry)
{
    ENSURE(entry->sequence > 0);
    expect_text(entry->id, FLIGHT_ID_BYTES);
    expect_text(entry->call, FLIGHT_WORD_BYTES);
    expect_text(entry->kind, FLIGHT_WORD_BYTES);
    expect_text(entry->model, PROTOCOL_NAME_MAX);
    expect_text(entry->version, PROTOCOL_NAME_MAX);
    uint8_t *payload = flight_payload(reader, entry);
    ENSURE(payload == NULL || flight_hash(payload, entry->payload_length) == entry->payload_hash);
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct flight_entry entry;
    int fd = memfd_create("flight", MFD_CLOEXEC);
    ENSURE(fd != -1 && write(fd, bytes, length) == (ssize_t)length);
    struct flight_reader *reader = flight_reader_of(fd);
    if (reader == NULL)
        return 0;
    size_t records = flight_look(reader);
    for (size_t i = 0; i < records; i++)
        if (flight_read(reader, i, &entry))
            expect_entry(reader, &entry);
    ENSURE(!flight_read(reader, records, &entry));
    flight_reader_free(reader);
    return 0;
}
