/* scan: is a whole FastCGI request there, and is it one that we let libfcgi read? Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCAN_H
#define OUTRIGGER_SCAN_H

#include "object.h"

enum scan_result {
    SCAN_PARTIAL,   /* so far so good, more must come */
    SCAN_COMPLETE,  /* all of one request, and nothing behind it */
    SCAN_TOO_LARGE, /* complete, but its body is over the limit: answer 413 */
    SCAN_REFUSED    /* not what a web server sends: close the connection */
};

struct scan_limits {
    size_t max_params; /* bytes of all parameters */
    size_t max_body;   /* bytes of stdin */
};

/* Follows the records of one request (FastCGI specification 1.0, sections 3.3 and 5). Zeroed = at its
 * beginning. */
struct scan {
    int stage; /* scan.c's */
    uint16_t request_id;
    uint8_t header[8];    /* of the record that is being read */
    size_t header_length; /* bytes of it that came */
    size_t content_left;  /* bytes of the record that are still to come, */
    size_t padding_left;  /* and of its padding */
    uint8_t lengths[8];   /* of the parameter that begins: its name's and its value's */
    size_t lengths_count; /* bytes of them that came */
    size_t pair_left;     /* bytes of its name and value that are still to come */
    size_t params;        /* bytes of parameters so far */
    size_t body;          /* bytes of stdin so far */
    size_t params_end;    /* offset behind the empty PARAMS record, 0 = not reached */
    size_t offset;        /* bytes seen so far */
};

/* Looks at the next bytes. After any result but SCAN_PARTIAL the scan must be zeroed. */
enum scan_result scan_feed(struct scan *scan, const struct scan_limits *limits, const uint8_t *bytes,
                           size_t length);

#endif
