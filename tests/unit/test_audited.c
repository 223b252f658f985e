/* test_audited: which requests have a line in the audit log, and what it says. SPDX-License-Identifier: MIT
 */
#include "audited.h"

#include "api.h"
#include "audit_log.h"
#include "catalog.h"
#include "clock.h"
#include "scratch_directory.h"

#include <signal.h>
#include <sys/resource.h>
#include <yyjson.h>

static struct config config;
static struct audit_log *audit_log;
static struct audited *audited;
static struct api_call call;
static struct http_request request;
static struct http_response response;
static char body[256];
static struct address address; /* of who asks */

static void begin(const char *access, int per_mille, const char *payload)
{
    config.audit_access = (char *)access;
    config.audit_payload = (char *)payload;
    config.audit_predictions_per_mille = per_mille;
    audit_log = audit_log_new(&config, "f", AUDIT_BUFFERED);
    audited = audited_new(&config, audit_log);
}

static void set_up(void)
{
    static char when_full[] = "continue";
    scratch_make();
    config = (struct config){.state_directory = scratch_directory,
                             .audit_when_full = when_full,
                             .audit_max_bytes = 1 << 20,
                             .audit_max_payload_bytes = 100,
                             .audit_keep = 2};
    request = (struct http_request){.body = body};
    address_read(text_of("2001:db8::7"), &address);
    response = (struct http_response){.status = 200};
}

static void tear_down(void)
{
    audited_note_drop(&call.note);
    audited_free(audited);
    audit_log_free(audit_log);
    http_response_free(&response);
    scratch_remove();
}

/* One request, from its beginning to its line. */
static void ask(enum call what, const char *id, int status, const char *kind)
{
    audited_note_drop(&call.note);
    call = (struct api_call){.call = what, .received = clock_now()};
    strcpy(call.id, id);
    call.identity = (struct identity){
        .kind = IDENTITY_KEY, .outcome = AUTH_OUTCOME_GRANTED, .name = "web shop", .address = address};
    response.status = status;
    response.kind = kind;
    audited_begin(audited, &request, &call.note);
    if (call_is_prediction(what))
        audited_sample(audited, &request, &call.note);
    audited_end(audited, &call, &response);
}

/* The line of that request; NULL when it has none. The caller frees. */
static yyjson_doc *line_of(const char *id)
{
    static char line[1 << 16];
    char path[256];
    yyjson_doc *found = NULL;
    audit_log_settle(audit_log);
    snprintf(path, sizeof path, "%s/audit/f.log", scratch_directory);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        yyjson_doc *document = yyjson_read(line, strlen(line), 0);
        ck_assert_ptr_nonnull(document);
        bool is_it = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "request"), id);
        ck_assert(!is_it || found == NULL);
        if (is_it)
            found = document;
        else
            yyjson_doc_free(document);
    }
    fclose(file);
    return found;
}

static bool has_line(const char *id)
{
    yyjson_doc *document = line_of(id);
    yyjson_doc_free(document);
    return document != NULL;
}

static void set_body(const char *bytes, size_t length)
{
    memcpy(body, bytes, length);
    request.body_length = length;
}

static const char *text_at(yyjson_doc *line, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(line), name));
}

START_TEST(all_have_a_line_but_what_everybody_may_ask)
{
    begin("all", 0, "hash");
    ask(CALL_PREDICT, "a", 200, NULL);
    ask(CALL_MODELS, "b", 200, NULL);
    ask(CALL_OTHER, "c", 404, "not_found");
    ask(CALL_HEALTH, "d", 200, NULL);
    ask(CALL_READY, "e", 503, "not_ready");
    ask(CALL_METRICS, "f", 200, NULL);
    ck_assert(has_line("a") && has_line("b") && has_line("c") && has_line("f"));
    ck_assert(!has_line("d") && !has_line("e"));
}
END_TEST

