/* reload_command: `outrigger reload`. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "say.h"

enum { RELOAD_TIMEOUT_MS = 60000 }; /* the supervisor reads the whole repository before it answers */

/* What holds only when processes have been started again. */
static void print_needs(yyjson_doc *answer)
{
    size_t index, count;
    yyjson_val *need;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "needs"), index, count, need)
    {
        if (yyjson_is_str(need))
            printf("changed, and needs more than a reload: %s\n", yyjson_get_str(need));
    }
}

int reload_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int status;
    yyjson_doc *answer = ask_supervisor(arguments, config, ask_new("reload"), RELOAD_TIMEOUT_MS,
                                        "not reloaded, all runs on as before", &status);
    if (answer != NULL && arguments->json) {
        say_answer(answer);
    } else if (answer != NULL) {
        print_needs(answer);
        puts("reloaded");
    }
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}
