/* parameter_reader: what the files parameter*.c share; of others deployments.c reads its file with it.
 * SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_PARAMETER_READER_H
#define OUTRIGGER_PARAMETER_READER_H

#include "parameter.h"

struct parameter_reader {
    unsigned magic;
    const struct parameter_table *table;
    void *target;
    const char *source;
    struct config_errors *errors;
    char **origins; /* for each row "file:12" or "--set", NULL while its default stands */
};

/* A value on its way into a member. */
struct parameter_value {
    enum parameter_value_kind {
        VALUE_INTEGER,
        VALUE_REAL,
        VALUE_TRUTH,
        VALUE_TEXT,
        VALUE_NAMES,
        VALUE_OTHER
    } kind;
    int64_t integer;           /* VALUE_INTEGER, VALUE_TRUTH */
    double real;               /* VALUE_REAL */
    const char *text;          /* VALUE_TEXT; VALUE_OTHER: what it is, for people ("a list") */
    struct config_names names; /* VALUE_NAMES: texts that the member takes over, or that are freed */
};

/* Checks the value against the row of that path and stores it, or complains. `origin` is where it stands. */
void parameter_assign(struct parameter_reader *reader, const char *origin, const char *path,
                      struct parameter_value *value);

/* Says in a few words what came: 12, true, "text" (cut), a list; for complaints. Returns `text`. */
enum { PARAMETER_SHOWN_MAX = 80 };
char *parameter_show(const struct parameter_value *value, char text[PARAMETER_SHOWN_MAX]);

/* "file:12", where a setting of libconfig stands. libconfig knows no name for text that it got from memory;
 * that is `name`. Returns `origin`. */
enum { PARAMETER_ORIGIN_MAX = 512 };
struct config_setting_t;
char *parameter_origin(const struct config_setting_t *setting, const char *name,
                       char origin[PARAMETER_ORIGIN_MAX]);

/* Brings the setting into JSON's form and has the group read it; each fault is complained of with the line of
 * its field. `name` as above. */
void parameter_read_group(struct parameter_reader *reader, const struct parameter_group *group,
                          const char *name, struct config_setting_t *setting);

/* Looks through a text for what libconfig 1.5 gets wrong without a word: whole numbers of more than 32 bits
 * without an L (they are cut), and included paths that are no regular files (a folder ends the process).
 * Complains, and returns false, when there is any. `name` is the text's file; included files are looked at,
 * too. */
bool parameter_vet(struct config_errors *errors, const char *name, const char *include_directory,
                   const char *text);

/* A whole regular file of at most PARAMETER_FILE_MAX bytes, ended with a zero byte, which the caller frees.
 * NULL and a `reason` for people, good until the next call of strerror. */
char *parameter_slurp(const char *file, const char **reason);

#endif
