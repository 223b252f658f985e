/* access: which requests have a line is drawn by lot, so a request that has none costs a comparison. Failed
 * ones (5xx) have one always, but a flood of them, as in an overload, must not become a flood of lines.
 * Nothing that a client can choose stands in a line but its request id and trace: paths are told as the
 * patterns that they followed. Called by api.c when a call is counted. SPDX-License-Identifier: MIT */
#include "access.h"

#include "budget.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>

enum { ACCESS_MAGIC = 0xacce5501, FIELDS_MAX = 16, MESSAGE_MAX = 160 };

struct access {
    unsigned magic;
    uint64_t per_mille;
    bool client_address;
    struct budget failed; /* lines of failed ones */
    struct series *written, *limited, *lost;
};

struct access *access_new(const struct config *config, struct metrics *metrics)
{
    struct access *access = object_alloc(sizeof *access);
    access->magic = ACCESS_MAGIC;
    access->per_mille = (uint64_t)config->log_access_per_mille;
    access->client_address = config->log_client_address != 0;
    access->written = metrics_series(metrics, METRIC_ACCESS_LINES, "written", NULL, NULL);
    access->limited = metrics_series(metrics, METRIC_ACCESS_LINES, "limited", NULL, NULL);
    access->lost = metrics_series(metrics, METRIC_ACCESS_LINES, "lost", NULL, NULL);
    return access;
}

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    CHECK_OBJECT(access, ACCESS_MAGIC);
    log_settle();
    access->magic = 0;
    free(access);
}

/* ---- which have one ---- */

static bool may_add_failed(struct access *access)
{
    bool may = budget_take(&access->failed, ACCESS_FAILED_A_SECOND, clock_now());
    if (!may)
        series_add(access->limited, 1);
    return may;
}

/* The lot spreads what is drawn by it evenly; that Retry-After is spread by it, too, does no harm. */
static bool is_wanted(struct access *access, const struct http_response *response)
{
    return response->lot % 1000 < access->per_mille || (response->status >= 500 && may_add_failed(access));
}

/* ---- the line ---- */

struct fields {
    struct log_field field[FIELDS_MAX];
    size_t count;
};

static void add_text(struct fields *fields, const char *name, const char *text)
{
    if (*text != '\0')
        fields->field[fields->count++] = (struct log_field){.name = name, .text = text};
}

static void add_number(struct fields *fields, const char *name, int64_t number)
{
    fields->field[fields->count++] = (struct log_field){.name = name, .number = number};
}

static void add_prediction(struct fields *fields, const struct api_call *call)
{
    if (call->model == NULL)
        return;
    add_text(fields, "model", call->model->name);
    add_text(fields, "version", api_call_version(call));
    add_number(fields, "rows", call->ask.rows);
    if (call->calling.sent_at == 0)
        return;
    add_number(fields, "queue_us", (int64_t)call->calling.queue_us);
    add_number(fields, "compute_us", (int64_t)call->calling.compute_us);
    add_number(fields, "batch_rows", call->calling.batch_rows);
}

static enum log_level level_of(const struct http_response *response)
{
    return response->status >= 500 ? LOG_WARNING : LOG_INFO;
}

static void write_line(struct access *access, const struct api_call *call,
                       const struct http_response *response)
{
    struct fields fields = {.count = 0};
    char message[MESSAGE_MAX], client[ADDRESS_TEXT_MAX] = "";
    const char *pattern = call->calling.pattern == NULL ? "(no such path)" : call->calling.pattern;
    const char *method = http_method_name(call->calling.method);
    add_text(&fields, "method", method);
    add_text(&fields, "call", call_label(call->call));
    add_number(&fields, "status", response->status);
    if (response->kind != NULL)
        add_text(&fields, "kind", response->kind);
    add_prediction(&fields, call);
    add_number(&fields, "total_us", call->duration / MICROSECOND);
    add_number(&fields, "bytes_in", (int64_t)call->calling.bytes);
    add_number(&fields, "bytes_out", (int64_t)http_response_bytes(response));
    if (access->client_address) {
        address_text(&call->identity.address, client);
        add_text(&fields, "client", client);
    }
    ENSURE(fields.count <= FIELDS_MAX);
    snprintf(message, sizeof message, "%s %s %d", method, pattern, response->status);
    bool written =
        log_event(level_of(response), &(struct log_of){.request = call->id, .trace = call->trace.id},
                  fields.field, fields.count, message);
    series_add(written ? access->written : access->lost, 1);
}

void access_end(struct access *access, const struct api_call *call, const struct http_response *response)
{
    CHECK_OBJECT(access, ACCESS_MAGIC);
    if (*call->id != '\0' && log_is_on(level_of(response)) && is_wanted(access, response))
        write_line(access, call, response);
}
