/* status: joins the two answers. The supervisor knows which processes and models there shall be, the broker
 * which workers it hears and what waits; a row of either table may know only one side, and shows "-" for the
 * other. What was decided of a version (its share, why it has failed) is the supervisor's third answer, which
 * an older one does not give. What comes is read leniently: a member that is missing or of another type
 * counts as empty. SPDX-License-Identifier: MIT */
#include "status.h"

#include "ask.h"
#include "object.h"
#include "say.h"
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

/* ---- reading the answers ---- */

static int64_t number_in(yyjson_val *object, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(object, name));
}

/* The entry of that model and version; NULL when there is none. */
static yyjson_val *find_model(yyjson_val *answer, const char *model, const char *version)
{
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(answer, "models"), i, count, entry)
    {
        if (strcmp(ask_text(entry, "model"), model) == 0 && strcmp(ask_text(entry, "version"), version) == 0)
            return entry;
    }
    return NULL;
}

/* One that no supervisor has announced: its pid is of another host, or what it says itself. */
static bool is_unannounced(yyjson_val *worker)
{
    return yyjson_is_false(yyjson_obj_get(worker, "managed"));
}

static yyjson_val *find_worker(yyjson_val *broker, int64_t pid)
{
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(broker, "workers"), i, count, entry)
    {
        if (pid != 0 && number_in(entry, "pid") == pid && !is_unannounced(entry))
            return entry;
    }
    return NULL;
}

/* ---- ready or not ---- */

