/* flight_view: what the flight recorders of all frontends hold (common/flight.h).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FLIGHT_VIEW_H
#define OUTRIGGER_FLIGHT_VIEW_H

#include "config.h"
#include "flight.h"

struct flight_view;

/* Which entries are wanted. */
struct flight_filter {
    const char *model;  /* NULL: any */
    const char *status; /* "503" or "5xx"; NULL: any */
    uint64_t slow_us;   /* that took at least so long */
    size_t last;        /* the newest of them; 0: all */
    bool with_payload;  /* whose tensors were kept */
    bool unseen;        /* that no call before has given */
};

/* One entry. */
struct flight_found {
    const char *process; /* whose it is: "frontend.1"; the view's */
    size_t file;         /* for flight_view_payload */
    struct flight_entry entry;
};

/* NULL with errno when the folder of the recorders cannot be read. */
struct flight_view *flight_view_new(const struct config *config);
void flight_view_free(struct flight_view *view); /* NULL is fine */
/* Reads what is there now: the entries that are wanted, the oldest first, which the caller frees. */
struct flight_found *flight_view_read(struct flight_view *view, const struct flight_filter *filter,
                                      size_t *count);
/* The tensors of one, which the caller frees; NULL: written over, or not kept. */
uint8_t *flight_view_payload(const struct flight_view *view, const struct flight_found *found);

/* True for three digits, or one and "xx". */
bool flight_status_ok(const char *status);

#endif
