/* parameter: a struct that is described by a table of parameters, and every way in which its members get
 * values: the defaults, a libconfig file, SECTION.NAME=VALUE. parameters.def and model_parameters.def are
 * such tables. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PARAMETER_H
#define OUTRIGGER_PARAMETER_H

#include "config.h"

#include <yyjson.h>

enum parameter_kind { PARAMETER_INTEGER, PARAMETER_REAL, PARAMETER_STRING, PARAMETER_NAMES };

/* Bounds of what a file may bring. */
enum {
    PARAMETER_STRING_MAX = 4095,  /* bytes: no path of the system is longer */
    PARAMETER_NAMES_MAX = 65536,  /* texts of one list: as many as a schema holds */
    PARAMETER_NAME_MAX = 512,     /* bytes of one of them: PROTOCOL.md's bound of text */
    PARAMETER_FILE_MAX = 16 << 20 /* bytes of one file: room for such a list */
};

/* One row. The member at `offset` is an int64_t, a double, a char * (owned, never NULL) or a struct
 * config_names. */
struct parameter {
    enum parameter_kind kind;
    const char *section; /* "": the top level */
    const char *name;
    size_t offset;
    int64_t standard; /* the default of an integer, and its bounds */
    int64_t minimum;
    int64_t maximum;
    double standard_real; /* the same of a real number */
    double minimum_real;
    double maximum_real;
    const char *unit;
    const char *standard_text; /* the default of a string */
    const char *text;          /* what it is, for people */
};

/* One fault within a group: its field, as arms[0].percent ("": the whole), and what is wrong with it. */
typedef void parameter_fault(void *self, const char *field, const char *complaint);

/* A section that rows cannot describe, as lists of sections stand in it: it is brought into JSON's form. */
struct parameter_group {
    const char *name;
    /* Reads it into the target and tells every fault; then the target keeps what it had. */
    void (*read)(void *target, yyjson_val *value, parameter_fault *fault, void *self);
    void (*print)(FILE *out); /* as it stands in the template */
};

struct parameter_table {
    const struct parameter *rows;
    size_t count;
    const struct parameter_group *groups;
    size_t group_count;
};

/* How a row of the .def files becomes a struct parameter of `struct owner`. */
#define PARAMETER_ROW_INTEGER(owner, section_, name_, standard_, minimum_, maximum_, unit_, text_)           \
    {                                                                                                        \
        .kind = PARAMETER_INTEGER, .section = #section_, .name = #name_,                                     \
        .offset = offsetof(struct owner, CONFIG_NAME(section_, name_)), .standard = (standard_),             \
        .minimum = (minimum_), .maximum = (maximum_), .unit = (unit_), .text = (text_)                       \
    }
#define PARAMETER_ROW_REAL(owner, section_, name_, standard_, minimum_, maximum_, unit_, text_)              \
    {                                                                                                        \
        .kind = PARAMETER_REAL, .section = #section_, .name = #name_,                                        \
        .offset = offsetof(struct owner, CONFIG_NAME(section_, name_)), .standard_real = (standard_),        \
        .minimum_real = (minimum_), .maximum_real = (maximum_), .unit = (unit_), .text = (text_)             \
    }
#define PARAMETER_ROW_STRING(owner, section_, name_, standard_, text_)                                       \
    {                                                                                                        \
        .kind = PARAMETER_STRING, .section = #section_, .name = #name_,                                      \
        .offset = offsetof(struct owner, CONFIG_NAME(section_, name_)), .standard_text = (standard_),        \
        .text = (text_)                                                                                      \
    }
#define PARAMETER_ROW_NAMES(owner, section_, name_, text_)                                                   \
    {                                                                                                        \
        .kind = PARAMETER_NAMES, .section = #section_, .name = #name_,                                       \
        .offset = offsetof(struct owner, CONFIG_NAME(section_, name_)), .text = (text_)                      \
    }

/* Gives every member its default (the struct's memory is zeroed before). */
void parameters_default(const struct parameter_table *table, void *target);
/* Frees what the members own; the struct itself stays. */
void parameters_free(const struct parameter_table *table, void *target);
void config_names_free(struct config_names *names);

/* "section.name", or "name" at the top level; returns `path`. */
enum { PARAMETER_PATH_MAX = 64 };
char *parameter_path(const struct parameter *row, char path[PARAMETER_PATH_MAX]);
/* NULL when there is no such row. */
const struct parameter *parameter_find(const struct parameter_table *table, const char *path);
const struct parameter_group *parameter_find_group(const struct parameter_table *table, const char *name);
/* True for an integer that stands for yes (1) or no (0), which may be written true and false, too. */
bool parameter_is_yes_no(const struct parameter *row);

/* One reading of values into one struct: it remembers where each member's value came from, so that later
 * checks can complain with file and line. */
struct parameter_reader;

/* `source` is what complaints name for a member that nothing has set (a file's name). It, the table, the
 * target and the errors must outlive the reader. */
struct parameter_reader *parameter_reader_new(const struct parameter_table *table, void *target,
                                              const char *source, struct config_errors *errors);
void parameter_reader_free(struct parameter_reader *reader);

/* Reads a libconfig file; a relative @include is relative to the file's own folder. Every fault is a
 * complaint; members whose values are wrong keep what they had. */
void parameter_read_file(struct parameter_reader *reader, const char *file);
/* The same from memory, ended with a zero byte; `name` is its file for complaints and @include. */
void parameter_read_text(struct parameter_reader *reader, const char *name, const char *text);
/* "section.name=value", as of the command line. */
void parameter_set(struct parameter_reader *reader, const char *setting);
/* The same by another option than --set, which complaints name. */
void parameter_set_by(struct parameter_reader *reader, const char *option, const char *setting);

/* Complains of a member that a later check found wrong, with the place where its value stands. `member`
 * points to the member in the target. */
void parameter_complain(struct parameter_reader *reader, const void *member, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints every parameter at its default with its text and bounds, as libconfig. */
void parameters_print(const struct parameter_table *table, FILE *out);

#endif
