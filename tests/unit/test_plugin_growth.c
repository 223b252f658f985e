/* test_plugin_growth: a worker that has grown: its side of the interface is built here with a header that has
 * a member more at the end of each structure (the Makefile makes it), and serves plug-ins of the header that
 * is installed today, of its own, and of one that has grown once more. SPDX-License-Identifier: MIT */
#include "../../worker/backend_plugin.c"

#ifdef GROWN_FOLDER
_Static_assert(sizeof(struct outrigger_values) == FIRST_VALUES + 3 * sizeof(uint64_t),
               "the header has grown");
#endif

#include "plugin_scene.h"

static void set_up(void)
{
    scratch_make();
    snprintf(library, sizeof library, "%s", scratch_path("model.so"));
}

START_TEST(an_older_plug_in_is_served)
{
    build("tests/models/plugin_pairs.c", "-Iworker");
    compute_pairs(&backend_plugin);
}
END_TEST

START_TEST(one_of_its_own_header_is_served)
{
    build("tests/models/plugin_pairs.c", "-DGROWN -I" GROWN_FOLDER);
    compute_pairs(&backend_plugin);
}
END_TEST

START_TEST(a_newer_plug_in_is_served)
{
    char command[512], flags[128];
    snprintf(command, sizeof command,
             "mkdir -p %s/outrigger && sed 's/grown\\[3\\]/grown[5]/' %s/outrigger/backend.h "
             ">%s/outrigger/backend.h",
             scratch_directory, GROWN_FOLDER, scratch_directory);
    ck_assert_int_eq(system(command), 0);
    snprintf(flags, sizeof flags, "-DGROWN -I%s", scratch_directory);
    build("tests/models/plugin_pairs.c", flags);
    compute_pairs(&backend_plugin);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {an_older_plug_in_is_served, one_of_its_own_header_is_served,
                            a_newer_plug_in_is_served};
    return SUITE_RUN("plugin_growth", set_up, scratch_remove, tests);
}
