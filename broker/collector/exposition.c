/* exposition: one text for all who ask at about the same time.
 *
 * Writing the text of thousands of series takes milliseconds. Scrapers and the frontends' /metrics may ask as
 * often as they like: it is written ten times a second at most. SPDX-License-Identifier: MIT */
#include "exposition.h"

#include "clock.h"
#include "process.h"
#include "prometheus.h"

#include <stdlib.h>
#include <unistd.h>

#define AGE_MAX (100 * MILLISECOND)

enum { EXPOSITION_MAGIC = 0x65780001 };

struct exposition {
    unsigned magic;
    const struct registry *registry;
    struct prometheus_process process;
    struct blob *text; /* NULL: none yet */
    int64_t written;
};

struct exposition *exposition_new(const struct registry *registry)
{
    struct exposition *exposition = object_alloc(sizeof *exposition);
    exposition->magic = EXPOSITION_MAGIC;
    exposition->registry = registry;
    exposition->process.started = clock_wall();
    return exposition;
}

void exposition_free(struct exposition *exposition)
{
    if (exposition == NULL)
        return;
    CHECK_OBJECT(exposition, EXPOSITION_MAGIC);
    blob_drop(exposition->text);
    exposition->magic = 0;
    free(exposition);
}

struct blob *exposition_text(struct exposition *exposition, int64_t now)
{
    CHECK_OBJECT(exposition, EXPOSITION_MAGIC);
    if (exposition->text == NULL || now - exposition->written > AGE_MAX) {
        struct prometheus_process *process = &exposition->process;
        size_t length;
        process_usage(getpid(), &process->resident_bytes, &process->cpu_us);
        blob_drop(exposition->text);
        char *text = prometheus_text(exposition->registry, process, &length);
        exposition->text = blob_new(text, length);
        exposition->written = now;
    }
    return exposition->text;
}
