/* simulation: the broker on virtual time.
 *
 *   simulation [--scenario NAME] [--seed N] [--requests N] [--verbose]
 *   simulation --list-scenarios
 *   simulation --check          every scenario with seeds that are kept, and with a fresh one, in about ten
 * seconds
 *
 * The broker's own code (with its port) and the askers' own client run as they are; libzmq, the loop, the
 * clock, the workers and everything that goes wrong are simulated, from a seed: the same seed does the same
 * again, event for event. A run is made by a child process, so that a crash is told with its seed like any
 * other finding. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "hosts.h"
#include "object.h"
#include "report.h"
#include "world.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_REQUESTS 6000
/* After the last answer the workers may still have what nobody waits for: hung ones until they are given up.
 */
#define SETTLE_TIME (20 * SECOND)

struct run {
    const struct scenario *scenario;
    uint64_t seed;
    uint64_t requests;
    bool verbose;
    bool brief;
    uint64_t *digest; /* shared with the process that runs it */
};

/* ---- the clocks and the dice of everything that is linked here ---- */

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
ssize_t __wrap_getrandom(void *bytes, size_t length, unsigned flags);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    *time = (struct timespec){.tv_sec = world_now() / SECOND, .tv_nsec = world_now() % SECOND};
    return 0;
}

ssize_t __wrap_getrandom(void *bytes, size_t length, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)chance_next(world_chance());
    return (ssize_t)length;
}

