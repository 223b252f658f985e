/* test_onnx_references: files that a model wants to be read are found wherever they are named, and may lie in
 * its folder alone. SPDX-License-Identifier: MIT */
#include "onnx_references.h"
#include "onnx_writer.h"
#include "scratch_directory.h"
#include "suite.h"

static char error[512];

static void set_up(void)
{
    scratch_make();
}

static void tear_down(void)
{
    scratch_remove();
}

/* ---- where they are named ---- */

static struct text last;
static int found_count;

static bool note(void *self, struct text location)
{
    ck_assert_ptr_eq(self, &found_count);
    found_count++;
    last = location;
    return location.length != 4 || memcmp(location.at, "stop", 4) != 0;
}

static bool find(const struct message *model)
{
    found_count = 0;
    return onnx_references_find(model->bytes, model->length, note, &found_count);
}

/* The message as field `field` of another. */
static struct message in(unsigned field, struct message inner)
{
    struct message outer = {0};
    put_message(&outer, field, &inner);
    return outer;
}

/* Fields from the model down to a tensor; 0 ends the list. */
static const unsigned ways[][9] = {
    {7, 5},                    /* graph, initializer */
    {7, 15, 1},                /* graph, sparse initializer, values */
    {7, 15, 2},                /* graph, sparse initializer, indices */
    {7, 1, 5, 5},              /* graph, node, attribute, tensor */
    {7, 1, 5, 10},             /* ... tensors */
    {7, 1, 5, 22, 1},          /* ... sparse tensor */
    {7, 1, 5, 23, 2},          /* ... sparse tensors */
    {7, 1, 5, 6, 5},           /* ... graph, initializer */
    {7, 1, 5, 11, 1, 5, 6, 5}, /* ... graphs, node, attribute, graph, initializer */
    {20, 1, 5},                /* training, initialization */
    {20, 2, 1, 5, 5},          /* training, algorithm, node, attribute, tensor */
    {25, 7, 5, 5},             /* function, node, attribute, tensor */
    {25, 11, 6, 5},            /* function, attribute, graph, initializer */
};

static struct message way_to(struct message tensor, const unsigned *fields)
{
    size_t count = 0;
    while (fields[count] != 0)
        count++;
    while (count > 0)
        tensor = in(fields[--count], tensor);
    return tensor;
}

START_TEST(they_are_found_wherever_tensors_are)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct message model = way_to(external_tensor("somewhere"), ways[i]);
        ck_assert(find(&model));
        ck_assert_msg(found_count == 1, "way %zu", i);
        ck_assert(text_is(last, "somewhere"));
    }
}
END_TEST

START_TEST(all_are_found_until_one_is_refused)
{
    struct message model = {0};
    static const char *const locations[] = {"a", "b", "stop", "c"};
    put_number(&model, 1, 8);
    for (size_t i = 0; i < COUNT_OF(locations); i++) { /* the graph comes again and again: readers merge it */
        struct message graph_part = in(5, external_tensor(locations[i]));
        put_message(&model, 7, &graph_part);
    }
    ck_assert(!find(&model));
    ck_assert_int_eq(found_count, 3);
}
END_TEST

START_TEST(an_entry_counts_by_its_last_key_and_value)
{
    struct message entry = {0};
    put_string(&entry, 2, "first");
    put_string(&entry, 1, "offset");
    put_string(&entry, 1, "location");
    put_string(&entry, 2, "second");
    struct message model = way_to(in(13, entry), ways[0]);
    ck_assert(find(&model));
    ck_assert_int_eq(found_count, 1);
    ck_assert(text_is(last, "second"));
    entry.length = 0;
    put_string(&entry, 1, "location");
    model = way_to(in(13, entry), ways[0]);
    ck_assert(find(&model));
    ck_assert_int_eq(found_count, 1);
    ck_assert_uint_eq(last.length, 0);
    entry.length = 0;
    put_string(&entry, 1, "offset");
    put_string(&entry, 2, "location");
    model = way_to(in(13, entry), ways[0]);
    ck_assert(find(&model));
    ck_assert_int_eq(found_count, 0);
}
END_TEST

START_TEST(other_fields_are_passed_over)
{
    static const uint8_t fixed[] = {5 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8, 6 << 3 | 5, 1, 2, 3, 4};
    struct message model = {0}, looks_alike = way_to(external_tensor("x"), ways[0] + 1);
    put(&model, fixed, sizeof fixed);
    put_number(&model, 7, UINT64_MAX); /* the graph's number, but a varint */
    put_message(&model, 8, &looks_alike);
    put_string(&model, 6, "");
    ck_assert(find(&model));
    ck_assert_int_eq(found_count, 0);
}
END_TEST

/* ---- what is no message ---- */

START_TEST(every_truncation_inside_a_field_is_refused)
{
    struct message model = way_to(external_tensor("somewhere"), ways[8]);
    ck_assert(onnx_references_find(NULL, 0, note, &found_count));
    for (size_t cut = 1; cut < model.length; cut++)
        ck_assert_msg(!onnx_references_find(model.bytes, cut, note, &found_count), "%zu bytes", cut);
}
END_TEST

