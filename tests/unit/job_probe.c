/* job_probe: a job flat out, without a table or a topic: for process tests and measurements. It asks a model
 * for rows without end until SIGTERM, or for as many as it is told, and then says on stdout how many were
 * scored. A row is {n % 7 + 1, 2, 3, ...}; where the model is a regression, the answer is to be their sum.
 *
 *     job_probe MODEL ROWS(0: no end) AT_A_TIME ROWS_A_REQUEST [section.name=value]...
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "log.h"
#include "row_builder.h"
#include "scorer.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

enum { CHUNK_ROWS = 1024, CHUNKS = 4, NICE = 10, WIDTH_MAX = 4096 };

#define CATALOG_WAIT (60 * SECOND)
#define ONE_TRY      (60 * SECOND)

struct probe {
    struct loop *loop;
    struct asker *asker;
    struct scorer *scorer;
    struct row_builder *builder;
    const struct schema *schema;
    uint64_t most, next; /* rows that are wanted; 0: without end; and that were submitted */
    uint64_t scored, failed, wrong;
    bool stopping;
    bool said; /* the first rows are there */
};

struct chunk {
    struct probe *probe;
    uint64_t first; /* row */
};

static double first_value(uint64_t row)
{
    return (double)(row % 7 + 1);
}

static void submit(struct chunk *chunk);

static void done(void *owner, const struct scored *rows, size_t count)
{
    struct chunk *chunk = owner;
    struct probe *probe = chunk->probe;
    size_t width = row_builder_width(probe->builder);
    double others = (double)(width * (width + 1)) / 2 - 1;
    for (size_t i = 0; i < count; i++) {
        probe->scored += rows[i].failure == FAILURE_NONE;
        probe->failed += rows[i].failure != FAILURE_NONE;
        probe->wrong += rows[i].failure == FAILURE_NONE && probe->schema->regression &&
                        fabs(rows[i].value - first_value(chunk->first + i) - others) > 1e-3;
    }
    if (!probe->said)
        printf("{\"begun\":true}\n");
    probe->said = true;
    fflush(stdout);
    submit(chunk);
}

static void submit(struct chunk *chunk)
{
    struct probe *probe = chunk->probe;
    struct row_value values[WIDTH_MAX];
    char faults[ROW_FAULTS_MAX];
    size_t bytes, width = row_builder_width(probe->builder);
    uint64_t left = probe->most == 0 ? CHUNK_ROWS : probe->most - probe->next;
    size_t count = left < CHUNK_ROWS ? (size_t)left : CHUNK_ROWS;
    if (probe->stopping)
        count = 0;
    if (count == 0 && scorer_open(probe->scorer) == 0)
        loop_stop(probe->loop);
    if (count == 0)
        return;
    chunk->first = probe->next;
    probe->next += count;
    row_builder_clear(probe->builder);
    for (size_t i = 0; i < count; i++) {
        for (size_t column = 0; column < width; column++)
            values[column] = (struct row_value){.kind = ROW_NUMBER, .number = (double)(column + 1)};
        values[0].number = first_value(chunk->first + i);
        if (row_builder_add(probe->builder, values, faults))
            continue;
        fprintf(stderr, "%s\n", faults);
        exit(1);
    }
    const uint8_t *payload = row_builder_payload(probe->builder, 0, count, &bytes);
    scorer_submit(probe->scorer, &(struct rows_payload){.bytes = payload, .length = bytes, .rows = count},
                  done, chunk);
}

static void stop(void *self)
{
    ((struct probe *)self)->stopping = true;
}

static void run(struct probe *probe)
{
    struct chunk chunks[CHUNKS];
    int64_t begin = clock_now();
    loop_signal(probe->loop, SIGTERM, stop, probe);
    for (size_t i = 0; i < CHUNKS; i++) {
        chunks[i].probe = probe;
        submit(&chunks[i]);
    }
    if (scorer_open(probe->scorer) > 0)
        loop_run(probe->loop);
    printf("{\"scored\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"retries\":%" PRIu64
           ",\"seconds\":%.3f}\n",
           probe->scored, probe->failed, probe->wrong, asker_retries(probe->asker),
           (double)(clock_now() - begin) / (double)SECOND);
}

int main(int argc, char **argv)
{
    static struct probe probe;
    struct config_errors errors = {0};
    char reason[ASKER_REASON_MAX];
    if (argc < 5)
        return 2;
    struct config *config = config_load(NULL, (const char *const *)argv + 5, (size_t)argc - 5, &errors);
    config_errors_print(&errors, stderr);
    if (config == NULL)
        return 1;
    log_open("probe", "info");
    setpriority(PRIO_PROCESS, 0, NICE);
    probe.loop = loop_new();
    probe.most = strtoull(argv[2], NULL, 10);
    void *zmq = zmq_ctx_new();
    struct metrics *metrics = metrics_new(NULL);
    probe.asker = asker_new(&(struct asker_context){.zmq = zmq,
                                                    .loop = probe.loop,
                                                    .metrics = metrics,
                                                    .config = config,
                                                    .tenant = "probe",
                                                    .priority = PROTOCOL_PRIORITY_JOB,
                                                    .deadline = ONE_TRY,
                                                    .at_a_time = strtoul(argv[3], NULL, 10)});
    probe.schema = asker_version(probe.asker, argv[1], NULL, CATALOG_WAIT, reason);
    if (probe.schema == NULL) {
        fprintf(stderr, "%s\n", reason);
    } else {
        probe.scorer = scorer_new(probe.asker, strtoul(argv[4], NULL, 10));
        probe.builder = row_builder_new(probe.schema, CHUNK_ROWS);
        run(&probe);
    }
    asker_free(probe.asker);
    scorer_free(probe.scorer);
    row_builder_free(probe.builder);
    zmq_ctx_term(zmq);
    metrics_free(metrics);
    loop_free(probe.loop);
    config_free(config);
    return probe.schema == NULL ? 3 : 0;
}
