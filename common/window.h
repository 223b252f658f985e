/* window: how many requests of an asker may be open at a time, and whose. Pure. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_WINDOW_H
#define OUTRIGGER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window;

/* For so many at a time. Never NULL. */
struct window *window_new(size_t most);
/* What is open is not looked at. NULL: nothing. */
void window_free(struct window *window);

/* A request of that tenant begins. Not refused: who asks looks at window_full before. */
void window_enter(struct window *window, uint64_t tenant);
/* One of that tenant ends. */
void window_leave(struct window *window, uint64_t tenant);

size_t window_open(const struct window *window);
/* True when there is no place for anybody. */
bool window_overwhelmed(const struct window *window);
/* True when all are taken, and this tenant may not have one of the places, a quarter more, that are kept for
 * tenants with less than their share of them. */
bool window_full(const struct window *window, uint64_t tenant);

#endif
