/* test_stream_reply: what came of a row, as the value of an answer. SPDX-License-Identifier: MIT */
#include "stream_reply.h"
#include "suite.h"
#include "wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct scored row;
static char reply[STREAM_REPLY_MAX + 1];

static void set_up(void)
{
    row = (struct scored){.is_class = true,
                          .is_whole = true,
                          .value = 1,
                          .probability = 0.25,
                          .probability_single = true,
                          .has_label = true,
                          .label = "yes",
                          .version = "3"};
}

static void tear_down(void) {}

static const char *json(void)
{
    reply[stream_reply_write(STREAM_JSON, &row, "churn", reply)] = '\0';
    return reply;
}

START_TEST(a_class_has_its_members)
{
    ck_assert_str_eq(json(), "{\"prediction\":1,\"probability\":0.25,\"label\":\"yes\",\"model\":\"churn\","
                             "\"model_version\":\"3\"}");
}
END_TEST

START_TEST(what_there_is_nothing_to_say_of_is_left_out)
{
    row = (struct scored){.value = 0.1F, .single = true, .probability = NAN, .version = "3"};
    ck_assert_str_eq(json(), "{\"prediction\":0.1,\"model\":\"churn\",\"model_version\":\"3\"}");
    row.value = NAN;
    ck_assert_str_eq(json(), "{\"prediction\":null,\"model\":\"churn\",\"model_version\":\"3\"}");
}
END_TEST

START_TEST(a_class_that_is_only_a_name_is_the_prediction)
{
    row.value = NAN;
    ck_assert_str_eq(json(), "{\"prediction\":\"yes\",\"probability\":0.25,\"model\":\"churn\","
                             "\"model_version\":\"3\"}");
}
END_TEST

START_TEST(a_truth_is_true_or_false)
{
    row.is_truth = true;
    row.has_label = false;
    ck_assert_ptr_nonnull(strstr(json(), "{\"prediction\":true,"));
    row.value = 0;
    ck_assert_ptr_nonnull(strstr(json(), "{\"prediction\":false,"));
}
END_TEST

START_TEST(names_are_escaped)
{
    strcpy(row.label, "a\"\\\n\x01\xc3\xa4\xff");
    ck_assert_ptr_nonnull(strstr(json(), "\"label\":\"a\\\"\\\\\\u000a\\u0001\xc3\xa4\xef\xbf\xbd\","));
}
END_TEST

/* The longest names, of bytes that take the most room. */
START_TEST(every_answer_has_room)
{
    static char name[PROTOCOL_NAME_MAX + 1]; /* the row's, too */
    memset(name, 1, PROTOCOL_NAME_MAX);
    memset(row.label, 1, SCORED_LABEL_MAX - 1);
    row.version = name;
    size_t length = stream_reply_write(STREAM_JSON, &row, name, reply);
    ck_assert_uint_gt(length, 6 * (2 * PROTOCOL_NAME_MAX + SCORED_LABEL_MAX - 1));
    ck_assert_uint_le(length, STREAM_REPLY_MAX);
    ck_assert_uint_gt(stream_reply_write(STREAM_MSGPACK, &row, name, reply), 0);
}
END_TEST

START_TEST(msgpack_says_the_same)
{
    size_t length = stream_reply_write(STREAM_MSGPACK, &row, "churn", reply);
    struct wire_reader reader = wire_reader(reply, length);
    uint32_t pairs;
    struct text text;
    int64_t prediction;
    double probability;
    ck_assert(wire_read_map(&reader, &pairs) && pairs == 5);
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "prediction"));
    ck_assert(wire_read_int(&reader, &prediction) && prediction == 1);
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "probability"));
    ck_assert(wire_read_double(&reader, &probability));
    ck_assert_double_eq(probability, 0.25);
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "label"));
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "yes"));
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "model"));
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "churn"));
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "model_version"));
    ck_assert(wire_read_str(&reader, 64, &text) && text_is(text, "3"));
    ck_assert(wire_finished(&reader));
}
END_TEST

START_TEST(a_list_is_one)
{
    static const struct {
        const char *list;
        bool whole;
        const char *packed;
    } cases[] = {{"[1,0,1]", true, "\x93\x01\x00\x01"},
                 {"[0.5,1,null]", false, "\x93\xcb\x3f\xe0\0\0\0\0\0\0\xcb\x3f\xf0\0\0\0\0\0\0\xcb"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        row = (struct scored){.list = cases[i].list,
                              .is_whole = cases[i].whole,
                              .value = NAN,
                              .probability = NAN,
                              .version = "3"};
        char wanted[80];
        snprintf(wanted, sizeof wanted, "{\"prediction\":%s,\"model\":\"churn\",\"model_version\":\"3\"}",
                 cases[i].list);
        ck_assert_str_eq(json(), wanted);
        ck_assert_uint_gt(stream_reply_write(STREAM_MSGPACK, &row, "churn", reply), 12);
        ck_assert_mem_eq(reply + 12, cases[i].packed, cases[i].whole ? 4 : 20);
    }
}
END_TEST

/* Of the shortest numbers, which take the most in msgpack. */
START_TEST(every_list_has_room)
{
    enum { VALUES = 10000 };
    static char list[2 * VALUES + 2];
    for (size_t i = 0; i < VALUES; i++)
        memcpy(list + 2 * i, i == 0 ? "[7" : ",7", 2);
    strcpy(list + (size_t)2 * VALUES, "]");
    row = (struct scored){.list = list, .value = NAN, .probability = NAN, .version = "3"};
    char *bytes = object_alloc(stream_reply_room(&row));
    ck_assert_uint_gt(stream_reply_write(STREAM_JSON, &row, "churn", bytes), 2 * VALUES);
    ck_assert_uint_gt(stream_reply_write(STREAM_MSGPACK, &row, "churn", bytes), 9 * VALUES);
    free(bytes);
}
END_TEST

START_TEST(msgpack_keeps_the_type_of_a_prediction)
{
    row.has_label = false;
    row.probability = NAN;
    static const struct {
        bool truth, whole;
        double value;
        uint8_t first;
    } cases[] = {
        {true, true, 1, 0xc3}, {false, true, -1, 0xff}, {false, false, 0.5, 0xcb}, {false, true, 1e19, 0xcb}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        row.is_truth = cases[i].truth;
        row.is_whole = cases[i].whole;
        row.value = cases[i].value;
        stream_reply_write(STREAM_MSGPACK, &row, "churn", reply);
        ck_assert_mem_eq(reply, "\x83\xaaprediction", 12);
        ck_assert_uint_eq((uint8_t)reply[12], cases[i].first);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_class_has_its_members,
                                  what_there_is_nothing_to_say_of_is_left_out,
                                  a_class_that_is_only_a_name_is_the_prediction,
                                  a_truth_is_true_or_false,
                                  names_are_escaped,
                                  every_answer_has_room,
                                  msgpack_says_the_same,
                                  a_list_is_one,
                                  every_list_has_room,
                                  msgpack_keeps_the_type_of_a_prediction};
    return SUITE_RUN("stream_reply", set_up, tear_down, tests);
}
