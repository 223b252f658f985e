/* test_protocol: the envelopes of PROTOCOL.md against fixed bytes, so that the wire cannot change unnoticed;
 * every truncation, every wrong type at every position, every bound of every field. SPDX-License-Identifier:
 * MIT */
#include "protocol_vectors.h"

/* ---- the vectors ---- */

START_TEST(the_wire_does_not_change)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        const struct vector *vector = &vectors[i];
        const char *name = protocol_verb_name(vector->envelope.verb);
        uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
        size_t length = protocol_encode(&vector->envelope, bytes, sizeof bytes);
        ck_assert_msg(length == vector->length, "%s is %zu bytes", name, length);
        ck_assert_msg(memcmp(bytes, vector->bytes, length) == 0, "%s has other bytes", name);
        struct envelope envelope;
        const char *complaint = protocol_decode(bytes, length, &envelope);
        ck_assert_msg(complaint == NULL, "%s: %s", name, complaint);
        ck_assert_int_eq(envelope.verb, vector->envelope.verb);
        uint8_t again[PROTOCOL_ENVELOPE_MAX];
        ck_assert_uint_eq(protocol_encode(&envelope, again, sizeof again), length);
        ck_assert_mem_eq(again, bytes, length);
    }
}
END_TEST

static void expect_later(const struct envelope *envelope, size_t count)
{
    if (envelope->verb == VERB_REQUEST) {
        ck_assert_uint_eq(envelope->request.address, count > 11 ? 300 : 0);
        ck_assert(envelope->request.again == (count > 12));
        ck_assert_uint_eq(envelope->request.once.length, count > 13 ? PROTOCOL_ONCE_BYTES : 0);
        ck_assert_uint_eq(envelope->request.trace.length, count > 14 ? PROTOCOL_TRACE_BYTES : 0);
    } else if (envelope->verb == VERB_REPLY) {
        ck_assert_uint_eq(envelope->reply.limit.length, count > 8 ? 3 : 0);
        ck_assert_uint_eq(envelope->reply.quota, count > 9 ? 100 : 0);
        ck_assert_uint_eq(envelope->reply.window_s, count > 10 ? 60 : 0);
        ck_assert_uint_eq(envelope->reply.left, count > 11 ? 40 : 0);
        ck_assert_uint_eq(envelope->reply.whole_s, count > 12 ? 36 : 0);
        ck_assert(envelope->reply.replayed == (count > 13));
        ck_assert_uint_eq(envelope->reply.tag.length, count > 14 ? 2 : 0);
    } else {
        ck_assert_uint_eq(envelope->reject.limit.length, count > 6 ? 3 : 0);
        ck_assert_uint_eq(envelope->reject.quota, count > 7 ? 100 : 0);
        ck_assert_uint_eq(envelope->reject.window_s, count > 8 ? 1 : 0);
        ck_assert(envelope->reject.replayed == (count > 9));
        ck_assert_uint_eq(envelope->reject.version.length, count > 10 ? 1 : 0);
    }
}

/* The vector with one more field, {"x": [1, nil]}: `count` with it. An array's head holds up to 15 in one
 * byte. */
static struct message with_unknown(const struct vector *vector, size_t count)
{
    static const char unknown[] = "\x81\xa1x\x92\x01\xc0";
    const char large[] = {(char)0xdc, 0, (char)count}, small[] = {(char)(0x90 | count)};
    struct message message = count > 15 ? raw(large, sizeof large) : raw(small, sizeof small);
    memcpy(message.bytes + message.length, vector->bytes + 1, vector->length - 1);
    message.length += vector->length - 1;
    memcpy(message.bytes + message.length, unknown, sizeof unknown - 1);
    message.length += sizeof unknown - 1;
    return message;
}

/* Those of REQUEST, REPLY and REJECT that may be left out, and all that a later version may put behind them.
 */
START_TEST(later_fields_may_be_left_out_and_unknown_ones_are_passed_over)
{
    static const struct {
        size_t vector, least, all;
    } cases[] = {{1, 11, 15}, {7, 6, 11}, {COUNT_OF(vectors) - 1, 8, 15}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct vector *vector = &vectors[cases[i].vector];
        struct message message = raw(vector->bytes, vector->length);
        for (size_t count = cases[i].least; count <= cases[i].all; count++) {
            struct wire_reader reader = wire_reader(vector->bytes, vector->length);
            uint32_t elements;
            struct envelope envelope;
            ck_assert(wire_read_array(&reader, &elements));
            for (size_t j = 0; j < count; j++)
                ck_assert(wire_skip(&reader));
            size_t length = (size_t)(reader.at - (const uint8_t *)vector->bytes);
            message.bytes[0] = (uint8_t)(0x90 | count);
            memset(&envelope, 0xaa, sizeof envelope);
            ck_assert_ptr_null(protocol_decode(message.bytes, length, &envelope));
            expect_later(&envelope, count);
        }
        message = with_unknown(vector, cases[i].all + 1);
        ck_assert_ptr_null(decode(message.bytes, message.length));
        ck_assert_ptr_nonnull(decode(message.bytes, message.length - 1));
    }
}
END_TEST

