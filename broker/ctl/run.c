/* run: becomes the supervisor, with the options that it was given. SPDX-License-Identifier: MIT */
#include "ctl.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* The supervisor beside this program; false when the kernel does not say where that is. */
static bool find_supervisor(char *path, size_t capacity)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return false;
    self[length] = '\0';
    snprintf(path, capacity, "%s/outrigger-supervisor", dirname(self));
    return true;
}

int run_command(const struct arguments *arguments)
{
    char path[PATH_MAX + 32];
    if (!find_supervisor(path, sizeof path)) {
        fprintf(stderr, "outrigger: /proc/self/exe: %s\n", strerror(errno));
        return CTL_FAULT;
    }
    /* the program, -c FILE, -s for each setting, NULL */
    const char **argv = object_alloc((1 + 2 + 2 * arguments->setting_count + 1) * sizeof(char *));
    size_t count = 0;
    argv[count++] = path;
    if (arguments->config_file != NULL) {
        argv[count++] = "-c";
        argv[count++] = arguments->config_file;
    }
    for (size_t i = 0; i < arguments->setting_count; i++) {
        argv[count++] = "-s";
        argv[count++] = arguments->settings[i];
    }
    execv(path, (char *const *)argv);
    fprintf(stderr, "outrigger: %s: %s\n", path, strerror(errno));
    free(argv);
    return CTL_FAULT;
}
