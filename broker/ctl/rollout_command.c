/* rollout_command: `outrigger rollout` and its verbs: the supervisor does it all, and goes on when this
 * command is interrupted. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "clock.h"
#include "rollout_view.h"
#include "say.h"

#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 10000 /* a version may have to be checked first */ };

/* ---- what is asked ---- */

static void add_number(yyjson_mut_doc *question, const char *name, double value)
{
    yyjson_mut_obj_add_real(question, yyjson_mut_doc_get_root(question), name, value);
}

/* Durations and counts; those that were not said are the supervisor's to know. */
static void add_numbers(const struct arguments *arguments, yyjson_mut_doc *question)
{
    static const struct {
        enum option_id option;
        const char *name;
    } numbers[] = {
        {OPTION_EVERY, "every_ms"}, {OPTION_MAX_P99, "max_p99_ms"}, {OPTION_MIN_REQUESTS, "min_requests"}};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (arguments_has(arguments, numbers[i].option))
            add_number(question, numbers[i].name, (double)arguments_number(arguments, numbers[i].option, 0));
    if (arguments_has(arguments, OPTION_MAX_ERROR_RATE))
        add_number(question, "max_error_rate", arguments_fraction(arguments, OPTION_MAX_ERROR_RATE, 0));
    if (arguments_has(arguments, OPTION_MIN_AGREEMENT))
        add_number(question, "min_agreement", arguments_fraction(arguments, OPTION_MIN_AGREEMENT, 0));
}

/* 80% or 0.8: of an accuracy both are said. */
static bool read_accuracy(const char *text, double *fraction)
{
    char *end;
    if (strchr(text, '%') != NULL)
        return value_percent(text, true, fraction);
    *fraction = strtod(text, &end);
    return end != text && *end == '\0' && *fraction >= 0 && *fraction <= 1;
}

static void add_steps(const struct arguments *arguments, yyjson_mut_doc *question)
{
    double steps[VALUE_PERCENTS_MAX];
    const char *text = arguments_text(arguments, OPTION_STEPS);
    if (text == NULL)
        return;
    size_t count = value_percents(text, steps, COUNT_OF(steps)); /* was read once already: it is not 0 */
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(question, yyjson_mut_doc_get_root(question), "steps");
    for (size_t i = 0; i < count; i++)
        yyjson_mut_arr_add_real(question, list, 100 * steps[i]);
}

/* ---- following ---- */

/* One look; NULL, and it was said why, when the supervisor does not answer. */
static yyjson_doc *look(const struct arguments *arguments, const struct config *config, int *status)
{
    yyjson_mut_doc *question = ask_new("rollout-status");
    ask_add_text(question, "model", arguments->operands[0]);
    return ask_supervisor(arguments, config, question, ANSWER_TIMEOUT_MS, "no roll-out to be told of",
                          status);
}

static yyjson_val *first_of(yyjson_doc *answer)
{
    return yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(answer), "rollouts"));
}

/* Prints decisions as they come, until it has ended or the time is over. Exits 0 only for a good end. */
static int follow_rollout(const struct arguments *arguments, const struct config *config)
{
    int64_t wait_ms = arguments_number(arguments, OPTION_WAIT, 0), after = 0;
    int64_t deadline = clock_now() + wait_ms * MILLISECOND;
    for (;;) {
        int status;
        bool good = false;
        yyjson_doc *answer = look(arguments, config, &status);
        if (answer == NULL)
            return status;
        yyjson_val *rollout = first_of(answer);
        bool over = rollout == NULL || rollout_view_ended(rollout, &good) || clock_now() >= deadline;
        if (!arguments->json)
            rollout_view_decisions(rollout, stdout, &after);
        else if (over)
            say_answer(answer);
        fflush(stdout);
        yyjson_doc_free(answer);
        if (over)
            return good ? CTL_GOOD : CTL_FAULT;
        ask_pause();
    }
}

/* ---- the commands ---- */

/* Asks for something that is answered with yes; says `done`. */
static int act(const struct arguments *arguments, yyjson_mut_doc *question, const char *refused,
               const char *done)
{
    int status = CTL_FAULT;
    struct config *config = arguments_config(arguments);
    if (config == NULL) {
        yyjson_mut_doc_free(question);
        return CTL_FAULT;
    }
    yyjson_doc *answer = ask_supervisor(arguments, config, question, ANSWER_TIMEOUT_MS, refused, &status);
    if (answer != NULL)
        status = arguments_has(arguments, OPTION_WAIT) ? follow_rollout(arguments, config)
                                                       : say_good(arguments, done);
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}

int rollout_command(const struct arguments *arguments)
{
    double accuracy;
    const char *text = arguments_text(arguments, OPTION_MIN_ACCURACY);
    if (text != NULL && !read_accuracy(text, &accuracy))
        return say_usage(arguments, "--min-accuracy: expected a share such as 0.8 or 80%%, got %s", text);
    yyjson_mut_doc *question = ask_new("rollout");
    ask_add_text(question, "model", arguments->operands[0]);
    ask_add_text(question, "version", arguments->operands[1]);
    add_steps(arguments, question);
    add_numbers(arguments, question);
    if (text != NULL)
        add_number(question, "min_accuracy", accuracy);
    return act(arguments, question, "not rolled out", "rolling out; see outrigger rollout status");
}

static int act_on_model(const struct arguments *arguments, const char *command, const char *refused,
                        const char *done)
{
    yyjson_mut_doc *question = ask_new(command);
    ask_add_text(question, "model", arguments->operands[0]);
    return act(arguments, question, refused, done);
}

int rollout_pause_command(const struct arguments *arguments)
{
    return act_on_model(arguments, "rollout-pause", "not paused", "paused");
}

int rollout_resume_command(const struct arguments *arguments)
{
    return act_on_model(arguments, "rollout-resume", "not resumed", "resumed");
}

int rollout_abort_command(const struct arguments *arguments)
{
    return act_on_model(arguments, "rollout-abort", "not aborted", "aborted; the route is what it was");
}

/* One member of it, bare, for scripts. */
static int print_field(const struct arguments *arguments, yyjson_val *rollout)
{
    const char *name = arguments_text(arguments, OPTION_FIELD);
    yyjson_val *value = yyjson_obj_get(rollout, name);
    if (rollout == NULL)
        return say_fault(arguments, CTL_FAULT, "there was no roll-out to be told of");
    if (value == NULL)
        return say_usage(arguments, "--field: a roll-out has no member %s (all of them: --json)", name);
    char *text = yyjson_is_str(value) ? NULL : yyjson_val_write(value, 0, NULL);
    puts(text != NULL ? text : yyjson_get_str(value));
    free(text);
    return CTL_GOOD;
}

int rollout_status_command(const struct arguments *arguments)
{
    int status = CTL_GOOD;
    if (arguments_has(arguments, OPTION_WAIT) && arguments_has(arguments, OPTION_FIELD))
        return say_usage(arguments, "--field: does not go with --wait, which tells what happens");
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    if (arguments_has(arguments, OPTION_WAIT) && arguments->operands[0] != NULL) {
        status = follow_rollout(arguments, config);
        config_free(config);
        return status;
    }
    yyjson_doc *answer = look(arguments, config, &status);
    if (answer != NULL && arguments_has(arguments, OPTION_FIELD))
        status = print_field(arguments, first_of(answer));
    else if (answer != NULL && arguments->json)
        status = say_answer(answer);
    else if (answer != NULL)
        rollout_view_print(yyjson_doc_get_root(answer), stdout, say_coloured());
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}
