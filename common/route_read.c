/* route_read: the JSON form of a route, field by field. Every fault is told with its field, what was expected
 * and what came, so that whoever wrote it mends all in one go; model.conf is read through here, too
 * (parameter_file.c brings its group into this form and finds the line of a field).
 * SPDX-License-Identifier: MIT */
#include "route.h"

#include "protocol.h"
#include "reading.h"

#include <math.h>
#include <stdlib.h>

/* ---- single values ---- */

static bool is_printable(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] < ' ' || text.at[i] > '~')
            return false;
    return true;
}

/* What FastCGI's HTTP_NAME can stand for without doubt. */
static bool is_header(struct text text)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    bool fits = text.length >= 1 && text.length <= ROUTE_HEADER_MAX;
    for (size_t i = 0; fits && i < text.length; i++)
        fits = memchr(good, text.at[i], sizeof good - 1) != NULL;
    return fits;
}

/* Empty and at NULL when it is no text. */
static struct text text_of_value(yyjson_val *value)
{
    return (struct text){yyjson_get_str(value), yyjson_is_str(value) ? yyjson_get_len(value) : 0};
}

static char *copy_of(struct text text)
{
    char *copy = object_alloc(text.length + 1);
    return text_copy(text, copy, text.length + 1);
}

static char *read_version(struct reading *reading, const char *parent, yyjson_val *object)
{
    char field[READING_FIELD_MAX];
    yyjson_val *value = yyjson_obj_get(object, "version");
    struct text text = text_of_value(value);
    if (protocol_name_ok(text))
        return copy_of(text);
    reading_expect(reading, reading_field(parent, "version", field),
                   "a version's name (1 to 128 of A-Z a-z 0-9 . _ -, no dot first)", value);
    return NULL;
}

static char *read_header(struct reading *reading, const char *field, yyjson_val *value)
{
    struct text text = text_of_value(value);
    if (is_header(text))
        return copy_of(text);
    reading_expect(reading, field, "a header's name (1 to 64 of A-Z a-z 0-9 -)", value);
    return NULL;
}

/* As parts of ROUTE_WHOLE. */
static uint32_t read_percent(struct reading *reading, const char *parent, yyjson_val *value,
                             uint32_t standard)
{
    char field[READING_FIELD_MAX];
    double percent = yyjson_is_num(value) ? yyjson_get_num(value) : -1;
    double weight = nearbyint(percent * (ROUTE_WHOLE / 100.0));
    if (value == NULL && standard > 0)
        return standard;
    if (percent >= 0 && percent <= 100 && fabs(percent * (ROUTE_WHOLE / 100.0) - weight) < 1e-6)
        return (uint32_t)weight;
    reading_expect(reading, reading_field(parent, "percent", field),
                   "a percentage from 0 to 100 with at most two decimals", value);
    return 0;
}

/* True when it is a list of at most `most`; an absent one is an empty one. */
static bool is_list(struct reading *reading, const char *field, yyjson_val *value, size_t most)
{
    if (value == NULL || yyjson_is_null(value))
        return false;
    if (!yyjson_is_arr(value))
        reading_expect(reading, field, "a list", value);
    else if (yyjson_arr_size(value) > most)
        reading_complain(reading, field, "expected at most %zu entries, got %zu", most,
                         yyjson_arr_size(value));
    return yyjson_is_arr(value) && yyjson_arr_size(value) <= most;
}

typedef void read_entry(struct reading *reading, const char *field, yyjson_val *value, struct route *route);

static void read_entries(struct reading *reading, const char *name, yyjson_val *list, read_entry *read,
                         struct route *route)
{
    size_t index, size;
    yyjson_val *value;
    yyjson_arr_foreach(list, index, size, value)
    {
        char field[READING_FIELD_MAX];
        snprintf(field, sizeof field, "%s[%zu]", name, index);
        read(reading, field, value, route);
    }
}

/* ---- arms ---- */

