/* inspector: looks into the broker after its turns. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_INSPECTOR_H
#define OUTRIGGER_INSPECTOR_H

#include "broker.h"

/* After each turn: what is cheap to see. */
void inspector_glance(struct broker *broker);
/* Every request in its place, every sum right. */
void inspector_look(struct broker *broker);
/* True when the broker holds nothing at all. */
bool inspector_idle(struct broker *broker);
/* Prints to stderr what it holds, and each worker that it knows. */
void inspector_describe(struct broker *broker);
/* The counters of this broker's life against what passed through its doors. */
void inspector_add_up(struct broker *broker);

#endif
