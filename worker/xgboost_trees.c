/* xgboost_trees: see xgboost_trees.h. The library follows the numbers of a model file as it finds them: a
 * child that is no node, a feature that is no column, or a class that is no output lead it out of its arrays,
 * and a node that is its own descendant never lets it go. Which of them a row comes by depends on the row, so
 * that a damaged model can pass its trial and die of a request. Hence everything that is followed is looked
 * at before.
 *
 * It is against damage. Who makes a file in order to break the library will find other ways, and the sandbox.
 * SPDX-License-Identifier: MIT */
#include "xgboost_trees.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum { WIDTH_MAX = 65536 /* columns of a row, and outputs */, NOT_FOUND = -1 };

struct inspection {
    int64_t columns, outputs;
    char *error;
    size_t capacity;
};

__attribute__((format(printf, 2, 3))) static bool fault(const struct inspection *inspection,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(inspection->error, inspection->capacity, format, arguments);
    va_end(arguments);
    return false;
}

/* The library writes the parameters as texts. */
static int64_t parameter(yyjson_val *object, const char *name, int64_t otherwise)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    char *end;
    if (text == NULL)
        return otherwise;
    int64_t value = strtoll(text, &end, 10);
    return *end == '\0' ? value : NOT_FOUND;
}

/* A list of whole numbers in an array of its own, `*count` long, which the caller frees; NULL: it is none. */
static int64_t *read_list(yyjson_val *object, const char *name, size_t *count)
{
    yyjson_val *list = yyjson_obj_get(object, name), *value;
    size_t i;
    if (!yyjson_is_arr(list))
        return NULL;
    int64_t *numbers = object_alloc(yyjson_arr_size(list) * sizeof *numbers);
    yyjson_arr_foreach(list, i, *count, value)
    {
        if (!yyjson_is_int(value)) {
            free(numbers);
            return NULL;
        }
        numbers[i] = yyjson_get_sint(value);
    }
    *count = yyjson_arr_size(list);
    return numbers;
}

/* ---- one tree ---- */

struct nodes {
    size_t count;
    int64_t *left, *right, *column;
};

static void free_nodes(struct nodes *nodes)
{
    free(nodes->left);
    free(nodes->right);
    free(nodes->column);
}

/* The other lists of a tree have something for each node, too, where it has them. */
static bool lists_agree(yyjson_val *tree, size_t count)
{
    static const char *const names[] = {"parents",    "split_conditions", "default_left",
                                        "split_type", "loss_changes",     "sum_hessian"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t length = yyjson_arr_size(yyjson_obj_get(tree, names[i]));
        if (length != 0 && length != count)
            return false;
    }
    return parameter(yyjson_obj_get(tree, "tree_param"), "num_nodes", (int64_t)count) == (int64_t)count;
}

static bool read_nodes(yyjson_val *tree, struct nodes *nodes)
{
    size_t right, column;
    nodes->left = read_list(tree, "left_children", &nodes->count);
    nodes->right = read_list(tree, "right_children", &right);
    nodes->column = read_list(tree, "split_indices", &column);
    return nodes->left != NULL && nodes->right != NULL && nodes->column != NULL && nodes->count > 0 &&
           right == nodes->count && column == nodes->count && lists_agree(tree, nodes->count);
}

/* Puts a child on the list of those to look at, and marks it. */
static bool reach(int64_t child, const struct nodes *nodes, bool *reached, size_t *waiting, size_t *count)
{
    if (child < 0 || (size_t)child >= nodes->count || reached[child])
        return false;
    reached[child] = true;
    waiting[(*count)++] = (size_t)child;
    return true;
}

/* From the root on, so that nodes which pruning has left behind do not count; each is reached once. */
static bool walk(const struct inspection *inspection, size_t tree, const struct nodes *nodes, bool *reached,
                 size_t *waiting)
{
    size_t count = 1;
    reached[0] = true;
    waiting[0] = 0;
    while (count > 0) {
        size_t node = waiting[--count];
        int64_t left = nodes->left[node], right = nodes->right[node], column = nodes->column[node];
        if (left == -1) /* a leaf */
            continue;
        if (!reach(left, nodes, reached, waiting, &count) || !reach(right, nodes, reached, waiting, &count))
            return fault(
                inspection,
                "tree %zu, node %zu: its children %lld and %lld are not two nodes of their own of the "
                "tree's %zu",
                tree, node, (long long)left, (long long)right, nodes->count);
        if (column < 0 || column >= inspection->columns)
            return fault(inspection, "tree %zu, node %zu: it looks at column %lld of %lld", tree, node,
                         (long long)column, (long long)inspection->columns);
    }
    return true;
}

