/* last_words: what a child writes to stderr, passed on and its end kept. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LAST_WORDS_H
#define OUTRIGGER_LAST_WORDS_H

#include "loop.h"
#include "object.h"

struct last_words;

/* Passes whole lines on to `out_fd` (our stderr). Never NULL. */
struct last_words *last_words_new(struct loop *loop, int out_fd);
void last_words_free(struct last_words *words);

/* Starts with a new child: returns the descriptor that becomes its stderr, which the caller closes once the
 * child has it; -1 with errno. What an earlier child said is forgotten. */
int last_words_open(struct last_words *words);
/* The same with a pipe that a child has already; -1: there is none to read. Takes the descriptor. */
void last_words_adopt(struct last_words *words, int fd);
/* The child ended: takes in what still lies in the pipe and closes it. */
void last_words_close(struct last_words *words);

/* The last line that is not empty, into `buffer`; of a line of our own log, its message. Empty when nothing
 * was said. */
void last_words_line(const struct last_words *words, char *buffer, size_t capacity);
/* As many of the last lines that are not empty as `lines` says and as fit, oldest first, each ended by a
 * newline but the last. */
void last_words_lines(const struct last_words *words, int lines, char *buffer, size_t capacity);

#endif
