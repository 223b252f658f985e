/* become: commands that are programs of their own are those programs from then on: signals, output and exit
 * status are theirs, with nothing in between. SPDX-License-Identifier: MIT */
#include "become.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

void become_add(struct become *become, const char *word)
{
    if (become->count == become->room) {
        become->room = become->room == 0 ? 16 : become->room * 2;
        become->words = realloc(become->words, become->room * sizeof *become->words);
        ENSURE(become->words != NULL);
    }
    become->words[become->count++] = word;
}

void become_add_configuration(struct become *become, const struct arguments *arguments)
{
    if (arguments->config_file != NULL) {
        become_add(become, "-c");
        become_add(become, arguments->config_file);
    }
    for (size_t i = 0; i < arguments->setting_count; i++) {
        become_add(become, "-s");
        become_add(become, arguments->settings[i]);
    }
}

/* The program beside this one; false when the kernel does not say where that is. */
static bool find(const char *program, char *path, size_t capacity)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return false;
    self[length] = '\0';
    snprintf(path, capacity, "%s/%s", dirname(self), program);
    return true;
}

int become_run(struct become *become, const char *program)
{
    char path[PATH_MAX + 64];
    if (!find(program, path, sizeof path)) {
        fprintf(stderr, "outrigger: /proc/self/exe: %s\n", strerror(errno));
        return CTL_FAULT;
    }
    const char **argv = object_alloc((become->count + 2) * sizeof *argv); /* the program first, NULL last */
    argv[0] = path;
    if (become->count > 0)
        memcpy(argv + 1, become->words, become->count * sizeof *argv);
    execv(path, (char *const *)argv);
    fprintf(stderr, "outrigger: %s: %s\n", path, strerror(errno));
    free(argv);
    free(become->words);
    return CTL_FAULT;
}