static bool tree_ok(const struct inspection *inspection, size_t index, yyjson_val *tree)
{
    struct nodes nodes = {0};
    bool good = read_nodes(tree, &nodes);
    if (!good)
        fault(inspection, "tree %zu: its lists of nodes are none, or not of one length", index);
    yyjson_val *place = yyjson_obj_get(tree, "id");
    if (good && place != NULL && (!yyjson_is_int(place) || yyjson_get_sint(place) != (int64_t)index))
        good = fault(inspection, "tree %zu: that is not the place that it says", index);
    bool *reached = object_alloc(nodes.count * sizeof *reached);
    size_t *waiting = object_alloc((nodes.count + 1) * sizeof *waiting);
    good = good && walk(inspection, index, &nodes, reached, waiting);
    free(waiting);
    free(reached);
    free_nodes(&nodes);
    return good;
}

/* ---- all of them ---- */

/* The list has one number for each tree, each below `limit`. */
static bool each_below(yyjson_val *model, const char *name, size_t trees, int64_t limit)
{
    size_t count = 0;
    int64_t *numbers = read_list(model, name, &count);
    bool good = numbers != NULL && count == trees;
    for (size_t i = 0; good && i < count; i++)
        good = numbers[i] >= 0 && numbers[i] < limit;
    free(numbers);
    return good;
}

/* Where the trees of each round begin; older versions do not say it. */
static bool rounds_ok(yyjson_val *model, size_t trees)
{
    size_t count = 0;
    if (yyjson_obj_get(model, "iteration_indptr") == NULL)
        return true;
    int64_t *starts = read_list(model, "iteration_indptr", &count);
    bool good = starts != NULL && count > 0 && starts[0] == 0 && starts[count - 1] == (int64_t)trees;
    for (size_t i = 1; good && i < count; i++)
        good = starts[i - 1] <= starts[i];
    free(starts);
    return good;
}

static bool model_ok(const struct inspection *inspection, yyjson_val *model)
{
    yyjson_val *trees = yyjson_obj_get(model, "trees"), *tree;
    size_t i, count = yyjson_arr_size(trees);
    if (!yyjson_is_arr(trees))
        return fault(inspection, "it has no list of trees");
    if (parameter(yyjson_obj_get(model, "gbtree_model_param"), "num_trees", NOT_FOUND) != (int64_t)count)
        return fault(inspection, "it has %zu trees, and says another number", count);
    if (!each_below(model, "tree_info", count, inspection->outputs))
        return fault(inspection, "its trees are not each for one of %lld outputs",
                     (long long)inspection->outputs);
    if (!rounds_ok(model, count))
        return fault(inspection, "its rounds are not those of its %zu trees", count);
    yyjson_arr_foreach(trees, i, count, tree)
    {
        if (!tree_ok(inspection, i, tree))
            return false;
    }
    return true;
}

static bool booster_ok(const struct inspection *inspection, yyjson_val *booster)
{
    const char *name = yyjson_get_str(yyjson_obj_get(booster, "name"));
    if (name != NULL && strcmp(name, "gblinear") == 0) {
        size_t wanted = (size_t)((inspection->columns + 1) * inspection->outputs);
        return yyjson_arr_size(yyjson_obj_get(yyjson_obj_get(booster, "model"), "weights")) == wanted ||
               fault(inspection, "it has not the %zu weights that its columns take", wanted);
    }
    if (name == NULL || strcmp(name, "dart") != 0)
        return model_ok(inspection, yyjson_obj_get(booster, "model"));
    yyjson_val *model = yyjson_obj_get(yyjson_obj_get(booster, "gbtree"), "model");
    return (yyjson_arr_size(yyjson_obj_get(booster, "weight_drop")) ==
                yyjson_arr_size(yyjson_obj_get(model, "trees")) ||
            fault(inspection, "it has not one weight for each tree")) &&
           model_ok(inspection, model);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool within(int64_t number, int64_t least)
{
    return number >= least && number <= WIDTH_MAX;
}

static bool learner_ok(struct inspection *inspection, yyjson_val *learner)
{
    yyjson_val *parameters = yyjson_obj_get(learner, "learner_model_param");
    int64_t classes = parameter(parameters, "num_class", 0), targets = parameter(parameters, "num_target", 1);
    inspection->columns = parameter(parameters, "num_feature", NOT_FOUND);
    inspection->outputs = larger(1, larger(classes, targets));
    if (within(inspection->columns, 1) && within(classes, 0) && within(targets, 0))
        return booster_ok(inspection, yyjson_obj_get(learner, "gradient_booster"));
    return fault(inspection,
                 "it has %lld features, %lld classes and %lld targets; 1 to %d, and at most so many of the "
                 "others, can be served",
                 (long long)inspection->columns, (long long)classes, (long long)targets, WIDTH_MAX);
}

bool xgboost_trees_ok(const char *json, size_t length, char *error, size_t capacity)
{
    struct inspection inspection = {.error = error, .capacity = capacity};
    yyjson_doc *doc = yyjson_read_opts((char *)json, length, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL);
    yyjson_val *learner = yyjson_obj_get(yyjson_doc_get_root(doc), "learner");
    bool good = learner != NULL ? learner_ok(&inspection, learner)
                                : fault(&inspection, "it is no model of XGBoost, or is cut off");
    yyjson_doc_free(doc);
    return good;
}
