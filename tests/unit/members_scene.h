/* members_scene: the processes of a fleet, which are shell scripts here, and a loop that turns until
 * something holds. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MEMBERS_SCENE_H
#define OUTRIGGER_MEMBERS_SCENE_H

#include "members.h"
#include "repository.h"

#define SERVER "#!/bin/sh\necho ready >&3; exec 3>&-; exec sleep 600\n"

static struct config *config;
static struct options options;
static struct loop *loop;
static struct metrics *metrics;
static struct plan *plan;
static struct fleet_setup setup;
static struct service_patience patience;
static struct members members;
static bool (*awaited)(void);

static inline void end_of_turn(void *self)
{
    (void)self;
    if (awaited())
        loop_stop(loop);
}

static inline void run_until(bool (*condition)(void))
{
    awaited = condition;
    if (!condition())
        loop_run(loop);
}

static int births;

static inline void was_born(void *self)
{
    (void)self;
    births++;
}

static inline void add_program(const char *name, const char *script)
{
    ck_assert_int_eq(chmod(scratch_file(name, script), 0700), 0);
}

/* The model m, version 1, as this model.conf says. */
static inline void set_up_members(const char *model_conf, const char *setting)
{
    static char binaries[128];
    struct config_errors errors = {0};
    scratch_make();
    scratch_folder("bin");
    snprintf(binaries, sizeof binaries, "binary_directory=%s", scratch_path("bin"));
    repository_add("m", "1");
    repository_configure("m", model_conf);
    config = repository_config((const char *const[]){binaries, setting, NULL});
    const struct deployments nothing = {0};
    const struct plan_reading reading = {.config = config, .said = &nothing};
    plan = plan_new(&reading, &errors);
    loop = loop_new();
    metrics = metrics_new(NULL);
    options = (struct options){.ready_fd = -1};
    setup = (struct fleet_setup){
        .loop = loop, .metrics = metrics, .basis = {.config = config, .options = &options, .listen_fd = -1}};
    patience = (struct service_patience){.start_timeout_ms = 60000,
                                         .stop_timeout_ms = 60000,
                                         .drain_timeout_ms = 60000,
                                         .restart_max_ms = 30000,
                                         .storm_count = 10};
    members = (struct members){.setup = &setup, .patience = &patience, .born = was_born};
    loop_each_turn(loop, end_of_turn, NULL);
}

static inline void tear_down_members(void)
{
    members_free_all(&members);
    metrics_free(metrics);
    loop_free(loop);
    plan_free(plan);
    config_free(config);
    scratch_remove();
}

#endif
