/* chain: digests in a row, and the look for a row that is broken.
 *
 * The look goes by the numbers first: a line whose number is ahead leaves a gap, one whose number is behind
 * fills one (it was moved) or none (it was repeated). Where the numbers fit, the digest decides, and the line
 * that has changed is the one before: its bytes are not those that the next line names. What is still a gap
 * in the end is missing. SPDX-License-Identifier: MIT */
#include "chain.h"

#include "hex.h"
#include "number.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { HASH_MAGIC = 0x0c4a1001, LOOK_MAGIC = 0x0c4a1002, FAULTS_MAX = 10000 };

struct chain_hash {
    unsigned magic;
    EVP_MD *sha256;
    EVP_MD_CTX *context;
};

/* ---- digests ---- */

void chain_hex(const uint8_t digest[CHAIN_DIGEST], char hex[CHAIN_HEX + 1])
{
    hex_write(hex, digest, CHAIN_DIGEST);
    hex[CHAIN_HEX] = '\0';
}

bool chain_unhex(struct text hex, uint8_t digest[CHAIN_DIGEST])
{
    return hex.length == CHAIN_HEX && hex_read(hex.at, digest, CHAIN_DIGEST);
}

bool chain_equal(const struct chain_point *left, const struct chain_point *right)
{
    return left->seq == right->seq && memcmp(left->digest, right->digest, CHAIN_DIGEST) == 0;
}

struct chain_hash *chain_hash_new(void)
{
    struct chain_hash *hash = object_alloc(sizeof *hash);
    hash->magic = HASH_MAGIC;
    hash->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hash->context = EVP_MD_CTX_new();
    ENSURE(hash->sha256 != NULL && hash->context != NULL &&
           EVP_DigestInit_ex2(hash->context, hash->sha256, NULL) ==
               1); /* later ones need not name it again */
    return hash;
}

void chain_hash_free(struct chain_hash *hash)
{
    if (hash == NULL)
        return;
    CHECK_OBJECT(hash, HASH_MAGIC);
    EVP_MD_CTX_free(hash->context);
    EVP_MD_free(hash->sha256);
    hash->magic = 0;
    free(hash);
}

void chain_digest(struct chain_hash *hash, struct text bytes, uint8_t digest[CHAIN_DIGEST])
{
    CHECK_OBJECT(hash, HASH_MAGIC);
    ENSURE(EVP_DigestInit_ex2(hash->context, NULL, NULL) == 1 &&
           EVP_DigestUpdate(hash->context, bytes.at, bytes.length) == 1 &&
           EVP_DigestFinal_ex(hash->context, digest, NULL) == 1);
}

/* ---- the head of a line ---- */

static const char before_seq[] = "{\"seq\":", before_prev[] = ",\"prev\":\"", behind_prev[] = "\",";

static size_t put(char *to, const char *text)
{
    size_t length = strlen(text);
    memcpy(to, text, length);
    return length;
}

size_t chain_next(const struct chain_point *point, char head[CHAIN_HEAD_MAX])
{
    char digits[NUMBER_TEXT_MAX];
    size_t length = put(head, before_seq), count = number_write_unsigned(point->seq + 1, digits);
    memcpy(head + length, digits, count);
    length += count;
    length += put(head + length, before_prev);
    chain_hex(point->digest, head + length); /* its terminator has room: behind_prev is longer */
    length += CHAIN_HEX;
    return length + put(head + length, behind_prev);
}

void chain_move(struct chain_hash *hash, struct chain_point *point, struct text line)
{
    point->seq++;
    chain_digest(hash, line, point->digest);
}

static bool skip(struct text *rest, const char *word)
{
    size_t length = strlen(word);
    if (rest->length < length || memcmp(rest->at, word, length) != 0)
        return false;
    *rest = (struct text){rest->at + length, rest->length - length};
    return true;
}