static void limit_is_a_word(const struct vector *vector, size_t position)
{
    static const struct {
        const char *bytes;
        size_t length;
        bool good;
    } cases[] = {{BYTES("\xa0"), true},      {BYTES("\xa8key_rows"), true}, {BYTES("\xa3KEY"), false},
                 {BYTES("\xa3k\"y"), false}, {BYTES("\xa3k\ry"), false},    {BYTES("\xa2k1"), false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct message element = raw(cases[i].bytes, cases[i].length);
        struct message message = replace(vector, position, &element);
        ck_assert_msg((decode(message.bytes, message.length) == NULL) == cases[i].good, "case %zu", i);
    }
    for (size_t length = 64; length <= 65; length++) {
        struct message element = letters(length, false), message = replace(vector, position, &element);
        ck_assert((decode(message.bytes, message.length) == NULL) == (length == 64));
    }
}

START_TEST(a_limit_is_a_word)
{
    limit_is_a_word(&vectors[5], 8);
    limit_is_a_word(&vectors[7], 6);
}
END_TEST

START_TEST(once_is_two_digests_or_nothing)
{
    for (size_t length = 0; length <= PROTOCOL_ONCE_BYTES + 1; length++) {
        struct message element = letters(length, true), message = replace(&vectors[1], 13, &element);
        ck_assert((decode(message.bytes, message.length) == NULL) ==
                  (length == 0 || length == PROTOCOL_ONCE_BYTES));
    }
}
END_TEST

START_TEST(a_trace_is_25_bytes_or_nothing)
{
    for (size_t length = 0; length <= PROTOCOL_TRACE_BYTES + 1; length++) {
        struct message element = letters(length, true), message = replace(&vectors[1], 14, &element);
        ck_assert((decode(message.bytes, message.length) == NULL) ==
                  (length == 0 || length == PROTOCOL_TRACE_BYTES));
    }
}
END_TEST

/* What stands before it is written, too, as nothing. */
START_TEST(a_trace_alone_is_written_behind_what_may_be_left_out)
{
    struct envelope envelope = vectors[0].envelope, read;
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
    envelope.request.trace = (struct text)TEXT(TRACE);
    size_t length = protocol_encode(&envelope, bytes, sizeof bytes);
    ck_assert_ptr_null(protocol_decode(bytes, length, &read));
    ck_assert(read.request.address == 0 && !read.request.again && read.request.once.length == 0);
    ck_assert(text_is(read.request.trace, TRACE));
}
END_TEST

START_TEST(every_verb_has_a_vector)
{
#define X(name, number)                                                                                      \
    ck_assert_int_eq(vector_of(VERB_##name)->envelope.verb, number);                                         \
    ck_assert_str_eq(protocol_verb_name(VERB_##name), #name);
    PROTOCOL_VERBS(X)
#undef X
    ck_assert_str_eq(protocol_verb_name((enum verb)4), "?");
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        for (size_t length = 0; length < vectors[i].length; length++)
            ck_assert_msg(decode((const uint8_t *)vectors[i].bytes, length) != NULL, "%s cut to %zu",
                          protocol_verb_name(vectors[i].envelope.verb), length);
}
END_TEST

START_TEST(bytes_left_over_are_refused)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct message message = raw(vectors[i].bytes, vectors[i].length);
        for (unsigned last = 0; last < 256; last++) {
            message.bytes[message.length] = (uint8_t)last;
            ck_assert_str_eq(decode(message.bytes, message.length + 1),
                             "bytes are left over behind the envelope");
        }
    }
}
END_TEST

START_TEST(another_number_of_elements_is_refused)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct message message = raw(vectors[i].bytes, vectors[i].length);
        memset(message.bytes + message.length, 0, 16); /* zeros for the elements that are too many */
        uint8_t right = message.bytes[0];
        enum verb verb = vectors[i].envelope.verb; /* four of them may have more */
        unsigned end = verb == VERB_REQUEST                        ? 11
                       : verb == VERB_REPLY                        ? 8
                       : verb == VERB_REJECT || verb == VERB_BATCH ? 6
                                                                   : 16;
        for (unsigned count = 0; count < end; count++) {
            message.bytes[0] = (uint8_t)(0x90 | count);
            for (size_t length = message.length; length < message.length + 16; length++)
                ck_assert(message.bytes[0] == right || decode(message.bytes, length) != NULL);
        }
    }
}
END_TEST

/* One element of each type that another one is not. */
struct sample {
    char type; /* as in vector.types; 0: of no field */
    struct message element;
};

static size_t wrong_elements(struct sample *samples)
{
    const struct sample all[] = {{'u', raw(BYTES("\x01"))},
                                 {'s', raw(BYTES("\xa1x"))},
                                 {'b', raw(BYTES("\xc4\x01x"))},
                                 {'t', raw(BYTES("\xc2"))},
                                 {0, raw(BYTES("\xc0"))},
                                 {0, raw(BYTES("\xff"))},
                                 {0, raw(BYTES("\xd0\x01"))},
                                 {0, raw(BYTES("\x90"))},
                                 {0, raw(BYTES("\x80"))},
                                 {0, raw(BYTES("\xca\0\0\0\0"))},
                                 {0, raw(BYTES("\xc1"))},
                                 {0, raw(BYTES("\xd4\x01\x01"))},
                                 {0, raw(BYTES("\xcb\0\0\0\0\0\0\0\0"))}};
    memcpy(samples, all, sizeof all);
    return COUNT_OF(all);
}

START_TEST(a_field_of_another_type_is_refused_at_every_position)
{
    struct sample samples[16];
    size_t count = wrong_elements(samples);
    for (size_t i = 0; i <= COUNT_OF(vectors); i++) {
        const struct vector *vector = i == COUNT_OF(vectors) ? &entry_vector : &vectors[i];
        for (size_t position = 0; vector->types[position] != 0; position++)
            for (size_t j = 0; j < count; j++) {
                if (samples[j].type == vector->types[position])
                    continue;
                struct message message = replace(vector, position, &samples[j].element);
                const char *complaint = vector == &entry_vector ? decode_entry(message.bytes, message.length)
                                                                : decode(message.bytes, message.length);
                ck_assert_msg(complaint != NULL, "vector %zu, position %zu, sample %zu", i, position, j);
            }
    }
}
END_TEST

START_TEST(an_unsigned_number_may_have_any_width)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        for (size_t position = 0; vectors[i].types[position] != 0; position++) {
            if (vectors[i].types[position] != 'u')
                continue;
            struct wire_reader reader = wire_reader(vectors[i].bytes, vectors[i].length);
            uint32_t count;
            uint64_t value;
            ck_assert(wire_read_array(&reader, &count));
            for (size_t j = 0; j < position; j++)
                ck_assert(wire_skip(&reader));
            ck_assert(wire_read_uint(&reader, UINT64_MAX, &value));
            struct message wide = {.bytes = {0xcf}, .length = 9};
            for (int j = 0; j < 8; j++)
                wide.bytes[1 + j] = (uint8_t)(value >> (56 - 8 * j));
            struct message message = replace(&vectors[i], position, &wide);
            ck_assert_ptr_null(decode(message.bytes, message.length));
        }
}
END_TEST