START_TEST(refused_ones_alone)
{
    begin("refused", 0, "hash");
    ask(CALL_PREDICT, "a", 200, NULL);
    ask(CALL_PREDICT, "b", 401, "unauthorized");
    ask(CALL_PREDICT, "c", 403, "forbidden");
    ask(CALL_MODELS, "d", 429, "rate_limited");
    ask(CALL_PREDICT, "e", 400, "invalid");
    ck_assert(!has_line("a") && !has_line("e"));
    ck_assert(has_line("b") && has_line("c") && has_line("d"));
    yyjson_doc *line = line_of("b");
    ck_assert_str_eq(text_at(line, "decision"), "refused");
    ck_assert_str_eq(text_at(line, "kind"), "unauthorized");
    yyjson_doc_free(line);
}
END_TEST

START_TEST(a_line_says_who_and_what)
{
    begin("all", 0, "full");
    set_body("{}", 2);
    output_add_string(&response.body, "12345");
    ask(CALL_BATCH_PREDICT, "a", 400, "invalid");
    yyjson_doc *line = line_of("a");
    yyjson_val *root = yyjson_doc_get_root(line);
    ck_assert_str_eq(text_at(line, "event"), "access");
    ck_assert_str_eq(text_at(line, "call"), "batch_predict");
    ck_assert_str_eq(text_at(line, "address"), "2001:db8::7");
    ck_assert_str_eq(text_at(line, "by"), "key");
    ck_assert_str_eq(text_at(line, "who"), "web shop");
    ck_assert_str_eq(text_at(line, "auth"), "granted");
    ck_assert_str_eq(text_at(line, "decision"), "granted");
    ck_assert_int_eq(yyjson_get_int(yyjson_obj_get(root, "status")), 400);
    ck_assert_int_eq(yyjson_get_int(yyjson_obj_get(root, "bytes_in")), 2);
    ck_assert_int_eq(yyjson_get_int(yyjson_obj_get(root, "bytes_out")), 5);
    ck_assert_ptr_null(yyjson_obj_get(root, "model"));
    ck_assert_ptr_null(yyjson_obj_get(root, "payload"));
    yyjson_doc_free(line);
}
END_TEST

/* A model with two versions; the first was asked. */
static struct schema schemas[2];
static struct catalog_version versions[2] = {{.name = (char[]){"1"}, .schema = &schemas[0]},
                                             {.name = (char[]){"2"}, .schema = &schemas[1]}};
static const struct catalog_model model = {.name = (char[]){"m"}, .versions = versions, .version_count = 2};

static void expect_version(const char *id, const char *answered, const char *version, const char *digest)
{
    audited_note_drop(&call.note);
    call = (struct api_call){
        .call = CALL_PREDICT, .received = clock_now(), .model = &model, .version = versions};
    strcpy(call.id, id);
    strcpy(call.answered_version, answered);
    audited_begin(audited, &request, &call.note);
    audited_sample(audited, &request, &call.note);
    audited_end(audited, &call, &response);
    yyjson_doc *line = line_of(id);
    ck_assert_str_eq(text_at(line, "event"), "prediction");
    ck_assert_str_eq(text_at(line, "model"), "m");
    ck_assert_str_eq(text_at(line, "version"), version);
    if (digest == NULL)
        ck_assert_ptr_null(text_at(line, "digest"));
    else
        ck_assert_str_eq(text_at(line, "digest"), digest);
    yyjson_doc_free(line);
}

START_TEST(the_files_that_answered_are_told)
{
    schemas[0].digest = (char[]){"sha256:11"};
    schemas[1].digest = (char[]){"sha256:22"};
    begin("none", 1000, "none");
    expect_version("a", "", "1", "sha256:11"); /* nobody has answered */
    expect_version("b", "1", "1", "sha256:11");
    expect_version("c", "2", "2", "sha256:22"); /* as a route may have it */
    expect_version("d", "3", "3", NULL);        /* gone from the catalog since */
    schemas[1].digest = (char[]){""};
    expect_version("e", "2", "2", NULL);
    versions[1].schema = NULL;
    expect_version("f", "2", "2", NULL);
}
END_TEST