static void add_missing(char *missing, size_t capacity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add_missing(char *missing, size_t capacity, const char *format, ...)
{
    size_t length = strlen(missing);
    if (length > 0 && length + 2 < capacity) {
        strcpy(missing + length, ", ");
        length += 2;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(missing + length, capacity - length, format, arguments);
    va_end(arguments);
}

/* Ready is also a version that rests: without workers, until a request calls for one. */
static void check_models(const struct status *status, char *missing, size_t capacity)
{
    size_t i, count;
    yyjson_val *wanted;
    yyjson_arr_foreach(yyjson_obj_get(status->supervisor, "models"), i, count, wanted)
    {
        const char *model = ask_text(wanted, "model"), *version = ask_text(wanted, "version");
        yyjson_val *known = find_model(status->broker, model, version);
        const char *state = known == NULL ? "unknown to the broker" : ask_text(known, "state");
        if (!yyjson_get_bool(yyjson_obj_get(wanted, "required")))
            continue;
        if (*version == '\0')
            add_missing(missing, capacity, "%s (has no version)", model);
        else if (strcmp(state, "ready") != 0)
            add_missing(missing, capacity, "%s %s (%s)", model, version, state);
    }
}

/* One frontend is enough to answer. */
static void check_frontends(const struct status *status, char *missing, size_t capacity)
{
    size_t i, count;
    yyjson_val *process, *not_running = NULL;
    yyjson_arr_foreach(yyjson_obj_get(status->supervisor, "processes"), i, count, process)
    {
        if (strcmp(ask_text(process, "kind"), "frontend") != 0)
            continue;
        if (strcmp(ask_text(process, "state"), "running") == 0)
            return;
        not_running = process;
    }
    if (not_running != NULL)
        add_missing(missing, capacity, "%s (%s)", ask_text(not_running, "name"),
                    ask_text(not_running, "state"));
}

bool status_is_ready(const struct status *status, char *missing, size_t capacity)
{
    *missing = '\0';
    if (status->supervisor == NULL)
        add_missing(missing, capacity, "supervisor (does not answer)");
    if (status->broker == NULL)
        add_missing(missing, capacity, "broker (does not answer)");
    else
        check_models(status, missing, capacity);
    check_frontends(status, missing, capacity);
    return *missing == '\0';
}

/* ---- tables ---- */

static enum tone tone_of(const char *state)
{
    static const struct {
        const char *state;
        enum tone tone;
    } tones[] = {{"running", TONE_GOOD},    {"ready", TONE_GOOD},    {"starting", TONE_BUSY},
                 {"stopping", TONE_BUSY},   {"waiting", TONE_BUSY},  {"loading", TONE_BUSY},
                 {"validating", TONE_BUSY}, {"draining", TONE_BUSY}, {"failed", TONE_BAD},
                 {"stopped", TONE_PLAIN}};
    for (size_t i = 0; i < COUNT_OF(tones); i++)
        if (strcmp(tones[i].state, state) == 0)
            return tones[i].tone;
    return TONE_PLAIN;
}

/* A number, or "-" when nobody told it. */
static void number_cell(struct table *table, yyjson_val *object, const char *name)
{
    if (yyjson_is_int(yyjson_obj_get(object, name)))
        table_cell(table, TONE_PLAIN, "%" PRId64, number_in(object, name));
    else
        table_cell(table, TONE_PLAIN, "-");
}

/* ---- models ---- */

/* What was decided of a version; NULL when the supervisor does not tell. */
static yyjson_val *find_decided(const struct status *status, const char *model, const char *version)
{
    size_t i, count, j, versions;
    yyjson_val *entry, *found;
    yyjson_arr_foreach(yyjson_obj_get(status->models, "models"), i, count, entry)
    {
        if (strcmp(ask_text(entry, "model"), model) != 0)
            continue;
        yyjson_arr_foreach(yyjson_obj_get(entry, "versions"), j, versions, found)
        {
            if (strcmp(ask_text(found, "version"), version) == 0)
                return found;
        }
    }
    return NULL;
}

static void share_cell(struct table *table, yyjson_val *decided)
{
    yyjson_val *share = yyjson_obj_get(decided, "share");
    if (yyjson_get_bool(yyjson_obj_get(decided, "shadow")))
        table_cell(table, TONE_PLAIN, "shadow");
    else if (yyjson_is_num(share))
        table_cell(table, TONE_PLAIN, "%.4g%%", yyjson_get_num(share));
    else
        table_cell(table, TONE_PLAIN, "-");
}

/* Ready and wanted ones, and how many more there are that the supervisor does not run: 2/2, 3/2 +1. */
static void workers_cell(struct table *table, yyjson_val *wanted, yyjson_val *known)
{
    char ready[24] = "-", asked[24] = "-", unmanaged[24] = "";
    int64_t others = number_in(known, "unmanaged"), ours = number_in(known, "workers") - others;
    if (known != NULL)
        snprintf(ready, sizeof ready, "%" PRId64, ours);
    if (wanted != NULL)
        snprintf(asked, sizeof asked, "%" PRId64, number_in(wanted, "wanted"));
    if (others > 0)
        snprintf(unmanaged, sizeof unmanaged, " +%" PRId64, others);
    table_cell(table, TONE_PLAIN, "%s/%s%s", ready, asked, unmanaged);
}

static const char *state_of(yyjson_val *known, yyjson_val *decided)
{
    const char *state = ask_text(known, "state");
    if (*state == '\0')
        state = ask_text(decided, "state");
    return *state == '\0' ? "-" : state;
}

/* `wanted` is the supervisor's entry and `known` the broker's; one of them may be NULL. */
static void add_model(struct table *table, const struct status *status, yyjson_val *wanted, yyjson_val *known)
{
    yyjson_val *either = wanted != NULL ? wanted : known;
    const char *model = ask_text(either, "model"), *version = ask_text(either, "version");
    yyjson_val *decided = find_decided(status, model, version);
    const char *state = state_of(known, decided), *why = ask_text(wanted, "why");
    if (*why == '\0' && yyjson_get_bool(yyjson_obj_get(known, "stable")))
        why = "stable";
    table_cell(table, TONE_PLAIN, "%s", model);
    table_cell(table, TONE_PLAIN, "%s", version);
    table_cell(table, tone_of(state), "%s", state);
    share_cell(table, decided);
    workers_cell(table, wanted, known);
    number_cell(table, known, "queue_requests");
    number_cell(table, known, "queue_rows");
    number_cell(table, known, "in_flight");
    table_cell(table, TONE_PLAIN, "%s", why);
}

/* The broker knows every version of the repository: one that nobody runs, and nobody wants, is nothing to
 * show. */
static bool is_idle(const struct status *status, yyjson_val *known)
{
    yyjson_val *decided = find_decided(status, ask_text(known, "model"), ask_text(known, "version"));
    return strcmp(ask_text(decided, "state"), "unloaded") == 0 && number_in(known, "workers") == 0;
}

/* Calls `take` for each version that the supervisor wants or the broker knows. */
static void each_version(const struct status *status,
                         void (*take)(void *self, const struct status *status, yyjson_val *wanted,
                                      yyjson_val *known),
                         void *self)
{
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(status->supervisor, "models"), i, count, entry)
    {
        take(self, status, entry,
             find_model(status->broker, ask_text(entry, "model"), ask_text(entry, "version")));
    }
    yyjson_arr_foreach(yyjson_obj_get(status->broker, "models"), i, count, entry)
    {
        if (find_model(status->supervisor, ask_text(entry, "model"), ask_text(entry, "version")) == NULL &&
            !is_idle(status, entry))
            take(self, status, NULL, entry);
    }
}

static void take_model(void *self, const struct status *status, yyjson_val *wanted, yyjson_val *known)
{
    add_model(self, status, wanted, known);
}

static void print_models(const struct status *status, FILE *out, bool coloured)
{
    static const char *const heads[] = {"MODEL",  "VERSION", "STATE",      ">SHARE", ">WORKERS",
                                        ">QUEUE", ">ROWS",   ">IN FLIGHT", "WHY"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    each_version(status, take_model, table);
    table_print(table, out, coloured);
    table_free(table);
}

/* "m 3 has failed: the reason" for each version of which somebody tells one. */
static void print_reason(void *self, const struct status *status, yyjson_val *wanted, yyjson_val *known)
{
    FILE *out = self;
    yyjson_val *either = wanted != NULL ? wanted : known;
    const char *model = ask_text(either, "model"), *version = ask_text(either, "version");
    yyjson_val *decided = find_decided(status, model, version);
    const char *state = state_of(known, decided), *reason = ask_text(known, "reason");
    if (*reason == '\0')
        reason = ask_text(decided, "reason");
    if (*reason == '\0')
        return;
    fprintf(out, "%s %s %s: ", model, version, strcmp(state, "failed") == 0 ? "has failed" : state);
    for (; *reason != '\0'; reason++)
        fputc((unsigned char)*reason >= ' ' && *reason != 127 ? *reason : '?', out);
    fputc('\n', out);
}

/* ---- processes ---- */

static void add_process(struct table *table, const struct status *status, yyjson_val *process)
{
    int64_t pid = number_in(process, "pid");
    char uptime[SAY_DURATION_BYTES];
    const char *state = ask_text(process, "state");
    table_cell(table, TONE_PLAIN, "%s", ask_text(process, "name"));
    if (pid > 0)
        table_cell(table, TONE_PLAIN, "%" PRId64, pid);
    else
        table_cell(table, TONE_PLAIN, "-");
    table_cell(table, tone_of(state), "%s", state);
    number_cell(table, process, "restarts");
    table_cell(table, TONE_PLAIN, "%s", say_duration(number_in(process, "uptime_ms"), uptime));
    number_cell(table, find_worker(status->broker, pid), "in_flight");
    table_cell(table, TONE_PLAIN, "%s", ask_text(process, "origin"));
    table_cell(table, TONE_PLAIN, "%s", ask_text(process, "cause"));
}

/* ---- workers that are not the supervisor's ---- */

static bool has_process(yyjson_val *supervisor, int64_t pid)
{
    size_t i, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(supervisor, "processes"), i, count, process)
    {
        if (number_in(process, "pid") == pid)
            return true;
    }
    return false;
}

/* As long as nobody knows what the supervisor has, only those that it has not announced are surely not its.
 */
static bool is_unmanaged(const struct status *status, yyjson_val *worker)
{
    return is_unannounced(worker) ||
           (status->supervisor != NULL && !has_process(status->supervisor, number_in(worker, "pid")));
}

static void add_unmanaged(struct table *table, yyjson_val *worker)
{
    const char *key_name = ask_text(worker, "key_name"), *address = ask_text(worker, "address");
    table_cell(table, TONE_PLAIN, "%s", ask_text(worker, "model"));
    table_cell(table, TONE_PLAIN, "%s", ask_text(worker, "version"));
    table_cell(table, TONE_PLAIN, "%s", *address == '\0' ? "this host" : address);
    table_cell(table, TONE_PLAIN, "%s", *key_name == '\0' ? "-" : key_name);
    number_cell(table, worker, "pid");
    table_cell(table, TONE_PLAIN, "%s", ask_text(worker, "state"));
    number_cell(table, worker, "in_flight");
    number_cell(table, worker, "answered");
}

/* Who serves without being ours to start and stop; nothing when there are none. */
static void print_unmanaged(const struct status *status, FILE *out, bool coloured)
{
    static const char *const heads[] = {"UNMANAGED", "VERSION", "ADDRESS",    "KEY",
                                        ">PID",      "STATE",   ">IN FLIGHT", ">ANSWERED"};
    struct table *table = NULL;
    size_t i, count;
    yyjson_val *worker;
    yyjson_arr_foreach(yyjson_obj_get(status->broker, "workers"), i, count, worker)
    {
        if (!is_unmanaged(status, worker))
            continue;
        if (table == NULL)
            table = table_new(heads, COUNT_OF(heads));
        add_unmanaged(table, worker);
    }
    if (table == NULL)
        return;
    fputc('\n', out);
    table_print(table, out, coloured);
    table_free(table);
}

static void print_processes(const struct status *status, FILE *out, bool coloured)
{
    static const char *const heads[] = {"PROCESS", ">PID",       "STATE",  ">RESTARTS",
                                        ">UPTIME", ">IN FLIGHT", "ORIGIN", "LAST CAUSE"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(status->supervisor, "processes"), i, count, entry)
    {
        add_process(table, status, entry);
    }
    table_print(table, out, coloured);
    table_free(table);
}

/* One line for each of them, indented; control characters are shown as '?'. */
static void print_lines(const char *text, FILE *out)
{
    for (bool begins = true; *text != '\0'; text++) {
        if (begins)
            fputs("    ", out);
        begins = *text == '\n';
        fputc(begins || ((unsigned char)*text >= ' ' && *text != 127) ? *text : '?', out);
    }
    fputc('\n', out);
}

/* What those that do not start have said at last. */
static void print_last_words(const struct status *status, FILE *out)
{
    size_t i, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(status->supervisor, "processes"), i, count, process)
    {
        const char *words = ask_text(process, "last_words");
        if (*words == '\0')
            continue;
        fprintf(out, "\n%s does not start. Its last words:\n", ask_text(process, "name"));
        print_lines(words, out);
    }
}

