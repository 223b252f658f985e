/* Files of an audit log with any bytes: whatever they hold is looked at to its end, every fault lies at a
 * line that was seen, and lines that were made as ours are have none. SPDX-License-Identifier: MIT */
#include "audit_look.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void take(void *self, enum chain_fault fault, uint64_t place, uint64_t first, uint64_t last)
{
    const uint64_t *lines = self;
    ENSURE(place <= *lines && *chain_fault_name(fault) != '\0');
    char text[256];
    audit_fault_text(&(struct audit_fault){.fault = fault, .line = place, .first = first, .last = last}, text,
                     sizeof text);
    ENSURE(*text != '\0');
}

/* The first bytes are a head, the rest lines. */
static void try_lines(struct text text)
{
    struct chain_look *look = chain_look_new();
    struct chain_point head = {0}, point;
    uint64_t lines = 0, removed, number;
    char time[AUDIT_TIME_MAX];
    bool has_head = text.length > AUDIT_HEAD_BYTES &&
                    audit_head_read((struct text){text.at, AUDIT_HEAD_BYTES}, &head, &number);
    if (has_head)
        text = (struct text){text.at + AUDIT_HEAD_BYTES, text.length - AUDIT_HEAD_BYTES};
    while (text.length > 0) {
        const char *newline = memchr(text.at, '\n', text.length);
        size_t length = newline == NULL ? text.length : (size_t)(newline - text.at);
        struct text line = {text.at, length};
        chain_look_at(look, line, ++lines);
        audit_time(line, time);
        ENSURE(strlen(time) < AUDIT_TIME_MAX);
        if (audit_removed(line, &point))
            chain_look_removed(look, &point);
        length += newline != NULL;
        text = (struct text){text.at + length, text.length - length};
    }
    chain_look_end(look, has_head ? &head : NULL, &removed, take, &lines);
    ENSURE(chain_look_lines(look) == lines);
    chain_look_free(look);
}

/* The same lines, made into a chain of ours. */
static void try_own(struct text text)
{
    static char line[8192 + CHAIN_HEAD_MAX];
    struct chain_look *look = chain_look_new();
    struct chain_hash *hash = chain_hash_new();
    struct chain_point point = {0};
    uint64_t removed, lines = 0;
    while (text.length > 0) {
        const char *newline = memchr(text.at, '\n', text.length);
        size_t length = newline == NULL ? text.length : (size_t)(newline - text.at), head;
        head = chain_next(&point, line);
        size_t taken = length < sizeof line - head ? length : sizeof line - head;
        memcpy(line + head, text.at, taken);
        chain_move(hash, &point, (struct text){line, head + taken});
        chain_look_at(look, (struct text){line, head + taken}, ++lines);
        length += newline != NULL;
        text = (struct text){text.at + length, text.length - length};
    }
    ENSURE(chain_look_end(look, &point, &removed, take, &lines) == 0);
    chain_hash_free(hash);
    chain_look_free(look);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct text text = {(const char *)bytes, length};
    try_lines(text);
    try_own(text);
    return 0;
}