START_TEST(an_address_that_is_not_known_is_left_out)
{
    begin("all", 0, "hash");
    address = (struct address){0};
    ask(CALL_PREDICT, "b", 200, NULL);
    yyjson_doc *line = line_of("b");
    ck_assert_ptr_null(text_at(line, "address"));
    yyjson_doc_free(line);
}
END_TEST

START_TEST(a_sample_tells_its_payload_as_it_came)
{
    begin("none", 1000, "full");
    set_body("{\"a\": \"\xc3\xa9\\n\"}", 13);
    ask(CALL_PREDICT, "a", 200, NULL);
    memset(body, 'x', sizeof body); /* as the reader of JSON writes to it */
    yyjson_doc *line = line_of("a");
    ck_assert_str_eq(text_at(line, "event"), "prediction");
    ck_assert_str_eq(text_at(line, "payload"), "{\"a\": \"\xc3\xa9\\n\"}");
    ck_assert_uint_eq(strlen(text_at(line, "payload_sha256")), 64);
    yyjson_doc_free(line);
    set_body("\xff\x00\x01", 3);
    ask(CALL_PREDICT, "b", 200, NULL);
    line = line_of("b");
    ck_assert_str_eq(text_at(line, "payload_base64"), "/wAB");
    ck_assert_ptr_null(text_at(line, "payload"));
    yyjson_doc_free(line);
    request.body_length = 101; /* one more than is kept */
    ask(CALL_PREDICT, "c", 200, NULL);
    line = line_of("c");
    ck_assert_ptr_null(text_at(line, "payload"));
    ck_assert_uint_eq(strlen(text_at(line, "payload_sha256")), 64);
    yyjson_doc_free(line);
    ask(CALL_MODELS, "d", 200, NULL);
    ck_assert(!has_line("d"));
}
END_TEST

START_TEST(so_many_of_a_thousand_are_sampled)
{
    int sampled = 0;
    begin("none", 37, "hash");
    for (int i = 0; i < 2000; i++) {
        struct audited_note note = {0};
        audited_sample(audited, &request, &note);
        sampled += note.sample != NULL;
        audited_note_drop(&note);
    }
    ck_assert_int_eq(sampled, 74);
}
END_TEST

START_TEST(without_a_log_nothing_is_kept)
{
    config.audit_access = (char[]){"none"};
    ck_assert(!audited_wanted(&config));
    config.audit_predictions_per_mille = 1;
    ck_assert(audited_wanted(&config));
    config.audit_predictions_per_mille = 0;
    config.audit_access = (char[]){"refused"};
    ck_assert(audited_wanted(&config));
    audited = audited_new(&config, NULL);
    ask(CALL_PREDICT, "a", 200, NULL);
    ck_assert(audited_accepts(audited));
    ck_assert_ptr_null(call.note.sample);
}
END_TEST

START_TEST(a_full_disk_is_asked_about)
{
    struct rlimit limit;
    config.audit_when_full = (char[]){"refuse"};
    begin("all", 0, "hash");
    ck_assert(audited_accepts(audited));
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    signal(SIGXFSZ, SIG_IGN);
    limit.rlim_cur = 1; /* nothing may be asserted meanwhile: Check writes a file, too */
    int set = setrlimit(RLIMIT_FSIZE, &limit);
    ask(CALL_PREDICT, "a", 200, NULL);
    audit_log_settle(audit_log);
    bool accepts = audited_accepts(audited);
    limit.rlim_cur = before;
    int reset = setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert(set == 0 && reset == 0);
    ck_assert(!accepts);
    audit_log_settle(audit_log);
    ck_assert(audited_accepts(audited));
    ck_assert(has_line("a"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        all_have_a_line_but_what_everybody_may_ask,
        refused_ones_alone,
        the_files_that_answered_are_told,
        a_line_says_who_and_what,
        an_address_that_is_not_known_is_left_out,
        a_sample_tells_its_payload_as_it_came,
        so_many_of_a_thousand_are_sampled,
        without_a_log_nothing_is_kept,
        a_full_disk_is_asked_about,
    };
    return SUITE_RUN("audited", set_up, tear_down, tests);
}
