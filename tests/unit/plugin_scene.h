/* plugin_scene: plug-ins that are built for a test. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PLUGIN_SCENE_H
#define OUTRIGGER_PLUGIN_SCENE_H

#include "backend.h"
#include "scratch_directory.h"
#include "suite.h"

#include "object.h"

#ifndef GROWN_FOLDER /* for who only reads this: the Makefile says where the header is that has grown */
#define GROWN_FOLDER ""
#endif

static char error[BACKEND_ERROR_MAX], library[300];
static const struct backend_options options = {.threads = 1};
static struct backend_description description;

/* Compiles `source`, a file, to the library. */
static inline void build(const char *source, const char *flags)
{
    char command[1024];
    snprintf(command, sizeof command, "cc -shared -fPIC %s -o %s %s", flags, library, source);
    ck_assert_int_eq(system(command), 0);
}

/* Two rows for tests/models/plugin_pairs.c. */
static const float pair_values[] = {1, 2, 3, 4};
static const int64_t pair_factors[] = {10, 100};
static const struct backend_values pairs[] = {{pair_values, sizeof pair_values, 2, {2, 2}},
                                              {pair_factors, sizeof pair_factors, 1, {2}}};

/* The library, which is that plug-in, computes what it should, twice. */
static inline void compute_pairs(const struct backend *backend)
{
    struct backend_values outputs[2];
    void *state = backend->open(library, &options, &description, error);
    ck_assert_msg(state != NULL, "%s", error);
    ck_assert_str_eq(description.platform, "pairs");
    ck_assert_uint_eq(description.input_count, 2);
    ck_assert_str_eq(description.inputs[1].name, "factors");
    ck_assert_str_eq(description.inputs[1].datatype, "INT64");
    ck_assert_str_eq(description.outputs[1].name, "counts");
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(backend->run(state, pairs, outputs, error) == 0, "%s", error);
        ck_assert_int_eq(outputs[0].shape[0], 2);
        ck_assert_double_eq(((const double *)outputs[0].data)[0], 30);
        ck_assert_double_eq(((const double *)outputs[0].data)[1], 700);
        ck_assert_uint_eq(outputs[1].rank, 1);
        ck_assert_int_eq(((const int32_t *)outputs[1].data)[1], 2 * (i + 1));
    }
    backend->close(state);
}

#endif