/* "worker: 3 replaced (restart 2, max_requests 1)" for each kind of which any were. */
static void print_successions(const struct status *status, FILE *out)
{
    size_t i, count, j, causes;
    yyjson_val *kind, *counts, *cause, *number;
    yyjson_obj_foreach(yyjson_obj_get(status->supervisor, "successions"), i, count, kind, counts)
    {
        int64_t sum = 0;
        yyjson_obj_foreach(counts, j, causes, cause, number)
        {
            sum += yyjson_get_sint(number);
        }
        fprintf(out, "%s%s: %" PRId64 " replaced (", i == 0 ? "\n" : "", yyjson_get_str(kind), sum);
        yyjson_obj_foreach(counts, j, causes, cause, number)
        {
            fprintf(out, "%s%s %" PRId64, j == 0 ? "" : ", ", yyjson_get_str(cause), yyjson_get_sint(number));
        }
        fputs(")\n", out);
    }
}

/* "release 0.2.0", and which processes are of another one: until `outrigger upgrade` has replaced them.
 * Nothing of a supervisor that does not say. */
static void print_release(const struct status *status, FILE *out)
{
    const char *release = ask_text(status->supervisor, "release"), *separator = "; not: ";
    size_t i, count;
    yyjson_val *process;
    if (*release == '\0')
        return;
    fprintf(out, "\nrelease %s", release);
    yyjson_arr_foreach(yyjson_obj_get(status->supervisor, "processes"), i, count, process)
    {
        const char *other = ask_text(process, "release");
        if (*other == '\0' || strcmp(other, release) == 0)
            continue;
        fprintf(out, "%s%s (%s)", separator, ask_text(process, "name"), other);
        separator = ", ";
    }
    fputc('\n', out);
}

