/* audit_entry: written by hand, since a frontend may write one for each request. SPDX-License-Identifier: MIT
 */
#include "audit_entry.h"

#include "clock.h"
#include "number.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>

void audit_entry_free(struct audit_entry *entry)
{
    free(entry->bytes);
    *entry = (struct audit_entry){0};
}

void audit_entry_clear(struct audit_entry *entry)
{
    entry->length = 0;
}

static char *room(struct audit_entry *entry, size_t bytes)
{
    if (bytes > entry->capacity - entry->length) {
        entry->capacity = 2 * (entry->length + bytes) + 512;
        entry->bytes = realloc(entry->bytes, entry->capacity);
        ENSURE(entry->bytes != NULL);
    }
    return entry->bytes + entry->length;
}

void audit_entry_raw(struct audit_entry *entry, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    memcpy(room(entry, length), bytes, length);
    entry->length += length;
}

static void put(struct audit_entry *entry, const char *text)
{
    audit_entry_raw(entry, text, strlen(text));
}

/* ---- time ---- */

static char *two(char *to, int number)
{
    to[0] = (char)('0' + number / 10 % 10);
    to[1] = (char)('0' + number % 10);
    return to + 2;
}

/* "2026-01-31T12:00:00." */
static void set_second(struct audit_entry *entry, int64_t second)
{
    time_t seconds = (time_t)second;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char *at = two(two(entry->second_text, (parts.tm_year + 1900) / 100), parts.tm_year + 1900);
    *at++ = '-';
    at = two(at, parts.tm_mon + 1);
    *at++ = '-';
    at = two(at, parts.tm_mday);
    *at++ = 'T';
    at = two(at, parts.tm_hour);
    *at++ = ':';
    at = two(at, parts.tm_min);
    *at++ = ':';
    at = two(at, parts.tm_sec);
    *at = '.';
    entry->second = second;
}

/* RFC 3339 in UTC with microseconds: texts of one length, which compare as the times do. */
static void add_time(struct audit_entry *entry, int64_t wall)
{
    int micro = (int)(wall % SECOND / MICROSECOND);
    if (entry->second != wall / SECOND || entry->second == 0)
        set_second(entry, wall / SECOND);
    char *at = room(entry, sizeof entry->second_text + 7);
    memcpy(at, entry->second_text, sizeof entry->second_text);
    at = two(two(two(at + sizeof entry->second_text, micro / 10000), micro / 100), micro);
    *at = 'Z';
    entry->length += sizeof entry->second_text + 7;
}

void audit_entry_begin(struct audit_entry *entry, int64_t wall, const char *event)
{
    entry->length = 0;
    put(entry, "\"time\":\"");
    add_time(entry, wall);
    put(entry, "\",\"event\":\"");
    put(entry, event);
    put(entry, "\"");
}

/* ---- members ---- */

static void add_name(struct audit_entry *entry, const char *name)
{
    size_t length = strlen(name);
    char *at = room(entry, length + 4);
    *at++ = ',';
    *at++ = '"';
    memcpy(at, name, length);
    at[length] = '"';
    at[length + 1] = ':';
    entry->length += length + 4;
}

/* One character that is not plain ASCII; returns how many bytes it took. */
static size_t add_strange(struct audit_entry *entry, const unsigned char *at, size_t left)
{
    char escape[8];
    if (*at == '"' || *at == '\\') {
        snprintf(escape, sizeof escape, "\\%c", *at);
        put(entry, escape);
        return 1;
    }
    if (*at < 0x20 || *at == 0x7f) {
        snprintf(escape, sizeof escape, "\\u%04x", *at);
        put(entry, escape);
        return 1;
    }
    size_t length = utf8_length((const char *)at, left);
    if (length == 0) {
        put(entry, "\xef\xbf\xbd"); /* U+FFFD stands for a byte that is no UTF-8 */
        return 1;
    }
    if (length == 2 && at[0] == 0xc2 && at[1] < 0xa0) { /* C1: terminals obey them */
        snprintf(escape, sizeof escape, "\\u%04x", at[1]);
        put(entry, escape);
    } else {
        audit_entry_raw(entry, (const char *)at, length);
    }
    return length;
}

static bool is_plain(unsigned char character)
{
    return character >= 0x20 && character < 0x7f && character != '"' && character != '\\';
}

void audit_entry_text(struct audit_entry *entry, const char *name, struct text value)
{
    const unsigned char *at = (const unsigned char *)value.at;
    size_t left = value.length;
    add_name(entry, name);
    put(entry, "\"");
    while (left > 0) {
        size_t plain = 0;
        while (plain < left && is_plain(at[plain]))
            plain++;
        audit_entry_raw(entry, (const char *)at, plain);
        at += plain;
        left -= plain;
        size_t taken = left == 0 ? 0 : add_strange(entry, at, left);
        at += taken;
        left -= taken;
    }
    put(entry, "\"");
}

void audit_entry_number(struct audit_entry *entry, const char *name, uint64_t value)
{
    char digits[NUMBER_TEXT_MAX];
    add_name(entry, name);
    audit_entry_raw(entry, digits, number_write_unsigned(value, digits));
}

void audit_entry_flag(struct audit_entry *entry, const char *name, bool value)
{
    add_name(entry, name);
    put(entry, value ? "true" : "false");
}

void audit_entry_end(struct audit_entry *entry)
{
    put(entry, "}\n");
}