/* ---- bounds ---- */

START_TEST(version_and_verb_are_checked)
{
    for (uint64_t value = 0; value < 300; value++) {
        ck_assert(accepts(VERB_PING, 0, number(value)) == (value == PROTOCOL_VERSION));
        bool plain = value == VERB_CANCEL || value == VERB_PING || value == VERB_BYE;
        ck_assert(accepts(VERB_PING, 1, number(value)) == plain);
    }
    ck_assert(!accepts(VERB_PING, 0, number((1ULL << 32) + 1))); /* not only the low bits count */
    ck_assert(!accepts(VERB_PING, 1, number((1ULL << 32) + VERB_PING)));
    ck_assert(!accepts(VERB_PING, 1, number(UINT64_MAX)));
    ck_assert(accepts(VERB_PING, 2, number(0)));
    ck_assert(accepts(VERB_PING, 2, number(UINT64_MAX)));
}
END_TEST

/* The smallest and the largest number that a field takes. */
static const struct {
    enum verb verb;
    size_t position;
    uint64_t smallest, largest;
} number_bounds[] = {
    {VERB_REQUEST, 5, 1, PROTOCOL_ROWS_MAX},
    {VERB_REQUEST, 6, 0, 1ULL << 53},
    {VERB_REQUEST, 7, 0, 9},
    {VERB_REQUEST, 8, 0, UINT64_MAX},
    {VERB_REPLY, 4, 0, 1ULL << 53},
    {VERB_REPLY, 5, 0, 1ULL << 53},
    {VERB_REPLY, 6, 0, UINT32_MAX},
    {VERB_REPLY, 7, 0, 1ULL << 53},
    {VERB_REJECT, 3, 1, UINT8_MAX},
    {VERB_REJECT, 4, 0, 1ULL << 53},
    {VERB_PONG, 3, 0, UINT64_MAX},
    {VERB_CATALOG, 3, 0, PROTOCOL_COUNT_MAX},
    {VERB_READY, 5, 1, PROTOCOL_ROWS_MAX},
    {VERB_READY, 6, 1, PROTOCOL_SLOTS_MAX},
    {VERB_READY, 7, 10, 3600000},
    {VERB_READY, 8, 0, UINT32_MAX},
    {VERB_RESULT, 4, 0, 1ULL << 53},
    {VERB_BATCH, 3, 1, PROTOCOL_COUNT_MAX},
    {VERB_BATCH, 4, 1, UINT32_MAX},
    {VERB_BATCH, 5, 0, 1ULL << 53},
    {VERB_BEAT, 3, 0, UINT64_MAX},
};

