/* audit_command: `outrigger audit verify` and `outrigger audit show`. They look at the files alone: what
 * happened can be read when nothing runs any more, and from a copy elsewhere. SPDX-License-Identifier: MIT */
#include "audit_look.h"
#include "clock.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FAULT_BYTES = 256 };

#define FOLLOW_EVERY (200 * MILLISECOND)

/* What both look at. */
struct folder {
    char path[PATH_MAX];
    int fd;
    char **processes;
    int count;
};

static void close_folder(struct folder *folder)
{
    audit_files_names_free(folder->processes, folder->count < 0 ? 0 : folder->count);
    if (folder->fd >= 0)
        close(folder->fd);
}

/* CTL_GOOD, or an exit status after a complaint; to be closed in any case. */
static int open_folder(const struct arguments *arguments, struct folder *folder)
{
    const char *directory = arguments_text(arguments, OPTION_AUDIT_DIRECTORY);
    *folder = (struct folder){.fd = -1};
    if (directory != NULL) {
        snprintf(folder->path, sizeof folder->path, "%s", directory);
    } else {
        struct config *config = arguments_config(arguments);
        if (config == NULL)
            return CTL_FAULT;
        snprintf(folder->path, sizeof folder->path, "%s/" AUDIT_FOLDER, config->state_directory);
        config_free(config);
    }
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    folder->count = folder->fd < 0 ? -1 : audit_files_processes(folder->fd, &folder->processes);
    if (folder->count < 0)
        return say_fault(arguments, CTL_FAULT, "%s: %s", folder->path, strerror(errno));
    if (folder->count == 0)
        return say_fault(arguments, CTL_FAULT, "%s: there is no audit log", folder->path);
    return CTL_GOOD;
}

/* ---- verify ---- */

static void print_verdict(const char *path, const struct audit_verdict *verdict)
{
    char text[FAULT_BYTES];
    for (size_t i = 0; i < verdict->fault_count; i++) {
        const struct audit_fault *fault = &verdict->faults[i];
        audit_fault_text(fault, text, sizeof text);
        printf("%s/%s:%" PRIu64 ": %s\n", path, fault->file, fault->line, text);
    }
    if (verdict->error != 0)
        printf("%s/%s: %s\n", path, verdict->process, strerror(verdict->error));
    if (verdict->head_missing)
        printf("%s/%s.head: missing, or not what was written: lines cut off the end cannot be told\n", path,
               verdict->process);
    printf("%s: %s, %" PRIu64 " lines in %zu file%s, to line %" PRIu64, verdict->process,
           audit_verdict_good(verdict) ? "whole" : "NOT WHOLE", verdict->lines, verdict->file_count,
           verdict->file_count == 1 ? "" : "s", verdict->last_seq);
    if (verdict->removed_to > 0)
        printf(" (up to %" PRIu64 " removed with old files, as the log says)", verdict->removed_to);
    if (*verdict->begin != '\0')
        printf(", from %s to %s", verdict->begin, verdict->end);
    if (verdict->unfinished > 0)
        printf(", behind it %zu bytes of a line that is being written, or was torn by a crash",
               verdict->unfinished);
    putchar('\n');
}