static void read_arm(struct reading *reading, const char *field, yyjson_val *value, struct route *route)
{
    static const char *const known[] = {"version", "percent"};
    if (!yyjson_is_obj(value)) {
        reading_expect(reading, field, "a version and its share, as { version = \"3\"; percent = 5.0; }",
                       value);
        return;
    }
    reading_check_keys(reading, field, value, known, COUNT_OF(known));
    char *version = read_version(reading, field, value);
    uint32_t weight = read_percent(reading, field, yyjson_obj_get(value, "percent"), 0);
    for (size_t i = 0; version != NULL && i < route->arm_count; i++)
        if (strcmp(route->arms[i].version, version) == 0)
            reading_complain(reading, field, "version \"%s\" stands there twice", version);
    if (version != NULL)
        route->arms[route->arm_count++] = (struct route_arm){version, weight};
}

static void read_arms(struct reading *reading, yyjson_val *list, struct route *route)
{
    if (!is_list(reading, "arms", list, ROUTE_ARMS_MAX))
        return;
    route->arms = object_alloc(yyjson_arr_size(list) * sizeof *route->arms);
    read_entries(reading, "arms", list, read_arm, route);
    uint64_t sum = 0;
    for (size_t i = 0; i < route->arm_count; i++)
        sum += route->arms[i].weight;
    if (sum > ROUTE_WHOLE)
        reading_complain(reading, "arms", "expected at most 100 percent together, got %.10g",
                         (double)sum / 100.0);
}

/* ---- by ---- */

static void read_by(struct reading *reading, yyjson_val *value, struct route *route)
{
    static const char *const words[] = {[ROUTE_BY_RANDOM] = "random",
                                        [ROUTE_BY_KEY] = "key",
                                        [ROUTE_BY_API_KEY] = "api_key",
                                        [ROUTE_BY_ADDRESS] = "address"};
    static const char header[] = "header:";
    struct text text = text_of_value(value);
    if (value == NULL || yyjson_is_null(value))
        return;
    for (size_t i = 0; text.at != NULL && i < COUNT_OF(words); i++)
        if (text_is(text, words[i])) {
            route->by = (enum route_by)i;
            return;
        }
    if (text.length > sizeof header - 1 && memcmp(text.at, header, sizeof header - 1) == 0) {
        text.at += sizeof header - 1;
        text.length -= sizeof header - 1;
        if (is_header(text)) {
            route->by = ROUTE_BY_HEADER;
            free(route->by_header);
            route->by_header = copy_of(text);
            return;
        }
    }
    reading_expect(reading, "by", "random, key, api_key, address or header:NAME", value);
}

/* ---- rules ---- */

static char *read_value(struct reading *reading, const char *parent, yyjson_val *rule)
{
    char field[READING_FIELD_MAX];
    yyjson_val *value = yyjson_obj_get(rule, "value");
    struct text text = text_of_value(value);
    if (text.length >= 1 && text.length <= ROUTE_VALUE_MAX && is_printable(text))
        return copy_of(text);
    reading_expect(reading, reading_field(parent, "value", field),
                   "a text of 1 to 256 printable ASCII characters", value);
    return NULL;
}

static void read_rule(struct reading *reading, const char *field, yyjson_val *value, struct route *route)
{
    static const char *const known[] = {"header", "value", "version"};
    char place[READING_FIELD_MAX];
    if (!yyjson_is_obj(value)) {
        reading_expect(reading, field,
                       "a rule, as { header = \"X-Segment\"; value = \"beta\"; version = \"3\"; }", value);
        return;
    }
    reading_check_keys(reading, field, value, known, COUNT_OF(known));
    reading_field(field, "header", place);
    route->rules[route->rule_count++] =
        (struct route_rule){.header = read_header(reading, place, yyjson_obj_get(value, "header")),
                            .value = read_value(reading, field, value),
                            .version = read_version(reading, field, value)};
}

static void read_rules(struct reading *reading, yyjson_val *list, struct route *route)
{
    if (!is_list(reading, "rules", list, ROUTE_RULES_MAX))
        return;
    route->rules = object_alloc(yyjson_arr_size(list) * sizeof *route->rules);
    read_entries(reading, "rules", list, read_rule, route);
}

