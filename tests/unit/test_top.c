/* test_top: two looks joined to what `outrigger top` shows, and that laid out as lines.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "suite.h"
#include "top_frame.h"

enum { DOCUMENTS_MAX = 32 };
static yyjson_doc *documents[DOCUMENTS_MAX];
static size_t document_count;
static struct top *top;
static char frame[16384];
static size_t lines;

/* JSON with ' for ". It lives until the test is over. */
static yyjson_val *json(const char *text)
{
    char *copy = object_strdup(text);
    for (char *at = copy; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    yyjson_doc *document = yyjson_read(copy, strlen(copy), 0);
    ck_assert_msg(document != NULL, "%s", copy);
    free(copy);
    ck_assert_uint_lt(document_count, DOCUMENTS_MAX);
    documents[document_count++] = document;
    return yyjson_doc_get_root(document);
}

static void tear_down(void)
{
    top_free(top);
    top = NULL;
    while (document_count > 0)
        yyjson_doc_free(documents[--document_count]);
}

#define FIGURES(epoch, now, versions, others)                                                                \
    "{'epoch':" epoch ",'now_ms':" now                                                                       \
    ",'models':[{'model':'m','stable':'2','queue_rows':7,'queue_requests':3,"                                \
    "'versions':[" versions "]}" others "]}"
#define VERSION(name, outcomes, latency)                                                                     \
    "{'version':'" name "','state':'ready','outcomes':{" outcomes "},'latency_ns':[" latency                 \
    "],'queue_requests':3,'in_flight':2,'workers':[{'pid':11,'managed':true},{'pid':99,'managed':false}]}"

static struct top *show(struct top_look before, struct top_look now)
{
    top_free(top);
    now.at = before.at + 2 * SECOND;
    top = top_new(&before, &now);
    return top;
}

static const struct top_row *row(const char *model, const char *version)
{
    for (size_t i = 0; i < top->count; i++)
        if (strcmp(top->rows[i].model, model) == 0 && strcmp(top->rows[i].version, version) == 0)
            return &top->rows[i];
    ck_abort_msg("no row %s %s", model, version);
    return NULL;
}

static void show_figures(const char *before, const char *now)
{
    const struct top_look first = {.figures = before == NULL ? NULL : json(before)};
    const struct top_look second = {.figures = json(now)};
    show(first, second);
}

START_TEST(rates_are_those_between_the_looks)
{
    show_figures(FIGURES("5", "1000", VERSION("2", "'none':1000,'poison':1", "[1024,10],[1048576,990]"), ""),
                 FIGURES("5", "3000",
                         VERSION("2", "'none':1190,'poison':3,'cancelled':4,'deadline':4",
                                 "[1024,10],[1048576,1090],[8388608,90]"),
                         ""));
    const struct top_row *found = row("m", "2");
    ck_assert_double_eq_tol(found->rate, 100, 1e-9); /* 190 + 2 + 4 + 4 in two seconds */
    ck_assert_double_eq_tol(found->errors, 0.03, 1e-9);
    ck_assert_int_eq(found->p50, 1048576);
    ck_assert_int_eq(found->p99, 8388608);
    ck_assert_double_eq_tol(top->rate, 100, 1e-9);
    ck_assert_double_eq_tol(top->error_rate, 3, 1e-9);
    ck_assert(found->stable && !found->shadow);
    ck_assert_int_eq(found->queue, 3);
    ck_assert_int_eq(found->in_flight, 2);
    ck_assert_int_eq(found->ready, 2);
    ck_assert_int_eq(found->unmanaged, 1);
    ck_assert_int_eq(top->queue, 3);
}
END_TEST

START_TEST(what_a_limit_refuses_is_of_the_model)
{
#define LIMITED(now, count)                                                                                  \
    "{'epoch':5,'now_ms':" now ",'models':[{'model':'m','versions':[],'limited':" count "},"                 \
    "{'model':'n','versions':[],'limited':" count "},{'model':'o','versions':[]}]}"
    show_figures(LIMITED("1000", "10"), LIMITED("3000", "16"));
    ck_assert_double_eq_tol(top->limited_rate, 6, 1e-9);
    ck_assert_double_eq_tol(top->error_rate, 0, 1e-9);
    show_figures(NULL, LIMITED("3000", "16"));
    ck_assert_double_eq(top->limited_rate, TOP_UNKNOWN);
}
END_TEST

START_TEST(what_cannot_be_compared_has_no_rate)
{
    static const char *const befores[] = {
        NULL,                                                    /* there was no look */
        FIGURES("4", "1000", VERSION("2", "'none':1", ""), ""),  /* another broker */
        FIGURES("5", "3000", VERSION("2", "'none':1", ""), "")}; /* no time has passed */
    for (size_t i = 0; i < COUNT_OF(befores); i++) {
        show_figures(befores[i], FIGURES("5", "3000", VERSION("2", "'none':9", "[1024,9]"), ""));
        ck_assert_double_eq(row("m", "2")->rate, TOP_UNKNOWN);
        ck_assert_double_eq(row("m", "2")->errors, TOP_UNKNOWN);
        ck_assert_int_eq(row("m", "2")->p50, TOP_UNKNOWN);
        ck_assert_double_eq(top->rate, TOP_UNKNOWN);
    }
    /* Counters that went back are of another version of that name; the others count. */
    show_figures(FIGURES("5", "1000", VERSION("2", "'none':90", "") "," VERSION("3", "", ""), ""),
                 FIGURES("5", "2000", VERSION("2", "'none':9", "") "," VERSION("3", "'none':5", ""), ""));
    ck_assert_double_eq(row("m", "2")->rate, TOP_UNKNOWN);
    ck_assert_double_eq_tol(row("m", "3")->rate, 5, 1e-9);
}
END_TEST

START_TEST(a_version_that_was_not_there_began_at_nothing)
{
    show_figures(FIGURES("5", "1000", "", ""),
                 FIGURES("5", "2000", VERSION("3", "'none':50", "[1024,50]"), ""));
    ck_assert_double_eq_tol(row("m", "3")->rate, 50, 1e-9);
    ck_assert_double_eq(row("m", "3")->errors, 0);
    ck_assert_int_eq(row("m", "3")->p99, 1152);
    ck_assert(!row("m", "3")->stable);
}
END_TEST

#define PROCESS(name, kind, version, state, pid, cpu)                                                        \
    "{'name':'" name "','kind':'" kind "','model':'m','version':'" version "','state':'" state               \
    "','pid':" pid ",'restarts':1,'uptime_ms':60000,'cause':'exit 1','rss_bytes':1048576,'cpu_us':" cpu "}"

START_TEST(processes_cost)
{
    const struct top_look before = {
        .supervisor = json("{'processes':[" PROCESS("w1", "worker", "2", "running", "11", "0") "," PROCESS(
            "b", "broker", "", "running", "13", "0") "]}")};
    const struct top_look now = {
        .supervisor =
            json("{'processes':[" PROCESS("w1", "worker", "2", "running", "11", "1000000") "," PROCESS(
                "w2", "worker", "2", "draining", "12",
                "500000") "," PROCESS("b", "broker", "", "running", "13",
                                      "3000000") "," PROCESS("f", "frontend", "", "starting", "14",
                                                             "0") "]}")};
    show(before, now);
    const struct top_row *found = row("m", "2");
    ck_assert_double_eq_tol(found->cpu, 0.5, 1e-9); /* the second was not there before */
    ck_assert_int_eq(found->resident, 2 << 20);
    ck_assert_int_eq(found->restarts, 2);
    ck_assert_int_eq(found->wanted, 1); /* one of the two has a successor */
    ck_assert_str_eq(found->state, "unknown");
    ck_assert_double_eq_tol(top->kinds[0].cpu, 1.5, 1e-9);
    ck_assert_int_eq(top->kinds[1].running, 0);
    ck_assert_int_eq(top->kinds[1].wanted, 1);
    ck_assert_int_eq(top->uptime_ms, 60000);
    ck_assert(top->supervisor_answers && !top->broker_answers);
}
END_TEST

START_TEST(what_was_decided_is_shown)
{
    show((struct top_look){0},
         (struct top_look){
             .broker = json("{'models':[{'model':'m','version':'2','state':'ready','stable':true,'workers':1,"
                            "'queue_rows':40,'queue_requests':4,'in_flight':3},"
                            "{'model':'m','version':'1','state':'loading','workers':0},"
                            "{'model':'m','version':'6','state':'ready','workers':1,'unmanaged':1}]}"),
             .models = json("{'models':[{'model':'m','stable':'2','versions':["
                            "{'version':'2','state':'ready','share':95,'wanted':3},{'version':'3','state':'"
                            "ready','share':5.0},"
                            "{'version':'4','state':'loading','share':0,'shadow':true},"
                            "{'version':'5','state':'failed','share':0,'reason':'golden: no'},"
                            "{'version':'1','state':'unloaded'},{'version':'6','state':'unloaded'},{'version'"
                            ":'7','state':'unloaded'}]}]}")});
    ck_assert_uint_eq(top->count, 5); /* 1 and 7 do not run; 6 is run by somebody else */
    ck_assert_int_eq(row("m", "6")->unmanaged, 1);
    ck_assert_double_eq_tol(row("m", "2")->share, 0.95, 1e-9);
    ck_assert_double_eq_tol(row("m", "3")->share, 0.05, 1e-9);
    ck_assert_int_eq(row("m", "2")->wanted, 3);
    ck_assert(row("m", "4")->shadow);
    ck_assert_str_eq(row("m", "5")->reason, "golden: no");
    ck_assert_str_eq(row("m", "5")->state, "failed");
    ck_assert_int_eq(row("m", "2")->queue, 4);
    ck_assert_int_eq(top->queue_rows, 40);
    ck_assert_int_eq(top->in_flight, 3);
}
END_TEST

START_TEST(nonsense_is_nothing)
{
#define WRONG                                                                                                \
    "{'models':[7,{'versions':[[],{'latency_ns':[[],7,[-1,5],['x']]}]}],"                                    \
    "'processes':[7,{'kind':'worker','model':'m'},{'kind':7}]}"
    static const char *const texts[] = {"{}", "[]", "7", "{'models':7,'processes':'x'}", (WRONG)};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const struct top_look look = {json(texts[i]), json(texts[i]), json(texts[i]), json(texts[i]), 0};
        show(look, look);
        for (size_t j = 0; j < top->count; j++)
            ck_assert_str_eq(top->rows[j].state, "unknown");
    }
}
END_TEST

