/* test_api_key: the text of keys, what their words mean, and keys.json: what is read, what is refused and how
 * it is said, what a change leaves on the disk. SPDX-License-Identifier: MIT */
#include "api_key.h"
#include "scratch_directory.h"
#include "suite.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/file.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ENTRY                                                                                                \
    "\"id\":\"abcABC012345\",\"name\":\"a\",\"sha256\":\"" DIGEST "\",\"scopes\":[\"predict\"],\"created\":" \
    "1"

static char key[API_KEY_LENGTH + 1];
static struct config_errors errors;

static bool well_formed(const char *text)
{
    return api_key_well_formed(text_of(text));
}

/* ---- the text ---- */

START_TEST(a_new_key_is_well_formed_and_its_own)
{
    char other[API_KEY_LENGTH + 1];
    api_key_make(NULL, key);
    api_key_make(NULL, other);
    ck_assert(well_formed(key) && well_formed(other));
    ck_assert_uint_eq(strlen(key), API_KEY_LENGTH);
    ck_assert_int_eq(strncmp(key, "ork_", 4), 0);
    ck_assert_str_ne(key, other);
    ck_assert_int_ne(strncmp(key + 4, other + 4, API_KEY_ID), 0);
    api_key_make("abcABC012345", other);
    ck_assert(well_formed(other) && strncmp(other, "ork_abcABC012345_", 17) == 0);
}
END_TEST

START_TEST(every_letter_is_drawn)
{
    unsigned seen[128] = {0};
    for (int i = 0; i < 400; i++) {
        api_key_make(NULL, key);
        for (size_t at = 17; at < 17 + API_KEY_SECRET; at++)
            seen[(unsigned char)key[at]]++;
    }
    for (int letter = 0; letter < 128; letter++) /* 206 of each are to be expected */
        ck_assert_msg(isalnum(letter) ? seen[letter] > 80 && seen[letter] < 400 : seen[letter] == 0, "%c: %u",
                      letter, seen[letter]);
}
END_TEST

START_TEST(any_other_character_is_noticed)
{
    api_key_make(NULL, key);
    for (size_t i = 0; i < API_KEY_LENGTH; i++) {
        char before = key[i];
        for (int c = 1; c < 128; c++) {
            key[i] = (char)c;
            ck_assert(well_formed(key) == (c == before));
        }
        key[i] = before;
    }
}
END_TEST

START_TEST(neighbours_that_change_places_are_noticed)
{
    api_key_make(NULL, key);
    for (size_t i = 0; i + 1 < API_KEY_LENGTH; i++) {
        char left = key[i], right = key[i + 1];
        key[i] = right;
        key[i + 1] = left;
        ck_assert(well_formed(key) == (left == right));
        key[i] = left;
        key[i + 1] = right;
    }
}
END_TEST

START_TEST(other_lengths_are_no_keys)
{
    char longer[API_KEY_LENGTH + 2];
    api_key_make(NULL, key);
    snprintf(longer, sizeof longer, "%s0", key);
    ck_assert(!well_formed(longer) && !well_formed(key + 1) && !well_formed(""));
    ck_assert(!api_key_well_formed((struct text){key, API_KEY_LENGTH - 1}));
}
END_TEST

START_TEST(the_checksum_is_fnv)
{
    /* FNV-1a of the 49 characters before it, computed elsewhere, in base 62. */
    ck_assert(well_formed("ork_000000000000_000000000000000000000000000000007cDCeZ"));
}
END_TEST

START_TEST(a_tenant_is_of_the_id)
{
    ck_assert_uint_eq(api_key_tenant("a"), UINT64_C(0xaf63dc4c8601ec8c)); /* RFC 9923's vector */
    ck_assert_uint_ne(api_key_tenant("b"), api_key_tenant("a"));
}
END_TEST

/* ---- words ---- */

START_TEST(rights_are_words)
{
    unsigned rights;
    char word[RIGHTS_WORD_MAX] = "", text[RIGHTS_TEXT_MAX];
    ck_assert(rights_read("predict, admin", &rights, word));
    ck_assert_uint_eq(rights, RIGHT_PREDICT | RIGHT_ADMIN);
    ck_assert_str_eq(rights_text(rights, ' ', text), "predict admin");
    ck_assert_str_eq(rights_text(RIGHTS_ALL, ',', text), "predict,feedback,metrics,admin");
    ck_assert(rights_read("", &rights, word) && rights == 0);
    ck_assert_str_eq(rights_text(0, ' ', text), "");
    ck_assert(!rights_read("predict Admin", &rights, word));
    ck_assert_str_eq(word, "Admin");
    ck_assert_str_eq(right_text(RIGHT_METRICS), "metrics");
    ck_assert_str_eq(right_text(RIGHT_NONE), "");
    ck_assert_int_eq(right_of(text_of("feedback")), RIGHT_FEEDBACK);
    ck_assert_int_eq(right_of(text_of("")), RIGHT_NONE);
}
END_TEST

