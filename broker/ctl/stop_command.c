/* stop_command: `outrigger stop`: tells the supervisor, then waits until it is gone. SPDX-License-Identifier:
 * MIT */
#include "ask.h"
#include "clock.h"
#include "say.h"

#include <errno.h>

enum {
    ANSWER_TIMEOUT_MS = 5000,
    KINDS_OF_PROCESSES = 4, /* they are stopped one kind after the other */
    SPARE_MS = 10000
};

/* Asks until nobody listens any more. */
static bool wait_until_gone(const struct config *config, int64_t timeout_ms)
{
    int64_t deadline = clock_now() + timeout_ms * MILLISECOND;
    do {
        yyjson_doc *answer = ask(config, "supervisor.sock", "status", ANSWER_TIMEOUT_MS);
        if (answer == NULL && ask_nobody_there(errno))
            return true;
        yyjson_doc_free(answer);
        ask_pause();
    } while (clock_now() < deadline);
    return false;
}

static int64_t patience_ms(const struct arguments *arguments, const struct config *config)
{
    return arguments_number(arguments, OPTION_WAIT,
                            config->supervisor_stop_timeout_ms * KINDS_OF_PROCESSES + SPARE_MS);
}

int stop_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int status;
    yyjson_doc *answer =
        ask_supervisor(arguments, config, ask_new("stop"), ANSWER_TIMEOUT_MS, "not stopped", &status);
    int64_t patience = patience_ms(arguments, config);
    if (answer != NULL && wait_until_gone(config, patience))
        say_good(arguments, "stopped");
    else if (answer != NULL)
        status = say_fault(arguments, CTL_FAULT, "still stopping after %lld ms", (long long)patience);
    yyjson_doc_free(answer);
    config_free(config);
    return status;
}
