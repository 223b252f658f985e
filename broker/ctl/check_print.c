/* check_print: the tables of `outrigger check`: every process, socket and model that `outrigger run` would
 * make of this configuration. SPDX-License-Identifier: MIT */
#include "checked.h"
#include "inspect.h"
#include "schema_fields.h"
#include "table.h"

#include <inttypes.h>

/* 67108864 as 64 MiB, where that is exact. */
static void bytes_cell(struct table *table, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (unit + 1 < COUNT_OF(units) && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    table_cell(table, TONE_PLAIN, "%" PRId64 " %s", bytes, units[unit]);
}

/* ---- processes ---- */

static void add_process(void *self, const char *name, int64_t count, int64_t threads, const char *cores,
                        const char *user)
{
    struct table *table = self;
    table_cell(table, TONE_PLAIN, "%s", name);
    table_cell(table, TONE_PLAIN, "%" PRId64, count);
    table_cell(table, TONE_PLAIN, "%" PRId64, threads);
    table_cell(table, TONE_PLAIN, "%s", *cores == '\0' ? "any" : cores);
    table_cell(table, TONE_PLAIN, "%s", user);
}

static void print_processes(const struct check *check, FILE *out, bool coloured)
{
    static const char *const heads[] = {"PROCESS", ">COUNT", ">THREADS", "CORES", "USER"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    check_each_process(check, add_process, table);
    table_print(table, out, coloured);
    table_free(table);
    int64_t threads = check_all_threads(check);
    fprintf(out, "CPU budget: the workers have %" PRId64 " thread%s for %d core%s%s\n", threads,
            threads == 1 ? "" : "s", check->cores, check->cores == 1 ? "" : "s",
            threads > check->cores ? ": more than there are" : "");
}

/* ---- sockets ---- */

static void add_socket(void *self, const char *address, const char *mode, const char *what)
{
    struct table *table = self;
    table_cell(table, TONE_PLAIN, "%s", address);
    table_cell(table, TONE_PLAIN, "%s", mode);
    table_cell(table, TONE_PLAIN, "%s", what);
}

static void print_sockets(const struct check *check, FILE *out, bool coloured)
{
    static const char *const heads[] = {"SOCKET", "MODE", "FOR"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    check_each_socket(check, add_socket, table);
    table_print(table, out, coloured);
    table_free(table);
}

/* ---- the sandbox ---- */

static void add_guard(void *self, const char *part, bool there, const char *what)
{
    struct table *table = self;
    table_cell(table, TONE_PLAIN, "%s", part);
    table_cell(table, there ? TONE_PLAIN : TONE_BAD, "%s", there ? "yes" : "no");
    table_cell(table, TONE_PLAIN, "%s", what);
}

static void print_guards(const struct check *check, FILE *out, bool coloured)
{
    static const char *const heads[] = {"SANDBOX", "HERE", "WHAT"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    check_each_guard(check, add_guard, table);
    table_print(table, out, coloured);
    table_free(table);
    fprintf(out, "sandbox.mode is %s\n", check->config->sandbox_mode);
}

/* ---- models ---- */

static void add_model(struct table *table, const struct check *check, const struct check_model *entry)
{
    const struct model_config *model = entry->model;
    table_cell(table, TONE_PLAIN, "%s", model->name);
    table_cell(table, TONE_PLAIN, "%s", entry->version == NULL ? "none" : entry->version);
    table_cell(table, TONE_PLAIN, "%s", entry->backend == NULL ? "-" : entry->backend);
    struct deployment_bounds bounds = check_bounds(check, model);
    if (bounds.min == bounds.max)
        table_cell(table, TONE_PLAIN, "%" PRId64, bounds.max);
    else
        table_cell(table, TONE_PLAIN, "%" PRId64 " to %" PRId64, bounds.min, bounds.max);
    table_cell(table, TONE_PLAIN, "%" PRId64, model->batching_max_batch_rows);
    table_cell(table, TONE_PLAIN, "%" PRId64 " us", model->batching_max_delay_us);
    table_cell(table, TONE_PLAIN, "%" PRId64, model->queue_max_rows);
    bytes_cell(table, model->queue_max_bytes);
    table_cell(table, TONE_PLAIN, "%" PRId64 " ms", check_timeout_ms(check, model));
    table_cell(table, TONE_PLAIN, "%s", model->required != 0 ? "yes" : "no");
}

/* What requests are checked for; a line for each column of which more is said than its name and description.
 */
static void print_columns(const struct model_config *model, FILE *out)
{
    char words[128];
    for (size_t i = 0; i < model->input_count; i++) {
        schema_field_words(&model->inputs[i], words, sizeof words);
        if (*words != '\0' && strcmp(words, schema_type_name(SCHEMA_NUMBER)) != 0)
            fprintf(out, "    %s: %s\n", model->inputs[i].name, words);
    }
}

/* Of a pipeline. */
static void print_steps(yyjson_val *steps, FILE *out)
{
    size_t index, count;
    yyjson_val *step;
    yyjson_arr_foreach(steps, index, count, step)
    {
        fprintf(out, "%s%s", index == 0 ? ", by its steps " : ", ", yyjson_get_str(step));
    }
}

static void print_tensors(const struct check *check, FILE *out)
{
    for (size_t i = 0; i < check->list->count; i++) {
        yyjson_val *root = yyjson_doc_get_root(check->models[i].description);
        if (yyjson_arr_size(yyjson_obj_get(root, "inputs")) == 0)
            continue; /* none, or a pipeline that cannot be, which is complained of */
        fprintf(out, "%s takes ", check->models[i].model->name);
        inspect_print_tensors(yyjson_obj_get(root, "inputs"), out);
        fputs(" and gives ", out);
        inspect_print_tensors(yyjson_obj_get(root, "outputs"), out);
        uint64_t golden = yyjson_get_uint(yyjson_obj_get(root, "golden"));
        if (golden > 0)
            fprintf(out, ", and answers its golden requests (%" PRIu64 ") as it must", golden);
        print_steps(yyjson_obj_get(root, "steps"), out);
        if (yyjson_get_bool(yyjson_obj_get(root, "signed")))
            fputs("; it is signed", out);
        fputc('\n', out);
        print_columns(check->models[i].model, out);
    }
}

static void print_models(const struct check *check, FILE *out, bool coloured)
{
    static const char *const heads[] = {"MODEL",  "VERSION",     "BACKEND",      ">WORKERS",  ">BATCH ROWS",
                                        ">DELAY", ">QUEUE ROWS", ">QUEUE BYTES", ">DEADLINE", "REQUIRED"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    for (size_t i = 0; i < check->list->count; i++)
        add_model(table, check, &check->models[i]);
    table_print(table, out, coloured);
    table_free(table);
    if (check->list->count == 0)
        fprintf(out, "no models in %s\n", check->config->models_directory);
    print_tensors(check, out);
    const char *keys = check->config->signing_keys;
    if (*keys == '\0')
        fputs("models need no signature (signing.keys is empty)\n", out);
    else
        fprintf(out, "models must be signed with a key of %s%s%s\n", keys,
                *check->config->signing_unsigned == '\0' ? "" : ", but for ",
                check->config->signing_unsigned);
}

void check_print(const struct check *check, FILE *out, bool coloured)
{
    print_processes(check, out, coloured);
    fputc('\n', out);
    print_sockets(check, out, coloured);
    fputc('\n', out);
    print_guards(check, out, coloured);
    fputc('\n', out);
    print_models(check, out, coloured);
    check_print_tokens(check, out, coloured);
}
