/* test_placement: cores divided for machines of any size, the lists as text, and what is refused.
 * SPDX-License-Identifier: MIT */
#include "placement.h"
#include "suite.h"

#include <stdlib.h>
#include <unistd.h>

static char reason[256];
static struct placement divided;

static cpu_set_t first_cores(int count)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (int core = 0; core < count; core++)
        CPU_SET(core, &cores);
    return cores;
}

static void expect(const char *placement, cpu_set_t cores, const char *light, const char *heavy)
{
    ck_assert_msg(placement_divide(placement, &cores, &divided, reason, sizeof reason), "%s", reason);
    ck_assert_str_eq(divided.light, light);
    ck_assert_str_eq(divided.heavy, heavy);
}

START_TEST(auto_gives_the_last_half_to_the_light_ones)
{
    expect("auto", first_cores(2), "1", "0");
    expect("auto", first_cores(3), "2", "0-1");
    expect("auto", first_cores(4), "2-3", "0-1");
    expect("auto", first_cores(5), "3-4", "0-2");
    expect("auto", first_cores(8), "4-7", "0-3");
    expect("auto", first_cores(CPU_SETSIZE), "512-1023", "0-511");
}
END_TEST

START_TEST(auto_works_with_the_cores_that_there_are)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(1, &cores);
    CPU_SET(5, &cores);
    CPU_SET(6, &cores);
    CPU_SET(9, &cores);
    expect("auto", cores, "6,9", "1,5");
    ck_assert_str_eq(divided.all, "1,5-6,9");
}
END_TEST

START_TEST(one_core_is_left_to_the_kernel)
{
    expect("auto", first_cores(1), "", "");
    expect("0", first_cores(1), "", "");
}
END_TEST

START_TEST(none_is_left_to_the_kernel)
{
    expect("none", first_cores(8), "", "");
}
END_TEST

START_TEST(a_list_is_for_the_light_ones)
{
    expect("0", first_cores(2), "0", "1");
    expect("0,2-3", first_cores(8), "0,2-3", "1,4-7");
    expect("3,2,2-3", first_cores(4), "2-3", "0-1");
    expect("0-3", first_cores(4), "0-3", "");
}
END_TEST

START_TEST(cores_of_others_are_refused)
{
    cpu_set_t cores = first_cores(4);
    ck_assert(!placement_divide("2-4", &cores, &divided, reason, sizeof reason));
    ck_assert_str_eq(reason, "this process may not run on core 4");
    ck_assert_str_eq(divided.light, "");
}
END_TEST

START_TEST(lists_that_do_not_fit_mean_any_core)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (int core = 0; core < CPU_SETSIZE; core += 2)
        CPU_SET(core, &cores);
    expect("auto", cores, "", "");
}
END_TEST

START_TEST(what_is_no_list_is_refused)
{
    static const char *const bad[] = {"",     " ",   "some", "1,",   ",1",   "1-",     "-1",
                                      "1--2", "2-1", "1 2",  "1;2",  "1024", "0-1024", "99999999999999999999",
                                      "1,,2", "0x1", "AUTO", "auto "};
    cpu_set_t cores = first_cores(4);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ck_assert(!placement_check(bad[i], reason, sizeof reason));
        ck_assert_ptr_nonnull(strstr(reason, "expected auto, none or a list of cores, as 0,2-3; got "));
        ck_assert(!placement_divide(bad[i], &cores, &divided, reason, sizeof reason));
    }
}
END_TEST

START_TEST(cores_that_do_not_exist_are_refused)
{
    char list[32];
    long count = sysconf(_SC_NPROCESSORS_CONF);
    ck_assert(placement_check("auto", reason, sizeof reason));
    ck_assert(placement_check("none", reason, sizeof reason));
    snprintf(list, sizeof list, "0-%ld", count - 1);
    ck_assert(placement_check(list, reason, sizeof reason));
    snprintf(list, sizeof list, "%ld", count);
    ck_assert(!placement_check(list, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "there is no core "));
}
END_TEST

/* A child that was given one core reads the configuration that names others; only planning looks at its own
 * cores. */
START_TEST(a_plan_looks_at_the_cores_of_the_process)
{
    struct config_errors errors = {0};
    struct config *config = config_load(NULL, NULL, 0, &errors);
    cpu_set_t ours, one;
    struct placement expected;
    ck_assert_int_eq(sched_getaffinity(0, sizeof ours, &ours), 0);
    ck_assert(placement_plan(config, &divided, &errors));
    ck_assert(placement_divide("auto", &ours, &expected, reason, sizeof reason));
    ck_assert_str_eq(divided.light, expected.light);
    ck_assert_str_eq(divided.heavy, expected.heavy);
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; core++)
        if (CPU_ISSET(core, &ours))
            CPU_SET(core, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert(placement_plan(config, &divided, &errors));
    ck_assert_str_eq(divided.light, "");
    ck_assert_int_eq(errors.count, 0);
    ck_assert_int_eq(sched_setaffinity(0, sizeof ours, &ours), 0);
    config_free(config);
}
END_TEST

START_TEST(a_bad_plan_is_a_complaint)
{
    struct config_errors errors = {0};
    struct config *config = config_load(NULL, NULL, 0, &errors);
    free(config->placement);
    config->placement = object_strdup("some");
    ck_assert(!placement_plan(config, &divided, &errors));
    ck_assert_str_eq(errors.text,
                     "placement: expected auto, none or a list of cores, as 0,2-3; got \"some\"\n");
    config_free(config);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        auto_gives_the_last_half_to_the_light_ones,
        auto_works_with_the_cores_that_there_are,
        one_core_is_left_to_the_kernel,
        none_is_left_to_the_kernel,
        a_list_is_for_the_light_ones,
        cores_of_others_are_refused,
        lists_that_do_not_fit_mean_any_core,
        what_is_no_list_is_refused,
        cores_that_do_not_exist_are_refused,
        a_plan_looks_at_the_cores_of_the_process,
        a_bad_plan_is_a_complaint,
    };
    return SUITE_RUN("placement", NULL, NULL, tests);
}