START_TEST(numbers_have_bounds)
{
    for (size_t i = 0; i < COUNT_OF(number_bounds); i++) {
        enum verb verb = number_bounds[i].verb;
        size_t position = number_bounds[i].position;
        uint64_t smallest = number_bounds[i].smallest, largest = number_bounds[i].largest;
        ck_assert_msg(accepts(verb, position, number(smallest)), "row %zu", i);
        ck_assert_msg(accepts(verb, position, number(largest)), "row %zu", i);
        ck_assert_msg(smallest == 0 || !accepts(verb, position, number(smallest - 1)), "row %zu", i);
        ck_assert_msg(largest == UINT64_MAX || !accepts(verb, position, number(largest + 1)), "row %zu", i);
    }
}
END_TEST

START_TEST(texts_have_bounds)
{
    static const struct {
        enum verb verb;
        size_t position;
    } fields[] = {{VERB_REQUEST, 9}, {VERB_REQUEST, 10}, {VERB_REJECT, 5}, {VERB_READY, 9}, {VERB_DRAIN, 3}};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        ck_assert(accepts(fields[i].verb, fields[i].position, letters(0, false)));
        ck_assert(accepts(fields[i].verb, fields[i].position, letters(PROTOCOL_TEXT_MAX, false)));
        ck_assert(!accepts(fields[i].verb, fields[i].position, letters(PROTOCOL_TEXT_MAX + 1, false)));
    }
}
END_TEST

START_TEST(names_are_checked_wherever_they_stand)
{
    static const struct {
        enum verb verb;
        size_t position;
        bool may_be_empty;
    } fields[] = {{VERB_REQUEST, 3, true},
                  {VERB_REQUEST, 4, true},
                  {VERB_REPLY, 3, false},
                  {VERB_READY, 3, false},
                  {VERB_READY, 4, false}};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        enum verb verb = fields[i].verb;
        size_t position = fields[i].position;
        ck_assert(accepts(verb, position, letters(0, false)) == fields[i].may_be_empty);
        ck_assert(accepts(verb, position, letters(PROTOCOL_NAME_MAX, false)));
        ck_assert(!accepts(verb, position, letters(PROTOCOL_NAME_MAX + 1, false)));
        ck_assert(!accepts(verb, position, raw(BYTES("\xa2.a"))));
        ck_assert(!accepts(verb, position,
                           raw(BYTES("\xa3"
                                     "a/b"))));
    }
}
END_TEST

START_TEST(a_name_is_made_of_few_characters)
{
    for (unsigned c = 0; c < 256; c++) {
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '-' || c == '.';
        char behind[2] = {'a', (char)c}, first[1] = {(char)c};
        ck_assert(protocol_name_ok((struct text){behind, 2}) == good);
        ck_assert(protocol_name_ok((struct text){first, 1}) == (good && c != '.'));
    }
    ck_assert(!protocol_name_ok((struct text){0}));
}
END_TEST

START_TEST(result_has_as_many_failures_as_payloads_or_none)
{
    for (size_t length = 0; length < 5; length++)
        ck_assert(accepts(VERB_RESULT, 5, letters(length, true)) == (length == 0 || length == 2));
    static const char none[] = "\x96\x01\x21\x07\x02\x00\xc4\x00";
    const struct vector vector = {.bytes = none, .length = sizeof none - 1};
    const uint64_t counts[] = {0, 1, PROTOCOL_COUNT_MAX, PROTOCOL_COUNT_MAX + 1};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct message count = number(counts[i]);
        struct message message = replace(&vector, 3, &count);
        ck_assert((decode(message.bytes, message.length) == NULL) ==
                  (counts[i] >= 1 && counts[i] <= PROTOCOL_COUNT_MAX));
    }
}
END_TEST

