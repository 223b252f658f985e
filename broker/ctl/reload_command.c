/* reload_command: `outrigger reload`. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "ctl.h"

#include <errno.h>

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
    yyjson_doc *answer = ask(config, "supervisor.sock", "reload", RELOAD_TIMEOUT_MS);
    int result = CTL_FAULT;
    if (answer == NULL && ask_nobody_there(errno)) {
        ask_say_absent(config, "no supervisor");
        result = CTL_NOT_RUNNING;
    } else if (answer == NULL) {
        fprintf(stderr, "outrigger: the supervisor does not answer: %s\n", strerror(errno));
    } else if (ask_refusal(answer) != NULL) {
        fprintf(stderr, "outrigger: not reloaded, all runs on as before: %s\n", ask_refusal(answer));
    } else {
        print_needs(answer);
        puts("reloaded");
        result = CTL_GOOD;
    }
    yyjson_doc_free(answer);
    config_free(config);
    return result;
}
