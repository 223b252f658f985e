/* test_catalog_entry: what CATALOG says of one version, against fixed bytes, and the bounds of its fields.
 * SPDX-License-Identifier: MIT */
#include "protocol_vectors.h"

START_TEST(a_catalog_entry_does_not_change)
{
    const struct catalog_entry entry = {.model = TEXT("m"),
                                        .version = TEXT("2"),
                                        .state = CATALOG_READY,
                                        .workers = 3,
                                        .stable = true,
                                        .required = true,
                                        .schema = TEXT("\x80"),
                                        .reason = TEXT("no"),
                                        .route = TEXT("{}")};
    uint8_t bytes[512];
    ck_assert_uint_le(entry_vector.length, catalog_entry_bound(&entry));
    ck_assert_uint_eq(catalog_entry_encode(&entry, bytes, sizeof bytes), entry_vector.length);
    ck_assert_mem_eq(bytes, entry_vector.bytes, entry_vector.length);
    struct catalog_entry again;
    ck_assert_ptr_null(catalog_entry_decode(bytes, entry_vector.length, &again));
    ck_assert(text_is(again.model, "m") && text_is(again.version, "2") && text_is(again.schema, "\x80"));
    ck_assert(text_is(again.reason, "no") && text_is(again.route, "{}"));
    ck_assert(again.state == CATALOG_READY && again.workers == 3 && again.stable && again.required);
    for (size_t capacity = 0; capacity < entry_vector.length; capacity++) {
        ck_assert_uint_eq(catalog_entry_encode(&entry, bytes, capacity), 0);
        ck_assert_ptr_nonnull(decode_entry((const uint8_t *)entry_vector.bytes, capacity));
    }
}
END_TEST

static bool entry_accepts(size_t position, struct message element)
{
    struct message message = replace(&entry_vector, position, &element);
    return decode_entry(message.bytes, message.length) == NULL;
}

START_TEST(the_fields_of_a_catalog_entry_have_bounds)
{
    ck_assert(!entry_accepts(0, letters(0, false)));
    ck_assert(entry_accepts(0, letters(PROTOCOL_NAME_MAX, false)));
    ck_assert(!entry_accepts(0, letters(PROTOCOL_NAME_MAX + 1, false)));
    ck_assert(entry_accepts(1, letters(0, false)));
    ck_assert(!entry_accepts(1, letters(PROTOCOL_NAME_MAX + 1, false)));
    ck_assert(entry_accepts(2, number(CATALOG_FAILED)));
    ck_assert(!entry_accepts(2, number(CATALOG_FAILED + 1)));
    ck_assert(entry_accepts(3, number(UINT32_MAX)));
    ck_assert(!entry_accepts(3, number(1ULL << 32)));
    ck_assert(entry_accepts(4, raw(BYTES("\xc2"))));
    ck_assert(entry_accepts(5, raw(BYTES("\xc2"))));
    ck_assert(entry_accepts(6, letters(4000, true)));
    ck_assert(entry_accepts(7, letters(0, false)));
    ck_assert(entry_accepts(7, letters(PROTOCOL_TEXT_MAX, false)));
    ck_assert(!entry_accepts(7, letters(PROTOCOL_TEXT_MAX + 1, false)));
    struct message message = raw(entry_vector.bytes, entry_vector.length);
    message.bytes[message.length++] = 0;
    ck_assert_str_eq(decode_entry(message.bytes, message.length), "bytes are left over behind the entry");
    message.bytes[0] = 0x98;
    ck_assert_str_eq(decode_entry(message.bytes, message.length), "the entry is no array of at least 9");
}
END_TEST

/* Of a broker that is newer than its asker. */
START_TEST(further_fields_of_a_catalog_entry_are_passed_over)
{
    struct message message = raw(entry_vector.bytes, entry_vector.length);
    struct catalog_entry entry;
    message.bytes[0] = (char)0x9b; /* two more */
    message.bytes[message.length++] = 0x07;
    ck_assert_ptr_nonnull(decode_entry(message.bytes, message.length));
    memcpy(message.bytes + message.length, "\x92\x01\xa1x", 4);
    message.length += 4;
    ck_assert_ptr_null(catalog_entry_decode((const uint8_t *)message.bytes, message.length, &entry));
    ck_assert(text_is(entry.model, "m") && text_is(entry.reason, "no") && text_is(entry.route, "{}"));
    for (size_t length = entry_vector.length; length < message.length; length++)
        ck_assert_ptr_nonnull(decode_entry((const uint8_t *)message.bytes, length));
    message.bytes[message.length++] = 0;
    ck_assert_str_eq(decode_entry((const uint8_t *)message.bytes, message.length),
                     "bytes are left over behind the entry");
}
END_TEST

/* Whether an entry with that long text in one of its fields is decoded again. */
static bool comes_back(const struct catalog_entry *entry, size_t text)
{
    size_t bound = catalog_entry_bound(entry);
    uint8_t *bytes = object_alloc(bound);
    size_t length = catalog_entry_encode(entry, bytes, bound);
    ck_assert_uint_gt(length, text);
    bool decoded = decode_entry(bytes, length) == NULL;
    free(bytes);
    return decoded;
}

START_TEST(a_route_has_a_bound)
{
    for (size_t more = 0; more < 2; more++) {
        struct text route = {object_alloc(PROTOCOL_ROUTE_MAX + more), PROTOCOL_ROUTE_MAX + more};
        const struct catalog_entry entry = {.model = TEXT("m"), .route = route};
        ck_assert(comes_back(&entry, route.length) == (more == 0));
        free((char *)route.at);
    }
}
END_TEST

START_TEST(a_schema_has_a_bound)
{
    for (size_t more = 0; more < 2; more++) {
        struct text schema = {object_alloc(PROTOCOL_SCHEMA_MAX + more), PROTOCOL_SCHEMA_MAX + more};
        const struct catalog_entry entry = {.model = TEXT("m"), .schema = schema};
        ck_assert(comes_back(&entry, schema.length) == (more == 0));
        free((char *)schema.at);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_catalog_entry_does_not_change, the_fields_of_a_catalog_entry_have_bounds,
                                  further_fields_of_a_catalog_entry_are_passed_over, a_route_has_a_bound,
                                  a_schema_has_a_bound};
    return SUITE_RUN("catalog_entry", NULL, NULL, tests);
}
