/* test_admission: who is announced and who waits, without a broker. SPDX-License-Identifier: MIT */
#include "admission.h"
#include "suite.h"

static struct admission *admission;

static bool has_holder(void *self, const struct pass *pass)
{
    (void)self;
    return pass->holder.length > 0;
}

static void set_up(void)
{
    admission = admission_new(has_holder, NULL);
}

static void tear_down(void)
{
    admission_free(admission);
}

static struct claim claim_of(uint32_t pid)
{
    struct claim claim = {.token = worker_token_draw(), .model = "m", .version = "1", .pid = pid};
    return claim;
}

static struct peer peer_of(uint8_t number)
{
    return (struct peer){.length = 1, .bytes = {number}};
}

START_TEST(a_pass_is_found_by_its_token_alone)
{
    struct claim one = claim_of(1), two = claim_of(2), other = one;
    admission_announce(admission, &one);
    admission_announce(admission, &two);
    ck_assert_uint_eq(admission_count(admission), 2);
    ck_assert_uint_eq(admission_find(admission, &one.token)->claim.pid, 1);
    ck_assert_uint_eq(admission_find(admission, &two.token)->claim.pid, 2);
    ck_assert_uint_ne(admission_find(admission, &one.token)->number,
                      admission_find(admission, &two.token)->number);
    for (size_t i = 0; i < WORKER_TOKEN_LENGTH; i++) {
        other.token.text[i] = other.token.text[i] == '0' ? '1' : '0';
        ck_assert_ptr_null(admission_find(admission, &other.token));
        other.token.text[i] = one.token.text[i];
    }
    ck_assert_ptr_nonnull(admission_find(admission, &other.token));
}
END_TEST

START_TEST(what_is_said_again_is_the_same_pass)
{
    struct claim claim = claim_of(1);
    admission_announce(admission, &claim);
    struct pass *pass = admission_find(admission, &claim.token);
    pass->holder = peer_of(7);
    admission_announce(admission, &claim);
    ck_assert_ptr_eq(admission_find(admission, &claim.token), pass);
    ck_assert_uint_eq(pass->number, 1);
    ck_assert_uint_eq(pass->holder.length, 1);
    ck_assert_uint_eq(admission_count(admission), 1);
}
END_TEST

START_TEST(who_has_ended_is_forgotten)
{
    struct claim one = claim_of(1), two = claim_of(2), successor = claim_of(1);
    admission_announce(admission, &one);
    admission_announce(admission, &two);
    admission_announce(admission, &successor);
    admission_forget(admission, admission_find(admission, &one.token)->number);
    ck_assert_ptr_null(admission_find(admission, &one.token));
    ck_assert_ptr_nonnull(admission_find(admission, &successor.token));
    admission_forget(admission, 77);
    admission_forget_pid(admission, 1);
    admission_forget_pid(admission, 77);
    ck_assert_ptr_null(admission_find(admission, &successor.token));
    ck_assert_ptr_nonnull(admission_find(admission, &two.token));
}
END_TEST

START_TEST(who_waits_is_known_when_he_is_announced)
{
    struct knocker knocker;
    struct claim one = claim_of(1), two = claim_of(2);
    struct peer first = peer_of(1), second = peer_of(2);
    admission_wait(admission, &first, &one);
    admission_wait(admission, &second, &two);
    admission_wait(admission, &second, &two);
    ck_assert_uint_eq(admission_waiting(admission), 2);
    ck_assert(!admission_next_known(admission, &knocker));
    admission_announce(admission, &two);
    ck_assert(admission_next_known(admission, &knocker));
    ck_assert_mem_eq(&knocker.peer, &second, sizeof second);
    ck_assert_uint_eq(knocker.claim.pid, 2);
    ck_assert(!admission_next_known(admission, &knocker));
    ck_assert_uint_eq(admission_waiting(admission), 1);
}
END_TEST

START_TEST(nobody_is_unknown_before_somebody_was_asked_about_him)
{
    struct knocker knocker;
    struct claim one = claim_of(1), two = claim_of(2);
    struct peer first = peer_of(1), second = peer_of(2);
    admission_wait(admission, &first, &one);
    ck_assert(!admission_next_unknown(admission, 99, &knocker)); /* nobody was asked */
    uint64_t question = admission_ask(admission);
    admission_wait(admission, &second, &two); /* after the question */
    ck_assert(!admission_next_unknown(admission, question - 1, &knocker));
    ck_assert(admission_next_unknown(admission, question, &knocker));
    ck_assert_mem_eq(&knocker.peer, &first, sizeof first);
    ck_assert(!admission_next_unknown(admission, question, &knocker));
    ck_assert_uint_eq(admission_ask(admission), question + 1);
    ck_assert_uint_eq(admission_ask(admission), question + 2); /* the answer to the first is lost, say */
    admission_announce(admission, &two);
    ck_assert(!admission_next_unknown(admission, question + 2, &knocker));
    ck_assert(admission_next_known(admission, &knocker));
    ck_assert_uint_eq(admission_waiting(admission), 0);
}
END_TEST

START_TEST(an_earlier_question_stands)
{
    struct knocker knocker;
    struct claim one = claim_of(1), other = claim_of(1);
    struct peer first = peer_of(1);
    admission_wait(admission, &first, &one);
    uint64_t question = admission_ask(admission);
    admission_wait(admission, &first, &one); /* it says READY again meanwhile */
    admission_ask(admission);
    ck_assert(admission_next_unknown(admission, question, &knocker));
    admission_wait(admission, &first, &one);
    admission_ask(admission);
    admission_wait(admission, &first, &other); /* another token: of that nobody was asked */
    ck_assert(!admission_next_unknown(admission, UINT64_MAX, &knocker));
}
END_TEST

START_TEST(there_is_a_bound_on_both)
{
    struct peer peer = {.length = 4};
    struct claim held = claim_of(7);
    admission_announce(admission, &held);
    admission_find(admission, &held.token)->holder = peer_of(7);
    for (uint32_t i = 0; i < ADMISSION_MAX; i++) {
        struct claim claim = claim_of(i);
        memcpy(peer.bytes, &i, sizeof i);
        admission_announce(admission, &claim);
        ck_assert_ptr_nonnull(admission_find(admission, &claim.token));
        admission_wait(admission, &peer, &claim);
    }
    ck_assert_uint_eq(admission_count(admission), 2); /* the last one, and */
    ck_assert_uint_eq(admission_find(admission, &held.token)->number, 1);
    ck_assert_uint_eq(admission_waiting(admission), (ADMISSION_MAX - 1) % ADMISSION_WAITING_MAX + 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_pass_is_found_by_its_token_alone,
                                  what_is_said_again_is_the_same_pass,
                                  who_has_ended_is_forgotten,
                                  who_waits_is_known_when_he_is_announced,
                                  nobody_is_unknown_before_somebody_was_asked_about_him,
                                  an_earlier_question_stands,
                                  there_is_a_bound_on_both};
    return SUITE_RUN("admission", set_up, tear_down, tests);
}