static bool have(const char *models, const char *model)
{
    return api_key_models_have(models, text_of(model));
}

START_TEST(models_are_names_and_beginnings)
{
    ck_assert(have("", "anything"));
    ck_assert(have("fraud", "fraud") && !have("fraud", "fraud2") && !have("fraud", "frau"));
    ck_assert(have("fraud churn-*", "churn-2") && have("fraud churn-*", "churn-") &&
              !have("fraud churn-*", "churn"));
    ck_assert(have("*", "x") && !have("a b", "c") && !have("a", ""));
    ck_assert(have("long short", "short") && !have("longer", "long"));
}
END_TEST

START_TEST(lists_of_models_are_read)
{
    char models[API_KEY_MODELS_MAX + 1], word[API_KEY_WORD_MAX] = "", text[1200];
    ck_assert(api_key_models_read("fraud,churn-*  x", models, word));
    ck_assert_str_eq(models, "fraud churn-* x");
    ck_assert(api_key_models_read("", models, word) && *models == '\0');
    ck_assert(!api_key_models_read("a,b/c", models, word));
    ck_assert_str_eq(word, "b/c");
    ck_assert(!api_key_models_read("a*b", models, word) && !api_key_models_read("**", models, word));
    memset(text, 'a', sizeof text);
    for (size_t i = 100; i < sizeof text; i += 101)
        text[i] = ' ';
    text[504] = '\0';
    ck_assert(api_key_models_read(text, models, word));
    ck_assert_uint_eq(strlen(models), 504);
    text[504] = ' ';
    text[sizeof text - 1] = '\0';
    ck_assert(!api_key_models_read(text, models, word)); /* more than fit an identity */
}
END_TEST

START_TEST(names_are_printable)
{
    char text[API_KEY_NAME_MAX + 2];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert(!api_key_name_ok(text_of(text)) && api_key_name_ok(text_of(text + 1)));
    ck_assert(api_key_name_ok(text_of("the billing team")) && !api_key_name_ok(text_of("")));
    ck_assert(!api_key_name_ok(text_of("a\nb")) && !api_key_name_ok(text_of("\x7f")) &&
              !api_key_name_ok(text_of("\xc3\xa4")));
}
END_TEST

/* ---- the file ---- */

static struct api_keys *parse(const char *text)
{
    errors = (struct config_errors){.count = 0};
    return api_keys_parse("keys.json", text_of(text), &errors);
}

static void expect_refused(const char *text, const char *complaint)
{
    struct api_keys *keys = parse(text);
    ck_assert_msg(keys == NULL && errors.count > 0, "%s", text);
    ck_assert_msg(strstr(errors.text, complaint) != NULL, "%s: %s", text, errors.text);
    ck_assert_ptr_null(strstr(errors.text, DIGEST));
}

