/* route: what a route is, in memory and as JSON; route_read.c takes it apart from what somebody wrote.
 * SPDX-License-Identifier: MIT */
#include "route.h"

#include <stdlib.h>

enum { ROUTE_MAGIC = 0x0207e001 };

/* ---- making ---- */

struct route *route_new(void)
{
    struct route *route = object_alloc(sizeof *route);
    route->magic = ROUTE_MAGIC;
    route->by_header = object_strdup("");
    route->force_header = object_strdup("");
    return route;
}

void route_free(struct route *route)
{
    if (route == NULL)
        return;
    CHECK_OBJECT(route, ROUTE_MAGIC);
    for (size_t i = 0; i < route->arm_count; i++)
        free(route->arms[i].version);
    for (size_t i = 0; i < route->rule_count; i++) {
        free(route->rules[i].header);
        free(route->rules[i].value);
        free(route->rules[i].version);
    }
    free(route->arms);
    free(route->rules);
    free(route->force_from);
    free(route->by_header);
    free(route->force_header);
    free(route->shadow.version);
    route->magic = 0;
    free(route);
}

struct route *route_copy(const struct route *route)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    struct route *copy = object_alloc(sizeof *copy);
    *copy = *route;
    copy->by_header = object_strdup(route->by_header);
    copy->force_header = object_strdup(route->force_header);
    copy->shadow.version = route->shadow.version == NULL ? NULL : object_strdup(route->shadow.version);
    copy->arms = object_alloc(route->arm_count * sizeof *copy->arms);
    for (size_t i = 0; i < route->arm_count; i++)
        copy->arms[i] = (struct route_arm){object_strdup(route->arms[i].version), route->arms[i].weight};
    copy->rules = object_alloc(route->rule_count * sizeof *copy->rules);
    for (size_t i = 0; i < route->rule_count; i++)
        copy->rules[i] =
            (struct route_rule){object_strdup(route->rules[i].header), object_strdup(route->rules[i].value),
                                object_strdup(route->rules[i].version)};
    copy->force_from = object_alloc(route->network_count * sizeof *copy->force_from);
    for (size_t i = 0; i < route->network_count; i++)
        copy->force_from[i] = route->force_from[i];
    return copy;
}

/* ---- asking ---- */

static char *json_of(const struct route *route, size_t *length)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    route_to_json(route, document, object);
    char *text = yyjson_mut_write(document, YYJSON_WRITE_NOFLAG, length);
    yyjson_mut_doc_free(document);
    ENSURE(text != NULL); /* all texts in it are ASCII */
    return text;
}

bool route_equals(const struct route *left, const struct route *right)
{
    char *of_left = json_of(left, NULL), *of_right = json_of(right, NULL);
    bool equal = strcmp(of_left, of_right) == 0;
    free(of_left);
    free(of_right);
    return equal;
}

bool route_is_empty(const struct route *route)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    return route->arm_count == 0 && route->rule_count == 0 && route->force_header[0] == '\0' &&
           route->shadow.version == NULL;
}

static bool is_shadow(const struct route *route, const char *version)
{
    return route->shadow.version != NULL && strcmp(route->shadow.version, version) == 0;
}

static bool leads_to(const struct route *route, const char *version)
{
    bool leads = false;
    for (size_t i = 0; i < route->arm_count; i++)
        leads = leads || strcmp(route->arms[i].version, version) == 0;
    for (size_t i = 0; i < route->rule_count; i++)
        leads = leads || strcmp(route->rules[i].version, version) == 0;
    return leads;
}

bool route_names(const struct route *route, const char *version)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    return is_shadow(route, version) || leads_to(route, version);
}

bool route_only_shadows(const struct route *route, const char *version)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    return is_shadow(route, version) && !leads_to(route, version);
}

uint32_t route_weight(const struct route *route, const char *version)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    for (size_t i = 0; i < route->arm_count; i++)
        if (strcmp(route->arms[i].version, version) == 0)
            return route->arms[i].weight;
    return 0;
}

uint32_t route_rest(const struct route *route)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    uint32_t rest = ROUTE_WHOLE;
    for (size_t i = 0; i < route->arm_count; i++)
        rest -= route->arms[i].weight;
    return rest;
}

bool route_may_force(const struct route *route, const struct address *address)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    bool may = route->network_count == 0;
    for (size_t i = 0; address_known(address) && i < route->network_count && !may; i++)
        may = address_network_has(&route->force_from[i], address);
    return may;
}

