/* options: the command line that all our programs share. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPTIONS_H
#define OUTRIGGER_OPTIONS_H

#include "config.h"

/* What the supervisor gives to each program, and what a person may give by hand:
 *   -c, --config FILE    -s, --set SECTION.NAME=VALUE (any number)   -n, --name NAME   (the process's name)
 *   -r, --ready-fd FD    (process_ready)                              -m, --model NAME  -V, --model-version V
 *   -t, --token-fd FD    (read a worker's token there: worker_token.h)   -h, --help   --version
 *   --dry-run            (the supervisor: say what is wrong with its configuration, start nothing) */
struct options {
    const char *config_file; /* NULL: none */
    const char **settings;
    size_t setting_count;
    const char *name;          /* "broker"; defaults to the program's own */
    const char *model;         /* worker only; NULL */
    const char *model_version; /* worker only; NULL */
    int ready_fd;              /* -1: none */
    int token_fd;              /* worker only; -1: none */
    bool dry_run;              /* supervisor only */
};

/* Parses; prints help or version and exits 0, or a complaint and exits 2. `summary` is one line on what the
 * program is, for --help. `name` is the default process name. */
struct options options_parse(int argc, char **argv, const char *name, const char *summary);
/* Loads the configuration that the options name, opens the log, forbids core files unless it allows them.
 * Prints complaints and exits 1 when it is wrong. */
struct config *options_config(const struct options *options);
void options_free(struct options *options);

#endif
