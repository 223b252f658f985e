/* scale_command: `outrigger scale`: how many workers a model has. SPDX-License-Identifier: MIT */
#include "follow.h"
#include "say.h"
#include "value.h"

enum { ANSWER_TIMEOUT_MS = 60000 }; /* it reads the model again before it answers */

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
    if ((workers != NULL) + (min || max) + reset != 1) {
        *status = say_usage(arguments, "expected a number of workers, or --min and --max, or --reset");
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

int scale_command(const struct arguments *arguments)
{
    int status;
    yyjson_mut_doc *question = make_question(arguments, &status);
    if (question == NULL)
        return status;
    struct config *config = arguments_config(arguments);
    if (config == NULL) {
        yyjson_mut_doc_free(question);
        return CTL_FAULT;
    }
    yyjson_doc *answer =
        ask_supervisor(arguments, config, question, ANSWER_TIMEOUT_MS, "not scaled", &status);
    if (answer != NULL)
        status = follow(arguments, config, yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(answer), "id")),
                        "scaled");
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}
