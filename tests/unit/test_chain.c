/* test_chain: lines in a row, and every way in which a row can be broken. SPDX-License-Identifier: MIT */
#include "chain.h"

#include "suite.h"

enum { LINES = 9, LINE_BYTES = 256, TOLD_BYTES = 1024 };

/* A chain of LINES lines; lines[i] has the number i + 1. */
static char lines[LINES][LINE_BYTES];
static struct chain_point points[LINES + 1]; /* points[i]: behind i lines */
static struct chain_hash *hash;
static struct chain_look *look;
static char told[TOLD_BYTES];
static uint64_t removed;

static void set_up(void)
{
    hash = chain_hash_new();
    look = chain_look_new();
    struct chain_point point = {0};
    for (int i = 0; i < LINES; i++) {
        char head[CHAIN_HEAD_MAX];
        points[i] = point;
        size_t length = chain_next(&point, head);
        snprintf(lines[i], LINE_BYTES, "%.*s\"event\":\"line %d\"}", (int)length, head, i);
        chain_move(hash, &point, text_of(lines[i]));
    }
    points[LINES] = point;
}

static void tear_down(void)
{
    chain_look_free(look);
    chain_hash_free(hash);
}

static void tell(void *self, enum chain_fault fault, uint64_t place, uint64_t first, uint64_t last)
{
    ck_assert_ptr_eq(self, told);
    size_t length = strlen(told);
    snprintf(told + length, TOLD_BYTES - length, "%s@%d:%d-%d ", chain_fault_name(fault), (int)place,
             (int)first, (int)last);
}

/* The lines of these numbers, in this order, each at the place of its turn; 0 ends them. */
static const char *looked(const int *numbers, const struct chain_point *head)
{
    *told = '\0';
    for (uint64_t place = 1; *numbers != 0; numbers++, place++)
        chain_look_at(look, text_of(lines[*numbers - 1]), place);
    size_t count = chain_look_end(look, head, &removed, tell, told);
    size_t spaces = 0;
    for (const char *at = told; *at != '\0'; at++)
        spaces += *at == ' ' && at[1] != '\0' ? 1 : 0;
    ck_assert(count == 0 ? *told == '\0' : count >= 1 && spaces >= count - 1);
    return told;
}

#define LOOKED(head, ...) looked((const int[]){__VA_ARGS__, 0}, head)

START_TEST(a_line_is_what_the_next_one_says)
{
    uint64_t seq;
    uint8_t previous[CHAIN_DIGEST];
    ck_assert(chain_read(text_of(lines[0]), &seq, previous));
    ck_assert_uint_eq(seq, 1);
    ck_assert_mem_eq(previous, points[0].digest, CHAIN_DIGEST);
    ck_assert(chain_read(text_of(lines[8]), &seq, previous));
    ck_assert_uint_eq(seq, 9);
    ck_assert_mem_eq(previous, points[8].digest, CHAIN_DIGEST);
    ck_assert_int_eq(strncmp(lines[0], "{\"seq\":1,\"prev\":\"0000", 21), 0);
}
END_TEST

