/* hosts: all machines of a world, and the balancer before them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HOSTS_H
#define OUTRIGGER_HOSTS_H

#include "host.h"

struct hosts;

/* Everything starts. `directory` is an empty folder. The scenario and the ledger outlive them. */
struct hosts *hosts_new(const struct scenario *scenario, struct ledger *ledger, const char *directory);
void hosts_free(struct hosts *hosts);

/* One turn of the world, and what is to be seen after it. */
void hosts_step(struct hosts *hosts);
/* Nothing goes wrong any more. */
void hosts_calm(struct hosts *hosts);
/* True when every broker lives and holds nothing, every worker has registered with one, and every asker
 * knows. */
bool hosts_settled(const struct hosts *hosts);
/* Holds the books of every broker against its counters. */
void hosts_add_up(const struct hosts *hosts);
/* Prints to stderr what each broker holds. */
void hosts_describe(const struct hosts *hosts);

uint64_t hosts_mishaps(const struct hosts *hosts, enum mishap mishap);
uint64_t hosts_deaths(const struct hosts *hosts);
/* Prints how many there are, how many were lost, and how many requests the balancer has asked again; nothing
 * of one host. */
void hosts_print(const struct hosts *hosts);

#endif