static double real_seconds(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- one run, in a process of its own ---- */

/* So many of a short run are late without telling anything. */
enum { BY_CHANCE = 8 };

static void settle(struct hosts *hosts, const struct scenario *scenario, const struct ledger *ledger)
{
    int64_t limit = world_now() + SETTLE_TIME;
    while (!hosts_settled(hosts)) {
        if (world_now() >= limit)
            hosts_describe(hosts);
        PROMISE(world_now() < limit,
                "all requests are over, but a broker still holds something, or somebody has not "
                "registered with a broker, or does not know it");
        hosts_step(hosts);
    }
    PROMISE(ledger->open == 0, "%" PRIu64 " requests are open", ledger->open);
    PROMISE(scenario->quiet_usually == 0 || ledger->quiet_late <= BY_CHANCE + ledger->quiet / 100,
            "%" PRIu64 " of %" PRIu64 " requests of the quiet one took longer than usually",
            ledger->quiet_late, ledger->quiet);
    hosts_add_up(hosts);
}

static void print_result(const struct run *run, const struct hosts *hosts, const struct ledger *ledger,
                         double took)
{
    printf("%-10s seed %-20" PRIu64 " %8" PRIu64 " requests %8" PRIu64 " answered %6" PRIu64
           " workers died %8.1f virtual s %6.2f s %8.0f requests/s  digest %016" PRIx64 "\n",
           run->scenario->name, run->seed, ledger->asked, ledger->answered[FAILURE_NONE], hosts_deaths(hosts),
           (double)world_now() / 1e9, took, (double)ledger->asked / took, world_digest());
    if (run->brief)
        return;
    for (unsigned i = 1; i < FAILURE_KINDS; i++)
        if (ledger->answered[i] > 0)
            printf("  %-18s %10" PRIu64 "\n", failure_label((enum failure)i), ledger->answered[i]);
    printf("  %-18s %10" PRIu64 "\n  %-18s %10" PRIu64
           "\n  longest wait %.3f s, most workers killed by one request %u, %" PRIu64 " turns\n",
           "taken back", ledger->cancelled, "of dead askers", ledger->orphaned,
           (double)ledger->longest_wait / 1e9, ledger->most_kills, world_turns());
    hosts_print(hosts);
    for (enum mishap mishap = 0; mishap < MISHAP_COUNT; mishap++)
        if (mishap != MISHAP_LOSE_HOST && hosts_mishaps(hosts, mishap) > 0)
            printf("  %6" PRIu64 " x %s\n", hosts_mishaps(hosts, mishap), mishap_texts[mishap]);
}

static void simulate(const struct run *run, const char *directory)
{
    struct ledger ledger = {.planned = run->requests};
    double began = real_seconds();
    world_begin(run->seed);
    report_begin(run->verbose);
    struct scenario scenario = scenario_complete(run->scenario);
    struct hosts *hosts = hosts_new(&scenario, &ledger, directory);
    while (ledger.asked < ledger.planned)
        hosts_step(hosts);
    hosts_calm(hosts);
    while (ledger.open > 0)
        hosts_step(hosts);
    settle(hosts, &scenario, &ledger);
    print_result(run, hosts, &ledger, real_seconds() - began);
    if (run->digest != NULL)
        *run->digest = world_digest();
    hosts_free(hosts);
    ledger_free(&ledger);
}

/* ---- runs ---- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

/* True when every promise was kept. */
static bool run_one(const struct run *run)
{
    char directory[] = "/tmp/outrigger-simulation.XXXXXX";
    ENSURE(mkdtemp(directory) != NULL);
    fflush(NULL);
    pid_t child = fork();
    ENSURE(child >= 0);
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        simulate(run, directory);
        exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        ENSURE(errno == EINTR);
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (status == 0)
        return true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        exit(130);
    fprintf(stderr, "simulation FAILED: again with --scenario %s --seed %" PRIu64 " --requests %" PRIu64 "\n",
            run->scenario->name, run->seed, run->requests);
    return false;
}

static uint64_t fresh_seed(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_REALTIME, &now);
    struct chance chance = {(uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 20 ^ (uint64_t)getpid()};
    return chance_next(&chance) >> 32; /* short enough to be copied by hand */
}

/* True when a seed repeats itself. */
static bool is_repeatable(void)
{
    uint64_t *digest =
        mmap(NULL, 2 * sizeof *digest, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ENSURE(digest != MAP_FAILED);
    struct run run = {.scenario = scenario_find("all"), .seed = 1, .requests = CHECK_REQUESTS, .brief = true};
    bool kept = true;
    for (size_t i = 0; i < 2; i++) {
        run.digest = &digest[i];
        kept = run_one(&run) && kept;
    }
    bool same = digest[0] == digest[1];
    if (!same)
        fprintf(stderr, "simulation FAILED: the same seed did something else the second time\n");
    munmap(digest, 2 * sizeof *digest);
    return kept && same;
}

static int check(void)
{
    unsigned runs = 0, failed = 0;
    uint64_t seeds[] = {1, fresh_seed()};
    printf("simulation: fresh seed %" PRIu64 "\n", seeds[1]);
    for (const struct kept_seed *kept = kept_seeds; kept->scenario != NULL; kept++, runs++)
        failed += !run_one(&(struct run){.scenario = scenario_find(kept->scenario),
                                         .seed = kept->seed,
                                         .requests = kept->requests,
                                         .brief = true});
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
        for (size_t i = 0; i < COUNT_OF(seeds); i++, runs++)
            failed += !run_one(&(struct run){
                .scenario = scenario, .seed = seeds[i], .requests = CHECK_REQUESTS, .brief = true});
    failed += !is_repeatable();
    printf("simulation: %u runs, %u failed\n", runs + 2, failed);
    return failed == 0 ? 0 : 1;
}

static int list_scenarios(void)
{
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
        printf("%-10s %s\n", scenario->name, scenario->text);
    return 0;
}

static int usage(FILE *out, int status)
{
    fputs("simulation [--scenario NAME] [--seed N] [--requests N] [--verbose]\n"
          "simulation --check\n"
          "simulation --list-scenarios\n",
          out);
    return status;
}

static int run_scenarios(struct run run, const char *name)
{
    bool kept = true;
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++) {
        if (name != NULL && strcmp(name, scenario->name) != 0)
            continue;
        run.scenario = scenario;
        kept = run_one(&run) && kept;
    }
    return kept ? 0 : 1;
}

int main(int argc, char **argv)
{
    enum { SCENARIO, SEED, REQUESTS, VERBOSE, CHECK, LIST, HELP };
    static const struct option options[] = {{"scenario", required_argument, NULL, SCENARIO},
                                            {"seed", required_argument, NULL, SEED},
                                            {"requests", required_argument, NULL, REQUESTS},
                                            {"verbose", no_argument, NULL, VERBOSE},
                                            {"check", no_argument, NULL, CHECK},
                                            {"list-scenarios", no_argument, NULL, LIST},
                                            {"help", no_argument, NULL, HELP},
                                            {NULL, 0, NULL, 0}};
    struct run run = {.seed = fresh_seed(), .requests = 100000};
    const char *name = NULL;
    int option;
    signal(SIGINT, SIG_IGN); /* it ends the run, whose folder this process then removes */
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case SCENARIO:
            name = optarg;
            break;
        case SEED:
            run.seed = strtoull(optarg, NULL, 10);
            break;
        case REQUESTS:
            run.requests = strtoull(optarg, NULL, 10);
            break;
        case VERBOSE:
            run.verbose = true;
            break;
        case CHECK:
            return check();
        case LIST:
            return list_scenarios();
        case HELP:
            return usage(stdout, 0);
        default:
            return usage(stderr, 2);
        }
    if (optind < argc || run.requests == 0 || (name != NULL && scenario_find(name) == NULL))
        return usage(stderr, 2);
    return run_scenarios(run, name);
}
