/* vetting: the gate of models: no worker is started of a version that has not passed `outrigger validate`.
 *
 * The gate stands before the worker and not before the route, since there are many ways to traffic (the
 * route, a header, a name in a request, a shadow, files that change under a version that serves) and one to a
 * worker. So whatever is wished for, a promotion, a roll-out, a reload, waits as it waits for a worker that
 * takes long to start, and is given up as for one that does not start, with the reason; what serves goes on
 * serving. A version that serves already when a gate is put up goes on, too: it is validated for its next
 * worker.
 *
 * The command is run by us as a worker is: as the workers' user, without the secrets of others. It starts the
 * version in a private Outrigger of its own. What it found is kept (vetting_report.c): files that have passed
 * once, by their digest, do so at once after that.
 *
 * That it says no (exit status 1) is final until the files, or model.conf, are others or somebody wishes for
 * the version again. That it could not be run is tried again, ever more rarely. SPDX-License-Identifier: MIT
 */
#include "vetting.h"

#include "child.h"
#include "clock.h"
#include "hidden.h"
#include "log.h"
#include "stamp.h"
#include "vetting_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

enum {
    VETTING_MAGIC = 0x7e771a60,
    REASON_BYTES = 1024,
    PATH_BYTES = 4600,
    VALIDATE_FAILED = 1 /* its exit status */
};

/* Beyond its own time, until it is told to stop; and then until it is killed. */
#define GRACE (30 * SECOND)
/* Between two tries of one that could not be run; doubles to the second. */
#define AGAIN_FIRST (2 * SECOND)
#define AGAIN_MOST  (300 * SECOND)

enum progress { WAITING, RUNNING, PASSED, REFUSED };

/* What is known of a version's files. */
struct vetted {
    char *model, *version;
    char *stamp;         /* of the files */
    char *configuration; /* the stamp of model.conf */
    char *against;       /* the version that it is compared with; NULL: none */
    int64_t timeout_s;
    enum progress progress;
    char reason[REASON_BYTES]; /* why it is not served; "" */
    int64_t not_before, again; /* WAITING after a try that failed; monotonic ns */
    bool wanted;               /* since the last vetting_advance */
    struct vetted *prev, *next;
};

struct vetting {
    unsigned magic;
    struct vetting_context context;
    struct vetted *all;
    struct vetted *running; /* NULL: none is */
    struct child *child;
    char **words; /* its command line, ended by NULL */
    size_t word_count;
    char **hidden;
    struct child_command command;
    int report_fd;
    bool told_to_stop, stopping;
    struct loop_timer timer; /* of what is running, or of the next try */
};

/* ---- its command line ---- */

static void add_word(struct vetting *vetting, const char *word)
{
    vetting->words = realloc(vetting->words, (vetting->word_count + 2) * sizeof *vetting->words);
    ENSURE(vetting->words != NULL);
    vetting->words[vetting->word_count + 1] = NULL;
    vetting->words[vetting->word_count++] = object_strdup(word);
}

static void forget_words(struct vetting *vetting)
{
    for (size_t i = 0; i < vetting->word_count; i++)
        free(vetting->words[i]);
    free(vetting->words);
    vetting->words = NULL;
    vetting->word_count = 0;
    hidden_free(vetting->hidden);
    vetting->hidden = NULL;
}

/* The digest of the files that have passed. */
static void add_unless(struct vetting *vetting, const struct vetted *vetted)
{
    char *digest = vetting_report_passed(vetting->context.basis->config->state_directory, vetted->model,
                                         vetted->version);
    if (digest != NULL) {
        add_word(vetting, "--unless");
        add_word(vetting, digest);
    }
    free(digest);
}

