/* restart_command: `outrigger restart`: tells the supervisor, then prints what it does until it has done it.
 * The supervisor goes on when this command is interrupted. SPDX-License-Identifier: MIT */
#include "follow.h"

int restart_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    yyjson_mut_doc *question = ask_new("restart");
    ask_add_text(question, "what", arguments->operands[0]);
    ask_add_text(question, "model", arguments_text(arguments, OPTION_MODEL));
    int status = follow_question(arguments, config, question, "not restarted", "restarted");
    config_free(config);
    return status;
}
