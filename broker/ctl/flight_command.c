/* flight_command: `outrigger flight`: the last requests, as the flight recorders of the frontends have them.
 * It reads their files alone, so nothing need run: what was killed can be asked still.
 * SPDX-License-Identifier: MIT */
#include "ask.h"
#include "flight_view.h"
#include "say.h"
#include "table.h"

#include "clock.h"
#include "trace_context.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { LAST = 50, TIME_BYTES = 64 };

/* "2026-01-31T12:00:00.123Z" */
static const char *time_text(int64_t at_ns, char text[TIME_BYTES])
{
    time_t seconds = (time_t)(at_ns / SECOND);
    struct tm parts;
    char day[32];
    if (gmtime_r(&seconds, &parts) == NULL || strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        snprintf(day, sizeof day, "%" PRId64, at_ns / SECOND);
    snprintf(text, TIME_BYTES, "%s.%03dZ", day, (int)(at_ns % SECOND / MILLISECOND));
    return text;
}

/* ---- as a table ---- */

static void ms_cell(struct table *table, uint64_t us)
{
    table_cell(table, TONE_PLAIN, "%.2f ms", (double)us / 1e3);
}

static void add_row(struct table *table, const struct flight_found *found)
{
    const struct flight_entry *entry = &found->entry;
    char text[TIME_BYTES];
    table_cell(table, TONE_PLAIN, "%s", time_text(entry->at_ns, text));
    table_cell(table, TONE_PLAIN, "%s", *entry->model == '\0' ? "-" : entry->model);
    table_cell(table, TONE_PLAIN, "%s", *entry->version == '\0' ? "-" : entry->version);
    table_cell(table,
               entry->status >= 500   ? TONE_BAD
               : entry->status >= 400 ? TONE_BUSY
                                      : TONE_GOOD,
               "%u", entry->status);
    table_cell(table, TONE_PLAIN, "%s", *entry->kind == '\0' ? entry->call : entry->kind);
    table_cell(table, TONE_PLAIN, "%" PRIu32, entry->rows);
    ms_cell(table, entry->total_us);
    ms_cell(table, entry->queue_us);
    ms_cell(table, entry->compute_us);
    table_cell(table, TONE_PLAIN, "%" PRIu32, entry->batch_rows);
    table_cell(table, TONE_PLAIN, "%s", entry->id);
}

static void print_table(const struct flight_found *found, size_t count)
{
    static const char *const heads[] = {"TIME",   "MODEL",  "VERSION",  "STATUS", "WHAT",      ">ROWS",
                                        ">TOTAL", ">QUEUE", ">COMPUTE", ">BATCH", "REQUEST ID"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    for (size_t i = 0; i < count; i++)
        add_row(table, &found[i]);
    table_print(table, stdout, say_coloured());
    table_free(table);
}

/* ---- as JSON ---- */

static void add_hash(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, uint64_t hash)
{
    char text[2 * sizeof hash + 1];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    yyjson_mut_obj_add_strcpy(document, object, name, text);
}

static void add_trace(yyjson_mut_doc *document, yyjson_mut_val *object, const struct flight_entry *entry)
{
    static const uint8_t none[FLIGHT_TRACE_BYTES];
    char text[2 * TRACE_ID_BYTES + 1];
    if (memcmp(entry->trace, none, sizeof none) == 0)
        return;
    trace_id_text(entry->trace, text);
    yyjson_mut_obj_add_strcpy(document, object, "trace_id", text);
}

static void fill(yyjson_mut_doc *document, yyjson_mut_val *object, const struct flight_found *found)
{
    const struct flight_entry *entry = &found->entry;
    char text[TIME_BYTES];
    yyjson_mut_obj_add_strcpy(document, object, "time", time_text(entry->at_ns, text));
    yyjson_mut_obj_add_strcpy(document, object, "process", found->process);
    yyjson_mut_obj_add_uint(document, object, "sequence", entry->sequence);
    yyjson_mut_obj_add_strcpy(document, object, "request_id", entry->id);
    add_trace(document, object, entry);
    yyjson_mut_obj_add_strcpy(document, object, "call", entry->call);
    yyjson_mut_obj_add_strcpy(document, object, "model", entry->model);
    yyjson_mut_obj_add_strcpy(document, object, "version", entry->version);
    yyjson_mut_obj_add_uint(document, object, "status", entry->status);
    if (*entry->kind != '\0')
        yyjson_mut_obj_add_strcpy(document, object, "kind", entry->kind);
    yyjson_mut_obj_add_uint(document, object, "rows", entry->rows);
    yyjson_mut_obj_add_uint(document, object, "total_us", entry->total_us);
    yyjson_mut_obj_add_uint(document, object, "queue_us", entry->queue_us);
    yyjson_mut_obj_add_uint(document, object, "compute_us", entry->compute_us);
    yyjson_mut_obj_add_uint(document, object, "batch_rows", entry->batch_rows);
    yyjson_mut_obj_add_uint(document, object, "bytes_in", entry->bytes_in);
    yyjson_mut_obj_add_uint(document, object, "bytes_out", entry->bytes_out);
    if (entry->hashed)
        add_hash(document, object, "body_xxh3", entry->hash);
    yyjson_mut_obj_add_uint(document, object, "payload_bytes", entry->payload_length);
}

static void print_json(const struct flight_found *found, size_t count)
{
    yyjson_mut_doc *said = say_new();
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(said, yyjson_mut_doc_get_root(said), "requests");
    for (size_t i = 0; i < count; i++)
        fill(said, yyjson_mut_arr_add_obj(said, list), &found[i]);
    say_json(said);
}

/* One object a line. */
static void print_lines(const struct flight_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_doc *line = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(line);
        yyjson_mut_doc_set_root(line, root);
        fill(line, root, &found[i]);
        say_json(line);
    }
}

/* ---- the command ---- */

static int follow(struct flight_view *view, struct flight_filter *filter, bool json)
{
    filter->unseen = true;
    while (!ferror(stdout)) {
        size_t count;
        struct flight_found *found = flight_view_read(view, filter, &count);
        if (json)
            print_lines(found, count);
        else
            print_table(found, count);
        fflush(stdout);
        free(found);
        filter->last = 0;
        ask_pause();
    }
    return CTL_FAULT;
}

static int show(struct flight_view *view, const struct flight_filter *filter, bool json)
{
    size_t count;
    struct flight_found *found = flight_view_read(view, filter, &count);
    if (json)
        print_json(found, count);
    else if (count == 0)
        puts("nothing is recorded that is asked for");
    else
        print_table(found, count);
    free(found);
    return CTL_GOOD;
}

int flight_command(const struct arguments *arguments)
{
    struct flight_filter filter = {.model = arguments_text(arguments, OPTION_MODEL),
                                   .status = arguments_text(arguments, OPTION_STATUS),
                                   .slow_us = (uint64_t)arguments_number(arguments, OPTION_SLOW, 0) *
                                              (MILLISECOND / MICROSECOND),
                                   .last = (size_t)arguments_number(arguments, OPTION_LAST, LAST)};
    if (filter.status != NULL && !flight_status_ok(filter.status))
        return say_usage(arguments, "--status: expected a status as 503, or 5xx");
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    struct flight_view *view = flight_view_new(config);
    int status;
    if (view == NULL)
        status = say_fault(arguments, CTL_FAULT, "%s/flight: %s", config->runtime_directory, strerror(errno));
    else if (arguments_has(arguments, OPTION_FOLLOW))
        status = follow(view, &filter, arguments->json);
    else
        status = show(view, &filter, arguments->json);
    flight_view_free(view);
    config_free(config);
    return status;
}
