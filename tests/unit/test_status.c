/* test_status: the two answers joined: when all is ready and what is missing, the tables, the JSON.
 * SPDX-License-Identifier: MIT */
#include "object.h"
#include "status.h"
#include "suite.h"
#include "table.h"

#include <stdlib.h>

static yyjson_doc *supervisor;
static yyjson_doc *broker;
static yyjson_doc *decided;
static char missing[256];

#define PROCESSES                                                                                            \
    "'processes':[{'name':'broker','kind':'broker','pid':7,'state':'running','restarts':0,'uptime_ms':"      \
    "59999,"                                                                                                 \
    "'cause':'','model':'','version':''},"                                                                   \
    "{'name':'worker.m.1','kind':'worker','pid':8,'state':'running','restarts':2,'uptime_ms':90061000,"      \
    "'cause':'killed by signal 9','origin':'adopted','model':'m','version':'1'},"                            \
    "{'name':'frontend.1','kind':'frontend','pid':0,'state':'failed','restarts':10,'uptime_ms':0,"           \
    "'cause':'exit 1: \\u001b[31m','model':'','version':''},"                                                \
    "{'name':'frontend.2','kind':'frontend','pid':9,'state':'running','restarts':0,'uptime_ms':3723000,"     \
    "'cause':'','model':'','version':''}]"
#define WANTED "'models':[{'model':'m','version':'1','wanted':2,'required':true}]"
#define KNOWN(state, workers)                                                                                \
    "{'workers':[{'model':'m','version':'1','pid':8,'state':'busy','in_flight':3}],'models':[{'model':'m',"  \
    "'version':'1','state':'" state "','workers':" workers                                                   \
    ",'queue_rows':40,'queue_requests':4,'in_flight':3}]}"

/* JSON with ' for ". */
static yyjson_doc *parse(const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = object_strdup(text);
    for (char *at = copy; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    yyjson_doc *document = yyjson_read(copy, strlen(copy), 0);
    ck_assert_msg(document != NULL, "%s", copy);
    free(copy);
    return document;
}

static void tear_down(void)
{
    yyjson_doc_free(supervisor);
    yyjson_doc_free(broker);
    yyjson_doc_free(decided);
    supervisor = broker = decided = NULL;
}

static struct status status_of(const char *supervisor_text, const char *broker_text)
{
    tear_down();
    supervisor = parse(supervisor_text);
    broker = parse(broker_text);
    return (struct status){yyjson_doc_get_root(supervisor), yyjson_doc_get_root(broker), NULL};
}

static void expect_missing(const char *supervisor_text, const char *broker_text, const char *expected)
{
    struct status status = status_of(supervisor_text, broker_text);
    ck_assert_int_eq(status_is_ready(&status, missing, sizeof missing), *expected == '\0');
    ck_assert_str_eq(missing, expected);
}

static char *printed(void (*print)(const struct status *, FILE *), const struct status *status)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    print(status, out);
    fclose(out);
    return text;
}

static void print_plain(const struct status *status, FILE *out)
{
    status_print(status, out, false);
}

static void print_coloured(const struct status *status, FILE *out)
{
    status_print(status, out, true);
}

START_TEST(all_ready_is_ready)
{
    expect_missing("{" PROCESSES "," WANTED "}", KNOWN("ready", "1"), "");
}
END_TEST

START_TEST(what_is_not_ready_is_named)
{
    expect_missing("{" PROCESSES "," WANTED "}", KNOWN("loading", "0"), "m 1 (loading)");
    expect_missing("{" PROCESSES "," WANTED "}", KNOWN("ready", "0"), ""); /* it rests */
    expect_missing("{" PROCESSES "," WANTED "}", "{'models':[]}", "m 1 (unknown to the broker)");
    expect_missing("{'models':[{'model':'m','version':'','required':true}]}", "{}", "m (has no version)");
    expect_missing("{'models':[{'model':'a','version':'1','required':true},"
                   "{'model':'b','version':'2','required':true}]}",
                   "{}", "a 1 (unknown to the broker), b 2 (unknown to the broker)");
}
END_TEST

START_TEST(models_that_are_not_required_are_not_waited_for)
{
    expect_missing("{'models':[{'model':'m','version':'1','required':false}]}", "{}", "");
    expect_missing("{'models':[]}", "{}", "");
}
END_TEST

START_TEST(one_frontend_is_enough)
{
    expect_missing("{'processes':[{'name':'frontend.1','kind':'frontend','state':'starting'},"
                   "{'name':'frontend.2','kind':'frontend','state':'running'}]}",
                   "{}", "");
    expect_missing("{'processes':[{'name':'frontend.1','kind':'frontend','state':'starting'}]}", "{}",
                   "frontend.1 (starting)");
}
END_TEST