static void compose(struct vetting *vetting, const struct vetted *vetted)
{
    const struct plan_basis *basis = vetting->context.basis;
    char program[PATH_BYTES], version[2 * 128 + 2], time[24];
    forget_words(vetting);
    snprintf(program, sizeof program, "%s/outrigger", basis->config->binary_directory);
    snprintf(version, sizeof version, "%s:%s", vetted->model, vetted->version);
    snprintf(time, sizeof time, "%" PRId64, vetted->timeout_s);
    const char *words[] = {program,    "validate",  version,  "--quiet", "--nice",
                           "--report", "/dev/fd/0", "--wait", time};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        add_word(vetting, words[i]);
    if (vetted->against != NULL) {
        add_word(vetting, "--against");
        add_word(vetting, vetted->against);
    }
    add_unless(vetting, vetted);
    if (basis->options->config_file != NULL) {
        add_word(vetting, "-c");
        add_word(vetting, basis->options->config_file);
    }
    for (size_t i = 0; i < basis->options->setting_count; i++) {
        add_word(vetting, "-s");
        add_word(vetting, basis->options->settings[i]);
    }
    vetting->hidden = hidden_variables(basis->config, ROLE_WORKER);
    vetting->command = (struct child_command){.name = "validate",
                                              .path = vetting->words[0],
                                              .arguments = (const char *const *)vetting->words,
                                              .listen_fd = vetting->report_fd,
                                              .cores = "",
                                              .hidden = vetting->hidden,
                                              .account = basis->workers,
                                              .drain_signal = SIGTERM};
}

/* ---- what came of it ---- */

static void write_down(const struct vetting *vetting, const struct vetted *vetted,
                       const struct vetting_report *report)
{
    if (vetting->context.audit == NULL)
        return;
    const char *digest = vetting_report_digest(report);
    yyjson_mut_doc *entry = audit_begin(AUDIT_SUPERVISOR, "validation");
    yyjson_mut_val *root = yyjson_mut_doc_get_root(entry);
    yyjson_mut_obj_add_strcpy(entry, root, "model", vetted->model);
    yyjson_mut_obj_add_strcpy(entry, root, "version", vetted->version);
    if (digest != NULL)
        yyjson_mut_obj_add_strcpy(entry, root, "digest", digest);
    yyjson_mut_obj_add_bool(entry, root, "passed", vetted->progress == PASSED);
    if (vetted->progress != PASSED)
        yyjson_mut_obj_add_strcpy(entry, root, "reason", vetted->reason);
    audit_end(vetting->context.audit, entry);
}

static void put_off(struct vetted *vetted, const char *why)
{
    vetted->progress = WAITING;
    vetted->again = vetted->again == 0 ? AGAIN_FIRST : vetted->again * 2;
    vetted->again = vetted->again < AGAIN_MOST ? vetted->again : AGAIN_MOST;
    vetted->not_before = clock_now() + vetted->again;
    snprintf(vetted->reason, sizeof vetted->reason, "its validation could not be run: %.900s", why);
    log_error("%s %s: %s; it is tried again", vetted->model, vetted->version, vetted->reason);
}

static void judge(struct vetting *vetting, struct vetted *vetted, int status)
{
    char why[REASON_BYTES];
    struct vetting_report *report = vetting_report_read(vetting->report_fd);
    bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool failed = WIFEXITED(status) && WEXITSTATUS(status) == VALIDATE_FAILED && report != NULL;
    vetted->reason[0] = '\0';
    if (passed || failed) {
        vetted->again = 0;
        vetted->progress = passed ? PASSED : REFUSED;
        if (failed)
            vetting_report_say(report, vetted->reason, sizeof vetted->reason);
        if (report != NULL) { /* else the same files have passed before */
            vetting_report_keep(report, vetting->context.basis->config->state_directory, vetted->model,
                                vetted->version);
            write_down(vetting, vetted, report);
        }
        if (passed)
            log_info("%s %s: has passed its validation%s", vetted->model, vetted->version,
                     report == NULL ? " before" : "");
        else
            log_error("%s %s: %s", vetted->model, vetted->version, vetted->reason);
    } else {
        child_last_line(vetting->child, why, sizeof why);
        put_off(vetted, *why == '\0' ? "it said nothing" : why);
    }
    vetting_report_free(report);
}

static void ended(void *self, pid_t pid, int status)
{
    struct vetting *vetting = self;
    struct vetted *vetted = vetting->running;
    (void)pid;
    loop_timer_cancel(vetting->context.loop, &vetting->timer);
    vetting->running = NULL;
    if (vetted->progress == RUNNING && !vetting->stopping)
        judge(vetting, vetted, status);
    close(vetting->report_fd);
    vetting->report_fd = -1;
    vetting->context.changed(vetting->context.self);
}

/* ---- running ---- */

