/* stream_job: what a job is to do: its parameters, and what they say together. SPDX-License-Identifier: MIT
 */
#include "stream_job.h"

#include "stream.h"

static const struct parameter rows[] = {
#define INTEGER(section, name, ...) PARAMETER_ROW_INTEGER(stream_job, section, name, __VA_ARGS__),
#define STRING(section, name, ...)  PARAMETER_ROW_STRING(stream_job, section, name, __VA_ARGS__),
#define NAMES(section, name, ...)   PARAMETER_ROW_NAMES(stream_job, section, name, __VA_ARGS__),
#include "stream_job.def"
#undef INTEGER
#undef STRING
#undef NAMES
};

static const struct parameter_table table = {.rows = rows, .count = COUNT_OF(rows)};

static const char *const format_names[] = {
    [STREAM_JSON] = "json", [STREAM_MSGPACK] = "msgpack", [STREAM_RAW] = "raw"};

const struct parameter_table *stream_job_parameters(void)
{
    return &table;
}

static void check_options(struct parameter_reader *reader, char *const *member,
                          const struct stream_address *address, const char *const *known)
{
    const char *unknown = stream_address_unknown(address, known);
    if (unknown != NULL)
        parameter_complain(reader, member, "unknown option %.40s", unknown);
}

static void settle_source(struct stream_job *job, struct parameter_reader *reader)
{
    char reason[STREAM_ADDRESS_REASON_MAX];
    if (*job->from == '\0')
        parameter_complain(reader, &job->from, "expected a stream, as redis:127.0.0.1:6379/NAME, got \"\"");
    else if (!stream_address_read(job->from, NULL, &job->source, reason))
        parameter_complain(reader, &job->from, "%s", reason);
    else if ((job->kind = stream_kind_of(text_of(job->source.scheme))) == NULL)
        parameter_complain(reader, &job->from, "expected kafka: or redis:, got %.40s:", job->source.scheme);
    else
        check_options(reader, &job->from, &job->source, job->kind->source_options);
}

static void settle_sink(const struct stream_job *job, char *const *member, struct stream_address *address,
                        struct parameter_reader *reader)
{
    char reason[STREAM_ADDRESS_REASON_MAX];
    if (!stream_address_read(*member, &job->source, address, reason))
        parameter_complain(reader, member, "%s", reason);
    else if (strcmp(address->name, job->source.name) == 0)
        parameter_complain(reader, member, "expected another one than messages come from, got %.80s",
                           address->name);
    else
        check_options(reader, member, address, job->kind->sink_options);
}

static void settle_format(struct stream_job *job, struct parameter_reader *reader)
{
    for (size_t i = 0; i < COUNT_OF(format_names); i++)
        if (strcmp(job->format, format_names[i]) == 0) {
            job->form = (enum stream_format)i;
            return;
        }
    parameter_complain(reader, &job->format, "expected json, msgpack or raw, got \"%.40s\"", job->format);
}

void stream_job_settle(struct stream_job *job, struct parameter_reader *reader)
{
    settle_format(job, reader);
    if (job->rows_a_request > job->window)
        job->rows_a_request = job->window;
    if (*job->to == '\0')
        parameter_complain(reader, &job->to, "expected the name of a topic or stream, got \"\"");
    settle_source(job, reader);
    if (job->kind == NULL)
        return;
    if (*job->to != '\0')
        settle_sink(job, &job->to, &job->sink, reader);
    job->has_dead = *job->dead_letter != '\0';
    if (job->has_dead)
        settle_sink(job, &job->dead_letter, &job->dead, reader);
}

void stream_job_free(struct stream_job *job)
{
    stream_address_free(&job->source);
    stream_address_free(&job->sink);
    stream_address_free(&job->dead);
    parameters_free(&table, job);
}
