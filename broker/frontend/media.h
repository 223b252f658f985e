/* media: what the body of a request is, by its Content-Type. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MEDIA_H
#define OUTRIGGER_MEDIA_H

#include "csv_rows.h"

enum media_type {
    MEDIA_OTHER,
    MEDIA_JSON, /* application/json, something+json, or nothing said */
    MEDIA_CSV,  /* text/csv */
    MEDIA_FORM  /* application/x-www-form-urlencoded */
};

/* `header` is set for MEDIA_CSV. Parameters other than that are passed over. */
enum media_type media_type(struct text content_type, enum csv_header *header);

#endif
