/* fuzz_route: any JSON as a route. What is accepted keeps what route.h promises, and is written and read
 * again without a loss; what is refused is told. SPDX-License-Identifier: MIT */
#include "protocol.h"
#include "route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_good(const struct route *route)
{
    uint32_t sum = route_rest(route);
    ENSURE(route->arm_count <= ROUTE_ARMS_MAX && route->rule_count <= ROUTE_RULES_MAX);
    for (size_t i = 0; i < route->arm_count; i++) {
        ENSURE(protocol_name_ok(text_of(route->arms[i].version)));
        ENSURE(route_names(route, route->arms[i].version));
        ENSURE(route_weight(route, route->arms[i].version) == route->arms[i].weight);
        sum += route->arms[i].weight;
    }
    ENSURE(sum == ROUTE_WHOLE);
    for (size_t i = 0; i < route->rule_count; i++)
        ENSURE(*route->rules[i].header != '\0' && *route->rules[i].value != '\0' &&
               protocol_name_ok(text_of(route->rules[i].version)));
    for (size_t i = 0; i < route->network_count; i++)
        ENSURE(route->force_from[i].prefix <= 128);
    ENSURE(route->network_count == 0 || !route_may_force(route, &(struct address){0}));
    ENSURE((route->by == ROUTE_BY_HEADER) == (*route->by_header != '\0'));
    ENSURE(route->shadow.version != NULL || route->shadow.weight == 0);
}

static void expect_the_same_again(const struct route *route)
{
    char reason[256];
    yyjson_mut_doc *written = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(written);
    yyjson_mut_doc_set_root(written, object);
    route_to_json(route, written, object);
    char *text = yyjson_mut_write(written, YYJSON_WRITE_NOFLAG, NULL);
    ENSURE(text != NULL);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    struct route *again = route_from_json(yyjson_doc_get_root(document), reason, sizeof reason);
    struct route *copy = route_copy(route);
    ENSURE(again != NULL && route_equals(again, route) && route_equals(copy, route));
    route_free(copy);
    route_free(again);
    yyjson_doc_free(document);
    free(text);
    yyjson_mut_doc_free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    yyjson_doc *document = yyjson_read((const char *)bytes, length, YYJSON_READ_ALLOW_INVALID_UNICODE);
    if (document == NULL)
        return 0;
    char reason[256] = "";
    struct route *route = route_from_json(yyjson_doc_get_root(document), reason, sizeof reason);
    ENSURE((route == NULL) == (reason[0] != '\0'));
    if (route != NULL) {
        expect_good(route);
        expect_the_same_again(route);
    }
    route_free(route);
    yyjson_doc_free(document);
    return 0;
}
