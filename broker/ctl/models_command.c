/* models_command: `outrigger models`: what the supervisor has of each model, and which versions run.
 * SPDX-License-Identifier: MIT */
#include "ask.h"
#include "batching_view.h"
#include "contents.h"
#include "follow.h"
#include "say.h"
#include "shadowed.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 60000 }; /* it reads the repository before it answers */

static int64_t number_in(yyjson_val *object, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(object, name));
}

/* ---- the list ---- */

static enum tone tone_of(const char *state)
{
    if (strcmp(state, "ready") == 0)
        return TONE_GOOD;
    if (strcmp(state, "failed") == 0)
        return TONE_BAD;
    return strcmp(state, "unloaded") == 0 ? TONE_PLAIN : TONE_BUSY;
}

/* The first digits of the digest tell two folders apart for people. */
static void digest_cell(struct table *table, yyjson_val *version)
{
    enum { SHOWN = 12 };
    const char *digest = ask_text(version, "digest"), *colon = strchr(digest, ':');
    table_cell(table, TONE_PLAIN, "%.*s", SHOWN, *digest == '\0' ? "-" : colon == NULL ? digest : colon + 1);
}

static void add_version(struct table *table, yyjson_val *model, yyjson_val *version)
{
    const char *state = ask_text(version, "state");
    double share = yyjson_get_num(yyjson_obj_get(version, "share"));
    table_cell(table, TONE_PLAIN, "%s", ask_text(model, "model"));
    table_cell(table, TONE_PLAIN, "%s", ask_text(version, "version"));
    table_cell(table, tone_of(state), "%s", state);
    table_cell(table, TONE_PLAIN, "%s", ask_text(version, "why"));
    table_cell(table, TONE_PLAIN, "%" PRId64 "/%" PRId64, number_in(version, "workers"),
               number_in(version, "wanted"));
    if (share > 0)
        table_cell(table, TONE_PLAIN, "%g%%", share);
    else
        table_cell(table, TONE_PLAIN, "%s",
                   yyjson_get_bool(yyjson_obj_get(version, "shadow")) ? "copies" : "-");
    digest_cell(table, version);
    table_cell(table, TONE_PLAIN, "%s", ask_text(version, "reason"));
}

static void add_model(struct table *table, yyjson_val *model)
{
    size_t index, count;
    yyjson_val *version;
    yyjson_arr_foreach(yyjson_obj_get(model, "versions"), index, count, version)
    {
        add_version(table, model, version);
    }
}