START_TEST(broken_fields_are_refused)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {"\x3b\x3c", 2},                                              /* a group */
        {"\x3e\x00", 2},                                              /* wire type 6 */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13}, /* a varint without end */
        {"\x08", 1},                                                  /* no value */
        {"\x09\x01\x02\x03", 4},                                      /* half of a fixed64 */
        {"\x0d\x01\x02", 3},                                          /* half of a fixed32 */
        {"\x3a\x05\x01", 3},                                          /* shorter than it says */
        {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},         /* longer than any memory */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(
            !onnx_references_find((const uint8_t *)cases[i].bytes, cases[i].length, note, &found_count),
            "case %zu", i);
}
END_TEST

START_TEST(graphs_in_graphs_have_an_end)
{
    struct message message = {0};
    for (int i = 0; i < 40; i++) { /* three messages a graph */
        struct message outer = in(6, message);
        outer = in(5, outer);
        message = in(1, outer);
    }
    message = in(7, message);
    ck_assert(!find(&message));
}
END_TEST

/* ---- files ---- */

static bool stay(const char *location)
{
    const char *path = onnx_with_weights(location);
    bool stays = onnx_references_stay(path, error, sizeof error);
    ck_assert(stays || strstr(error, "which is no file in its folder") != NULL);
    return stays;
}

START_TEST(files_in_the_folder_are_fine)
{
    scratch_file("weights.bin", "w");
    scratch_folder("more");
    scratch_file("more/weights.bin", "w");
    ck_assert_int_eq(symlink("more/weights.bin", scratch_path("link")), 0);
    ck_assert(stay("weights.bin"));
    ck_assert(stay("./weights.bin"));
    ck_assert(stay("more/weights.bin"));
    ck_assert(stay("more/../weights.bin"));
    ck_assert(stay("link"));
}
END_TEST

START_TEST(others_are_refused)
{
    char long_name[3000];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    scratch_folder("more");
    ck_assert_int_eq(symlink("/etc/passwd", scratch_path("link")), 0);
    ck_assert_int_eq(symlink("/etc", scratch_path("folder")), 0);
    static const char *const locations[] = {"/etc/passwd",
                                            "../../etc/passwd",
                                            "../../../../../../etc/passwd",
                                            "more/../../../etc/passwd",
                                            "link",
                                            "folder/passwd",
                                            "missing",
                                            "",
                                            ".",
                                            "more",
                                            "model.onnx/x",
                                            "*/_ORT_MEM_ADDR_/*",
                                            "\x01\xff"};
    for (size_t i = 0; i < COUNT_OF(locations); i++)
        ck_assert_msg(!stay(locations[i]), "%s", locations[i]);
    ck_assert(!stay(long_name));
    ck_assert(!stay("\x01"));
    ck_assert_str_eq(error, "it refers to ?, which is no file in its folder");
}
END_TEST

START_TEST(a_folder_whose_name_begins_alike_is_another)
{
    scratch_folder("1");
    scratch_folder("10");
    scratch_file("10/weights.bin", "w");
    const char *written = onnx_with_weights("../10/weights.bin"), *moved = scratch_path("1/model.onnx");
    ck_assert_int_eq(rename(written, moved), 0);
    ck_assert(!onnx_references_stay(moved, error, sizeof error));
}
END_TEST

START_TEST(a_path_without_a_folder_is_looked_up_here)
{
    scratch_file("weights.bin", "w");
    onnx_with_weights("weights.bin");
    ck_assert_int_eq(chdir(scratch_directory), 0);
    ck_assert(onnx_references_stay("model.onnx", error, sizeof error));
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    ck_assert(!onnx_references_stay(scratch_path("missing"), error, sizeof error));
    ck_assert_str_eq(error, "No such file or directory");
    ck_assert(!onnx_references_stay(scratch_file("empty", ""), error, sizeof error));
    ck_assert_str_eq(error, "No data available");
    ck_assert(!onnx_references_stay(scratch_directory, error, sizeof error));
    ck_assert_str_eq(error, "Is a directory");
    ck_assert(!onnx_references_stay(scratch_file("text", "this is no model"), error, sizeof error));
    ck_assert_str_eq(error, "it is no ONNX model, or is cut off");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        they_are_found_wherever_tensors_are,
        all_are_found_until_one_is_refused,
        an_entry_counts_by_its_last_key_and_value,
        other_fields_are_passed_over,
        every_truncation_inside_a_field_is_refused,
        broken_fields_are_refused,
        graphs_in_graphs_have_an_end,
        files_in_the_folder_are_fine,
        others_are_refused,
        a_folder_whose_name_begins_alike_is_another,
        a_path_without_a_folder_is_looked_up_here,
        what_cannot_be_read_is_named,
    };
    return SUITE_RUN("onnx_references", set_up, tear_down, tests);
}