START_TEST(who_does_not_answer_is_missing)
{
    expect_missing(NULL, NULL, "supervisor (does not answer), broker (does not answer)");
    expect_missing("{" PROCESSES "," WANTED "}", NULL, "broker (does not answer)");
    expect_missing(NULL, KNOWN("ready", "1"), "supervisor (does not answer)");
}
END_TEST

START_TEST(a_long_list_is_cut)
{
    struct status status = status_of("{'models':[{'model':'a','version':'1','required':true},"
                                     "{'model':'b','version':'2','required':true}]}",
                                     "{}");
    for (size_t capacity = 1; capacity < 64; capacity++) {
        memset(missing, 'x', sizeof missing);
        status_is_ready(&status, missing, capacity);
        ck_assert_ptr_nonnull(memchr(missing, '\0', capacity));
    }
}
END_TEST

START_TEST(tables_join_both_sides)
{
    struct status status = status_of("{" PROCESSES "," WANTED "}", KNOWN("ready", "1"));
    char *text = printed(print_plain, &status);
    ck_assert_str_eq(text,
                     "ready: 1 version with 1 worker\n"
                     "\n"
                     "MODEL  VERSION  STATE  SHARE  WORKERS  QUEUE  ROWS  IN FLIGHT  WHY\n"
                     "m      1        ready      -      1/2      4    40          3  \n"
                     "\n"
                     "PROCESS     PID  STATE    RESTARTS  UPTIME  IN FLIGHT  ORIGIN   LAST CAUSE\n"
                     "broker        7  running         0     59s          -           \n"
                     "worker.m.1    8  running         2   1d 1h          3  adopted  killed by signal 9\n"
                     "frontend.1    -  failed         10      0s          -           exit 1: ?[31m\n"
                     "frontend.2    9  running         0   1h 2m          -           \n");
    free(text);
}
END_TEST

START_TEST(what_was_decided_stands_beside)
{
    struct status status = status_of(
        "{'processes':[],'models':[{'model':'m','version':'2','wanted':2,'required':true,'why':'stable'},"
        "{'model':'m','version':'3','wanted':1,'why':'route'},{'model':'m','version':'4','wanted':1},"
        "{'model':'m','version':'5','wanted':1,'why':'loaded'}]}",
        "{'models':[{'model':'m','version':'2','state':'ready','workers':3,'unmanaged':1},"
        "{'model':'m','version':'3','state':'ready','workers':1,'stable':false},"
        "{'model':'m','version':'5','state':'failed','reason':'no\\u001bfile','workers':0},"
        "{'model':'m','version':'6','state':'loading','workers':0}],"
        "'workers':[{'model':'m','version':'2','pid':7,'state':'idle','in_flight':1,'managed':false,"
        "'address':'10.0.0.9','key_name':'host9'}]}");
    decided =
        parse("{'models':[{'model':'m','versions':[{'version':'2','share':97.5},{'version':'3','share':2.5},"
              "{'version':'4','shadow':true,'share':0,'state':'loading','reason':'it is still being "
              "written'},{'version':'6','state':'unloaded'}"
              "]}]}");
    status.models = yyjson_doc_get_root(decided);
    char *text = printed(print_plain, &status);
    ck_assert_str_eq(text, "ready: 2 versions with 4 workers\n"
                           "\n"
                           "MODEL  VERSION  STATE     SHARE  WORKERS  QUEUE  ROWS  IN FLIGHT  WHY\n"
                           "m      2        ready     97.5%   2/2 +1      -     -          -  stable\n"
                           "m      3        ready      2.5%      1/1      -     -          -  route\n"
                           "m      4        loading  shadow      -/1      -     -          -  \n"
                           "m      5        failed        -      0/1      -     -          -  loaded\n"
                           "m 4 loading: it is still being written\n"
                           "m 5 has failed: no?file\n"
                           "\n"
                           "\nUNMANAGED  VERSION  ADDRESS   KEY    PID  STATE  IN FLIGHT  ANSWERED\n"
                           "m          2        10.0.0.9  host9    7  idle           1         -\n");
    free(text);
    text = printed(status_print_json, &status);
    ck_assert_ptr_nonnull(strstr(text, "\"models\":[{\"model\":\"m\",\"versions\":[{\"version\":\"2\","));
    free(text);
}
END_TEST

