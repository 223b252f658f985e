/* flight_entry: for suites that have a whole entry, and add it as it is. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TEST_FLIGHT_ENTRY_H
#define OUTRIGGER_TEST_FLIGHT_ENTRY_H

#include "flight.h"

static inline void add_entry(struct flight *flight, const struct flight_entry *entry)
{
    flight_add(flight, entry,
               &(struct flight_texts){.id = text_of(entry->id),
                                      .call = text_of(entry->call),
                                      .kind = text_of(entry->kind),
                                      .model = text_of(entry->model),
                                      .version = text_of(entry->version)});
}

#endif
