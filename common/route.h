/* route: which versions of a model take its requests, as data: what model.conf's group `route` says, or what
 * the operator said since (deployments.json), and what the broker tells the frontends.
 *
 * The stable version is not in it: it takes what nothing else takes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROUTE_H
#define OUTRIGGER_ROUTE_H

#include "address.h"
#include "object.h"

#include <stdio.h>
#include <yyjson.h>

enum {
    ROUTE_WHOLE = 10000, /* weights are parts of it: 1 is a hundredth of a percent */
    ROUTE_ARMS_MAX = 16,
    ROUTE_RULES_MAX = 64,
    ROUTE_NETWORKS_MAX = 64,
    ROUTE_HEADER_MAX = 64, /* bytes of a header's name */
    ROUTE_VALUE_MAX = 256, /* bytes of a header's value in a rule */
    ROUTE_BY_MAX = 80      /* bytes of "header:NAME" with its terminator */
};

/* What is hashed, so that the same one always gets the same version. */
enum route_by {
    ROUTE_BY_RANDOM, /* nothing: each request is on its own */
    ROUTE_BY_KEY,    /* the `key` of the request's body */
    ROUTE_BY_API_KEY,
    ROUTE_BY_ADDRESS, /* the client's */
    ROUTE_BY_HEADER
};

/* A version and its part of ROUTE_WHOLE. */
struct route_arm {
    char *version;
    uint32_t weight;
};

struct route_rule {
    char *header; /* as it is written; compared without case */
    char *value;
    char *version;
};

struct route {
    unsigned magic;
    struct route_arm *arms; /* no version twice; together at most ROUTE_WHOLE: stable gets the rest */
    size_t arm_count;
    enum route_by by;
    char *by_header; /* "" unless ROUTE_BY_HEADER */
    struct route_rule *rules;
    size_t rule_count;
    char *force_header;                 /* "": nobody may choose a version by header */
    struct address_network *force_from; /* who may; none: all */
    size_t network_count;
    struct route_arm shadow; /* gets copies of so many requests; its version is NULL when there is none */
};

/* A route that says nothing: everything to the stable version. The caller frees it. */
struct route *route_new(void);
void route_free(struct route *route); /* NULL is fine */
struct route *route_copy(const struct route *route);
bool route_equals(const struct route *left, const struct route *right);
/* True when it says nothing: no arms, no rules, no header that forces, no shadow. */
bool route_is_empty(const struct route *route);

/* True when an arm, a rule or the shadow is that version. */
bool route_names(const struct route *route, const char *version);
/* True when the shadow is that version, and no arm and no rule. */
bool route_only_shadows(const struct route *route, const char *version);
/* The weight of that version's arm; 0 when it is none. */
uint32_t route_weight(const struct route *route, const char *version);
/* What stable gets when it is no arm itself: the rest of ROUTE_WHOLE. */
uint32_t route_rest(const struct route *route);
/* "random", "key", "api_key", "address" or "header:NAME". Returns `text`. */
char *route_by_text(const struct route *route, char text[ROUTE_BY_MAX]);
/* True when a client of that address (one that is not known is in no network) may choose a version by
 * force_header. */
bool route_may_force(const struct route *route, const struct address *address);

/* One fault: the field (as arms[0].percent; "" for the whole) and what is wrong with it. */
typedef void route_fault(void *self, const char *field, const char *complaint);

/* Reads the JSON form and tells every fault. NULL when there is any; else the caller frees the route. Null
 * and absent fields have their defaults; an unknown field is a fault. */
struct route *route_read(yyjson_val *value, route_fault *fault, void *self);
/* The same with the first fault alone as `reason`: "arms[0].percent: expected ...", cut to `capacity`. */
struct route *route_from_json(yyjson_val *value, char *reason, size_t capacity);
/* The same from another process, as text: fields that this one does not know are passed over. */
struct route *route_from_peer(struct text text, char *reason, size_t capacity);
/* Adds every field to `object`; texts are copied. The same route always gives the same text. */
void route_to_json(const struct route *route, yyjson_mut_doc *document, yyjson_mut_val *object);
/* The JSON form as one line, which the caller frees; empty ("", *length 0) for a route that says nothing. */
char *route_text(const struct route *route, size_t *length);

/* Prints the group as it stands in a commented model.conf, with every field at its default. */
void route_print_template(FILE *out);

#endif
