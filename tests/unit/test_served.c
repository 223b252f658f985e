/* test_served: which files serve is written to the audit log when it is news. The broker is a thread that
 * answers what the test says. SPDX-License-Identifier: MIT */
#include "served.h"

#include "repository.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <yyjson.h>

static struct config *config;
static struct audit *audit;
static struct served *served;
static struct broker_view *view;
static const char *_Atomic answer;
static int listener;
static pthread_t broker;

static void *answer_all(void *self)
{
    (void)self;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        char question[256];
        ck_assert_int_gt(read(fd, question, sizeof question), 0);
        const char *line = answer; /* the test goes on as soon as it is written */
        ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    }
    return NULL;
}

static void set_up(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    scratch_make();
    scratch_folder(".state");
    config = repository_config(NULL);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", scratch_path("broker.sock"));
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(pthread_create(&broker, NULL, answer_all, NULL), 0);
    audit = audit_new(config);
    served = served_new(audit);
    view = broker_view_new(config);
}

static void tear_down(void)
{
    shutdown(listener, SHUT_RDWR);
    pthread_join(broker, NULL);
    close(listener);
    broker_view_free(view);
    served_free(served);
    audit_free(audit);
    config_free(config);
    scratch_remove();
}

#define VERSION(version, workers, stable, digest)                                                            \
    "{\"model\":\"m\",\"version\":\"" version "\",\"workers\":" workers ",\"stable\":" stable digest "}"
#define DIGEST(digest) ",\"digest\":\"" digest "\""
#define STATUS(models) "{\"ok\":true,\"workers\":[],\"models\":[" models "]}\n"

/* One look at a broker that says so. */
static void look(const char *status)
{
    answer = status;
    broker_view_forget(view);
    ck_assert(broker_view_answers(view));
    served_look(served, view);
}

/* The lines so far, as "version digest stable" each. */
static void expect_lines(const char *expected)
{
    char text[1024] = "", line[4096];
    FILE *file = fopen(scratch_path(".state/audit/supervisor.log"), "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        yyjson_doc *document = yyjson_read(line, strlen(line), 0);
        yyjson_val *root = yyjson_doc_get_root(document), *digest = yyjson_obj_get(root, "digest");
        if (yyjson_equals_str(yyjson_obj_get(root, "act"), "serving")) {
            ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "by")), "supervisor");
            ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "model")), "m");
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s %s %s\n",
                     yyjson_get_str(yyjson_obj_get(root, "version")),
                     digest == NULL ? "-" : yyjson_get_str(digest),
                     yyjson_get_bool(yyjson_obj_get(root, "stable")) ? "stable" : "beside");
        }
        yyjson_doc_free(document);
    }
    if (file != NULL)
        fclose(file);
    ck_assert_str_eq(text, expected);
}

START_TEST(news_are_written_once)
{
    look(STATUS(VERSION("1", "0", "true", "")));
    expect_lines("");
    look(STATUS(VERSION("1", "1", "true", DIGEST("sha256:11"))));
    look(STATUS(VERSION("1", "2", "true", DIGEST("sha256:11"))));
    expect_lines("1 sha256:11 stable\n");
    look(STATUS(VERSION("1", "0", "true", ""))); /* a broker that has just started */
    look(STATUS(VERSION("1", "1", "true", DIGEST("sha256:11"))));
    expect_lines("1 sha256:11 stable\n");
    ck_assert_str_eq(served_digest(served, "m", "1"), "sha256:11");
    ck_assert_str_eq(served_digest(served, "m", "2"), "");
    ck_assert_str_eq(served_digest(served, "n", "1"), "");
}
END_TEST

START_TEST(a_version_comes_beside_and_takes_over)
{
    look(STATUS(
        VERSION("1", "1", "true", DIGEST("sha256:11")) "," VERSION("2", "1", "false", DIGEST("sha256:22"))));
    look(STATUS(
        VERSION("1", "1", "false", DIGEST("sha256:11")) "," VERSION("2", "1", "true", DIGEST("sha256:22"))));
    look(STATUS(
        VERSION("1", "1", "true", DIGEST("sha256:11")) "," VERSION("2", "1", "false", DIGEST("sha256:22"))));
    expect_lines("1 sha256:11 stable\n2 sha256:22 beside\n2 sha256:22 stable\n1 sha256:11 stable\n");
}
END_TEST

START_TEST(files_that_are_replaced_in_place)
{
    look(STATUS(VERSION("1", "1", "true", DIGEST("sha256:11"))));
    look(STATUS(VERSION("1", "1", "true", DIGEST("sha256:12"))));
    look(STATUS(VERSION("1", "1", "true", ""))); /* a worker that does not know */
    expect_lines("1 sha256:11 stable\n1 sha256:12 stable\n1 - stable\n");
    ck_assert_str_eq(served_digest(served, "m", "1"), "");
}
END_TEST

START_TEST(nobody_is_asked)
{
    answer = STATUS(VERSION("1", "1", "true", DIGEST("sha256:11")));
    broker_view_forget(view);
    served_look(served, view);
    expect_lines("");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {news_are_written_once, a_version_comes_beside_and_takes_over,
                                  files_that_are_replaced_in_place, nobody_is_asked};
    return SUITE_RUN("served", set_up, tear_down, tests);
}
