/* route_command: `outrigger route`: shows the route of a model, or says another. A route is said as a whole,
 * by options or as JSON: what is not said is at its default. SPDX-License-Identifier: MIT */
#include "follow.h"
#include "say.h"
#include "shadowed.h"

#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 60000, NAME_BYTES = 512 };

/* ---- a route from options ---- */

/* "3=5": a version and its percentage. False after a complaint. */
static bool read_arm(const struct arguments *arguments, const char *option, const char *text,
                     yyjson_mut_doc *document, yyjson_mut_val *arm)
{
    char version[NAME_BYTES];
    const char *equals = strrchr(text, '=');
    double fraction;
    if (equals == NULL || equals == text || !value_percent(equals + 1, false, &fraction)) {
        say_usage(arguments, "%s: expected VERSION=PERCENT, as 3=5, got %s", option, text);
        return false;
    }
    text_copy((struct text){text, (size_t)(equals - text)}, version, sizeof version);
    yyjson_mut_obj_add_strcpy(document, arm, "version", version);
    yyjson_mut_obj_add_real(document, arm, "percent", fraction * 100);
    return true;
}

/* "X-Segment=beta:3". */
static bool read_rule(const struct arguments *arguments, const char *text, yyjson_mut_doc *document,
                      yyjson_mut_val *rule)
{
    char header[NAME_BYTES], value[NAME_BYTES];
    const char *equals = strchr(text, '=');
    const char *colon = strrchr(text, ':');
    if (equals == NULL || equals == text || colon == NULL || colon < equals || colon[1] == '\0') {
        say_usage(arguments, "--rule: expected HEADER=VALUE:VERSION, as X-Segment=beta:3, got %s", text);
        return false;
    }
    text_copy((struct text){text, (size_t)(equals - text)}, header, sizeof header);
    text_copy((struct text){equals + 1, (size_t)(colon - equals - 1)}, value, sizeof value);
    yyjson_mut_obj_add_strcpy(document, rule, "header", header);
    yyjson_mut_obj_add_strcpy(document, rule, "value", value);
    yyjson_mut_obj_add_strcpy(document, rule, "version", colon + 1);
    return true;
}

static bool add_lists(const struct arguments *arguments, yyjson_mut_doc *document, yyjson_mut_val *route)
{
    const char *text;
    yyjson_mut_val *arms = yyjson_mut_obj_add_arr(document, route, "arms");
    yyjson_mut_val *rules = yyjson_mut_obj_add_arr(document, route, "rules");
    yyjson_mut_val *from = yyjson_mut_obj_add_arr(document, route, "force_from");
    for (size_t i = 0; (text = arguments_text_at(arguments, OPTION_CANARY, i)) != NULL; i++)
        if (!read_arm(arguments, "--canary", text, document, yyjson_mut_arr_add_obj(document, arms)))
            return false;
    for (size_t i = 0; (text = arguments_text_at(arguments, OPTION_RULE, i)) != NULL; i++)
        if (!read_rule(arguments, text, document, yyjson_mut_arr_add_obj(document, rules)))
            return false;
    for (size_t i = 0; (text = arguments_text_at(arguments, OPTION_FORCE_FROM, i)) != NULL; i++)
        yyjson_mut_arr_add_str(document, from, text);
    return true;
}

/* Adds the route that the options say. False after a complaint. */
static bool add_said(const struct arguments *arguments, yyjson_mut_doc *document, yyjson_mut_val *root)
{
    yyjson_mut_val *route = yyjson_mut_obj_add_obj(document, root, "route");
    const char *by = arguments_text(arguments, OPTION_BY);
    const char *header = arguments_text(arguments, OPTION_FORCE_HEADER);
    const char *shadow = arguments_text(arguments, OPTION_SHADOW);
    if (by != NULL)
        yyjson_mut_obj_add_str(document, route, "by", by);
    if (header != NULL)
        yyjson_mut_obj_add_str(document, route, "force_header", header);
    if (!add_lists(arguments, document, route))
        return false;
    return shadow == NULL || read_arm(arguments, "--shadow", shadow, document,
                                      yyjson_mut_obj_add_obj(document, route, "shadow"));
}

