/* fetch_hand: the process beside a frontend that asks the issuer of tokens. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FETCH_HAND_H
#define OUTRIGGER_FETCH_HAND_H

#include "config.h"

/* Who is asked: the addresses that the configuration has. */
enum fetch_place { FETCH_JWKS, FETCH_INTROSPECTION, FETCH_PLACES };

/* Starts the process, if the configuration names anybody to ask. To be called before there are threads and
 * before the sandbox; `name` is the frontend's. Returns the socket to it, for fetcher_new, which closes it;
 * that ends the process. -1: nobody is to be asked. Ends this process after a complaint when there can be no
 * other. */
int fetch_hand_start(const struct config *config, const char *name);

/* ---- what goes over the socket: one message for a question, one or more for its answer; for fetch*.c alone
 * ---- */

enum { FETCH_TEXTS_MAX = 65536, FETCH_PIECE_MAX = 32768 };

/* Followed by the texts, one after the other. */
struct fetch_question {
    uint64_t id;
    enum fetch_place place;
    bool posts, authenticates;
    uint32_t form_bytes, user_bytes, password_bytes;
    int64_t timeout_ms;
    size_t max_bytes;
};

enum fetch_step { FETCH_GOES_ON, FETCH_DONE, FETCH_FAILED };

/* Followed by a piece of the body, by nothing, or by the complaint: by its step. */
struct fetch_piece {
    uint64_t id;
    enum fetch_step step;
    int status; /* FETCH_DONE */
};

#endif
