/* scale_command: `outrigger scale`: how many workers a model has. SPDX-License-Identifier: MIT */
#include "follow.h"
#include "say.h"
#include "value.h"

#include <inttypes.h>

enum { ANSWER_TIMEOUT_MS = 60000 }; /* it reads the model again before it answers */

/* ---- what is asked ---- */

static void add_count(yyjson_mut_doc *question, const char *name, int64_t count)
{
    yyjson_mut_obj_add_int(question, yyjson_mut_doc_get_root(question), name, count);
}

/* What is asked; NULL, after a complaint, when the words do not go together. */
static yyjson_mut_doc *make_question(const struct arguments *arguments, int *status)
{
    const char *workers = arguments->operands[1];
    bool min = arguments_has(arguments, OPTION_MIN), max = arguments_has(arguments, OPTION_MAX);
    bool reset = arguments_has(arguments, OPTION_RESET);
    struct value value = {0};
    *status = CTL_USAGE;
    if ((workers != NULL) + (min || max) + reset > 1) {
        *status = say_usage(arguments, "expected one of a number of workers, --min and --max, --reset");
        return NULL;
    }
    if (workers != NULL && !value_read(VALUE_COUNT, "", workers, &value)) {
        *status = say_usage(arguments, "expected a number of workers, got %s", workers);
        return NULL;
    }
    yyjson_mut_doc *question = ask_new("scale");
    ask_add_text(question, "model", arguments->operands[0]);
    if (workers != NULL)
        add_count(question, "instances", value.number);
    if (min)
        add_count(question, "min", arguments_number(arguments, OPTION_MIN, 0));
    if (max)
        add_count(question, "max", arguments_number(arguments, OPTION_MAX, 0));
    if (reset)
        yyjson_mut_obj_add_bool(question, yyjson_mut_doc_get_root(question), "reset", true);
    return question;
}

static bool is_question(const struct arguments *arguments)
{
    return arguments->operands[1] == NULL && !arguments_has(arguments, OPTION_MIN) &&
           !arguments_has(arguments, OPTION_MAX) && !arguments_has(arguments, OPTION_RESET);
}

/* ---- how it is ---- */

static int64_t number_in(yyjson_val *object, const char *name)
{
    return yyjson_get_sint(yyjson_obj_get(object, name));
}

static void print_counts(yyjson_val *model)
{
    yyjson_val *instances = yyjson_obj_get(model, "instances");
    int64_t min = number_in(instances, "min"), max = number_in(instances, "max");
    const char *name = yyjson_get_str(yyjson_obj_get(model, "model"));
    const char *from = yyjson_get_str(yyjson_obj_get(instances, "from"));
    printf("%s: %" PRId64 " wanted, %" PRId64 " run", name == NULL ? "" : name,
           number_in(instances, "wanted"), number_in(instances, "running"));
    if (min < max)
        printf("; between %" PRId64 " and %" PRId64 ", as the load needs", min, max);
    printf(" (said by %s)\n", from == NULL ? "nobody" : from);
}

static int show(const struct arguments *arguments, const struct config *config)
{
    int status;
    yyjson_mut_doc *question = ask_new("models");
    ask_add_text(question, "model", arguments->operands[0]);
    yyjson_doc *answer = ask_supervisor(arguments, config, question, ANSWER_TIMEOUT_MS, "not told", &status);
    if (answer != NULL && arguments->json) {
        status = say_answer(answer);
    } else if (answer != NULL) {
        print_counts(yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(answer), "models")));
        status = CTL_GOOD;
    }
    yyjson_doc_free(answer);
    return status;
}

/* ---- the command ---- */

int scale_command(const struct arguments *arguments)
{
    int status;
    bool asks = is_question(arguments);
    yyjson_mut_doc *question = asks ? NULL : make_question(arguments, &status);
    if (question == NULL && !asks)
        return status;
    struct config *config = arguments_config(arguments);
    if (config == NULL) {
        yyjson_mut_doc_free(question);
        return CTL_FAULT;
    }
    status =
        asks ? show(arguments, config) : follow_question(arguments, config, question, "not scaled", "scaled");
    config_free(config);
    return status;
}