/* ---- to JSON ---- */

static void add_percent(yyjson_mut_doc *document, yyjson_mut_val *object, uint32_t weight)
{
    if (weight % 100 == 0)
        yyjson_mut_obj_add_uint(document, object, "percent", weight / 100);
    else
        yyjson_mut_obj_add_real(document, object, "percent", weight / 100.0);
}

static void add_arm(yyjson_mut_doc *document, yyjson_mut_val *object, const struct route_arm *arm)
{
    yyjson_mut_obj_add_strcpy(document, object, "version", arm->version);
    add_percent(document, object, arm->weight);
}

char *route_by_text(const struct route *route, char text[ROUTE_BY_MAX])
{
    static const char *const names[] = {[ROUTE_BY_RANDOM] = "random",
                                        [ROUTE_BY_KEY] = "key",
                                        [ROUTE_BY_API_KEY] = "api_key",
                                        [ROUTE_BY_ADDRESS] = "address",
                                        [ROUTE_BY_HEADER] = "header:"};
    snprintf(text, ROUTE_BY_MAX, "%s%s", names[route->by], route->by_header);
    return text;
}

void route_to_json(const struct route *route, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    CHECK_OBJECT(route, ROUTE_MAGIC);
    char by[ROUTE_BY_MAX], text[ADDRESS_NETWORK_MAX];
    yyjson_mut_val *arms = yyjson_mut_obj_add_arr(document, object, "arms");
    for (size_t i = 0; i < route->arm_count; i++)
        add_arm(document, yyjson_mut_arr_add_obj(document, arms), &route->arms[i]);
    yyjson_mut_obj_add_strcpy(document, object, "by", route_by_text(route, by));
    yyjson_mut_val *rules = yyjson_mut_obj_add_arr(document, object, "rules");
    for (size_t i = 0; i < route->rule_count; i++) {
        yyjson_mut_val *rule = yyjson_mut_arr_add_obj(document, rules);
        yyjson_mut_obj_add_strcpy(document, rule, "header", route->rules[i].header);
        yyjson_mut_obj_add_strcpy(document, rule, "value", route->rules[i].value);
        yyjson_mut_obj_add_strcpy(document, rule, "version", route->rules[i].version);
    }
    yyjson_mut_obj_add_strcpy(document, object, "force_header", route->force_header);
    yyjson_mut_val *networks = yyjson_mut_obj_add_arr(document, object, "force_from");
    for (size_t i = 0; i < route->network_count; i++)
        yyjson_mut_arr_add_strcpy(document, networks, address_network_text(&route->force_from[i], text));
    if (route->shadow.version != NULL)
        add_arm(document, yyjson_mut_obj_add_obj(document, object, "shadow"), &route->shadow);
}

char *route_text(const struct route *route, size_t *length)
{
    *length = 0;
    return route_is_empty(route) ? object_strdup("") : json_of(route, length);
}

/* ---- the template ---- */

void route_print_template(FILE *out)
{
    fputs(
        "\n"
        "# which version takes a request (outrigger route MODEL changes it live, and is kept)\n"
        "route =\n"
        "{\n"
        "    # canary or A/B: versions that take a part of the requests; the stable version takes the rest,\n"
        "    # as ( { version = \"3\"; percent = 5.0; } ) (0 to 100, at most two decimals)\n"
        "    arms = ( );\n"
        "\n"
        "    # what decides who gets which: random (each request is on its own), key (the request's `key`),\n"
        "    # api_key, address (the client's) or header:NAME; the same one always gets the same version\n"
        "    by = \"random\";\n"
        "\n"
        "    # a version for requests with a header of that value, before the shares; the first that fits,\n"
        "    # as ( { header = \"X-Segment\"; value = \"beta\"; version = \"3\"; } )\n"
        "    rules = ( );\n"
        "\n"
        "    # the header by which clients may name the version themselves, as \"X-Model-Version\"; empty: "
        "none\n"
        "    force_header = \"\";\n"
        "\n"
        "    # the addresses and networks whose clients may, as ( \"127.0.0.1\", \"10.0.0.0/8\", \"::1\" );\n"
        "    # empty: all; the header of others is passed over\n"
        "    force_from = ( );\n"
        "\n"
        "    # a version that gets copies of so many percent of the requests, beside the clients' path, and "
        "is\n"
        "    # compared with what was answered; version empty: none\n"
        "    shadow = { version = \"\"; percent = 100.0; };\n"
        "};\n",
        out);
}
