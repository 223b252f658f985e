/* top_command: `outrigger top`: asks again and again, and shows the difference. SPDX-License-Identifier: MIT
 */
#include "ask.h"
#include "clock.h"
#include "say.h"
#include "top_frame.h"
#include "top_screen.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_TIMEOUT_MS = 2000, /* all answers are from memory: longer means that they hang */
    INTERVAL_MS = 1000,
    INTERVAL_MIN_MS = 100,
    QUESTIONS = 4
};

/* The answers of one look; NULL: none. */
struct answers {
    yyjson_doc *documents[QUESTIONS];
    int64_t at;
    bool nobody_there;
};

struct watch {
    const struct config *config;
    struct answers before, now;
};

/* ---- looking ---- */

static struct answers look(const struct config *config)
{
    static const struct {
        const char *socket, *command;
    } questions[QUESTIONS] = {{"supervisor.sock", "status"},
                              {"supervisor.sock", "models"},
                              {"broker.sock", "status"},
                              {"broker.sock", "figures"}};
    struct answers answers = {.nobody_there = true, .at = clock_now()};
    for (size_t i = 0; i < QUESTIONS; i++) {
        yyjson_doc *answer = ask(config, questions[i].socket, questions[i].command, ANSWER_TIMEOUT_MS);
        answers.nobody_there = answers.nobody_there && answer == NULL && ask_nobody_there(errno);
        if (answer != NULL && ask_refusal(answer) != NULL) { /* an older one, which does not know that */
            yyjson_doc_free(answer);
            answer = NULL;
        }
        answers.documents[i] = answer;
    }
    return answers;
}

static void forget(struct answers *answers)
{
    for (size_t i = 0; i < QUESTIONS; i++)
        yyjson_doc_free(answers->documents[i]);
    *answers = (struct answers){0};
}

static struct top_look look_of(const struct answers *answers)
{
    return (struct top_look){.supervisor = yyjson_doc_get_root(answers->documents[0]),
                             .models = yyjson_doc_get_root(answers->documents[1]),
                             .broker = yyjson_doc_get_root(answers->documents[2]),
                             .figures = yyjson_doc_get_root(answers->documents[3]),
                             .at = answers->at};
}

static struct top *top_of(const struct watch *watch)
{
    struct top_look before = look_of(&watch->before), now = look_of(&watch->now);
    return top_new(&before, &now);
}

static struct top *look_again(void *self)
{
    struct watch *watch = self;
    forget(&watch->before);
    watch->before = watch->now;
    watch->now = look(watch->config);
    return top_of(watch);
}

/* ---- once ---- */

static void print_line(void *self, const struct top_line *line)
{
    (void)self;
    puts(line->text);
}

static void print_once(const struct arguments *arguments, const struct top *top, int64_t interval_ms)
{
    if (!arguments->json) {
        top_frame(top, &(struct top_window){.interval_ms = interval_ms}, print_line, NULL);
        return;
    }
    yyjson_mut_doc *document = say_new();
    top_to_json(top, document, yyjson_mut_doc_get_root(document));
    say_json(document);
}

static void wait_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * MILLISECOND}, NULL);
}

static int show_once(const struct arguments *arguments, struct watch *watch, int64_t interval_ms)
{
    wait_ms(interval_ms);
    struct top *top = look_again(watch);
    print_once(arguments, top, interval_ms);
    int status = top->supervisor_answers && top->broker_answers ? CTL_GOOD : CTL_FAULT;
    top_free(top);
    return status;
}

static int show(const struct arguments *arguments, struct watch *watch, int64_t interval_ms)
{
    bool once = arguments_has(arguments, OPTION_ONCE) || arguments->json || !isatty(STDOUT_FILENO) ||
                !isatty(STDIN_FILENO);
    if (once)
        return show_once(arguments, watch, interval_ms);
    if (top_screen_run(look_again, watch, interval_ms))
        return CTL_GOOD;
    const char *terminal = getenv("TERM");
    return say_fault(arguments, CTL_FAULT, "the terminal \"%s\" (TERM) cannot be driven; --once prints text",
                     terminal == NULL ? "" : terminal);
}

int top_command(const struct arguments *arguments)
{
    int64_t interval_ms = arguments_number(arguments, OPTION_INTERVAL, INTERVAL_MS);
    if (interval_ms < INTERVAL_MIN_MS)
        return say_usage(arguments, "--interval: expected 100ms or more, got %s",
                         arguments_text(arguments, OPTION_INTERVAL));
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    struct watch watch = {.config = config, .now = look(config)};
    int status = watch.now.nobody_there ? ask_say_absent(arguments, config, "nothing")
                                        : show(arguments, &watch, interval_ms);
    forget(&watch.before);
    forget(&watch.now);
    config_free(config);
    return status;
}