START_TEST(what_is_written_is_read_again)
{
    struct api_key one = {.id = "zzzzzzzzzzzz", .name = "the \"one\"", .rights = RIGHTS_ALL, .created = 5};
    struct api_key two = {.id = "aaaaaaaaaaaa",
                          .name = "two",
                          .rights = RIGHT_METRICS,
                          .models = "fraud churn-*",
                          .created = 6,
                          .expires = 7,
                          .previous_until = 8,
                          .requests_per_s = 0.5,
                          .rows_per_s = 1000,
                          .burst = 20};
    struct api_keys *keys = parse("{\"keys\":[]}"), *again;
    size_t length;
    memset(one.digest, 0xa5, sizeof one.digest);
    memset(two.digest, 0x01, sizeof two.digest);
    memset(two.previous, 0xfe, sizeof two.previous);
    ck_assert(api_keys_add(keys, &one) && api_keys_add(keys, &two) && !api_keys_add(keys, &two));
    char *text = api_keys_print(keys, &length);
    again = api_keys_parse("x", (struct text){text, length}, &errors);
    ck_assert_msg(again != NULL, "%s", errors.text);
    ck_assert_uint_eq(again->count, 2);
    ck_assert_mem_eq(&again->keys[0], &two, sizeof two); /* by id */
    ck_assert_mem_eq(api_keys_find(again, "zzzzzzzzzzzz"), &one, sizeof one);
    ck_assert_ptr_null(api_keys_find(again, "mmmmmmmmmmmm"));
    api_keys_remove(again, api_keys_find(again, "aaaaaaaaaaaa"));
    ck_assert(again->count == 1 && api_keys_find(again, "aaaaaaaaaaaa") == NULL);
    free(text);
    api_keys_free(again);
    api_keys_free(keys);
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"", "keys.json: "},
        {"[]", "expected {\"keys\": [...]}"},
        {"{\"keys\":{}}", "expected {\"keys\": [...]}"},
        {"{\"keys\":[],\"more\":1}", "expected {\"keys\": [...]}"},
        {"{\"keys\":[]} x", "keys.json: "},
        {"{\"keys\":[7]}", "keys[0].id: expected an object"},
        {"{\"keys\":[{" ENTRY "},{}]}", "keys[1].id: is missing"},
        {"{\"keys\":[{" ENTRY "},{" ENTRY "}]}", "keys[1].id: is that of another entry, too"},
        {"{\"keys\":[{" ENTRY ",\"id\":\"abcABC012346\"}]}", "keys[0].id: stands there twice"},
        {"{\"keys\":[{\"id\":\"abcABC01234\"}]}", "keys[0].id: expected 12"},
        {"{\"keys\":[{\"id\":\"abcABC01234_\"}]}", "keys[0].id: expected 12"},
        {"{\"keys\":[{\"name\":\"a\\u0000b\"}]}", "keys[0].name: expected 1 to 64"},
        {"{\"keys\":[{\"sha256\":\"abc\"}]}", "keys[0].sha256: expected 64"},
        {"{\"keys\":[{\"sha256\":7}]}", "keys[0].sha256: expected 64"},
        {"{\"keys\":[{\"scopes\":\"predict\"}]}", "keys[0].scopes: expected a list"},
        {"{\"keys\":[{\"scopes\":[\"predict\",\"all\"]}]}", "keys[0].scopes: expected a list"},
        {"{\"keys\":[{\"models\":[]}]}", "keys[0].models: expected a list"},
        {"{\"keys\":[{\"models\":[\"a b\"]}]}", "keys[0].models: expected names"},
        {"{\"keys\":[{\"models\":[1]}]}", "keys[0].models: expected names"},
        {"{\"keys\":[{\"created\":0}]}", "keys[0].created: expected seconds"},
        {"{\"keys\":[{\"created\":-1}]}", "keys[0].created: expected seconds"},
        {"{\"keys\":[{\"expires\":1e400}]}", "keys.json: "},
        {"{\"keys\":[{\"expires\":1.5}]}", "keys[0].expires: expected seconds"},
        {"{\"keys\":[{\"expires\":18446744073709551615}]}", "keys[0].expires: expected seconds"},
        {"{\"keys\":[{\"previous\":{\"until\":1}}]}", "keys[0].previous: expected an object"},
        {"{\"keys\":[{\"previous\":{\"until\":1,\"sha256\":\"\"}}]}", "keys[0].previous.sha256: expected 64"},
        {"{\"keys\":[{\"limits\":{\"rows\":1}}]}", "keys[0].limits: expected"},
        {"{\"keys\":[{\"limits\":{\"burst\":0}}]}", "keys[0].limits: expected"},
        {"{\"keys\":[{\"limits\":{\"burst\":\"1\"}}]}", "keys[0].limits: expected"},
        {"{\"keys\":[{\"limits\":{\"burst\":1e300}}]}", "keys[0].limits: expected"},
        {"{\"keys\":[{\"role\":1}]}", "keys[0].role: is no key that is known here"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect_refused(cases[i].text, cases[i].complaint);
}
END_TEST

START_TEST(each_part_that_is_needed_must_be_there)
{
    static const char *const parts[] = {"\"id\":\"abcABC012345\"", "\"name\":\"a\"",
                                        ("\"sha256\":\"" DIGEST "\""), "\"scopes\":[]", "\"created\":1"};
    for (size_t missing = 0; missing < COUNT_OF(parts); missing++) {
        char text[512] = "{\"keys\":[{";
        for (size_t i = 0; i < COUNT_OF(parts); i++)
            if (i != missing)
                snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                         text[strlen(text) - 1] == '{' ? "" : ",", parts[i]);
        strcat(text, "}]}");
        expect_refused(text, "is missing");
    }
}
END_TEST

