/* config_scene: outrigger.conf as a text of the test, read, and its faults. Include it in one test program's
 * only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONFIG_SCENE_H
#define OUTRIGGER_CONFIG_SCENE_H

#include "config.h"
#include "scratch_directory.h"

static struct config_errors errors;
static struct config *loaded;

static inline void set_up(void)
{
    scratch_make();
    errors = (struct config_errors){0};
    loaded = NULL;
}

static inline void tear_down(void)
{
    config_free(loaded);
    scratch_remove();
}

static inline void load_text(const char *text)
{
    loaded = config_load(scratch_file("o.conf", text), NULL, 0, &errors);
}

static inline void expect_good(void)
{
    ck_assert_msg(loaded != NULL, "%s", errors.text);
    ck_assert_int_eq(errors.count, 0);
    ck_assert_str_eq(errors.text, "");
}

#endif