static void too_long(void *self)
{
    struct vetting *vetting = self;
    if (vetting->told_to_stop)
        child_kill(vetting->child);
    else
        child_terminate(vetting->child);
    vetting->told_to_stop = true;
    loop_timer_set(vetting->context.loop, &vetting->timer, clock_now() + GRACE, too_long, vetting);
}

static void start(struct vetting *vetting, struct vetted *vetted)
{
    vetting->report_fd = memfd_create("outrigger-validation", MFD_CLOEXEC);
    compose(vetting, vetted);
    if (vetting->report_fd == -1 || !child_start(vetting->child, &vetting->command)) {
        put_off(vetted, strerror(errno));
        if (vetting->report_fd != -1)
            close(vetting->report_fd);
        vetting->report_fd = -1;
        return;
    }
    log_info("%s %s: is validated before it is served", vetted->model, vetted->version);
    vetting->running = vetted;
    vetting->told_to_stop = false;
    vetted->progress = RUNNING;
    loop_timer_set(vetting->context.loop, &vetting->timer, clock_now() + vetted->timeout_s * SECOND + GRACE,
                   too_long, vetting);
}

static void look_due(void *self)
{
    struct vetting *vetting = self;
    vetting->context.changed(vetting->context.self);
}

void vetting_advance(struct vetting *vetting)
{
    CHECK_OBJECT(vetting, VETTING_MAGIC);
    struct vetted *vetted, *next = NULL;
    int64_t now = clock_now(), earliest = INT64_MAX;
    if (vetting->running != NULL && !vetting->running->wanted && !vetting->told_to_stop) {
        vetting->running->progress = WAITING; /* what comes of it is nothing */
        too_long(vetting);
    }
    DL_FOREACH(vetting->all, vetted)
    {
        if (vetted->wanted && vetted->progress == WAITING && vetted->not_before <= now && next == NULL)
            next = vetted;
        else if (vetted->wanted && vetted->progress == WAITING && vetted->not_before < earliest)
            earliest = vetted->not_before;
        vetted->wanted = false;
    }
    if (vetting->running != NULL || vetting->stopping)
        return;
    if (next != NULL)
        start(vetting, next);
    if (vetting->running == NULL && (earliest != INT64_MAX || next != NULL))
        loop_timer_set(vetting->context.loop, &vetting->timer,
                       earliest < now + AGAIN_FIRST ? earliest : now + AGAIN_FIRST, look_due, vetting);
}

/* ---- which there are ---- */

static struct vetted *find(const struct vetting *vetting, const char *model, const char *version)
{
    struct vetted *vetted;
    DL_FOREACH(vetting->all, vetted)
    {
        if (strcmp(vetted->model, model) == 0 && strcmp(vetted->version, version) == 0)
            return vetted;
    }
    return NULL;
}

static void set(char **member, const char *text)
{
    char *copy = text == NULL ? NULL : object_strdup(text);
    free(*member);
    *member = copy;
}

/* Other files, or other conditions: what was said does not hold. */
static void renew(struct vetting *vetting, struct vetted *vetted, const struct plan_version *version)
{
    set(&vetted->stamp, version->stamp);
    set(&vetted->configuration, version->model->configuration_stamp);
    vetted->not_before = vetted->again = 0;
    vetted->reason[0] = '\0';
    vetted->progress = WAITING;
    if (vetting->running == vetted && !vetting->told_to_stop)
        too_long(vetting);
}

static struct vetted *require(struct vetting *vetting, const struct plan_version *version)
{
    const struct plan_model *model = version->model;
    struct vetted *vetted = find(vetting, model->name, version->version);
    if (vetted == NULL) {
        vetted = object_alloc(sizeof *vetted);
        vetted->model = object_strdup(model->name);
        vetted->version = object_strdup(version->version);
        DL_APPEND(vetting->all, vetted);
        renew(vetting, vetted, version);
    } else if (!stamp_same_files(vetted->stamp, version->stamp) ||
               (vetted->progress != PASSED &&
                !stamp_same_files(vetted->configuration, model->configuration_stamp))) {
        renew(vetting, vetted, version);
    }
    return vetted;
}

static enum vetting_state state_of(const struct vetted *vetted)
{
    return vetted->progress == PASSED    ? VETTING_PASSED
           : vetted->progress == REFUSED ? VETTING_REFUSED
                                         : VETTING_UNDER_WAY;
}

