/* exposition: one text for all who ask at about the same time.
 *
 * Writing the text of thousands of series takes milliseconds. Scrapers and the frontends' /metrics may ask as
 * often as they like: it is written ten times a second at most. Made by main.c, asked by pages.c.
 * SPDX-License-Identifier: MIT */
#include "exposition.h"

#include "clock.h"
#include "process.h"

#include <stdlib.h>
#include <unistd.h>

#define AGE_MAX (100 * MILLISECOND)

enum { EXPOSITION_MAGIC = 0x65780001 };

struct exposition {
    unsigned magic;
    const struct registry *registry;
    bool triton;
    struct prometheus_process process;
    struct {
        struct blob *text; /* NULL: none yet */
        int64_t written;
    } formats[PROMETHEUS_FORMATS];
};

struct exposition *exposition_new(const struct registry *registry, bool triton)
{
    struct exposition *exposition = object_alloc(sizeof *exposition);
    exposition->magic = EXPOSITION_MAGIC;
    exposition->registry = registry;
    exposition->triton = triton;
    exposition->process.started = clock_wall();
    return exposition;
}

void exposition_free(struct exposition *exposition)
{
    if (exposition == NULL)
        return;
    CHECK_OBJECT(exposition, EXPOSITION_MAGIC);
    for (size_t i = 0; i < PROMETHEUS_FORMATS; i++)
        blob_drop(exposition->formats[i].text);
    exposition->magic = 0;
    free(exposition);
}

static struct blob *write_text(struct exposition *exposition, enum prometheus_format format)
{
    struct prometheus_process *process = &exposition->process;
    size_t length;
    process_usage(getpid(), &process->resident_bytes, &process->cpu_us);
    char *text = prometheus_text(exposition->registry, process, format, exposition->triton, &length);
    return blob_new(text, length);
}

void exposition_more(struct exposition *exposition, void (*more)(void *self, FILE *out, bool open),
                     void *self)
{
    CHECK_OBJECT(exposition, EXPOSITION_MAGIC);
    exposition->process.more = more;
    exposition->process.self = self;
}

struct blob *exposition_text(struct exposition *exposition, enum prometheus_format format, int64_t now)
{
    CHECK_OBJECT(exposition, EXPOSITION_MAGIC);
    struct blob **text = &exposition->formats[format].text;
    if (*text == NULL || now - exposition->formats[format].written > AGE_MAX) {
        blob_drop(*text);
        *text = write_text(exposition, format);
        exposition->formats[format].written = now;
    }
    return *text;
}
