/* test_flight_view: the entries of all files in the order of time, each given once to who follows, also when
 * a file begins anew. SPDX-License-Identifier: MIT */
#include "flight_view.h"

#include "flight_entry.h"
#include "scratch_directory.h"

static struct config config;
static struct flight_view *view;
static struct flight_filter filter;

static void set_up(void)
{
    scratch_make();
    scratch_folder("flight");
    config = (struct config){.runtime_directory = scratch_directory};
    view = flight_view_new(&config);
    ck_assert_ptr_nonnull(view);
    filter = (struct flight_filter){0};
}

static void tear_down(void)
{
    flight_view_free(view);
    scratch_remove();
}

static struct flight *open_flight(const char *name, size_t records)
{
    struct flight *flight = flight_new(scratch_path("flight"), name, records, 4096);
    ck_assert_ptr_nonnull(flight);
    return flight;
}

/* Adds an entry, whose id is `id`. */
static void add(struct flight *flight, const char *id, int64_t at_ns, uint16_t status)
{
    struct flight_entry entry = {.at_ns = at_ns, .status = status, .total_us = (uint32_t)at_ns};
    snprintf(entry.id, sizeof entry.id, "%s", id);
    snprintf(entry.model, sizeof entry.model, "%s", status == 404 ? "other" : "m");
    add_entry(flight, &entry);
}

/* The ids that are given now, one behind the other; good until the next call. */
static const char *look(void)
{
    static char ids[1024];
    size_t count, length = 0;
    struct flight_found *found = flight_view_read(view, &filter, &count);
    ids[0] = '\0';
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(ids + length, sizeof ids - length, "%s ", found[i].entry.id);
    free(found);
    return ids;
}

START_TEST(entries_of_all_files_are_in_the_order_of_time)
{
    struct flight *one = open_flight("frontend.1", 8), *two = open_flight("frontend.2", 8);
    add(one, "a", 1, 200);
    add(two, "b", 2, 503);
    add(one, "c", 3, 404);
    ck_assert_str_eq(look(), "a b c ");
    filter.last = 2;
    ck_assert_str_eq(look(), "b c ");
    filter = (struct flight_filter){.status = "5xx"};
    ck_assert_str_eq(look(), "b ");
    filter = (struct flight_filter){.model = "other"};
    ck_assert_str_eq(look(), "c ");
    filter = (struct flight_filter){.slow_us = 2};
    ck_assert_str_eq(look(), "b c ");
    filter = (struct flight_filter){.with_payload = true};
    ck_assert_str_eq(look(), "");
    flight_free(one);
    flight_free(two);
}
END_TEST

START_TEST(who_follows_gets_each_once)
{
    struct flight *flight = open_flight("frontend.1", 4);
    filter.unseen = true;
    ck_assert_str_eq(look(), "");
    add(flight, "a", 1, 200);
    ck_assert_str_eq(look(), "a ");
    ck_assert_str_eq(look(), "");
    for (int i = 0; i < 6; i++) /* the ring goes round */
        add(flight, (const char *[]){"b", "c", "d", "e", "f", "g"}[i], 2 + i, 200);
    ck_assert_str_eq(look(), "d e f g ");
    ck_assert_str_eq(look(), "");
    flight_free(flight);
}
END_TEST

/* With another number of entries, and as if somebody had removed it. */
START_TEST(a_file_that_begins_anew_is_followed)
{
    struct flight *flight = open_flight("frontend.1", 8);
    filter.unseen = true;
    for (int i = 0; i < 3; i++)
        add(flight, "old", i, 200);
    ck_assert_str_eq(look(), "old old old ");
    flight_free(flight);
    flight = open_flight("frontend.1", 16);
    ck_assert_str_eq(look(), "");
    add(flight, "new", 10, 200);
    ck_assert_str_eq(look(), "new ");
    flight_free(flight);
    ck_assert_int_eq(unlink(scratch_path("flight/frontend.1")), 0);
    flight = open_flight("frontend.1", 16);
    add(flight, "newer", 11, 200); /* of the same sequence as the one before */
    add(flight, "newest", 12, 200);
    ck_assert_str_eq(look(), "newer newest ");
    ck_assert_str_eq(look(), "");
    flight_free(flight);
}
END_TEST

START_TEST(what_is_no_file_of_ours_is_passed_over)
{
    scratch_file("flight/frontend.1", "nothing of ours");
    scratch_file("flight/.hidden", "");
    ck_assert_str_eq(look(), "");
    ck_assert(flight_status_ok("503") && flight_status_ok("5xx"));
    ck_assert(!flight_status_ok("6xx") && !flight_status_ok("50") && !flight_status_ok("5x3"));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        entries_of_all_files_are_in_the_order_of_time,
        who_follows_gets_each_once,
        a_file_that_begins_anew_is_followed,
        what_is_no_file_of_ours_is_passed_over,
    };
    return SUITE_RUN("flight_view", set_up, tear_down, tests);
}