static void print_list(yyjson_val *models)
{
    static const char *const heads[] = {"MODEL",    "VERSION", "STATE",  "WHY",
                                        ">WORKERS", ">SHARE",  "DIGEST", "REASON"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    size_t index, count;
    yyjson_val *model;
    yyjson_arr_foreach(models, index, count, model)
    {
        add_model(table, model);
    }
    table_print(table, stdout, say_coloured());
    table_free(table);
    if (yyjson_arr_size(models) == 0)
        puts("no models");
}

/* ---- one model ---- */

static void print_line(const char *name, const char *text)
{
    printf("%-10s %s\n", name, *text == '\0' ? "-" : text);
}

static void print_digests(yyjson_val *versions)
{
    size_t index, count;
    yyjson_val *version;
    yyjson_arr_foreach(versions, index, count, version)
    {
        char line[256];
        snprintf(line, sizeof line, "%s %s", ask_text(version, "version"), ask_text(version, "digest"));
        if (*ask_text(version, "digest") != '\0')
            print_line("digest", line);
    }
}

/* "scale: scaler 3" */
static void print_step(const char *version, yyjson_val *step)
{
    char line[512];
    size_t index, count, length;
    yyjson_val *part;
    length = (size_t)snprintf(line, sizeof line, "%s %s: %s", version, ask_text(step, "step"),
                              strcmp(ask_text(step, "kind"), "model") == 0 ? "" : ask_text(step, "kind"));
    yyjson_arr_foreach(yyjson_obj_get(step, "models"), index, count, part)
    {
        const char *separator = index > 0 ? ", " : line[length - 1] == ' ' ? "" : " ";
        if (length < sizeof line)
            length += (size_t)snprintf(line + length, sizeof line - length, "%s%s%s%s", separator,
                                       ask_text(part, "model"), *ask_text(part, "version") == '\0' ? "" : " ",
                                       ask_text(part, "version"));
        if (length >= sizeof line)
            length = sizeof line;
    }
    print_line("step", line);
}

static void print_steps(yyjson_val *versions)
{
    size_t index, count, at, steps;
    yyjson_val *version, *step;
    yyjson_arr_foreach(versions, index, count, version)
    {
        yyjson_arr_foreach(yyjson_obj_get(version, "steps"), at, steps, step)
        {
            print_step(ask_text(version, "version"), step);
        }
    }
}

static void print_one(const struct config *config, yyjson_val *model)
{
    char line[256];
    yyjson_val *instances = yyjson_obj_get(model, "instances");
    bool pinned = yyjson_get_bool(yyjson_obj_get(model, "pinned"));
    bool stopped = yyjson_get_bool(yyjson_obj_get(model, "stopped"));
    print_line("model", ask_text(model, "model"));
    snprintf(line, sizeof line, "%s%s%s", ask_text(model, "stable"), pinned ? " (pinned by promote)" : "",
             stopped ? " (unloaded)" : "");
    print_line("stable", line);
    if (strcmp(ask_text(model, "stable"), ask_text(model, "wanted")) != 0)
        print_line("next", ask_text(model, "wanted"));
    print_line("previous", ask_text(model, "previous"));
    print_line("serve", ask_text(model, "policy"));
    snprintf(line, sizeof line, "%" PRId64 " wanted, %" PRId64 " run", number_in(instances, "wanted"),
             number_in(instances, "running"));
    print_line("workers", line);
    char *route = yyjson_val_write(yyjson_obj_get(model, "route"), YYJSON_WRITE_NOFLAG, NULL);
    print_line("route", route == NULL ? "" : route);
    free(route);
    print_digests(yyjson_obj_get(model, "versions"));
    print_steps(yyjson_obj_get(model, "versions"));
    shadowed_print(config, ask_text(model, "model"), yyjson_obj_get(model, "route"), "");
    putchar('\n');
}

static int show(const struct arguments *arguments, const char *name)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    yyjson_mut_doc *question = ask_new("models");
    ask_add_text(question, "model", name);
    int status;
    yyjson_doc *answer = ask_supervisor(arguments, config, question, ANSWER_TIMEOUT_MS, "not told", &status);
    yyjson_val *models = yyjson_obj_get(yyjson_doc_get_root(answer), "models");
    yyjson_doc *batching = answer == NULL || name == NULL ? NULL : batching_ask(config, name);
    if (answer != NULL && arguments->json) {
        yyjson_doc *joined = batching_join(answer, batching);
        status = say_answer(joined);
        yyjson_doc_free(joined);
    } else if (answer != NULL) {
        if (name != NULL)
            print_one(config, yyjson_arr_get_first(models));
        batching_print(batching, stdout, say_coloured());
        print_list(models);
        status = CTL_GOOD;
    }
    yyjson_doc_free(batching);
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}

int models_command(const struct arguments *arguments)
{
    return show(arguments, NULL);
}

int models_show_command(const struct arguments *arguments)
{
    return show(arguments, arguments->operands[0]);
}

int models_rescan_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int status;
    yyjson_doc *answer = ask_supervisor(arguments, config, ask_new("rescan"), ANSWER_TIMEOUT_MS,
                                        "read again, but for what is wrong", &status);
    if (answer != NULL)
        status = say_good(arguments, "read again");
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}

/* ---- a folder ---- */

int models_digest_command(const struct arguments *arguments)
{
    char reason[1024];
    struct contents *contents = contents_read(arguments->operands[0], reason, sizeof reason);
    if (contents == NULL) {
        if (arguments->json)
            say_json_error(reason);
        else
            fprintf(stderr, "outrigger: %s\n", reason);
        return CTL_FAULT;
    }
    if (arguments->json) {
        yyjson_mut_doc *document = say_new();
        yyjson_mut_obj_add_strcpy(document, yyjson_mut_doc_get_root(document), "digest", contents->digest);
        say_json(document);
    } else {
        puts(contents->digest);
    }
    contents_free(contents);
    return CTL_GOOD;
}

/* ---- what takes its time ---- */

int version_wish(const struct arguments *arguments, const char *verb, const char *refused, const char *done)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    yyjson_mut_doc *question = ask_new(verb);
    ask_add_text(question, "model", arguments->operands[0]);
    ask_add_text(question, "version", arguments->operands[1]);
    int status = follow_question(arguments, config, question, refused, done);
    config_free(config);
    return status;
}

int models_load_command(const struct arguments *arguments)
{
    return version_wish(arguments, "load", "not loaded", "loaded");
}

int models_unload_command(const struct arguments *arguments)
{
    return version_wish(arguments, "unload", "not unloaded", "unloaded");
}

int models_reload_command(const struct arguments *arguments)
{
    return version_wish(arguments, "reload-model", "not reloaded", "reloaded");
}