/* ---- the whole ---- */

struct counts {
    int64_t versions, workers;
};

static void count_version(void *self, const struct status *status, yyjson_val *wanted, yyjson_val *known)
{
    struct counts *counts = self;
    (void)status;
    (void)wanted;
    counts->versions += strcmp(ask_text(known, "state"), "ready") == 0;
    counts->workers += number_in(known, "workers");
}

/* The one line that says it all. */
static void print_verdict(const struct status *status, FILE *out, bool coloured)
{
    char missing[4096];
    struct counts counts = {0};
    bool ready = status_is_ready(status, missing, sizeof missing);
    each_version(status, count_version, &counts);
    fputs(!coloured ? "" : ready ? "\033[32m" : "\033[31m", out);
    if (ready)
        fprintf(out, "ready: %" PRId64 " version%s with %" PRId64 " worker%s", counts.versions,
                counts.versions == 1 ? "" : "s", counts.workers, counts.workers == 1 ? "" : "s");
    else
        fprintf(out, "not ready: %s", missing);
    fputs(coloured ? "\033[0m\n\n" : "\n\n", out);
}

/* Only where there are some, or have been. */
static void print_limits(const struct status *status, FILE *out)
{
    yyjson_val *limits = yyjson_obj_get(status->broker, "limits");
    const char *redis = ask_text(limits, "redis");
    int64_t refused = number_in(limits, "refused");
    if (!yyjson_get_bool(yyjson_obj_get(limits, "any")) && refused == 0)
        return;
    fprintf(out, "\nrate limits: %" PRId64 " requests refused%s%s\n", refused,
            *redis == '\0' ? "" : ", redis is ", redis);
}