static void add_verdict(yyjson_mut_doc *document, const struct audit_verdict *verdict)
{
    char text[FAULT_BYTES];
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, yyjson_mut_obj_get(root, "processes"));
    yyjson_mut_obj_add_strcpy(document, entry, "process", verdict->process);
    yyjson_mut_obj_add_bool(document, entry, "whole", audit_verdict_good(verdict));
    yyjson_mut_obj_add_uint(document, entry, "lines", verdict->lines);
    yyjson_mut_obj_add_uint(document, entry, "last_seq", verdict->last_seq);
    yyjson_mut_obj_add_uint(document, entry, "removed_to", verdict->removed_to);
    yyjson_mut_obj_add_uint(document, entry, "unfinished_bytes", verdict->unfinished);
    yyjson_mut_obj_add_bool(document, entry, "head_missing", verdict->head_missing);
    yyjson_mut_obj_add_strcpy(document, entry, "from", verdict->begin);
    yyjson_mut_obj_add_strcpy(document, entry, "to", verdict->end);
    if (verdict->error != 0)
        yyjson_mut_obj_add_strcpy(document, entry, "error", strerror(verdict->error));
    yyjson_mut_val *files = yyjson_mut_obj_add_arr(document, entry, "files");
    for (size_t i = 0; i < verdict->file_count; i++)
        yyjson_mut_arr_add_strcpy(document, files, verdict->files[i]);
    yyjson_mut_val *faults = yyjson_mut_obj_add_arr(document, entry, "faults");
    for (size_t i = 0; i < verdict->fault_count; i++) {
        const struct audit_fault *fault = &verdict->faults[i];
        yyjson_mut_val *one = yyjson_mut_arr_add_obj(document, faults);
        audit_fault_text(fault, text, sizeof text);
        yyjson_mut_obj_add_strcpy(document, one, "file", fault->file);
        yyjson_mut_obj_add_uint(document, one, "line", fault->line);
        yyjson_mut_obj_add_str(document, one, "fault", chain_fault_name(fault->fault));
        yyjson_mut_obj_add_uint(document, one, "first_seq", fault->first);
        yyjson_mut_obj_add_uint(document, one, "last_seq", fault->last);
        yyjson_mut_obj_add_strcpy(document, one, "text", text);
    }
}

static int verify(const struct arguments *arguments, const struct folder *folder)
{
    bool good = true;
    yyjson_mut_doc *document = arguments->json ? say_new() : NULL;
    if (document != NULL)
        yyjson_mut_obj_add_arr(document, yyjson_mut_doc_get_root(document), "processes");
    for (int i = 0; i < folder->count; i++) {
        struct audit_verdict verdict = audit_look(folder->fd, folder->processes[i]);
        good = audit_verdict_good(&verdict) && good;
        if (document != NULL)
            add_verdict(document, &verdict);
        else
            print_verdict(folder->path, &verdict);
        audit_verdict_free(&verdict);
    }
    if (document != NULL && !good)
        say_set_error(document, "the audit log is not whole");
    if (document != NULL)
        say_json(document);
    return good ? CTL_GOOD : CTL_FAULT;
}

int audit_verify_command(const struct arguments *arguments)
{
    struct folder folder;
    int status = open_folder(arguments, &folder);
    if (status == CTL_GOOD)
        status = verify(arguments, &folder);
    close_folder(&folder);
    return status;
}

/* ---- show ---- */

/* One process's next line, until it is its turn. */
struct source {
    char *process;
    struct audit_reader *reader;
    struct audit_line line;
    bool has_line;
    char time[AUDIT_TIME_MAX];
};

struct show {
    const struct folder *folder;
    struct source *sources;
    int count;
    char since[AUDIT_TIME_MAX]; /* "": from the beginning */
    bool json;
};

/* A duration back from now, or a time as it stands in lines (or its beginning). False when it is neither. */
static bool read_since(const char *text, char since[AUDIT_TIME_MAX])
{
    struct value value;
    if (value_read(VALUE_DURATION, NULL, text, &value)) {
        int64_t then = clock_wall() - value.number * MILLISECOND;
        time_t seconds = (time_t)(then / SECOND);
        struct tm parts;
        gmtime_r(&seconds, &parts);
        return strftime(since, AUDIT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &parts) > 0;
    }
    static const char form[] = "0000-00-00T00:00:00.000000Z";
    size_t length = strlen(text);
    if (length < 10 || length > sizeof form - 1)
        return false;
    for (size_t i = 0; i < length; i++)
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9'
                           : text[i] != form[i] && !(i == 10 && text[i] == ' '))
            return false;
    snprintf(since, AUDIT_TIME_MAX, "%s", text);
    if (length > 10)
        since[10] = 'T';
    return true;
}

static void print_value(yyjson_val *value)
{
    char *text =
        yyjson_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE | YYJSON_WRITE_ESCAPE_UNICODE, NULL);
    bool plain = yyjson_is_str(value) && yyjson_get_len(value) > 0 && text != NULL &&
                 strlen(text) == yyjson_get_len(value) + 2 && strpbrk(yyjson_get_str(value), " =") == NULL;
    fputs(plain ? yyjson_get_str(value) : text == NULL ? "?" : text, stdout);
    free(text);
}

