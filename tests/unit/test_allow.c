/* test_allow: lists of allowed keys: files, folders, their faults, and who is found for which door.
 * SPDX-License-Identifier: MIT */
#include "allow.h"
#include "scratch_directory.h"

#define KEY_A "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_B "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define KEY_C "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static struct allow_list *list;
static char reason[5120];

static void set_up(void)
{
    scratch_make();
    *reason = '\0';
}

static void tear_down(void)
{
    allow_free(list);
    scratch_remove();
}

static void read_list(const char *path)
{
    allow_free(list);
    list = allow_read(path, reason, sizeof reason);
}

static const char *name_of(const char *key, enum key_door door)
{
    const struct allow_entry *entry = allow_find(list, key, door);
    return entry == NULL ? "nobody" : entry->name;
}

START_TEST(a_file_has_a_line_for_each_key)
{
    read_list(scratch_file("allowed", "# ours\n\nhost7 " KEY_A "\n\thost8\t" KEY_B " workers \r\n"
                                      "batch " KEY_C " askers"));
    ck_assert_msg(list != NULL, "%s", reason);
    ck_assert_uint_eq(list->count, 3);
    ck_assert_str_eq(name_of(KEY_A, KEY_WORKERS), "host7");
    ck_assert_str_eq(name_of(KEY_A, KEY_ASKERS), "host7");
    ck_assert_str_eq(name_of(KEY_B, KEY_WORKERS), "host8");
    ck_assert_str_eq(name_of(KEY_B, KEY_ASKERS), "nobody");
    ck_assert_str_eq(name_of(KEY_C, KEY_WORKERS), "nobody");
    ck_assert_str_eq(name_of(KEY_C, KEY_ASKERS), "batch");
    ck_assert(allow_serves(allow_find(list, KEY_B, KEY_WORKERS), text_of("anything")));
}
END_TEST

START_TEST(a_key_may_be_for_some_models)
{
    scratch_folder("keys");
    scratch_file("keys/host7.key", "models = \"fraud, churn-*\"\npublic-key = \"" KEY_A "\"\n");
    scratch_file("allowed", "host7 " KEY_A " workers fraud,churn-*\n");
    const char *const names[] = {"keys", "allowed"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        read_list(scratch_path(names[i]));
        ck_assert_msg(list != NULL, "%s", reason);
        const struct allow_entry *entry = allow_find(list, KEY_A, KEY_WORKERS);
        ck_assert(allow_serves(entry, text_of("fraud")) && allow_serves(entry, text_of("churn-2")));
        ck_assert(!allow_serves(entry, text_of("fraud2")) && !allow_serves(entry, text_of("churn")));
    }
}
END_TEST

START_TEST(an_empty_list_lets_nobody_in)
{
    read_list(scratch_file("allowed", "# nobody\n"));
    ck_assert_ptr_nonnull(list);
    ck_assert_str_eq(name_of(KEY_A, KEY_WORKERS), "nobody");
    read_list(scratch_folder("folder"));
    ck_assert_ptr_nonnull(list);
    ck_assert_uint_eq(list->count, 0);
}
END_TEST

START_TEST(one_fault_spoils_the_list)
{
    static const struct {
        const char *text, *part;
    } faults[] = {{"host7\n", "line 1: a key has 40"},
                  {"host7 " KEY_A "\nhost8 " KEY_B "x\n", "line 2: a key has 40"},
                  {"ho/st " KEY_A "\n", "line 1: a name has"},
                  {KEY_A "\n", "line 1: a name has"},
                  {"host7 " KEY_A " all\n", "line 1: expected NAME KEY"},
                  {"host7 " KEY_A " askers fraud\n", "line 1: expected NAME KEY"},
                  {"host7 " KEY_A " workers .\n", "line 1: expected NAME KEY"},
                  {"host7 " KEY_A " workers ,\n", "line 1: expected NAME KEY"},
                  {"host7 " KEY_A " workers fraud churn\n", "line 1: expected NAME KEY"},
                  {"host7 " KEY_A "\nhost8 " KEY_A "\n", "line 2: this name or this key is there twice"},
                  {"host7 " KEY_A "\nhost7 " KEY_B "\n", "line 2: this name or this key is there twice"}};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        read_list(scratch_file("allowed", faults[i].text));
        ck_assert_msg(list == NULL, "%s", faults[i].text);
        ck_assert_msg(strstr(reason, faults[i].part) != NULL && strstr(reason, "allowed: ") != NULL, "%s",
                      reason);
    }
    read_list(scratch_path("none"));
    ck_assert_ptr_null(list);
    ck_assert_ptr_nonnull(strstr(reason, "none: No such file"));
}
END_TEST