enum vetting_state vetting_look(struct vetting *vetting, const struct plan *plan,
                                const struct plan_version *version)
{
    CHECK_OBJECT(vetting, VETTING_MAGIC);
    const struct plan_model *model = version->model;
    const struct model_config *config = model_list_find(plan->repository, text_of(model->name));
    if (config == NULL || config->validation_gate == 0 || version->file == NULL ||
        vetting->context.basis->config->supervisor_gate == 0)
        return VETTING_PASSED;
    struct vetted *vetted = require(vetting, version);
    bool compared = config->validation_max_accuracy_drop >= 0 && model->serving != NULL &&
                    strcmp(model->serving, version->version) != 0 &&
                    plan_found(model, model->serving) != NULL;
    set(&vetted->against, compared ? model->serving : NULL);
    vetted->timeout_s = config->validation_timeout_s;
    vetted->wanted = true;
    return state_of(vetted);
}

/* What is known of just these files; NULL: nothing. */
static const struct vetted *known(const struct vetting *vetting, const struct plan_version *version)
{
    const struct vetted *vetted =
        vetting == NULL ? NULL : find(vetting, version->model->name, version->version);
    return vetted != NULL && stamp_same_files(vetted->stamp, version->stamp) ? vetted : NULL;
}

enum vetting_state vetting_of(const struct vetting *vetting, const struct plan_version *version,
                              const char **reason)
{
    const struct vetted *vetted = known(vetting, version);
    *reason = "";
    if (vetted == NULL)
        return VETTING_PASSED;
    *reason = vetted->progress == PASSED    ? ""
              : *vetted->reason != '\0'     ? vetted->reason
              : vetted->progress == WAITING ? "it waits for its validation"
                                            : "it is being validated";
    return state_of(vetted);
}

const char *vetting_failure(const struct vetting *vetting, const struct plan_version *version)
{
    const struct vetted *vetted = known(vetting, version);
    if (vetted == NULL)
        return NULL;
    bool unable = vetted->progress == WAITING && vetted->again > AGAIN_FIRST;
    return vetted->progress == REFUSED || unable ? vetted->reason : NULL;
}

void vetting_try_again(struct vetting *vetting, const char *model)
{
    CHECK_OBJECT(vetting, VETTING_MAGIC);
    struct vetted *vetted;
    DL_FOREACH(vetting->all, vetted)
    {
        if (model != NULL && strcmp(vetted->model, model) != 0)
            continue;
        vetted->not_before = 0;
        if (vetted->progress == REFUSED) {
            vetted->progress = WAITING;
            vetted->reason[0] = '\0';
        }
    }
}

bool vetting_stop(struct vetting *vetting, bool hurried)
{
    CHECK_OBJECT(vetting, VETTING_MAGIC);
    vetting->stopping = true;
    if (vetting->running == NULL)
        loop_timer_cancel(vetting->context.loop, &vetting->timer);
    else if (!vetting->told_to_stop || hurried)
        too_long(vetting);
    return vetting->running == NULL;
}

/* ---- life ---- */

static void ready(void *self)
{
    (void)self; /* it has nothing to say before its end */
}

struct vetting *vetting_new(const struct vetting_context *context)
{
    struct vetting *vetting = object_alloc(sizeof *vetting);
    vetting->magic = VETTING_MAGIC;
    vetting->context = *context;
    vetting->report_fd = -1;
    const struct child_watcher watcher = {.ready = ready, .ended = ended, .self = vetting};
    vetting->child = child_new(context->loop, STDERR_FILENO, &watcher);
    return vetting;
}

void vetting_free(struct vetting *vetting)
{
    if (vetting == NULL)
        return;
    CHECK_OBJECT(vetting, VETTING_MAGIC);
    struct vetted *vetted, *next;
    loop_timer_cancel(vetting->context.loop, &vetting->timer);
    child_free(vetting->child);
    if (vetting->report_fd != -1)
        close(vetting->report_fd);
    forget_words(vetting);
    DL_FOREACH_SAFE(vetting->all, vetted, next)
    {
        DL_DELETE(vetting->all, vetted);
        free(vetted->model);
        free(vetted->version);
        free(vetted->stamp);
        free(vetted->configuration);
        free(vetted->against);
        free(vetted);
    }
    vetting->magic = 0;
    free(vetting);
}