bool chain_read(struct text line, uint64_t *seq, uint8_t previous[CHAIN_DIGEST])
{
    uint64_t number = 0;
    if (!skip(&line, before_seq) || line.length == 0 || *line.at == '0')
        return false;
    for (; line.length > 0 && *line.at >= '0' && *line.at <= '9'; line.at++, line.length--) {
        if (number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*line.at - '0');
    }
    if (number == 0 || !skip(&line, before_prev) || line.length < CHAIN_HEX ||
        !chain_unhex((struct text){line.at, CHAIN_HEX}, previous))
        return false;
    line = (struct text){line.at + CHAIN_HEX, line.length - CHAIN_HEX};
    *seq = number;
    return skip(&line, behind_prev);
}

/* ---- the look ---- */

/* Lines first..last that have not come, before the line at `place`, which names `previous`. */
struct gap {
    uint64_t first, last, place;
};

struct found {
    enum chain_fault fault;
    uint64_t place, first, last;
};

struct chain_look {
    unsigned magic;
    struct chain_hash *hash;
    struct chain_point point; /* the line with the highest number so far */
    uint64_t point_place;
    bool point_sure;  /* its digest is known, not only what a line behind it says */
    uint64_t foreign; /* lines behind it that cannot be read */
    uint64_t lines;
    struct chain_point begin; /* what the first line stands behind */
    uint64_t begin_place;
    struct chain_point removed; /* what the lines say was taken away */
    bool begin_removed;         /* and that is what stood before the first */
    struct gap gaps[CHAIN_GAPS_MAX];
    size_t gap_count;
    struct found *found;
    size_t found_count;
};

const char *chain_fault_name(enum chain_fault fault)
{
    static const char *const names[] = {
        [CHAIN_CHANGED] = "changed", [CHAIN_FOREIGN] = "foreign",   [CHAIN_MISSING] = "missing",
        [CHAIN_MOVED] = "moved",     [CHAIN_REPEATED] = "repeated", [CHAIN_CUT_OFF] = "cut off"};
    return names[fault];
}

struct chain_look *chain_look_new(void)
{
    struct chain_look *look = object_alloc(sizeof *look);
    look->magic = LOOK_MAGIC;
    look->hash = chain_hash_new();
    look->found = object_alloc(FAULTS_MAX * sizeof *look->found);
    return look;
}

void chain_look_free(struct chain_look *look)
{
    if (look == NULL)
        return;
    CHECK_OBJECT(look, LOOK_MAGIC);
    chain_hash_free(look->hash);
    free(look->found);
    look->magic = 0;
    free(look);
}

static void find(struct chain_look *look, enum chain_fault fault, uint64_t place, uint64_t first,
                 uint64_t last)
{
    if (look->found_count < FAULTS_MAX)
        look->found[look->found_count++] = (struct found){fault, place, first, last};
}

static void open_gap(struct chain_look *look, uint64_t first, uint64_t last, uint64_t place)
{
    if (look->gap_count < CHAIN_GAPS_MAX)
        look->gaps[look->gap_count++] = (struct gap){first, last, place};
    else
        find(look, CHAIN_MISSING, place, first, last);
}

/* True when the number was missing: it is not any more. */
static bool fill_gap(struct chain_look *look, uint64_t seq)
{
    for (size_t i = 0; i < look->gap_count; i++) {
        struct gap *gap = &look->gaps[i];
        if (seq < gap->first || seq > gap->last)
            continue;
        if (seq > gap->first && seq < gap->last)
            open_gap(look, seq + 1, gap->last, gap->place);
        if (seq == gap->first && seq == gap->last)
            *gap = look->gaps[--look->gap_count];
        else if (seq == gap->first)
            gap->first = seq + 1;
        else
            gap->last = seq - 1;
        return true;
    }
    return false;
}

/* The first line of all: what stands before it was taken away, or is missing. */
static void begin(struct chain_look *look, uint64_t seq, const uint8_t previous[CHAIN_DIGEST], uint64_t place)
{
    look->begin.seq = seq - 1;
    memcpy(look->begin.digest, previous, CHAIN_DIGEST);
    look->begin_place = place;
    look->point = look->begin; /* nothing is known of it but what this line says */
    look->point_sure = false;
}

