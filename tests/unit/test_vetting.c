/* test_vetting: the gate of a model, with a script in place of `outrigger validate`: who has not passed gets
 * no worker, what was said is remembered, and what could not be said is asked again. SPDX-License-Identifier:
 * MIT */
#include "members_scene.h"
#include "suite.h"

#include "vetting.h"

#define GATE "validation = { data = \"rows.csv\"; target = \"y\"; gate = true; max_accuracy_drop = 0.1; };"
#define REPORT(passed)                                                                                       \
    "echo '{\"passed\": " passed                                                                             \
    ", \"digest\": \"sha256:12\", \"checks\": [{\"name\": \"auc\", \"result\": "                             \
    "\"failed\", \"value\": 0.5, \"relation\": \">\", \"threshold\": 0.85, \"note\": \"poor\"}]}' "          \
    ">/dev/fd/0\n"
/* Writes down how it was called. */
#define SCRIPT "#!/bin/sh\necho \"$@\" >>\"$(dirname \"$0\")/../calls\"\n"

static struct vetting *vetting;
static int changes;

static void changed(void *self)
{
    (void)self;
    changes++;
}

static void set_up(void)
{
    set_up_members(GATE, NULL);
    vetting = vetting_new(
        &(struct vetting_context){.loop = loop, .basis = &setup.basis, .changed = changed, .self = NULL});
}

static void tear_down(void)
{
    vetting_free(vetting);
    tear_down_members();
}

static enum vetting_state look(void)
{
    enum vetting_state state = vetting_look(vetting, plan, &plan->models[0].versions[0]);
    vetting_advance(vetting);
    return state;
}

static bool decided(void)
{
    return look() != VETTING_UNDER_WAY;
}

static const char *reason_of(void)
{
    const char *reason;
    vetting_of(vetting, &plan->models[0].versions[0], &reason);
    return reason;
}

static char *calls(void)
{
    static char text[4096];
    FILE *file = fopen(scratch_path("calls"), "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    return text;
}

START_TEST(without_a_gate_everybody_passes)
{
    ((struct model_config *)plan->repository->models[0])->validation_gate = 0;
    ck_assert_int_eq(look(), VETTING_PASSED);
    ck_assert_str_eq(reason_of(), "");
    ck_assert_str_eq(calls(), "");
}
END_TEST

START_TEST(who_passes_is_remembered)
{
    char kept[4096];
    add_program("bin/outrigger", SCRIPT REPORT("true"));
    ck_assert_int_eq(look(), VETTING_UNDER_WAY);
    ck_assert_str_eq(reason_of(), "it is being validated");
    run_until(decided);
    ck_assert_int_eq(look(), VETTING_PASSED);
    ck_assert_str_eq(reason_of(), "");
    ck_assert_int_gt(changes, 0);
    ck_assert_ptr_nonnull(strstr(calls(), "validate m:1 --quiet --nice --report /dev/fd/0 --wait 600"));
    ck_assert_ptr_null(strstr(calls(), "--unless"));
    FILE *file = fopen(scratch_path(".state/validations/m/1.json"), "r");
    ck_assert_ptr_nonnull(file);
    kept[fread(kept, 1, sizeof kept - 1, file)] = '\0';
    fclose(file);
    ck_assert_ptr_nonnull(strstr(kept, "sha256:12"));

    vetting_free(vetting); /* the next supervisor asks only whether they are the same files */
    add_program("bin/outrigger", SCRIPT);
    vetting = vetting_new(&(struct vetting_context){.loop = loop, .basis = &setup.basis, .changed = changed});
    run_until(decided);
    ck_assert_int_eq(look(), VETTING_PASSED);
    ck_assert_ptr_nonnull(strstr(calls(), "--unless sha256:12"));
}
END_TEST

START_TEST(who_fails_is_refused_until_somebody_wishes)
{
    const struct plan_version *version = &plan->models[0].versions[0];
    add_program("bin/outrigger", SCRIPT REPORT("false") "exit 1\n");
    ck_assert_ptr_null(vetting_failure(vetting, version));
    run_until(decided);
    ck_assert_int_eq(look(), VETTING_REFUSED);
    ck_assert_str_eq(reason_of(), "it has not passed its validation; auc 0.5, which must be > 0.85: poor");
    ck_assert_ptr_nonnull(vetting_failure(vetting, version));
    size_t length = strlen(calls());
    ck_assert_int_eq(look(), VETTING_REFUSED);
    ck_assert_uint_eq(strlen(calls()), length);
    vetting_try_again(vetting, "another");
    ck_assert_int_eq(look(), VETTING_REFUSED);
    vetting_try_again(vetting, "m");
    ck_assert_ptr_null(vetting_failure(vetting, version));
    ck_assert_int_eq(look(), VETTING_UNDER_WAY);
    run_until(decided);
    ck_assert_int_eq(look(), VETTING_REFUSED);
    ck_assert_uint_gt(strlen(calls()), length);
}
END_TEST

START_TEST(other_files_are_another_version)
{
    struct plan_version *version = &plan->models[0].versions[0];
    add_program("bin/outrigger", SCRIPT REPORT("false") "exit 1\n");
    run_until(decided);
    ck_assert_int_eq(look(), VETTING_REFUSED);
    const char *before = version->stamp;
    version->stamp = "1234+0";
    ck_assert_str_eq(reason_of(), "");
    ck_assert_int_eq(look(), VETTING_UNDER_WAY);
    version->stamp = before;
}
END_TEST

static bool put_off(void)
{
    look();
    return strncmp(reason_of(), "its validation could not be run: ", 33) == 0;
}

static bool given_up(void)
{
    look();
    return vetting_failure(vetting, &plan->models[0].versions[0]) != NULL;
}

START_TEST(what_could_not_be_run_is_no_verdict)
{
    add_program("bin/outrigger", SCRIPT "echo 'outrigger: no such column' >&2; exit 2\n");
    run_until(put_off);
    ck_assert_str_eq(reason_of(), "its validation could not be run: outrigger: no such column");
    ck_assert_int_eq(look(), VETTING_UNDER_WAY);
    ck_assert_ptr_null(vetting_failure(vetting, &plan->models[0].versions[0])); /* once may be an accident */
    vetting_try_again(vetting, NULL);
    ck_assert_int_eq(look(), VETTING_UNDER_WAY);
    run_until(given_up);
}
END_TEST

static bool stopped(void)
{
    return vetting_stop(vetting, false);
}

START_TEST(what_is_under_way_is_ended)
{
    add_program("bin/outrigger", SCRIPT "exec sleep 600\n");
    ck_assert_int_eq(look(), VETTING_UNDER_WAY);
    ck_assert(!vetting_stop(vetting, false));
    run_until(stopped);
    ck_assert_int_eq(look(), VETTING_UNDER_WAY); /* and nothing new begins */
    ck_assert(vetting_stop(vetting, false));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {without_a_gate_everybody_passes,
                                  who_passes_is_remembered,
                                  who_fails_is_refused_until_somebody_wishes,
                                  other_files_are_another_version,
                                  what_could_not_be_run_is_no_verdict,
                                  what_is_under_way_is_ended};
    return SUITE_RUN("vetting", set_up, tear_down, tests);
}