/* ---- size ---- */

START_TEST(the_longest_envelopes_fit)
{
    static char a[PROTOCOL_COUNT_MAX];
    memset(a, 'a', sizeof a);
    struct text name = {a, PROTOCOL_NAME_MAX}, text = {a, PROTOCOL_TEXT_MAX};
    const struct envelope longest[] = {
        {.verb = VERB_REQUEST,
         .id = UINT64_MAX,
         .request = {name,
                     name,
                     PROTOCOL_ROWS_MAX,
                     1ULL << 53,
                     9,
                     UINT64_MAX,
                     text,
                     text,
                     UINT64_MAX,
                     true,
                     {a, 64}}},
        {.verb = VERB_REPLY,
         .id = UINT64_MAX,
         .reply = {name,
                   1ULL << 53,
                   1ULL << 53,
                   UINT32_MAX,
                   1ULL << 53,
                   {a, 64},
                   1ULL << 53,
                   1ULL << 53,
                   1ULL << 53,
                   1ULL << 53,
                   true,
                   text}},
        {.verb = VERB_REJECT,
         .id = UINT64_MAX,
         .reject = {FAILURE_RATE_LIMITED, 1ULL << 53, text, {a, 64}, 1ULL << 53, 1ULL << 53, true, name}},
        {.verb = VERB_READY,
         .id = UINT64_MAX,
         .ready = {name, name, PROTOCOL_ROWS_MAX, 2, 3600000, UINT32_MAX, text, UINT64_MAX}},
        {.verb = VERB_RESULT,
         .id = UINT64_MAX,
         .result = {PROTOCOL_COUNT_MAX, 1ULL << 53, {a, PROTOCOL_COUNT_MAX}}}};
    for (size_t i = 0; i < COUNT_OF(longest); i++) {
        uint8_t bytes[PROTOCOL_ENVELOPE_MAX];
        struct envelope envelope;
        size_t length = protocol_encode(&longest[i], bytes, sizeof bytes);
        ck_assert_uint_gt(length, 0);
        ck_assert_ptr_null(protocol_decode(bytes, length, &envelope));
        for (size_t capacity = 0; capacity < length; capacity++)
            ck_assert_uint_eq(protocol_encode(&longest[i], bytes, capacity), 0);
    }
}
END_TEST

START_TEST(an_envelope_that_is_too_long_is_refused_unread)
{
    uint8_t bytes[PROTOCOL_ENVELOPE_MAX + 1] = {0};
    ck_assert_str_eq(decode(bytes, sizeof bytes), "the envelope is longer than 4096 bytes");
    ck_assert_str_eq(decode(bytes, sizeof bytes - 1), "the envelope is no array");
}
END_TEST

/* ---- failures ---- */

START_TEST(failures_have_their_status_and_label)
{
#define X(name, number, http, label)                                                                         \
    ck_assert_int_eq(FAILURE_##name, number);                                                                \
    ck_assert_int_eq(failure_http_status(FAILURE_##name), http);                                             \
    ck_assert_str_eq(failure_label(FAILURE_##name), label);
    FAILURES(X)
#undef X
    ck_assert_int_eq(failure_http_status((enum failure)200), 500); /* one of a later version of the wire */
    ck_assert_str_eq(failure_label((enum failure)200), "internal");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_wire_does_not_change,
                                  later_fields_may_be_left_out_and_unknown_ones_are_passed_over,
                                  a_limit_is_a_word,
                                  once_is_two_digests_or_nothing,
                                  a_trace_is_25_bytes_or_nothing,
                                  a_trace_alone_is_written_behind_what_may_be_left_out,
                                  every_verb_has_a_vector,
                                  every_truncation_is_refused,
                                  bytes_left_over_are_refused,
                                  another_number_of_elements_is_refused,
                                  a_field_of_another_type_is_refused_at_every_position,
                                  an_unsigned_number_may_have_any_width,
                                  version_and_verb_are_checked,
                                  numbers_have_bounds,
                                  texts_have_bounds,
                                  names_are_checked_wherever_they_stand,
                                  a_name_is_made_of_few_characters,
                                  result_has_as_many_failures_as_payloads_or_none,
                                  the_longest_envelopes_fit,
                                  an_envelope_that_is_too_long_is_refused_unread,
                                  failures_have_their_status_and_label};
    return SUITE_RUN("protocol", NULL, NULL, tests);
}