/* A line that cannot be read stands in the place of one, or was put in between: the next line tells. */
static void take_foreign(struct chain_look *look, uint64_t place)
{
    find(look, CHAIN_FOREIGN, place, 0, 0);
    look->foreign++;
}

/* A line whose number is ahead, or the one that is due. */
static void take_next(struct chain_look *look, struct text line, uint64_t seq,
                      const uint8_t previous[CHAIN_DIGEST], uint64_t place)
{
    uint64_t missing = seq - look->point.seq - 1;
    if (missing > look->foreign)
        open_gap(look, look->point.seq + look->foreign + 1, seq - 1, place);
    else if (missing == 0 && look->point_sure && memcmp(previous, look->point.digest, CHAIN_DIGEST) != 0)
        find(look, CHAIN_CHANGED, look->point_place, look->point.seq, look->point.seq);
    look->point.seq = seq;
    chain_digest(look->hash, line, look->point.digest);
    look->point_place = place;
    look->point_sure = true;
    look->foreign = 0;
}

void chain_look_at(struct chain_look *look, struct text line, uint64_t place)
{
    CHECK_OBJECT(look, LOOK_MAGIC);
    uint64_t seq;
    uint8_t previous[CHAIN_DIGEST];
    look->lines++;
    if (!chain_read(line, &seq, previous)) {
        take_foreign(look, place);
        return;
    }
    if (look->begin_place == 0 && look->lines == 1)
        begin(look, seq, previous, place);
    if (seq > look->point.seq)
        take_next(look, line, seq, previous, place);
    else
        find(look, fill_gap(look, seq) ? CHAIN_MOVED : CHAIN_REPEATED, place, seq, seq);
}

void chain_look_removed(struct chain_look *look, const struct chain_point *point)
{
    CHECK_OBJECT(look, LOOK_MAGIC);
    if (point->seq > look->removed.seq)
        look->removed = *point;
    if (chain_equal(point, &look->begin))
        look->begin_removed = true;
}

static void look_at_begin(struct chain_look *look)
{
    if (look->begin.seq > 0 && !look->begin_removed)
        find(look, CHAIN_MISSING, look->begin_place, 1, look->begin.seq);
}

static void look_at_head(struct chain_look *look, const struct chain_point *head)
{
    if (head == NULL || head->seq < look->point.seq)
        return; /* it is written after the lines */
    if (head->seq > look->point.seq + look->foreign)
        find(look, CHAIN_CUT_OFF, look->point_place, look->point.seq + look->foreign + 1, head->seq);
    else if (head->seq == look->point.seq && look->point_sure && !chain_equal(head, &look->point))
        find(look, CHAIN_CHANGED, look->point_place, head->seq, head->seq);
}

static int compare(const void *left, const void *right)
{
    const struct found *one = left, *other = right;
    return one->place != other->place ? (one->place < other->place ? -1 : 1)
                                      : (one->first > other->first) - (one->first < other->first);
}

size_t chain_look_end(struct chain_look *look, const struct chain_point *head, uint64_t *removed,
                      chain_tell *tell, void *self)
{
    CHECK_OBJECT(look, LOOK_MAGIC);
    look_at_begin(look);
    for (size_t i = 0; i < look->gap_count; i++)
        find(look, CHAIN_MISSING, look->gaps[i].place, look->gaps[i].first, look->gaps[i].last);
    look->gap_count = 0;
    look_at_head(look, head);
    qsort(look->found, look->found_count, sizeof *look->found, compare);
    for (size_t i = 0; i < look->found_count; i++)
        tell(self, look->found[i].fault, look->found[i].place, look->found[i].first, look->found[i].last);
    *removed = look->begin_removed ? look->begin.seq : 0;
    return look->found_count;
}

uint64_t chain_look_lines(const struct chain_look *look)
{
    return look->lines;
}

struct chain_point chain_look_point(const struct chain_look *look)
{
    return look->point;
}
