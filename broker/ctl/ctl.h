/* ctl: what the files of the command `outrigger` share. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CTL_H
#define OUTRIGGER_CTL_H

#include "config.h"

/* Exit statuses. */
enum {
    CTL_GOOD = 0,
    CTL_FAULT = 1,      /* something is wrong, or not ready in time */
    CTL_USAGE = 2,      /* the command line itself */
    CTL_NOT_RUNNING = 3 /* there is nothing to talk to */
};

/* What the command line says; texts are argv's. */
struct arguments {
    const char *config_file; /* NULL: defaults alone */
    const char **settings;
    size_t setting_count;
    bool json;
    bool configuration_template;
    bool model_template;
    bool list;
    const char *model;     /* NULL: not said */
    const char *version;   /* likewise */
    const char *name;      /* likewise */
    const char *directory; /* likewise */
    int wait_seconds;      /* -1: not asked for */
    const char *operand;   /* the one argument that is no option, or NULL */
};

/* One command: a row of the table in commands.c. */
struct command {
    const char *name;
    const char *summary; /* one line for the list of commands */
    const char *options; /* letters of the options that it takes; see arguments.c */
    const char *operand; /* what its operand is called; NULL: it takes none */
    const char *text;    /* what it does, for `outrigger help NAME` */
    int (*run)(const struct arguments *arguments);
};

/* The table's rows and the one of a name, NULL when there is none. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name);
/* The known name that is most like the word, NULL when none is. */
const char *command_nearest(const char *word);

/* Reads the command's options from argv[1...] (argv[0] is the command's name). Prints what is wrong and
 * returns -1, or prints the command's help and returns 1, else 0. `arguments` is freed with arguments_free in
 * any case. */
int arguments_parse(const struct command *command, int argc, char **argv, struct arguments *arguments);
void arguments_free(struct arguments *arguments);
/* The options that the letters stand for, as lines of help. */
void arguments_print_help(const char *letters);
/* The configuration that the arguments name; prints the complaints and returns NULL when it is wrong. */
struct config *arguments_config(const struct arguments *arguments);

/* The commands. Each returns an exit status. */
int run_command(const struct arguments *arguments);
int check_command(const struct arguments *arguments);
int status_command(const struct arguments *arguments);
int reload_command(const struct arguments *arguments);
int restart_command(const struct arguments *arguments);
int stop_command(const struct arguments *arguments);
int replay_command(const struct arguments *arguments);
int keygen_command(const struct arguments *arguments);
int help_command(const struct arguments *arguments);

#endif