START_TEST(rows_are_sorted)
{
    show_figures(FIGURES("5", "1000", "", ""),
                 FIGURES("5", "2000",
                         VERSION("10", "'none':1", "") "," VERSION("9", "'none':5", "[1024,5]") "," VERSION(
                             "2", "'none':3,'internal':1", "[4096,3]"),
                         ""));
    static const struct {
        enum top_sort sort;
        const char *first, *last;
    } rows[] = {{TOP_BY_NAME, "2", "10"}, {TOP_BY_RATE, "9", "10"},  {TOP_BY_ERRORS, "2", "10"},
                {TOP_BY_P99, "2", "10"},  {TOP_BY_QUEUE, "2", "10"}, {TOP_BY_CPU, "2", "10"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        top_sort(top, rows[i].sort);
        ck_assert_str_eq(top->rows[0].version, rows[i].first);
        ck_assert_str_eq(top->rows[2].version, rows[i].last);
        ck_assert_str_ne(top_sort_name(rows[i].sort), "");
    }
}
END_TEST

START_TEST(as_json_the_unknown_is_null)
{
    show_figures(NULL, FIGURES("5", "1000", VERSION("2", "", ""), ""));
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    top_to_json(top, document, root);
    yyjson_mut_val *entry = yyjson_mut_arr_get_first(yyjson_mut_obj_get(root, "models"));
    ck_assert(yyjson_mut_is_null(yyjson_mut_obj_get(root, "requests_per_s")));
    static const char *const unknown[] = {"share_percent", "requests_per_s", "error_percent",
                                          "p50_ms",        "p99_ms",         "workers_wanted",
                                          "restarts",      "cpu_percent",    "rss_bytes"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        ck_assert_msg(yyjson_mut_is_null(yyjson_mut_obj_get(entry, unknown[i])), "%s", unknown[i]);
    ck_assert_int_eq(yyjson_mut_get_sint(yyjson_mut_obj_get(entry, "workers_ready")), 2);
    yyjson_mut_doc_free(document);
}
END_TEST

/* ---- lines ---- */

static void add_line(void *self, const struct top_line *line)
{
    const struct top_window *window = self;
    ck_assert_uint_eq(strlen(line->text), line->length);
    ck_assert(window->width == 0 || line->length <= (size_t)window->width);
    for (size_t i = 0; i < line->span_count; i++)
        ck_assert_int_ne(line->spans[i].tone, TONE_PLAIN);
    strcat(strcat(frame, line->text), "\n");
    lines++;
}

static size_t draw(struct top_window window)
{
    frame[0] = '\0';
    lines = 0;
    size_t scroll = top_frame(top, &window, add_line, &window);
    ck_assert(window.height == 0 || lines <= (size_t)window.height);
    return scroll;
}

static void expect_frame(const char *expected)
{
    ck_assert_msg(strstr(frame, expected) != NULL, "no \"%s\" in:\n%s", expected, frame);
}

#define TWO(now, answered, poison)                                                                           \
    "{'epoch':1,'now_ms':" now                                                                               \
    ",'models':[{'model':'a-model-with-quite-a-long-name','stable':'1','versions':["                         \
    "{'version':'1','state':'ready','outcomes':{'none':" answered ",'poison':" poison "},"                   \
    "'latency_ns':[[1048576," answered "]],'queue_requests':4,'in_flight':1,'workers':[{'pid':1}]},"         \
    "{'version':'2','state':'failed','reason':'no\\u001b[31mfile','outcomes':{}}]}]}"

/* Two versions of a model with a long name, one of which has failed. */
static void show_two(void)
{
    show_figures(TWO("1000", "0", "0"), TWO("2000", "12000", "300"));
}

START_TEST(all_of_it_where_there_is_room)
{
    show_two();
    ck_assert_uint_eq(draw((struct top_window){0}), 0);
    expect_frame("up 0s   12.3k req/s   300 errors/s   queue 4   in flight 1\n");
    expect_frame("the supervisor does not answer\n");
    expect_frame("MODEL                          VER STATE  SHARE REQ/S ERR%   P50   P99 QUEUE FLY WORK RST "
                 "CPU% RSS\n");
    expect_frame("a-model-with-quite-a-long-name 1*  ready      - 12.3k  2.4 1.0ms 1.0ms     4   1  1/-   -  "
                 "  -   -\n");
    expect_frame("a-model-with-quite-a-long-name 2   failed     -     0    -     -     -     -   -  -/-   -  "
                 "  -   -\n");
    expect_frame("a-model-with-quite-a-long-name 2: no?[31mfile\n");
}
END_TEST

START_TEST(a_window_is_never_overrun)
{
    show_two();
    for (int width = 1; width <= 200; width += 3)
        for (int height = 1; height <= 30; height += 4) {
            draw((struct top_window){.width = width, .height = height, .interval_ms = 1000, .scroll = 7});
            ck_assert_int_eq((int)lines, height);
            draw((struct top_window){.width = width, .height = height, .help = true});
        }
    draw((struct top_window){.width = 80, .height = 24, .interval_ms = 500});
    expect_frame("\na-model-wit~ 1*  ready      - 12.3k");
    expect_frame("\nMODEL        VER STATE  SHARE REQ/S ERR%   P50   P99 QUEUE FLY WORK RST CPU% RSS\n");
    expect_frame("q quit   s sort: name   r every 0.5 s   h help\n");
    draw((struct top_window){.width = 40, .height = 24, .interval_ms = 500});
    expect_frame("\nMODEL        VER STATE  REQ/S ERR%   P99\n");
}
END_TEST

START_TEST(rows_scroll)
{
    show_two();
    ck_assert_uint_eq(draw((struct top_window){.width = 80, .height = 6, .interval_ms = 500}), 1);
    expect_frame("a-model-wit~ 1*");
    expect_frame("1-1 of 2\n");
    ck_assert_ptr_null(strstr(frame, "failed"));
    ck_assert_uint_eq(draw((struct top_window){.width = 80, .height = 6, .scroll = 9}), 1);
    expect_frame("failed");
    expect_frame("2-2 of 2\n");
    show_figures(NULL, "{'models':[]}");
    ck_assert_uint_eq(draw((struct top_window){.width = 80, .height = 24}), 0);
    expect_frame("\nno models\n");
}
END_TEST

START_TEST(help_tells_of_the_keys)
{
    show_two();
    draw((struct top_window){.width = 80, .height = 24, .help = true});
    expect_frame("q         quit\n");
    expect_frame("ERR%  ");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {rates_are_those_between_the_looks,
                                  what_a_limit_refuses_is_of_the_model,
                                  what_cannot_be_compared_has_no_rate,
                                  a_version_that_was_not_there_began_at_nothing,
                                  processes_cost,
                                  what_was_decided_is_shown,
                                  nonsense_is_nothing,
                                  rows_are_sorted,
                                  as_json_the_unknown_is_null,
                                  all_of_it_where_there_is_room,
                                  a_window_is_never_overrun,
                                  rows_scroll,
                                  help_tells_of_the_keys};
    return SUITE_RUN("top", NULL, tear_down, tests);
}