START_TEST(a_digest_is_sha256)
{
    char hex[CHAIN_HEX + 1];
    uint8_t digest[CHAIN_DIGEST], again[CHAIN_DIGEST];
    chain_digest(hash, text_of("abc"), digest); /* FIPS 180-2, appendix B.1 */
    chain_hex(digest, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert(chain_unhex(text_of(hex), again));
    ck_assert_mem_eq(digest, again, CHAIN_DIGEST);
    hex[3] = 'A';
    ck_assert(!chain_unhex(text_of(hex), again));
    ck_assert(!chain_unhex(text_of("ab"), again));
}
END_TEST

START_TEST(what_is_no_line_has_no_head)
{
    char digits[CHAIN_HEX + 1], line[LINE_BYTES];
    uint64_t seq;
    uint8_t previous[CHAIN_DIGEST];
    memset(digits, 'a', CHAIN_HEX);
    digits[CHAIN_HEX] = '\0';
    const struct {
        const char *before, *between, *behind;
        bool good;
    } forms[] = {{"{\"seq\":", "1,\"prev\":\"", "\",\"x\":1}", true},
                 {"{\"seq\":", "18446744073709551610,\"prev\":\"", "\",", false}, /* no room for the next */
                 {"{\"seq\":", "01,\"prev\":\"", "\",", false},
                 {"{\"seq\":", "0,\"prev\":\"", "\",", false},
                 {"{\"seq\":", ",\"prev\":\"", "\",", false},
                 {"{\"seq\":", "1,\"prev\":\"", "\"}", false},
                 {"{\"seq\":", "1,\"prev\":\"", "0\",", false},
                 {"{ \"seq\":", "1,\"prev\":\"", "\",", false},
                 {"{\"seq\":", "1,\"prev\":", "\",", false}};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        snprintf(line, sizeof line, "%s%s%s%s", forms[i].before, forms[i].between, digits, forms[i].behind);
        ck_assert_msg(chain_read(text_of(line), &seq, previous) == forms[i].good, "%s", line);
    }
    for (size_t length = strlen(lines[1]); length-- > 0;) /* cut anywhere it has no head, or its own */
        if (chain_read((struct text){lines[1], length}, &seq, previous))
            ck_assert_uint_eq(seq, 2);
    ck_assert(!chain_read((struct text){0}, &seq, previous));
}
END_TEST

START_TEST(a_whole_chain_has_no_fault)
{
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 3, 4, 5, 6, 7, 8, 9), "");
    ck_assert_uint_eq(removed, 0);
    ck_assert_uint_eq(chain_look_lines(look), 9);
    struct chain_point point = chain_look_point(look);
    ck_assert(chain_equal(&point, &points[9]));
}
END_TEST

START_TEST(a_head_may_be_behind)
{
    ck_assert_str_eq(LOOKED(&points[4], 1, 2, 3, 4, 5, 6, 7, 8, 9), "");
}
END_TEST

START_TEST(without_a_head_the_end_is_believed)
{
    ck_assert_str_eq(LOOKED(NULL, 1, 2, 3), "");
}
END_TEST

START_TEST(a_changed_line_is_named)
{
    lines[3][strlen(lines[3]) - 3] = 'X';
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 3, 4, 5, 6, 7, 8, 9), "changed@4:4-4 ");
}
END_TEST

START_TEST(a_changed_last_line_is_known_by_the_head)
{
    lines[8][strlen(lines[8]) - 3] = 'X';
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 3, 4, 5, 6, 7, 8, 9), "changed@9:9-9 ");
}
END_TEST

START_TEST(a_missing_line_is_named_where_it_should_be)
{
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 5, 6, 8, 9), "missing@3:3-4 missing@5:7-7 ");
}
END_TEST

START_TEST(a_missing_beginning_is_told)
{
    ck_assert_str_eq(LOOKED(&points[9], 4, 5, 6, 7, 8, 9), "missing@1:1-3 ");
}
END_TEST

START_TEST(a_beginning_that_was_removed_is_no_fault)
{
    chain_look_removed(look, &points[2]);
    ck_assert_str_eq(LOOKED(&points[9], 4, 5, 6, 7, 8, 9), "missing@1:1-3 "); /* not these */
    ck_assert_uint_eq(removed, 0);
    chain_look_free(look);
    look = chain_look_new();
    *told = '\0';
    for (uint64_t i = 4; i <= 9; i++) {
        chain_look_at(look, text_of(lines[i - 1]), i);
        if (i == 6)
            chain_look_removed(look, &points[3]); /* as line 6 says */
    }
    ck_assert_uint_eq(chain_look_end(look, &points[9], &removed, tell, told), 0);
    ck_assert_uint_eq(removed, 3);
}
END_TEST

START_TEST(moved_lines_are_not_missing)
{
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 4, 3, 5, 6, 7, 8, 9), "moved@4:3-3 ");
}
END_TEST

