/* restart_command: `outrigger restart`: tells the supervisor, then prints what it does until it has done it.
 * The supervisor goes on when this command is interrupted. SPDX-License-Identifier: MIT */
#include "follow.h"

enum { ANSWER_TIMEOUT_MS = 5000 };

int restart_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    yyjson_mut_doc *question = ask_new("restart");
    ask_add_text(question, "what", arguments->operands[0]);
    ask_add_text(question, "model", arguments_text(arguments, OPTION_MODEL));
    int status;
    yyjson_doc *answer =
        ask_supervisor(arguments, config, question, ANSWER_TIMEOUT_MS, "not restarted", &status);
    if (answer != NULL)
        status = follow(arguments, config, answer, "restarted");
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}
