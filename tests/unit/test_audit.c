/* test_audit: the supervisor's audit log: which commands are written down, with who gave them and what became
 * of them. SPDX-License-Identifier: MIT */
#include "audit_scene.h"

static struct audit *audit;

static void set_up(void)
{
    scratch_make();
    audit = audit_here();
}

static void tear_down(void)
{
    audit_free(audit);
    scratch_remove();
}

static void act(int64_t actor, const char *line, const char *digest, const char *refusal)
{
    yyjson_doc *request = yyjson_read(line, strlen(line), 0);
    yyjson_mut_doc *reply = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(reply, yyjson_mut_obj(reply));
    yyjson_mut_obj_add_bool(reply, yyjson_mut_doc_get_root(reply), "ok", true);
    if (refusal != NULL)
        control_refuse(reply, "%s", refusal);
    audit_command(audit, actor, yyjson_doc_get_root(request), digest, reply);
    yyjson_mut_doc_free(reply);
    yyjson_doc_free(request);
}

START_TEST(commands_are_audited_with_who_and_what)
{
    act(1000, "{\"command\":\"promote\",\"model\":\"m\",\"version\":\"2\"}", "sha256:22", NULL);
    ck_assert_int_eq(audited("\"uid\":1000,\"act\":\"promote\",\"model\":\"m\",\"version\":\"2\","
                             "\"digest\":\"sha256:22\",\"done\":true}"),
                     1);
    act(AUDIT_UNKNOWN, "{\"command\":\"route\",\"model\":\"m\",\"route\":null}", "", "no such model");
    ck_assert_int_eq(audited("\"by\":\"unknown\",\"act\":\"route\",\"model\":\"m\",\"route\":null,"
                             "\"done\":false,\"refused\":\"no such model\"}"),
                     1);
    act(0, "{\"command\":\"route\",\"model\":\"m\"}", "", NULL); /* only looks */
    act(0, "{\"command\":\"status\"}", "", NULL);
    act(0, "{\"command\":\"dance\"}", "", "the supervisor knows");
    ck_assert_int_eq(audited("\"act\""), 2);
    ck_assert_int_eq(audited("\"event\":\"act\""), 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {commands_are_audited_with_who_and_what};
    return SUITE_RUN("audit", set_up, tear_down, tests);
}
