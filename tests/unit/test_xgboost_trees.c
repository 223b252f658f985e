/* test_xgboost_trees: what is found in trees that are none. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "xgboost_trees.h"

static char error[256];

/* A model of three columns and one tree of these lists; `more` stands beside its trees. */
static bool inspect(const char *left, const char *right, const char *columns, const char *info,
                    const char *more)
{
    char json[2048];
    error[0] = '\0';
    snprintf(json, sizeof json,
             "{\"learner\":{\"learner_model_param\":{\"num_class\":\"2\",\"num_target\":\"1\",\"num_"
             "feature\":\"3\"},"
             "\"gradient_booster\":{\"name\":\"gbtree\",\"model\":{\"gbtree_model_param\":{\"num_trees\":"
             "\"1\"},\"tree_info\":%s,\"trees\":[{"
             "\"left_children\":%s,\"right_children\":%s,\"split_indices\":%s}]%s}}}}",
             info, left, right, columns, more);
    return xgboost_trees_ok(json, strlen(json), error, sizeof error);
}

static void expect_fault(const char *left, const char *right, const char *columns, const char *expected)
{
    ck_assert(!inspect(left, right, columns, "[0]", ""));
    ck_assert_str_eq(error, expected);
}

START_TEST(a_tree_is_a_tree)
{
    ck_assert_msg(inspect("[1,-1,-1]", "[2,-1,-1]", "[2,0,0]", "[1]", ""), "%s", error);
    ck_assert_msg(inspect("[-1]", "[-1]", "[0]", "[0]", ""), "%s", error);
    /* Node 3 was pruned; it leads nowhere, and is reached from nowhere. */
    ck_assert_msg(inspect("[2,-1,-1,9]", "[1,-1,-1,9]", "[2,0,0,9]", "[0]", ""), "%s", error);
}
END_TEST

START_TEST(children_are_nodes_of_their_own)
{
    expect_fault("[3,-1,-1]", "[2,-1,-1]", "[0,0,0]",
                 "tree 0, node 0: its children 3 and 2 are not two nodes of their own of the tree's 3");
    expect_fault("[1,-1,-1]", "[-2,-1,-1]", "[0,0,0]",
                 "tree 0, node 0: its children 1 and -2 are not two nodes of their own of the tree's 3");
    expect_fault("[1,-1,-1]", "[1,-1,-1]", "[0,0,0]",
                 "tree 0, node 0: its children 1 and 1 are not two nodes of their own of the tree's 3");
    expect_fault("[1,0,-1]", "[2,2,-1]", "[0,0,0]",
                 "tree 0, node 1: its children 0 and 2 are not two nodes of their own of the tree's 3");
}
END_TEST

START_TEST(columns_are_those_of_a_row)
{
    expect_fault("[1,-1,-1]", "[2,-1,-1]", "[3,0,0]", "tree 0, node 0: it looks at column 3 of 3");
    expect_fault("[1,-1,-1]", "[2,-1,-1]", "[-1,0,0]", "tree 0, node 0: it looks at column -1 of 3");
}
END_TEST

START_TEST(lists_are_whole_and_of_one_length)
{
    static const char fault[] = "tree 0: its lists of nodes are none, or not of one length";
    expect_fault("[]", "[]", "[]", fault);
    expect_fault("[-1]", "[-1,-1]", "[0]", fault);
    expect_fault("[-1]", "[-1]", "[0,0]", fault);
    expect_fault("[-1]", "{}", "[0]", fault);
    expect_fault("[-1]", "[-1]", "[0.5]", fault);
    expect_fault("[-1]", "[-1]", "[0],\"parents\":[0,0]", fault);
    expect_fault("[-1]", "[-1]", "[0],\"tree_param\":{\"num_nodes\":\"2\"}", fault);
}
END_TEST

START_TEST(trees_are_for_the_outputs_and_the_rounds)
{
    ck_assert(!inspect("[-1]", "[-1]", "[0]", "[2]", ""));
    ck_assert_str_eq(error, "its trees are not each for one of 2 outputs");
    ck_assert(!inspect("[-1]", "[-1]", "[0],\"id\":1,\"x\":[0]", "[0]", ""));
    ck_assert_str_eq(error, "tree 0: that is not the place that it says");
    ck_assert(!inspect("[-1]", "[-1]", "[0]},{\"x\":[0]", "[0]", ""));
    ck_assert_str_eq(error, "it has 2 trees, and says another number");
    ck_assert(!inspect("[-1]", "[-1]", "[0]", "[0,0]", ""));
    ck_assert(!inspect("[-1]", "[-1]", "[0]", "null", ""));
    ck_assert(inspect("[-1]", "[-1]", "[0]", "[0]", ",\"iteration_indptr\":[0,1]"));
    ck_assert(!inspect("[-1]", "[-1]", "[0]", "[0]", ",\"iteration_indptr\":[0,2]"));
    ck_assert_str_eq(error, "its rounds are not those of its 1 trees");
    ck_assert(!inspect("[-1]", "[-1]", "[0]", "[0]", ",\"iteration_indptr\":[0,2,1]"));
    ck_assert(!inspect("[-1]", "[-1]", "[0]", "[0]", ",\"iteration_indptr\":[]"));
}
END_TEST

static bool inspect_json(const char *json)
{
    return xgboost_trees_ok(json, strlen(json), error, sizeof error);
}

START_TEST(other_models_have_what_they_take)
{
    ck_assert(inspect_json("{\"learner\":{\"learner_model_param\":{\"num_feature\":\"3\"},\"gradient_"
                           "booster\":{\"name\":\"gblinear\",\"model\":{\"weights\":"
                           "[1,2,3,4]}}}}"));
    ck_assert(!inspect_json("{\"learner\":{\"learner_model_param\":{\"num_feature\":\"3\"},\"gradient_"
                            "booster\":{\"name\":\"gblinear\",\"model\":{\"weights\":"
                            "[1,2,3]}}}}"));
    ck_assert_str_eq(error, "it has not the 4 weights that its columns take");
    ck_assert(inspect_json("{\"learner\":{\"learner_model_param\":{\"num_feature\":\"3\"},\"gradient_"
                           "booster\":{\"name\":\"dart\",\"weight_drop\":[],"
                           "\"gbtree\":{\"model\":{\"gbtree_model_param\":{\"num_trees\":\"0\"},\"trees\":[],"
                           "\"tree_info\":[]}}}}}"));
    ck_assert(!inspect_json("{\"learner\":{\"learner_model_param\":{\"num_feature\":\"3\"},\"gradient_"
                            "booster\":{\"name\":\"dart\",\"weight_drop\":[1],"
                            "\"gbtree\":{\"model\":{\"gbtree_model_param\":{\"num_trees\":\"0\"},\"trees\":[]"
                            ",\"tree_info\":[]}}}}}"));
    ck_assert(!inspect_json("{\"learner\":{\"learner_model_param\":{\"num_class\":\"65537\"}}}"));
    ck_assert_ptr_nonnull(strstr(error, "it has -1 features, 65537 classes and 1 targets"));
    ck_assert(!inspect_json("{}"));
    ck_assert(!inspect_json("nothing"));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_tree_is_a_tree,
        children_are_nodes_of_their_own,
        columns_are_those_of_a_row,
        lists_are_whole_and_of_one_length,
        trees_are_for_the_outputs_and_the_rounds,
        other_models_have_what_they_take,
    };
    return SUITE_RUN("xgboost_trees", NULL, NULL, tests);
}
