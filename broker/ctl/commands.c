/* commands: the table of commands, from which main finds them and `outrigger help` tells of them.
 * SPDX-License-Identifier: MIT */
#include "ctl.h"

#include "nearest.h"

static const struct command commands[] = {
    {.name = "run",
     .summary = "start Outrigger here and stay until it is stopped",
     .options = "cs",
     .text = "Becomes the supervisor, which starts all other programs and stops them on SIGTERM, on Ctrl-C, "
             "or on\n"
             "`outrigger stop`.\n",
     .run = run_command},
    {.name = "check",
     .summary = "check configuration and models, and show what would run",
     .options = "cstT",
     .operand = "FILE",
     .text = "Reads the configuration FILE (as --config does) and the models that it names, loads each model "
             "once, tells\n"
             "every fault, and prints the plan: processes, cores, sockets, models. Exits 1 when anything is "
             "wrong.\n",
     .run = check_command},
    {.name = "status",
     .summary = "show the processes and the models that run",
     .options = "csjw",
     .text = "Asks the supervisor and the broker. Exits 0 when both answer, 1 when one of them does not, 3 "
             "when nothing\n"
             "runs. With --wait it exits 0 as soon as every required model is ready and a frontend runs; "
             "when the time\n"
             "is over it says what is missing and exits 1.\n",
     .run = status_command},
    {.name = "reload",
     .summary = "make a running Outrigger read its configuration and models again",
     .options = "cs",
     .text = "When anything in them is wrong, what runs stays as it is, and the reason is told. Names each "
             "changed parameter\n"
             "that running processes will only know when they have been started again, and how to do that.\n",
     .run = reload_command},
    {.name = "restart",
     .summary = "replace running processes by new ones, without a failed request",
     .options = "csMw",
     .operand = "WHAT",
     .text =
         "WHAT is workers, frontends, broker, collector or all. One process after the other is replaced: "
         "a new worker\n"
         "or frontend is ready before the old one finishes what it has and ends; the broker and the "
         "collector are\n"
         "started again as soon as they have finished what they have. Prints what is done; with --wait at "
         "most that\n"
         "long, though the supervisor goes on. Exits 1 when it is refused, because something is under way "
         "or does not\n"
         "run, or given up, because a new process does not get ready: then the old one stays.\n",
     .run = restart_command},
    {.name = "stop",
     .summary = "stop a running Outrigger in order",
     .options = "csw",
     .text = "Requests that are on their way are still answered. Waits until everything is stopped; with "
             "--wait at\n"
             "most that long.\n",
     .run = stop_command},
    {.name = "replay",
     .summary = "send a request that workers died of once more",
     .options = "cslMVw",
     .operand = "FILE",
     .text =
         "A request that is answered 422 because workers died of it is kept in state_directory/quarantine.\n"
         "This sends it again, to the version that --version names, through the broker, and prints what\n"
         "comes of it. A version that still dies of it costs max_kills workers again, and the request is\n"
         "kept once more. FILE is a path, or a name that --list shows. Waits at most 30 seconds, or what\n"
         "--wait says. Exits 0 when there is an answer, 3 when no broker runs.\n",
     .run = replay_command},
    {.name = "keygen",
     .summary = "make a pair of keys for connections over tcp",
     .options = "nd",
     .text = "Writes NAME.key, which may be given away, and NAME.key_secret, which stays on its host, to the "
             "working\n"
             "directory or to DIRECTORY, and prints the public key. NAME is the host's unless it is given. "
             "Files that are\n"
             "there already are never overwritten. The broker's secret is named by broker.curve_secret_file; "
             "a worker's by\n"
             "worker.curve_secret_file, its public key goes to broker.curve_allow.\n",
     .run = keygen_command},
    {.name = "help",
     .summary = "tell about a command",
     .options = "",
     .operand = "COMMAND",
     .text = "",
     .run = help_command},
};

const struct command *command_at(size_t index)
{
    return index < COUNT_OF(commands) ? &commands[index] : NULL;
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const char *command_nearest(const char *word)
{
    const char *nearest = NULL;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const char *name = commands[i].name;
        if (nearest_plausible(name, word) &&
            (nearest == NULL || nearest_distance(name, word) < nearest_distance(nearest, word)))
            nearest = name;
    }
    return nearest;
}
