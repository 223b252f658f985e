/* placement: divides the cores between the processes that pass a request on and those that compute for long.
 * The supervisor asks once and gives each child its list; `outrigger check` prints it.
 * SPDX-License-Identifier: MIT */
#include "placement.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- lists of cores: "0,2-3" ---- */

/* Reads a number and moves past it; false when there is none or it is no core that a set can hold. */
static bool read_core(const char **at, int *core)
{
    if (**at < '0' || **at > '9')
        return false;
    char *end;
    long number = strtol(*at, &end, 10);
    *at = end;
    *core = (int)number;
    return number < CPU_SETSIZE;
}

static bool read_cores(const char *text, cpu_set_t *cores)
{
    CPU_ZERO(cores);
    for (;;) {
        int first, last;
        if (!read_core(&text, &first))
            return false;
        last = first;
        if (*text == '-') {
            text++;
            if (!read_core(&text, &last) || last < first)
                return false;
        }
        for (int core = first; core <= last; core++)
            CPU_SET(core, cores);
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

/* Writes the list. A set so scattered that its list does not fit becomes "" (any core): fewer cores than
 * meant would be worse than no placement. */
static void write_cores(const cpu_set_t *cores, char *text, size_t capacity)
{
    size_t length = 0;
    *text = '\0';
    for (int first = 0; first < CPU_SETSIZE; first++) {
        if (!CPU_ISSET(first, cores))
            continue;
        int last = first;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cores))
            last++;
        const char *comma = length == 0 ? "" : ",";
        int written = first == last
                          ? snprintf(text + length, capacity - length, "%s%d", comma, first)
                          : snprintf(text + length, capacity - length, "%s%d-%d", comma, first, last);
        if (written < 0 || (size_t)written >= capacity - length) {
            *text = '\0';
            return;
        }
        length += (size_t)written;
        first = last;
    }
}

/* ---- dividing them ---- */

/* The last half of the cores, at least one: interrupts and the web server tend to sit on the first ones. */
static void last_half(const cpu_set_t *cores, cpu_set_t *half)
{
    int wanted = CPU_COUNT(cores) / 2;
    CPU_ZERO(half);
    for (int core = CPU_SETSIZE - 1; core >= 0 && (CPU_COUNT(half) < wanted || CPU_COUNT(half) == 0); core--)
        if (CPU_ISSET(core, cores))
            CPU_SET(core, half);
}

/* The first core of `wanted` that is not in `there`, -1 when all are. */
static int first_missing(const cpu_set_t *wanted, const cpu_set_t *there)
{
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, wanted) && !CPU_ISSET(core, there))
            return core;
    return -1;
}

static bool is_word(const char *placement)
{
    return strcmp(placement, "auto") == 0 || strcmp(placement, "none") == 0;
}

bool placement_check(const char *placement, char *reason, size_t capacity)
{
    cpu_set_t wanted, machine;
    if (is_word(placement))
        return true;
    if (!read_cores(placement, &wanted)) {
        snprintf(reason, capacity, "expected auto, none or a list of cores, as 0,2-3; got \"%.80s\"",
                 placement);
        return false;
    }
    long count = sysconf(_SC_NPROCESSORS_CONF);
    CPU_ZERO(&machine);
    for (int core = 0; core < count && core < CPU_SETSIZE; core++)
        CPU_SET(core, &machine);
    int missing = first_missing(&wanted, &machine);
    if (missing >= 0)
        snprintf(reason, capacity, "there is no core %d; this machine has %ld, from 0 on", missing, count);
    return missing < 0;
}

bool placement_divide(const char *placement, const cpu_set_t *cores, struct placement *divided, char *reason,
                      size_t capacity)
{
    cpu_set_t light, heavy;
    *divided = (struct placement){0};
    if (strcmp(placement, "none") == 0)
        return true;
    if (strcmp(placement, "auto") == 0)
        last_half(cores, &light);
    else if (!read_cores(placement, &light))
        return placement_check(placement, reason, capacity);
    int missing = first_missing(&light, cores);
    if (missing >= 0) {
        snprintf(reason, capacity, "this process may not run on core %d", missing);
        return false;
    }
    if (CPU_COUNT(cores) == 1)
        return true;
    CPU_XOR(&heavy, cores, &light);
    write_cores(&light, divided->light, sizeof divided->light);
    write_cores(&heavy, divided->heavy, sizeof divided->heavy);
    write_cores(cores, divided->all, sizeof divided->all);
    return true;
}

bool placement_plan(const struct config *config, struct placement *placement, struct config_errors *errors)
{
    cpu_set_t cores;
    char reason[256];
    *placement = (struct placement){0};
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return true; /* more cores than a set holds: the kernel's choice */
    if (placement_check(config->placement, reason, sizeof reason) &&
        placement_divide(config->placement, &cores, placement, reason, sizeof reason))
        return true;
    config_complain(errors, "%s%splacement: %s", config->file, *config->file == '\0' ? "" : ": ", reason);
    return false;
}
