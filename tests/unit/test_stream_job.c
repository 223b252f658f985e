/* test_stream_job: a job's parameters: what they say together, what is wrong with them and where it stands,
 * and the command line of jobs. SPDX-License-Identifier: MIT */
#include "job_options.h"
#include "scratch_directory.h"
#include "stream.h"
#include "suite.h"

static struct stream_job job;
static struct config_errors errors;

static void set_up(void)
{
    scratch_make();
    job = (struct stream_job){0};
    errors = (struct config_errors){0};
}

static void tear_down(void)
{
    stream_job_free(&job);
    scratch_remove();
}

/* Reads a job of a file (NULL: none) and the words of a command line, ended by NULL. */
static void read_job(const char *file, const char *const *words)
{
    char *argv[16] = {(char *)"outrigger-stream"};
    int argc = 1;
    optind = 1;
    if (file != NULL) {
        argv[argc++] = (char *)"--job";
        argv[argc++] = (char *)file;
    }
    for (; *words != NULL; words++)
        argv[argc++] = (char *)*words;
    struct job_options options = job_options_parse(argc, argv, "stream", "", stream_job_parameters());
    struct parameter_reader *reader = job_options_read(&options, stream_job_parameters(), &job, &errors);
    stream_job_settle(&job, reader);
    parameter_reader_free(reader);
    job_options_free(&options);
}

#define READ(file, ...) read_job(file, (const char *const[]){__VA_ARGS__, NULL})

static void complains(const char *text)
{
    ck_assert_msg(strstr(errors.text, text) != NULL, "%s", errors.text);
}

START_TEST(a_job_is_what_its_parameters_say)
{
    READ(NULL, "-S", "from=redis:127.0.0.1:7/in?group=g", "-S", "to=out?maxlen=9", "-S", "format=raw",
         "--job-set", "exactly_once=true", "--job-set=window=10");
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    ck_assert_ptr_eq(job.kind, &stream_redis);
    ck_assert_str_eq(job.source.name, "in");
    ck_assert_str_eq(job.sink.name, "out");
    ck_assert(!job.has_dead);
    ck_assert_int_eq(job.form, STREAM_RAW);
    ck_assert_int_eq(job.exactly_once, 1);
    ck_assert_int_eq(job.rows_a_request, 10); /* no more than are in hand */
}
END_TEST

START_TEST(a_file_says_it_and_the_command_line_says_otherwise)
{
    const char *file = scratch_file("job.conf", "from = \"redis:h:1/in\";\nto = \"out\";\n"
                                                "dead_letter = \"dead\";\nkafka = ( \"a=b\", \"c=d\" );\n"
                                                "rate = 5;\n");
    READ(file, "-S", "to=other");
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    ck_assert_str_eq(job.sink.name, "other");
    ck_assert_str_eq(job.dead.name, "dead");
    ck_assert(job.has_dead);
    ck_assert_int_eq(job.rate, 5);
    ck_assert_uint_eq(job.kafka.count, 2);
    ck_assert_str_eq(job.kafka.names[1], "c=d");
}
END_TEST

START_TEST(faults_are_told_with_their_place)
{
    const char *file = scratch_file("job.conf", "from = \"redis:h:1/in?groop=g\";\n"
                                                "to = \"in\";\nformat = \"xml\";\n\nwindow = 0;\n");
    READ(file, "-S", "dead_letter=dead?maxlen", "-S", "nonsense", "-S", "formt=json");
    complains("job.conf:1: from: unknown option groop");
    complains("job.conf:2: to: expected another one than messages come from, got in");
    complains("job.conf:3: format: expected json, msgpack or raw, got \"xml\"");
    complains("job.conf:5: window: expected an integer from 1 to 65536");
    complains("--job-set: dead_letter: expected OPTION=VALUE");
    complains("--job-set: expected NAME=VALUE, got \"nonsense\"");
    complains("--job-set: formt: unknown key; the nearest known is format");
    ck_assert_int_eq(errors.count, 7);
}
END_TEST

START_TEST(a_job_must_say_from_where_and_to_where)
{
    READ(NULL, "--json");
    complains("the job: from: expected a stream");
    complains("the job: to: expected the name of a topic or stream");
}
END_TEST

START_TEST(a_scheme_must_be_known)
{
    READ(NULL, "-S", "from=amqp:h:1/in", "-S", "to=out");
    complains("--job-set: from: expected kafka: or redis:, got amqp:");
    ck_assert_int_eq(errors.count, 1);
}
END_TEST

/* What the program answers to such a word, and its exit status. */
static int status_of(const char *word)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        ck_assert_ptr_nonnull(freopen(scratch_path("out"), "w", stdout));
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        char *argv[] = {(char *)"outrigger-stream", (char *)word, NULL};
        optind = 1;
        job_options_parse(2, argv, "stream", "a summary", stream_job_parameters());
        _exit(100);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const char *printed(void)
{
    static char text[16384];
    FILE *file = fopen(scratch_path("out"), "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

START_TEST(the_command_line_answers_and_refuses)
{
    ck_assert_int_eq(status_of("--dry-run"), 100);
    ck_assert_int_eq(status_of("--nonsense"), 2);
    ck_assert_int_eq(status_of("operand"), 2);
    ck_assert_int_eq(status_of("--help"), 0);
    ck_assert_ptr_nonnull(strstr(printed(), "a summary"));
    ck_assert_int_eq(status_of("--version"), 0);
    ck_assert_int_eq(status_of("--template"), 0);
    for (size_t i = 0; i < stream_job_parameters()->count; i++)
        ck_assert_ptr_nonnull(strstr(printed(), stream_job_parameters()->rows[i].name));
}
END_TEST

/* The template is a job but for what has no default. */
START_TEST(the_template_is_read_back)
{
    ck_assert_int_eq(status_of("--template"), 0);
    READ(scratch_path("out"), "-S", "from=redis:h:1/in", "-S", "to=out");
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    ck_assert_int_eq(job.window, 1024);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_job_is_what_its_parameters_say, a_file_says_it_and_the_command_line_says_otherwise,
        faults_are_told_with_their_place, a_job_must_say_from_where_and_to_where,
        a_scheme_must_be_known,           the_command_line_answers_and_refuses,
        the_template_is_read_back};
    return SUITE_RUN("stream_job", set_up, tear_down, tests);
}
