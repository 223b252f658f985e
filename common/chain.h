/* chain: lines of which each names the digest of the line before, so that nobody changes, takes out, moves or
 * cuts off one without its being found. Pure: no files, no clock.
 *
 * A line is {"seq":N,"prev":"D",...} and ends with a newline. N counts from 1 without a gap; D is the SHA-256
 * of the line before, without its newline, as 64 hexadecimal digits (of the first line: 64 zeros).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHAIN_H
#define OUTRIGGER_CHAIN_H

#include "object.h"

enum {
    CHAIN_DIGEST = 32,
    CHAIN_HEX = 2 * CHAIN_DIGEST,
    CHAIN_HEAD_MAX = 112,     /* bytes of what chain_next writes */
    CHAIN_LINE_MAX = 1 << 20, /* bytes of a line; no writer of ours makes a longer one */
    CHAIN_GAPS_MAX = 256      /* of one chain; what is missing beyond them is told without its being sought */
};

/* Where a chain has got to: its last line. Zeroed: it has none yet. */
struct chain_point {
    uint64_t seq;
    uint8_t digest[CHAIN_DIGEST];
};

void chain_hex(const uint8_t digest[CHAIN_DIGEST], char hex[CHAIN_HEX + 1]);
/* False when these are no 64 lower-case hexadecimal digits. */
bool chain_unhex(struct text hex, uint8_t digest[CHAIN_DIGEST]);
bool chain_equal(const struct chain_point *left, const struct chain_point *right);

/* What makes digests; keeps OpenSSL's context, whose making costs more than the digest of a line. For one
 * thread. */
struct chain_hash;
struct chain_hash *chain_hash_new(void);
void chain_hash_free(struct chain_hash *hash);
void chain_digest(struct chain_hash *hash, struct text bytes, uint8_t digest[CHAIN_DIGEST]);

/* Writes the head of the line behind `point`, {"seq":N,"prev":"D", and returns its length. */
size_t chain_next(const struct chain_point *point, char head[CHAIN_HEAD_MAX]);
/* The point moves on to a line (without its newline) that was made so. */
void chain_move(struct chain_hash *hash, struct chain_point *point, struct text line);
/* Reads the head of any line: false when it has none. `seq` and the digest it names are then set. */
bool chain_read(struct text line, uint64_t *seq, uint8_t previous[CHAIN_DIGEST]);

/* ---- looking whether a chain is whole ---- */

/* What is told of a line. `place` is the caller's own number of it, as given to chain_look. */
enum chain_fault {
    CHAIN_CHANGED,  /* not what it was when the line behind it (or the head) was written */
    CHAIN_FOREIGN,  /* no line of a chain at all */
    CHAIN_MISSING,  /* lines first..last before this one are not there */
    CHAIN_MOVED,    /* its place is elsewhere */
    CHAIN_REPEATED, /* it stood before already */
    CHAIN_CUT_OFF   /* lines first..last behind this one are not there */
};
const char *chain_fault_name(enum chain_fault fault);

typedef void chain_tell(void *self, enum chain_fault fault, uint64_t place, uint64_t first, uint64_t last);

/* One look at one chain, line by line, in the order of its files. */
struct chain_look;
struct chain_look *chain_look_new(void);
void chain_look_free(struct chain_look *look);
/* The next line, without its newline. */
void chain_look_at(struct chain_look *look, struct text line, uint64_t place);
/* A line says that those up to the point were taken away on purpose. */
void chain_look_removed(struct chain_look *look, const struct chain_point *point);
/* The end: `head` is where the writer says that it has got to; NULL: it is not known. Tells all faults in the
 * order of their places. Returns how many; *removed = the last line that was taken away on purpose (0:
 * none). */
size_t chain_look_end(struct chain_look *look, const struct chain_point *head, uint64_t *removed,
                      chain_tell *tell, void *self);
/* Lines seen, and the last one of the chain among them. */
uint64_t chain_look_lines(const struct chain_look *look);
struct chain_point chain_look_point(const struct chain_look *look);

#endif
