/* stop_command: `outrigger stop`: tells the supervisor, then waits until it is gone. SPDX-License-Identifier:
 * MIT */
#include "ask.h"
#include "clock.h"
#include "ctl.h"

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
    if (arguments->wait_seconds >= 0)
        return arguments->wait_seconds * INT64_C(1000);
    return config->supervisor_stop_timeout_ms * KINDS_OF_PROCESSES + SPARE_MS;
}

int stop_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    yyjson_doc *answer = ask(config, "supervisor.sock", "stop", ANSWER_TIMEOUT_MS);
    int64_t patience = patience_ms(arguments, config);
    int result = CTL_FAULT;
    if (answer == NULL && ask_nobody_there(errno)) {
        ask_say_absent(config, "no supervisor");
        result = CTL_NOT_RUNNING;
    } else if (answer == NULL) {
        fprintf(stderr, "outrigger: the supervisor does not answer: %s\n", strerror(errno));
    } else if (ask_refusal(answer) != NULL) {
        fprintf(stderr, "outrigger: not stopped: %s\n", ask_refusal(answer));
    } else if (!wait_until_gone(config, patience)) {
        fprintf(stderr, "outrigger: still stopping after %lld ms\n", (long long)patience);
    } else {
        puts("stopped");
        result = CTL_GOOD;
    }
    yyjson_doc_free(answer);
    config_free(config);
    return result;
}