/* TIME PROCESS EVENT, and the rest as NAME=VALUE. */
static void print_line(const struct source *source, yyjson_val *root)
{
    const char *event = yyjson_get_str(yyjson_obj_get(root, "event"));
    printf("%s %s %s", *source->time == '\0' ? "?" : source->time, source->process,
           event == NULL ? "?" : event);
    yyjson_obj_iter members = yyjson_obj_iter_with(root);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)) != NULL;) {
        const char *name = yyjson_get_str(key);
        if (strcmp(name, "seq") == 0 || strcmp(name, "prev") == 0 || strcmp(name, "time") == 0 ||
            strcmp(name, "event") == 0)
            continue;
        printf(" %s=", name);
        print_value(yyjson_obj_iter_get_val(key));
    }
    putchar('\n');
}

static void show_line(const struct show *show, const struct source *source)
{
    const struct text *text = &source->line.text;
    if (strcmp(source->time, show->since) < 0)
        return;
    yyjson_doc *document = yyjson_read(text->at, text->length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (!yyjson_is_obj(root) || *text->at != '{')
        fprintf(stderr, "outrigger: %s:%" PRIu64 ": no line of the log\n", source->line.file,
                source->line.number);
    else if (show->json)
        printf("{\"process\":\"%s\",%.*s\n", source->process, (int)text->length - 1, text->at + 1);
    else
        print_line(source, root);
    yyjson_doc_free(document);
}

static void advance(struct source *source)
{
    source->has_line = audit_reader_next(source->reader, &source->line);
    if (source->has_line)
        audit_time(source->line.text, source->time);
}

/* The source whose line is the oldest; NULL when none has one. */
static struct source *oldest(const struct show *show)
{
    struct source *first = NULL;
    for (int i = 0; i < show->count; i++) {
        struct source *source = &show->sources[i];
        if (source->has_line && (first == NULL || strcmp(source->time, first->time) < 0))
            first = source;
    }
    return first;
}

static void show_all(struct show *show)
{
    for (int i = 0; i < show->count; i++)
        if (!show->sources[i].has_line)
            advance(&show->sources[i]);
    for (struct source *source; (source = oldest(show)) != NULL; advance(source))
        show_line(show, source);
}

/* Those of processes that have begun since, too. */
static void find_sources(struct show *show)
{
    char **names;
    int count = audit_files_processes(show->folder->fd, &names);
    for (int i = 0; i < count; i++) {
        bool known = false;
        for (int j = 0; j < show->count; j++)
            known = known || strcmp(show->sources[j].process, names[i]) == 0;
        if (known)
            continue;
        show->sources = realloc(show->sources, (size_t)(show->count + 1) * sizeof *show->sources);
        ENSURE(show->sources != NULL);
        show->sources[show->count++] = (struct source){
            .process = object_strdup(names[i]), .reader = audit_reader_new(show->folder->fd, names[i])};
    }
    audit_files_names_free(names, count < 0 ? 0 : count);
}

static void show_and_follow(struct show *show, bool follow)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_EVERY};
    do {
        find_sources(show);
        show_all(show);
        if (fflush(stdout) != 0)
            break;
    } while (follow && nanosleep(&pause, NULL) == 0);
    for (int i = 0; i < show->count; i++) {
        audit_reader_free(show->sources[i].reader);
        free(show->sources[i].process);
    }
    free(show->sources);
}

int audit_show_command(const struct arguments *arguments)
{
    struct folder folder;
    struct arguments said = *arguments; /* a complaint is one object, too */
    said.json = arguments_has(arguments, OPTION_AUDIT_JSON);
    struct show show = {.folder = &folder, .json = said.json};
    const char *since = arguments_text(arguments, OPTION_SINCE);
    if (since != NULL && !read_since(since, show.since))
        return say_usage(arguments,
                         "--since: expected a duration such as 10m, or a time such as 2026-01-31 or "
                         "2026-01-31T12:00:00, in UTC; got %s",
                         since);
    int status = open_folder(&said, &folder);
    if (status == CTL_GOOD)
        show_and_follow(&show, arguments_has(arguments, OPTION_FOLLOW));
    close_folder(&folder);
    return status;
}
