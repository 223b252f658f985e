/* config_errors: the list of complaints that reading a configuration leaves behind. A person mends a file
 * faster when all faults are told at once, so nobody stops at the first; what has no room any more is still
 * counted. SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdarg.h>

/* What stands in a complaint may come from a file: it must not become a second line or move a terminal's
 * cursor. */
static void replace_control_characters(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

void config_complain(struct config_errors *errors, const char *format, ...)
{
    size_t room = sizeof(errors->text) - errors->length;
    char *line = errors->text + errors->length;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line, room, format, arguments);
    va_end(arguments);
    errors->count++;
    if (written < 0 || (size_t)written + 2 > room) { /* whole lines only: + newline + terminator */
        *line = '\0';
        return;
    }
    replace_control_characters(line, (size_t)written);
    line[written] = '\n';
    line[written + 1] = '\0';
    errors->length += (size_t)written + 1;
}

void config_errors_print(const struct config_errors *errors, FILE *out)
{
    int shown = 0;
    for (size_t i = 0; i < errors->length; i++)
        shown += errors->text[i] == '\n';
    fputs(errors->text, out);
    if (shown < errors->count)
        fprintf(out, "and %d more\n", errors->count - shown);
}