START_TEST(more_than_may_be_is_refused)
{
    struct api_key entry = {.name = "a", .rights = RIGHT_PREDICT, .created = 1};
    struct api_keys keys = {0};
    size_t length;
    for (unsigned i = 0; i < API_KEYS_MAX; i++) {
        snprintf(entry.id, sizeof entry.id, "%012u", i);
        ck_assert(api_keys_add(&keys, &entry));
    }
    strcpy(entry.id, "zzzzzzzzzzzz");
    ck_assert(!api_keys_add(&keys, &entry));
    char *text = api_keys_print(&keys, &length);
    ck_assert_uint_lt(length, API_KEY_FILE_MAX);
    struct api_keys *again = api_keys_parse("x", (struct text){text, length}, &errors);
    ck_assert(again != NULL && again->count == API_KEYS_MAX);
    api_keys_free(again);
    free(text);
    keys.count--;
    ck_assert(api_keys_add(&keys, &entry));
    free(keys.keys);
    char *many = object_alloc(2 * (API_KEYS_MAX + 1) + 16), *at = many;
    at += sprintf(at, "{\"keys\":[0");
    for (int i = 0; i < API_KEYS_MAX; i++)
        at += sprintf(at, ",0");
    strcpy(at, "]}");
    expect_refused(many, "at most 4096");
    free(many);
}
END_TEST

/* ---- on the disk ---- */

static char path[128];

static void set_up(void)
{
    scratch_make();
    snprintf(path, sizeof path, "%s/state/keys.json", scratch_directory);
}

static void tear_down(void)
{
    scratch_remove();
}

static struct api_keys *read_file(void)
{
    errors = (struct config_errors){.count = 0};
    return api_keys_read(path, &errors);
}

START_TEST(a_file_that_is_not_there_has_no_keys)
{
    struct api_keys *keys = read_file();
    ck_assert(keys != NULL && keys->count == 0 && errors.count == 0);
    api_keys_free(keys);
}
END_TEST

START_TEST(a_change_is_whole_and_closed_to_others)
{
    struct api_key entry = {.id = "abcABC012345", .name = "a", .rights = RIGHT_PREDICT, .created = 1};
    int lock = api_keys_lock(path); /* makes the folder */
    ck_assert_int_ge(lock, 0);
    struct api_keys *keys = read_file();
    ck_assert(api_keys_add(keys, &entry));
    ck_assert_int_eq(api_keys_write(path, keys), 0);
    close(lock);
    api_keys_free(keys);
    ck_assert_uint_eq(scratch_mode(path), 0600);
    keys = read_file();
    ck_assert_msg(keys != NULL && keys->count == 1, "%s", errors.text);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(api_keys_write(path, keys), 0);
    ck_assert_uint_eq(scratch_mode(path), 0640); /* the group that it was opened to keeps it */
    api_keys_free(keys);
}
END_TEST

START_TEST(a_file_that_is_open_to_others_is_refused)
{
    static const mode_t modes[] = {0644, 0660, 0604, 0602, 0610, 0601, 0700};
    struct api_keys none = {0};
    close(api_keys_lock(path));
    ck_assert_int_eq(api_keys_write(path, &none), 0);
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        ck_assert_msg(read_file() == NULL, "%o", modes[i]);
        ck_assert_ptr_nonnull(strstr(errors.text, "can be read or changed by others: chmod 600 it"));
    }
    ck_assert_int_eq(chmod(path, 0640), 0);
    struct api_keys *keys = read_file();
    ck_assert_ptr_nonnull(keys);
    api_keys_free(keys);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    close(api_keys_lock(path));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_ptr_null(read_file());
    ck_assert_ptr_nonnull(strstr(errors.text, "is no regular file"));
    struct api_keys none = {0};
    ck_assert_int_eq(api_keys_write(path, &none), -1);
}
END_TEST

START_TEST(one_changes_it_at_a_time)
{
    char folder[128];
    int lock = api_keys_lock(path);
    snprintf(folder, sizeof folder, "%s/state", scratch_directory);
    int other = open(folder, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), -1);
    close(lock);
    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
}
END_TEST

int main(void)
{
    const TTest *const texts[] = {a_new_key_is_well_formed_and_its_own,
                                  every_letter_is_drawn,
                                  any_other_character_is_noticed,
                                  neighbours_that_change_places_are_noticed,
                                  other_lengths_are_no_keys,
                                  the_checksum_is_fnv,
                                  a_tenant_is_of_the_id,
                                  rights_are_words,
                                  models_are_names_and_beginnings,
                                  lists_of_models_are_read,
                                  names_are_printable,
                                  what_is_written_is_read_again,
                                  what_is_wrong_is_said,
                                  each_part_that_is_needed_must_be_there,
                                  more_than_may_be_is_refused,
                                  NULL};
    const TTest *const files[] = {a_file_that_is_not_there_has_no_keys,
                                  a_change_is_whole_and_closed_to_others,
                                  a_file_that_is_open_to_others_is_refused,
                                  what_is_no_file_is_refused,
                                  one_changes_it_at_a_time,
                                  NULL};
    Suite *suite = suite_create("api_key");
    suite_add(suite, "texts", NULL, NULL, texts);
    suite_add(suite, "files", set_up, tear_down, files);
    return suite_finish(suite);
}