START_TEST(a_line_that_was_moved_far_is_named)
{
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 4, 5, 6, 7, 8, 3, 9), "moved@8:3-3 ");
}
END_TEST

START_TEST(of_a_gap_the_rest_is_missing)
{
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 6, 4, 7, 8, 9), "missing@3:3-3 missing@3:5-5 moved@4:4-4 ");
}
END_TEST

START_TEST(a_repeated_line_is_named)
{
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 3, 2, 4, 5, 6, 7, 8, 9), "repeated@4:2-2 ");
}
END_TEST

START_TEST(lines_cut_off_are_known_by_the_head)
{
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 3, 4, 5, 6), "cut off@6:7-9 ");
}
END_TEST

START_TEST(all_lines_cut_off)
{
    ck_assert_str_eq(looked((const int[]){0}, &points[9]), "cut off@0:1-9 ");
}
END_TEST

START_TEST(a_line_that_is_none_is_named)
{
    strcpy(lines[4], "not of ours");
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 3, 4, 5, 6, 7, 8, 9), "foreign@5:0-0 ");
}
END_TEST

START_TEST(a_line_that_is_none_put_in_between_is_named)
{
    strcpy(lines[8], "not of ours");
    ck_assert_str_eq(LOOKED(&points[8], 1, 2, 3, 9, 4, 5, 6, 7, 8), "foreign@4:0-0 ");
}
END_TEST

START_TEST(lines_that_are_none_at_the_end_are_named)
{
    strcpy(lines[8], "not of ours");
    ck_assert_str_eq(LOOKED(&points[9], 1, 2, 3, 4, 5, 6, 7, 8, 9), "foreign@9:0-0 ");
}
END_TEST

START_TEST(a_line_put_in_between_is_named)
{
    char head[CHAIN_HEAD_MAX];
    size_t length = chain_next(&points[4], head); /* well made, behind line 4 */
    snprintf(lines[0], LINE_BYTES, "%.*s\"event\":\"forged\"}", (int)length, head);
    ck_assert_str_eq(LOOKED(NULL, 2, 3, 4, 1, 5, 6), "missing@1:1-1 changed@4:5-5 repeated@5:5-5 ");
}
END_TEST

START_TEST(more_gaps_than_are_kept_are_all_told)
{
    char line[LINE_BYTES], head[CHAIN_HEAD_MAX];
    *told = '\0';
    for (uint64_t i = 0; i < 2 * CHAIN_GAPS_MAX; i++) {
        struct chain_point point = {.seq = 2 * i};
        snprintf(line, sizeof line, "%.*s\"event\":\"x\"}", (int)chain_next(&point, head), head);
        chain_look_at(look, text_of(line), i + 1);
    }
    ck_assert_uint_eq(chain_look_end(look, NULL, &removed, tell, told), 2 * CHAIN_GAPS_MAX - 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_line_is_what_the_next_one_says,
        a_digest_is_sha256,
        what_is_no_line_has_no_head,
        a_whole_chain_has_no_fault,
        a_head_may_be_behind,
        without_a_head_the_end_is_believed,
        a_changed_line_is_named,
        a_changed_last_line_is_known_by_the_head,
        a_missing_line_is_named_where_it_should_be,
        a_missing_beginning_is_told,
        a_beginning_that_was_removed_is_no_fault,
        moved_lines_are_not_missing,
        a_line_that_was_moved_far_is_named,
        of_a_gap_the_rest_is_missing,
        a_repeated_line_is_named,
        lines_cut_off_are_known_by_the_head,
        all_lines_cut_off,
        a_line_that_is_none_is_named,
        a_line_that_is_none_put_in_between_is_named,
        lines_that_are_none_at_the_end_are_named,
        a_line_put_in_between_is_named,
        more_gaps_than_are_kept_are_all_told,
    };
    return SUITE_RUN("chain", set_up, tear_down, tests);
}