START_TEST(one_side_alone_is_shown)
{
    struct status status = status_of("{" WANTED "}", NULL);
    char *text = printed(print_plain, &status);
    ck_assert_str_eq(text, "not ready: broker (does not answer)\n\n"
                           "MODEL  VERSION  STATE  SHARE  WORKERS  QUEUE  ROWS  IN FLIGHT  WHY\n"
                           "m      1        -          -      -/2      -     -          -  \n\n");
    free(text);
    status = status_of(NULL, KNOWN("draining", "1"));
    text = printed(print_plain, &status);
    ck_assert_str_eq(text, "not ready: supervisor (does not answer)\n\n"
                           "MODEL  VERSION  STATE     SHARE  WORKERS  QUEUE  ROWS  IN FLIGHT  WHY\n"
                           "m      1        draining      -      1/-      4    40          3  \n");
    free(text);
}
END_TEST

/* One of another host with the pid of a process here, and one that somebody has started here. */
START_TEST(workers_that_are_not_managed_have_a_table_of_their_own)
{
    struct status status = status_of(
        "{" PROCESSES "}",
        "{'workers':[{'model':'m','version':'1','pid':8,'state':'idle','in_flight':5,'answered':1,'managed':"
        "true},"
        "{'model':'m','version':'1','pid':8,'state':'busy','in_flight':3,'answered':12,'managed':false,"
        "'address':'10.0.0.7','key_name':'host7'},"
        "{'model':'m','version':'2','pid':77,'state':'idle','in_flight':0,'answered':0,'managed':false}]}");
    char *text = printed(print_plain, &status);
    ck_assert_ptr_nonnull(strstr(text, "worker.m.1    8  running         2   1d 1h          5"));
    const char *table = strstr(text, "\nUNMANAGED");
    ck_assert_ptr_nonnull(table);
    ck_assert_str_eq(table, "\nUNMANAGED  VERSION  ADDRESS    KEY    PID  STATE  IN FLIGHT  ANSWERED\n"
                            "m          1        10.0.0.7   host7    8  busy           3        12\n"
                            "m          2        this host  -       77  idle           0         0\n");
    free(text);
    status = status_of(NULL, "{'workers':[{'model':'m','version':'2','pid':77,'managed':true}]}");
    text = printed(print_plain, &status);
    ck_assert_ptr_null(strstr(text, "UNMANAGED")); /* nobody says what the supervisor has */
    free(text);
}
END_TEST

START_TEST(last_words_stand_below_the_tables)
{
    struct status status =
        status_of("{'processes':[{'name':'worker.m.1','kind':'worker','state':'failed',"
                  "'last_words':'one\\n\\u001btwo'},{'name':'worker.n.1','last_words':''}]}",
                  NULL);
    char *text = printed(print_plain, &status);
    ck_assert_ptr_nonnull(strstr(text, "\nworker.m.1 does not start. Its last words:\n    one\n    ?two\n"));
    ck_assert_ptr_null(strstr(text, "worker.n.1 does not"));
    free(text);
}
END_TEST

START_TEST(successions_are_summed_up)
{
    struct status status =
        status_of("{'successions':{'worker':{'restart':2,'max_rss':1},'frontend':{'restart':4}}}", NULL);
    char *text = printed(print_plain, &status);
    ck_assert_ptr_nonnull(
        strstr(text, "\n\nworker: 3 replaced (restart 2, max_rss 1)\nfrontend: 4 replaced (restart 4)\n"));
    free(text);
}
END_TEST

