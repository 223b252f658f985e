/* ctl: what the files of the command `outrigger` share.
 *
 * How to add a command: a file X_command.c with `int X_command(const struct arguments *)`, its prototype
 * below, its row in commands.c, its options (where they are new) in options.def. Parsing, complaints, help
 * and shell completion follow from the rows; tests hold the manual page against them. What it asks goes
 * through ask.h, what it says through say.h: so --json, the sentences for what goes wrong and the exit
 * statuses are the same everywhere. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CTL_H
#define OUTRIGGER_CTL_H

#include "config.h"
#include "value.h"

/* Exit statuses. */
enum {
    CTL_GOOD = 0,
    CTL_FAULT = 1,      /* something is wrong, refused, given up, or not ready in time */
    CTL_USAGE = 2,      /* the command line itself */
    CTL_NOT_RUNNING = 3 /* there is nothing to talk to */
};

/* ---- options ---- */

enum option_id {
    OPTION_END, /* ends the list of a row */
#define OPTION(id, ...) OPTION_##id,
#include "options.def"
#undef OPTION
    OPTION_COUNT
};

struct option_row {
    const char *name; /* without the dashes */
    const char *value;
    const char *text;
    enum value_kind kind;
    char letter;
};

const struct option_row *option_row(enum option_id id);

/* ---- commands ---- */

struct arguments;

enum { COMMAND_OPTIONS_MAX = 24, OPERANDS_MAX = 4 };

/* One command: a row of the table in commands.c. */
struct command {
    /* "models load" for a verb of a command: it is found by both words. A command with verbs has a row for
     * its own name, too, which runs when no verb follows. */
    const char *name;
    const char *summary; /* one line for the list of commands, without a full stop */
    /* What follows the name, separated by spaces: MODEL, VERSION and FILE are of these kinds (and are
     * completed), a|b|c is one of these words, others are texts. [X] may be left out, and then what follows
     * it. "" for none. */
    const char *operands;
    enum option_id options[COMMAND_OPTIONS_MAX]; /* ended by OPTION_END; --help is always known */
    const char *text;                            /* what it does, for `outrigger help NAME`; whole lines */
    int (*run)(const struct arguments *arguments);
    bool hidden; /* left out of help, completion and manual: for our own scripts */
    bool raw;    /* its words are not parsed: it looks at arguments->words itself */
};

/* The table's rows; NULL behind the last. */
const struct command *command_at(size_t index);
/* The row of that name ("models", "models load"); NULL when there is none. */
const struct command *command_find(const char *name);
/* The row that the words ask for, the one with the longer name first; *used says how many words its name has.
 * NULL when the first word is no command. */
const struct command *command_of(const char *const *words, size_t count, size_t *used);
/* True when the row is a verb of that command: "models load" of "models". */
bool command_is_verb_of(const struct command *command, const char *name);
/* The known name that is most like the word: a command's, or, with `of`, the verb of that command; NULL when
 * none is.
 */
const char *command_nearest(const char *of, const char *word);
bool command_takes(const struct command *command, enum option_id id);

/* One of a row's operands, in its order. */
struct operand {
    struct text name; /* MODEL, or a|b|c */
    enum value_kind kind;
    bool optional;
};
/* Takes the row's operands apart; returns how many. */
size_t command_operands(const struct command *command, struct operand operands[OPERANDS_MAX]);

/* ---- arguments ---- */

struct given; /* one option that was said */

/* What the command line says; texts are argv's. */
struct arguments {
    const struct command *command;
    const char *config_file; /* NULL: defaults alone */
    const char **settings;
    size_t setting_count;
    bool json;
    const char *operands[OPERANDS_MAX]; /* NULL behind the last */
    struct given *given;
    size_t given_count;
    char **words; /* all of them, as they came */
    size_t word_count;
};

/* Reads the command's options and operands from argv[0...]; they may stand in any order. Prints what is wrong
 * and returns -1, returns 1 when help is asked for, else 0. `arguments` is freed with arguments_free in any
 * case. */
int arguments_parse(const struct command *command, int argc, char **argv, struct arguments *arguments);
void arguments_free(struct arguments *arguments);
/* The configuration that the arguments name; prints the complaints and returns NULL when it is wrong. */
struct config *arguments_config(const struct arguments *arguments);

/* What an option was given; of one that was said more than once, the last. */
bool arguments_has(const struct arguments *arguments, enum option_id id);
const char *arguments_text(const struct arguments *arguments, enum option_id id); /* NULL: not said */
/* COUNT as it is, SECONDS and DURATION in milliseconds, SIZE in bytes. */
int64_t arguments_number(const struct arguments *arguments, enum option_id id, int64_t fallback);
double arguments_fraction(const struct arguments *arguments, enum option_id id,
                          double fallback); /* PERCENT */
/* The index-th time that it was said; NULL behind the last. */
const char *arguments_text_at(const struct arguments *arguments, enum option_id id, size_t index);

/* ---- help ---- */

/* All about one row, and the list of its verbs. */
void help_print(const struct command *command, FILE *out);

/* What the commands that name MODEL and VERSION share: asks the supervisor, follows what it does, and says
 * `done`, or why it is `refused`. */
int version_wish(const struct arguments *arguments, const char *verb, const char *refused, const char *done);

/* The commands. Each returns an exit status. */
int run_command(const struct arguments *arguments);
int job_command(const struct arguments *arguments);
int check_command(const struct arguments *arguments);
int status_command(const struct arguments *arguments);
int top_command(const struct arguments *arguments);
int reload_command(const struct arguments *arguments);
int models_command(const struct arguments *arguments);
int models_show_command(const struct arguments *arguments);
int models_rescan_command(const struct arguments *arguments);
int models_digest_command(const struct arguments *arguments);
int models_load_command(const struct arguments *arguments);
int models_unload_command(const struct arguments *arguments);
int models_reload_command(const struct arguments *arguments);
int promote_command(const struct arguments *arguments);
int rollback_command(const struct arguments *arguments);
int route_command(const struct arguments *arguments);
int accuracy_command(const struct arguments *arguments);
int stats_command(const struct arguments *arguments);
int drift_command(const struct arguments *arguments);
int profile_command(const struct arguments *arguments);
int validate_command(const struct arguments *arguments);
int optimize_command(const struct arguments *arguments);
int scale_command(const struct arguments *arguments);
int restart_command(const struct arguments *arguments);
int stop_command(const struct arguments *arguments);
int upgrade_command(const struct arguments *arguments);
int flight_command(const struct arguments *arguments);
int replay_command(const struct arguments *arguments);
int rollout_command(const struct arguments *arguments);
int rollout_status_command(const struct arguments *arguments);
int rollout_pause_command(const struct arguments *arguments);
int rollout_resume_command(const struct arguments *arguments);
int rollout_abort_command(const struct arguments *arguments);
int version_command(const struct arguments *arguments);
int completion_command(const struct arguments *arguments);
int complete_command(const struct arguments *arguments);
int keygen_command(const struct arguments *arguments);
int key_command(const struct arguments *arguments);
int key_add_command(const struct arguments *arguments);
int key_rotate_command(const struct arguments *arguments);
int key_revoke_command(const struct arguments *arguments);
int audit_verify_command(const struct arguments *arguments);
int audit_show_command(const struct arguments *arguments);
int help_command(const struct arguments *arguments);

#endif
