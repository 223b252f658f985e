/* test_span: what is written is read again, and nothing else is; texts and counts within their bounds.
 * SPDX-License-Identifier: MIT */
#include "span.h"
#include "suite.h"

static uint8_t bytes[SPAN_BYTES_MAX];
static struct span span, found;
static uint8_t links[(SPAN_LINKS_MAX + 1) * SPAN_LINK_BYTES];

static void set_up(void)
{
    span = (struct span){.process = text_of("frontend.1"),
                         .has_parent = true,
                         .remote_parent = true,
                         .flags = TRACE_SAMPLED,
                         .kind = SPAN_SERVER,
                         .name = text_of("POST /x"),
                         .start = 1000,
                         .end = INT64_MAX,
                         .state = text_of("a=1"),
                         .links = links,
                         .link_count = 2,
                         .links_left_out = 7};
    memset(span.trace, 1, sizeof span.trace);
    memset(span.id, 2, sizeof span.id);
    memset(span.parent, 3, sizeof span.parent);
    for (size_t i = 0; i < sizeof links; i++)
        links[i] = (uint8_t)i;
    span_add_text(&span, "model", text_of("m"));
    span_add_number(&span, "rows", -5);
}

/* Writes the span and reads it; what is wrong with it, or NULL. */
static const char *pass(void)
{
    struct observation_any any;
    size_t length = span_encode(&span, bytes, sizeof bytes);
    ck_assert_uint_gt(length, 0);
    struct wire_reader reader = wire_reader(bytes, length);
    ck_assert_ptr_null(observation_next(&reader, &any));
    ck_assert(wire_finished(&reader));
    ck_assert_uint_eq(any.kind, OBSERVATION_SPANS);
    return span_decode(&any, &found);
}

static void expect_same(struct text left, struct text right)
{
    ck_assert_uint_eq(left.length, right.length);
    ck_assert_mem_eq(left.at, right.at, left.length);
}

START_TEST(a_span_is_written_and_read)
{
    ck_assert_ptr_null(pass());
    expect_same(found.process, span.process);
    ck_assert_mem_eq(found.trace, span.trace, sizeof span.trace);
    ck_assert_mem_eq(found.id, span.id, sizeof span.id);
    ck_assert_mem_eq(found.parent, span.parent, sizeof span.parent);
    ck_assert(found.has_parent && found.remote_parent && !found.failed);
    ck_assert(found.flags == TRACE_SAMPLED && found.kind == SPAN_SERVER);
    ck_assert(found.start == 1000 && found.end == INT64_MAX);
    expect_same(found.name, span.name);
    expect_same(found.state, span.state);
    ck_assert_uint_eq(found.attribute_count, 2);
    expect_same(found.attributes[0].text, text_of("m"));
    ck_assert(found.attributes[1].is_number && found.attributes[1].number == -5);
    ck_assert_uint_eq(found.link_count, 2);
    ck_assert_mem_eq(found.links, links, 2 * SPAN_LINK_BYTES);
    ck_assert_uint_eq(found.links_left_out, 7);
}
END_TEST

START_TEST(a_failure_has_a_message_perhaps_an_empty_one)
{
    span.failed = true;
    ck_assert_ptr_null(pass());
    ck_assert(found.failed && found.message.length == 0);
    span.message = text_of("poison");
    span.has_parent = false;
    ck_assert_ptr_null(pass());
    ck_assert(found.failed && text_is(found.message, "poison") && !found.has_parent);
}
END_TEST

START_TEST(texts_are_cut_between_characters)
{
    char text[2000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    span.name = (struct text){text + 1, SPAN_TEXT_MAX + 100};
    span.attributes[0].text = (struct text){text, 10};
    span_add_text(&span, "long", (struct text){text, SPAN_TEXT_MAX + 1});
    ck_assert_ptr_null(pass());
    ck_assert_uint_eq(found.name.length, SPAN_TEXT_MAX - 1);
    ck_assert_uint_eq(found.attributes[2].text.length, SPAN_TEXT_MAX);
}
END_TEST

START_TEST(the_largest_fits)
{
    static char text[SPAN_TEXT_MAX];
    memset(text, 'x', sizeof text);
    const struct text most = {text, sizeof text};
    span.name = span.process = span.state = span.message = most;
    span.failed = true;
    while (span.attribute_count < SPAN_ATTRIBUTES_MAX)
        span_add_text(&span, "k", most);
    for (size_t i = 0; i < SPAN_ATTRIBUTES_MAX; i++)
        span.attributes[i] = (struct span_attribute){.key = most, .text = most};
    span_add_text(&span, "one more", most);
    span_add_number(&span, "one more", 1);
    ck_assert_uint_eq(span.attribute_count, SPAN_ATTRIBUTES_MAX);
    span.link_count = SPAN_LINKS_MAX;
    ck_assert_ptr_null(pass());
    ck_assert_uint_eq(found.link_count, SPAN_LINKS_MAX);
    ck_assert_uint_eq(span_encode(&span, bytes, 100), 0);
}
END_TEST

START_TEST(attributes_without_a_text_are_left_out)
{
    span_add_text(&span, "k", (struct text){0});
    ck_assert_uint_eq(span.attribute_count, 2);
}
END_TEST

START_TEST(what_is_no_span_is_refused)
{
    memset(span.trace, 0, sizeof span.trace);
    ck_assert_ptr_nonnull(pass());
    set_up();
    memset(span.id, 0, sizeof span.id);
    ck_assert_ptr_nonnull(pass());
    set_up();
    span.end = span.start - 1;
    ck_assert_ptr_nonnull(pass());
    set_up();
    span.flags = TRACE_FLAGS + 1;
    ck_assert_ptr_nonnull(pass());
    set_up();
    span.kind = (enum span_kind)0;
    ck_assert_ptr_nonnull(pass());
    set_up();
    ck_assert_ptr_null(pass());
}
END_TEST

/* Every byte of a good one changed to some others: found, or refused, and never beyond its end. */
START_TEST(any_change_is_survived)
{
    static const uint8_t others[] = {0x00, 0x01, 0x7f, 0x80, 0x90, 0xa0, 0xc0, 0xc4, 0xcf, 0xd9, 0xdc, 0xff};
    size_t length = span_encode(&span, bytes, sizeof bytes);
    size_t refused = 0;
    for (size_t i = 0; i < length; i++)
        for (size_t j = 0; j < COUNT_OF(others); j++) {
            struct observation_any any;
            uint8_t *copy = malloc(length);
            memcpy(copy, bytes, length);
            copy[i] = others[j];
            struct wire_reader reader = wire_reader(copy, length);
            if (observation_next(&reader, &any) != NULL || span_decode(&any, &found) != NULL)
                refused++;
            free(copy);
        }
    ck_assert_uint_gt(refused, length);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {a_span_is_written_and_read,
                            a_failure_has_a_message_perhaps_an_empty_one,
                            texts_are_cut_between_characters,
                            the_largest_fits,
                            attributes_without_a_text_are_left_out,
                            what_is_no_span_is_refused,
                            any_change_is_survived};
    return SUITE_RUN("span", set_up, NULL, tests);
}