START_TEST(the_release_is_told_and_who_is_of_another)
{
    static const struct {
        const char *supervisor, *line;
    } cases[] = {{"{'release':'2','processes':[{'name':'a','release':'2'},{'name':'b','release':''}]}",
                  "\nrelease 2\n"},
                 {"{'release':'2','processes':[{'name':'a','release':'1'},{'name':'b','release':'2'},{'name':"
                  "'c','release':'1'}]}",
                  "\nrelease 2; not: a (1), c (1)\n"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct status status = status_of(cases[i].supervisor, NULL);
        char *text = printed(print_plain, &status);
        ck_assert_msg(strstr(text, cases[i].line) != NULL, "%s", text);
        free(text);
    }
    struct status status = status_of("{'processes':[]}", NULL);
    char *text = printed(print_plain, &status);
    ck_assert_ptr_null(strstr(text, "release"));
    free(text);
}
END_TEST

START_TEST(rate_limits_are_told_where_there_are_some)
{
    static const struct {
        const char *broker, *line;
    } cases[] = {
        {"{'limits':{'any':true,'refused':12,'redis':'away'}}",
         "rate limits: 12 requests refused, redis is away\n"},
        {"{'limits':{'any':true,'refused':0}}", "rate limits: 0 requests refused\n"},
        {"{'limits':{'any':false,'refused':3}}", "rate limits: 3 requests refused\n"},
        {"{'limits':{'any':false,'refused':0}}", NULL},
        {"{}", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct status status = status_of("{" PROCESSES "," WANTED "}", cases[i].broker);
        char *text = printed(print_plain, &status);
        ck_assert((strstr(text, "rate limits") != NULL) == (cases[i].line != NULL));
        ck_assert(cases[i].line == NULL || strstr(text, cases[i].line) != NULL);
        free(text);
    }
}
END_TEST

START_TEST(colours_are_for_terminals)
{
    struct status status = status_of("{" PROCESSES "," WANTED "}", KNOWN("ready", "1"));
    char *text = printed(print_coloured, &status);
    ck_assert_ptr_nonnull(strstr(text, "\033[32mrunning\033[0m"));
    ck_assert_ptr_nonnull(strstr(text, "\033[31mfailed\033[0m"));
    ck_assert_ptr_nonnull(strstr(text, "\033[32mready\033[0m"));
    ck_assert_ptr_eq(strstr(text, "\033[32mready: 1 version"), text);
    free(text);
    text = printed(print_plain, &status);
    ck_assert_ptr_null(strchr(text, '\033'));
    free(text);
}
END_TEST

START_TEST(json_holds_both_answers)
{
    struct status status = status_of("{'ok':true," WANTED "}", NULL);
    char *text = printed(status_print_json, &status);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    ck_assert(yyjson_is_false(yyjson_obj_get(root, "ready")));
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "missing")), "broker (does not answer)");
    ck_assert(yyjson_is_null(yyjson_obj_get(root, "broker")));
    ck_assert(yyjson_equals(yyjson_obj_get(root, "supervisor"), status.supervisor));
    yyjson_doc_free(document);
    free(text);
}
END_TEST

/* Both processes are ours, but of another version perhaps. */
START_TEST(answers_of_other_forms_do_no_harm)
{
    static const char *const others[] = {"{}",
                                         "[]",
                                         "1",
                                         "{'models':1,'processes':{},'workers':'x'}",
                                         "{'models':[1,[],{}],'processes':[1,[],{}],'workers':[1,[],{}]}",
                                         "{'models':[{'model':1,'version':2,'required':3,'wanted':'x'}]}",
                                         "{'processes':[{'name':1,'kind':2,'pid':'x','uptime_ms':-1}]}"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        for (size_t j = 0; j < COUNT_OF(others); j++) {
            struct status status = status_of(others[i], others[j]);
            status.models = status.supervisor;
            status_is_ready(&status, missing, sizeof missing);
            free(printed(print_coloured, &status));
            free(printed(status_print_json, &status));
        }
}
END_TEST

START_TEST(columns_are_as_wide_as_their_widest)
{
    static const char *const heads[] = {"A", ">B", "C"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    char *text;
    size_t length;
    table_cell(table, TONE_PLAIN, "%s", "\xc3\xa4\xc3\xb6"); /* two characters, four bytes */
    table_cell(table, TONE_PLAIN, "%d", 1);
    table_cell(table, TONE_PLAIN, "x\ny");
    table_cell(table, TONE_PLAIN, "abc");
    table_cell(table, TONE_PLAIN, "%d", 100);
    table_cell(table, TONE_PLAIN, "z");
    FILE *out = open_memstream(&text, &length);
    table_print(table, out, false);
    fclose(out);
    ck_assert_str_eq(text, "A      B  C\n\xc3\xa4\xc3\xb6     1  x?y\nabc  100  z\n");
    free(text);
    table_free(table);
    table_free(NULL);
}
END_TEST

START_TEST(a_table_without_rows_is_not_printed)
{
    static const char *const heads[] = {"A"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    table_print(table, out, false);
    fclose(out);
    ck_assert_str_eq(text, "");
    free(text);
    table_free(table);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        all_ready_is_ready,
        what_is_not_ready_is_named,
        models_that_are_not_required_are_not_waited_for,
        one_frontend_is_enough,
        who_does_not_answer_is_missing,
        a_long_list_is_cut,
        tables_join_both_sides,
        what_was_decided_stands_beside,
        one_side_alone_is_shown,
        workers_that_are_not_managed_have_a_table_of_their_own,
        last_words_stand_below_the_tables,
        successions_are_summed_up,
        the_release_is_told_and_who_is_of_another,
        rate_limits_are_told_where_there_are_some,
        colours_are_for_terminals,
        json_holds_both_answers,
        answers_of_other_forms_do_no_harm,
        columns_are_as_wide_as_their_widest,
        a_table_without_rows_is_not_printed,
    };
    return SUITE_RUN("status", NULL, tear_down, tests);
}