void status_print(const struct status *status, FILE *out, bool coloured)
{
    print_verdict(status, out, coloured);
    print_models(status, out, coloured);
    each_version(status, print_reason, out);
    if (status->supervisor != NULL)
        fputc('\n', out);
    print_processes(status, out, coloured);
    print_unmanaged(status, out, coloured);
    print_successions(status, out);
    print_release(status, out);
    print_limits(status, out);
    print_last_words(status, out);
}

/* ---- JSON ---- */

static void add_answer(yyjson_mut_doc *document, const char *name, yyjson_val *answer)
{
    yyjson_mut_val *copy = answer == NULL ? yyjson_mut_null(document) : yyjson_val_mut_copy(document, answer);
    yyjson_mut_obj_add_val(document, yyjson_mut_doc_get_root(document), name, copy);
}

void status_print_json(const struct status *status, FILE *out)
{
    char missing[4096];
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_bool(document, root, "ready", status_is_ready(status, missing, sizeof missing));
    yyjson_mut_obj_add_str(document, root, "missing", missing);
    add_answer(document, "supervisor", status->supervisor);
    add_answer(document, "broker", status->broker);
    add_answer(document, "models", yyjson_obj_get(status->models, "models"));
    char *text = yyjson_mut_write(document, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    ENSURE(text != NULL);
    fprintf(out, "%s\n", text);
    free(text);
    yyjson_mut_doc_free(document);
}
