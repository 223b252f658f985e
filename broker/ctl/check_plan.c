/* check_plan: what `outrigger run` would make of the configuration that is checked: how many of what, on
 * which sockets, in which sandbox. Both ways to tell it, check_print.c and check_json.c, have it from here.
 * SPDX-License-Identifier: MIT */
#include "checked.h"

#include <stdio.h>

int64_t check_threads(const struct check *check, const struct model_config *model)
{
    return model->threads == 0 ? check->config->worker_threads : model->threads;
}

int64_t check_all_threads(const struct check *check)
{
    int64_t threads = 0;
    for (size_t i = 0; i < check->list->count; i++)
        if (check->models[i].version != NULL)
            threads += check_bounds(check, check->models[i].model).begin *
                       check_threads(check, check->models[i].model);
    return threads;
}

struct deployment_bounds check_bounds(const struct check *check, const struct model_config *model)
{
    return deployment_bounds(model, deployments_find(check->said, model->name));
}

int64_t check_timeout_ms(const struct check *check, const struct model_config *model)
{
    return model->queue_timeout_ms == 0 ? check->config->frontend_request_timeout_ms
                                        : model->queue_timeout_ms;
}

void check_each_process(const struct check *check,
                        void (*take)(void *self, const char *name, int64_t count, int64_t threads,
                                     const char *cores, const char *user),
                        void *self)
{
    const struct config *config = check->config;
    char cores[300], name[160];
    take(self, "supervisor", 1, 1, "", check->user);
    take(self, "collector", 1, 1, "", check->user);
    take(self, "broker", 1, 1, check->placement.light, check->user);
    snprintf(cores, sizeof cores, "%s%s%s", check->placement.light,
             *check->placement.heavy == '\0' ? "" : "; heavy ", check->placement.heavy);
    for (size_t i = 0; i < check->list->count; i++) {
        const struct check_model *entry = &check->models[i];
        snprintf(name, sizeof name, "worker %s", entry->model->name);
        if (entry->version != NULL)
            take(self, name, check_bounds(check, entry->model).begin, check_threads(check, entry->model),
                 *entry->model->cores == '\0' ? cores : entry->model->cores, check->worker_user);
    }
    take(self, "frontend", config->frontend_processes, 1 + config->frontend_lane_threads,
         check->placement.light, check->user);
}

void check_each_socket(const struct check *check,
                       void (*take)(void *self, const char *address, const char *mode, const char *what),
                       void *self)
{
    const struct config *config = check->config;
    char address[4400], mode[4200];
    const char *group = config->frontend_socket_group;
    snprintf(mode, sizeof mode, "%s%s%s", config->frontend_socket_mode, *group == '\0' ? "" : " group ",
             group);
    take(self, config->frontend_socket, mode, "FastCGI: the web server");
    take(self, config->broker_askers, "-", "the frontends and other askers");
    take(self, config->broker_workers, "-", "the workers");
    if (*config->broker_askers_tcp != '\0')
        take(self, config->broker_askers_tcp, "CURVE", "askers of other hosts");
    if (*config->broker_workers_tcp != '\0')
        take(self, config->broker_workers_tcp, "CURVE", "workers of other hosts");
    if (*config->collector_listen != '\0') {
        snprintf(address, sizeof address, "http://%s/metrics", config->collector_listen);
        take(self, address, "-", "Prometheus");
    }
    snprintf(address, sizeof address, "%s/supervisor.sock", config->runtime_directory);
    take(self, address, "0600", "control: outrigger status, reload, stop");
    snprintf(address, sizeof address, "%s/broker.sock", config->runtime_directory);
    take(self, address, "0600", "control: the supervisor, outrigger status");
}

void check_each_guard(const struct check *check,
                      void (*take)(void *self, const char *part, bool there, const char *what), void *self)
{
    struct sandbox_powers powers = check->powers;
    bool wanted = strcmp(check->config->sandbox_mode, "off") != 0;
    char landlock[32];
    snprintf(landlock, sizeof landlock, powers.landlock == 0 ? "Landlock" : "Landlock %d", powers.landlock);
    take(self, "no_new_privs", wanted, "nothing that is executed gains rights");
    take(self, "seccomp", wanted && powers.seccomp, "system calls: only those that the program needs");
    take(self, landlock, wanted && powers.landlock >= 1, "files: only those that the program needs");
    take(self, "  truncate", wanted && powers.landlock >= (powers.seccomp ? 1 : 3),
         "files that are not to be written cannot be cut");
    take(self, "  TCP", wanted && powers.landlock >= 4, "TCP: only to the ports that the program needs");
    take(self, "  devices", wanted && powers.landlock >= 5, "devices cannot be controlled");
    take(self, "  scopes", wanted && powers.landlock >= 6,
         "signals, and sockets without a file: only its own");
}