/* Adds the route that stands there as JSON. */
static bool add_json(const struct arguments *arguments, const char *text, yyjson_mut_doc *document,
                     yyjson_mut_val *root)
{
    yyjson_doc *read = yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG);
    if (read != NULL)
        yyjson_mut_obj_add_val(document, root, "route",
                               yyjson_val_mut_copy(document, yyjson_doc_get_root(read)));
    else
        say_usage(arguments,
                  "expected a route as JSON, as {\"arms\":[{\"version\":\"3\",\"percent\":5}]}, got %s",
                  text);
    yyjson_doc_free(read);
    return read != NULL;
}

/* ---- the command ---- */

static bool says_anything(const struct arguments *arguments)
{
    static const enum option_id ids[] = {OPTION_CANARY, OPTION_BY,           OPTION_RULE,
                                         OPTION_SHADOW, OPTION_FORCE_HEADER, OPTION_FORCE_FROM};
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        if (arguments_has(arguments, ids[i]))
            return true;
    return false;
}

static int print_route(const struct arguments *arguments, const struct config *config, yyjson_doc *answer)
{
    yyjson_val *root = yyjson_doc_get_root(answer);
    if (arguments->json)
        return say_answer(answer);
    char *route = yyjson_val_write(yyjson_obj_get(root, "route"), YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
    const char *stable = yyjson_get_str(yyjson_obj_get(root, "stable"));
    const char *from = yyjson_get_str(yyjson_obj_get(root, "from"));
    printf("stable: %s\nroute, from %s: %s\n", stable == NULL || *stable == '\0' ? "none" : stable,
           from == NULL || strcmp(from, "operator") != 0 ? "model.conf" : "outrigger route",
           route == NULL ? "?" : route);
    free(route);
    shadowed_print(config, arguments->operands[0], yyjson_obj_get(root, "route"), "");
    return CTL_GOOD;
}

/* Adds to the question what shall hold. False after a complaint. */
static bool add_route(const struct arguments *arguments, const char *verb, yyjson_mut_doc *question)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(question);
    const char *json = arguments->operands[2];
    bool said = says_anything(arguments);
    if (strcmp(verb, "set") == 0 && json == NULL && !said) {
        say_usage(arguments,
                  "set what? a route as JSON, or --canary, --by, --rule, --shadow, --force-header");
        return false;
    }
    if ((strcmp(verb, "set") != 0 && json != NULL) || (json != NULL && said) ||
        (strcmp(verb, "set") != 0 && said)) {
        say_usage(arguments, "a route is said once, behind set: as JSON or by options");
        return false;
    }
    if (strcmp(verb, "reset") == 0)
        yyjson_mut_obj_add_null(question, root, "route");
    else if (json != NULL)
        return add_json(arguments, json, question, root);
    else if (said)
        return add_said(arguments, question, root);
    return true;
}

static int run(const struct arguments *arguments, const struct config *config, const char *verb)
{
    yyjson_mut_doc *question = ask_new("route");
    ask_add_text(question, "model", arguments->operands[0]);
    if (!add_route(arguments, verb, question)) {
        yyjson_mut_doc_free(question);
        return CTL_USAGE;
    }
    int status;
    yyjson_doc *answer =
        ask_supervisor(arguments, config, question, ANSWER_TIMEOUT_MS, "the route stays as it was", &status);
    if (answer != NULL && strcmp(verb, "show") == 0)
        status = print_route(arguments, config, answer);
    else if (answer != NULL)
        status = follow(arguments, config, answer, "it holds");
    yyjson_doc_free(answer);
    return status;
}

int route_command(const struct arguments *arguments)
{
    const char *verb = arguments->operands[1];
    if (verb == NULL)
        verb = says_anything(arguments) ? "set" : "show";
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int status = run(arguments, config, verb);
    config_free(config);
    return status;
}
