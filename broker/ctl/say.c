/* say: the one place that knows how a fault looks. SPDX-License-Identifier: MIT */
#include "say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { FAULT_BYTES = 8192 };

yyjson_mut_doc *say_new(void)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    ENSURE(root != NULL);
    yyjson_mut_obj_add_bool(document, root, "ok", true);
    yyjson_mut_doc_set_root(document, root);
    return document;
}

/* Reasons quote anything: an odd byte is better than no answer. */
#define ANY_BYTES YYJSON_WRITE_ALLOW_INVALID_UNICODE

/* Frees the text. */
static void print_line(char *text)
{
    ENSURE(text != NULL);
    puts(text);
    free(text);
}

void say_json(yyjson_mut_doc *document)
{
    print_line(yyjson_mut_write(document, ANY_BYTES, NULL));
    yyjson_mut_doc_free(document);
}

void say_set_error(yyjson_mut_doc *document, const char *text)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_obj_put(root, yyjson_mut_str(document, "ok"), yyjson_mut_bool(document, false));
    yyjson_mut_obj_add_strcpy(document, root, "error", text);
}

void say_json_error(const char *text)
{
    yyjson_mut_doc *document = say_new();
    say_set_error(document, text);
    say_json(document);
}

int say_fault(const struct arguments *arguments, int status, const char *format, ...)
{
    char text[FAULT_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "outrigger: %s\n", text);
    if (arguments->json)
        say_json_error(text);
    return status;
}

int say_usage(const struct arguments *arguments, const char *format, ...)
{
    va_list list;
    fprintf(stderr, "outrigger %s: ", arguments->command->name);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\nTry: outrigger help %s\n", arguments->command->name);
    return CTL_USAGE;
}

int say_good(const struct arguments *arguments, const char *text)
{
    if (arguments->json)
        say_json(say_new());
    else
        puts(text);
    return CTL_GOOD;
}

int say_answer(yyjson_doc *answer)
{
    print_line(yyjson_write(answer, ANY_BYTES, NULL));
    return CTL_GOOD;
}

char *say_duration(int64_t ms, char text[SAY_DURATION_BYTES])
{
    int64_t seconds = ms / 1000;
    if (seconds >= 86400)
        snprintf(text, SAY_DURATION_BYTES, "%" PRId64 "d %" PRId64 "h", seconds / 86400,
                 seconds % 86400 / 3600);
    else if (seconds >= 3600)
        snprintf(text, SAY_DURATION_BYTES, "%" PRId64 "h %" PRId64 "m", seconds / 3600, seconds % 3600 / 60);
    else if (seconds >= 60)
        snprintf(text, SAY_DURATION_BYTES, "%" PRId64 "m %" PRId64 "s", seconds / 60, seconds % 60);
    else
        snprintf(text, SAY_DURATION_BYTES, "%" PRId64 "s", seconds);
    return text;
}

bool say_coloured(void)
{
    return isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
}