/* ---- force ---- */

static void read_force_header(struct reading *reading, yyjson_val *value, struct route *route)
{
    if (value == NULL || yyjson_is_null(value) || yyjson_equals_str(value, ""))
        return;
    char *header = read_header(reading, "force_header", value);
    if (header == NULL)
        return;
    free(route->force_header);
    route->force_header = header;
}

static void read_networks(struct reading *reading, yyjson_val *list, struct route *route)
{
    if (!is_list(reading, "force_from", list, ROUTE_NETWORKS_MAX))
        return;
    route->force_from = object_alloc(yyjson_arr_size(list) * sizeof *route->force_from);
    size_t index, size;
    yyjson_val *value;
    yyjson_arr_foreach(list, index, size, value)
    {
        char field[READING_FIELD_MAX];
        if (address_network_read(text_of_value(value), &route->force_from[route->network_count])) {
            route->network_count++;
            continue;
        }
        snprintf(field, sizeof field, "force_from[%zu]", index);
        reading_expect(reading, field, "an address or a network, as 127.0.0.1, 10.0.0.0/8 or ::1", value);
    }
}

/* ---- shadow ---- */

static void read_shadow(struct reading *reading, yyjson_val *value, struct route *route)
{
    static const char *const known[] = {"version", "percent"};
    if (value == NULL || yyjson_is_null(value))
        return;
    if (!yyjson_is_obj(value)) {
        reading_expect(reading, "shadow", "a version and its share, as { version = \"4\"; percent = 100.0; }",
                       value);
        return;
    }
    reading_check_keys(reading, "shadow", value, known, COUNT_OF(known));
    route->shadow.weight = read_percent(reading, "shadow", yyjson_obj_get(value, "percent"), ROUTE_WHOLE);
    if (yyjson_equals_str(yyjson_obj_get(value, "version"), ""))
        route->shadow.weight = 0; /* none */
    else
        route->shadow.version = read_version(reading, "shadow", value);
}

/* ---- the doors ---- */

static struct route *read_route(struct reading *reading, yyjson_val *value)
{
    static const char *const known[] = {"arms", "by", "rules", "force_header", "force_from", "shadow"};
    struct route *route = route_new();
    if (!yyjson_is_obj(value))
        reading_expect(reading, "", "a section", value);
    reading_check_keys(reading, "", value, known, COUNT_OF(known));
    read_arms(reading, yyjson_obj_get(value, "arms"), route);
    read_by(reading, yyjson_obj_get(value, "by"), route);
    read_rules(reading, yyjson_obj_get(value, "rules"), route);
    read_force_header(reading, yyjson_obj_get(value, "force_header"), route);
    read_networks(reading, yyjson_obj_get(value, "force_from"), route);
    read_shadow(reading, yyjson_obj_get(value, "shadow"), route);
    if (reading->faults == 0)
        return route;
    route_free(route);
    return NULL;
}

struct route *route_read(yyjson_val *value, route_fault *fault, void *self)
{
    struct reading reading = {.fault = fault, .self = self};
    return read_route(&reading, value);
}

struct first_fault {
    char *reason;
    size_t capacity;
    bool told;
};

static void keep_first(void *self, const char *field, const char *complaint)
{
    struct first_fault *first = self;
    if (!first->told)
        snprintf(first->reason, first->capacity, "%s%s%s", field, *field == '\0' ? "" : ": ", complaint);
    first->told = true;
}

struct route *route_from_json(yyjson_val *value, char *reason, size_t capacity)
{
    struct first_fault first = {.reason = reason, .capacity = capacity};
    return route_read(value, keep_first, &first);
}

struct route *route_from_peer(struct text text, char *reason, size_t capacity)
{
    struct first_fault first = {.reason = reason, .capacity = capacity};
    struct reading reading = {.fault = keep_first, .self = &first, .lenient = true};
    yyjson_doc *document = yyjson_read(text.at, text.length, YYJSON_READ_NOFLAG);
    struct route *route = read_route(&reading, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return route;
}