START_TEST(a_folder_has_a_file_for_each_key)
{
    scratch_folder("keys");
    scratch_file("keys/host7.key", "metadata\n    name = \"seven\"\ncurve\n    public-key = \"" KEY_A "\"\n");
    scratch_file("keys/host8.key", "doors = \"workers\"\npublic-key = \"" KEY_B "\"\n");
    scratch_file("keys/host9.key_secret", "nonsense");
    scratch_file("keys/README", "nonsense");
    scratch_file("keys/.hidden.key", "nonsense");
    scratch_file("keys/.key", "nonsense");
    read_list(scratch_path("keys"));
    ck_assert_msg(list != NULL, "%s", reason);
    ck_assert_uint_eq(list->count, 2);
    ck_assert_str_eq(name_of(KEY_A, KEY_ASKERS), "seven");
    ck_assert_str_eq(name_of(KEY_B, KEY_WORKERS), "host8");
    ck_assert_str_eq(name_of(KEY_B, KEY_ASKERS), "nobody");
}
END_TEST

START_TEST(a_folder_with_a_fault_is_spoilt_too)
{
    scratch_folder("keys");
    scratch_file("keys/host7.key", "public-key = \"" KEY_A "\"\n");
    scratch_file("keys/host8.key", "public-key = \"" KEY_A "\"\n");
    read_list(scratch_path("keys"));
    ck_assert_ptr_null(list);
    ck_assert_ptr_nonnull(strstr(reason, "this name or this key is there twice"));
    scratch_file("keys/host8.key", "public-key = \"" KEY_B "\"\nsecret-key = \"" KEY_C "\"\n");
    read_list(scratch_path("keys"));
    ck_assert_ptr_null(list);
    ck_assert_ptr_nonnull(strstr(reason, "host8.key: holds a secret-key"));
    ck_assert_ptr_null(strstr(reason, KEY_C));
    scratch_file("keys/host8.key", "");
    read_list(scratch_path("keys"));
    ck_assert_ptr_nonnull(strstr(reason, "host8.key: holds no public-key"));
}
END_TEST

/* The key number `number` of many: three digits of it. */
static void number_key(char key[KEY_LENGTH + 1], unsigned number)
{
    memcpy(key, KEY_A, KEY_LENGTH + 1);
    for (size_t i = 0; i < 4; i++, number /= 10)
        key[1 + i] = (char)('0' + number % 10);
}

START_TEST(each_of_many_is_found_and_more_than_the_bound_refused)
{
    char text[128], key[KEY_LENGTH + 1];
    list = allow_new();
    for (unsigned i = 0; i <= ALLOW_MAX; i++) {
        number_key(key, i);
        int length = snprintf(text, sizeof text, "host%u %s", i, key);
        bool added = allow_parse(list, (struct text){text, (size_t)length}, reason, sizeof reason);
        ck_assert_msg(added == (i < ALLOW_MAX), "%u: %s", i, reason);
    }
    ck_assert_str_eq(reason, "line 1: there are more than 4096 keys");
    for (unsigned i = 0; i < ALLOW_MAX; i += 15) {
        number_key(key, i);
        snprintf(text, sizeof text, "host%u", i);
        ck_assert_str_eq(name_of(key, KEY_WORKERS), text);
    }
    number_key(key, ALLOW_MAX);
    ck_assert_str_eq(name_of(key, KEY_WORKERS), "nobody");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_file_has_a_line_for_each_key,
                                  a_key_may_be_for_some_models,
                                  an_empty_list_lets_nobody_in,
                                  one_fault_spoils_the_list,
                                  a_folder_has_a_file_for_each_key,
                                  a_folder_with_a_fault_is_spoilt_too,
                                  each_of_many_is_found_and_more_than_the_bound_refused};
    return SUITE_RUN("allow", set_up, tear_down, tests);
}
