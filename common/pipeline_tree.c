/* pipeline_tree: see pipeline_tree.h. Within one file a step can only take what stands before it; a circle
 * needs several models. It would not be refused by itself: each of its workers would wait for the next one
 * for ever, and a version that is promoted later can close one. So it is looked for by those who know the
 * files and which versions are stable: `outrigger check`, and a pipeline's worker before it serves.
 * SPDX-License-Identifier: MIT */
#include "pipeline_tree.h"

#include <stdio.h>
#include <stdlib.h>

struct node {
    const char *model; /* views of the list, as the next */
    const char *version;
    struct pipeline *pipeline;
    bool seen;  /* in this walk */
    int height; /* pipelines from here down, as far as they have been seen */
};

struct pipeline_tree {
    struct node *nodes;
    size_t count;
};

/* One walk: what is open now, from the first on. */
struct walk {
    struct pipeline_tree *tree;
    pipeline_tree_stable *stable;
    void *self;
    struct node *open[PIPELINE_DEPTH_MAX];
    size_t depth;
    char *reason;
};

struct pipeline_tree *pipeline_tree_new(const struct model_list *list)
{
    struct pipeline_tree *tree = object_alloc(sizeof *tree);
    size_t most = 0;
    for (size_t i = 0; i < list->count; i++)
        most += list->models[i]->versions.count;
    tree->nodes = object_alloc(most * sizeof *tree->nodes);
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < list->models[i]->versions.count; j++) {
            struct config_errors ignored = {0};
            const struct model_config *model = list->models[i];
            const char *backend = "", *version = model->versions.names[j];
            char *file = model_file(model, version, &backend, &ignored);
            struct pipeline *pipeline =
                file != NULL && strcmp(backend, "pipeline") == 0 ? pipeline_read(file, &ignored) : NULL;
            if (pipeline != NULL)
                tree->nodes[tree->count++] = (struct node){model->name, version, pipeline, false, 0};
            free(file);
        }
    return tree;
}

void pipeline_tree_free(struct pipeline_tree *tree)
{
    if (tree == NULL)
        return;
    for (size_t i = 0; i < tree->count; i++)
        pipeline_free(tree->nodes[i].pipeline);
    free(tree->nodes);
    free(tree);
}

static struct node *find(const struct pipeline_tree *tree, const char *model, const char *version)
{
    for (size_t i = 0; i < tree->count; i++)
        if (strcmp(tree->nodes[i].model, model) == 0 && strcmp(tree->nodes[i].version, version) == 0)
            return &tree->nodes[i];
    return NULL;
}

const struct pipeline *pipeline_tree_find(const struct pipeline_tree *tree, const char *model,
                                          const char *version)
{
    const struct node *node = find(tree, model, version);
    return node == NULL ? NULL : node->pipeline;
}

/* Always false. `from` is the first of the way that is told, which ends at the part. */
static bool refuse(struct walk *walk, size_t from, const struct pipeline_part *part, const char *what)
{
    size_t length = 0;
    for (size_t i = from; i < walk->depth && length < PIPELINE_TREE_REASON_MAX; i++)
        length += (size_t)snprintf(walk->reason + length, PIPELINE_TREE_REASON_MAX - length, "%s %s asks ",
                                   walk->open[i]->model, walk->open[i]->version);
    if (length < PIPELINE_TREE_REASON_MAX)
        snprintf(walk->reason + length, PIPELINE_TREE_REASON_MAX - length, "%s%s%s: %s", part->model,
                 *part->version == '\0' ? "" : " ", part->version, what);
    return false;
}

static bool visit(struct walk *walk, struct node *node);

static bool visit_part(struct walk *walk, struct node *node, const struct pipeline_part *part)
{
    const char *version = *part->version != '\0' ? part->version : walk->stable(walk->self, part->model);
    for (size_t i = 0; i < walk->depth; i++)
        /* Without a version it is each of the model's that may be promoted. */
        if (strcmp(walk->open[i]->model, part->model) == 0 &&
            (*part->version == '\0' || strcmp(walk->open[i]->version, version) == 0))
            return refuse(walk, i, part, "a pipeline cannot be a part of itself");
    struct node *below = version == NULL ? NULL : find(walk->tree, part->model, version);
    if (below == NULL)
        return true;
    if (!below->seen && walk->depth == PIPELINE_DEPTH_MAX)
        return refuse(walk, 0, part, "more than 8 pipelines within each other");
    if (!below->seen && !visit(walk, below))
        return false;
    if (below->height + 1 > node->height)
        node->height = below->height + 1;
    return (int)walk->depth + below->height <= PIPELINE_DEPTH_MAX ||
           refuse(walk, 0, part, "more than 8 pipelines within each other");
}

static bool visit(struct walk *walk, struct node *node)
{
    node->seen = true;
    node->height = 1;
    walk->open[walk->depth++] = node;
    for (size_t i = 0; i < node->pipeline->step_count; i++)
        for (size_t j = 0; j < node->pipeline->steps[i].part_count; j++)
            if (!visit_part(walk, node, &node->pipeline->steps[i].parts[j]))
                return false;
    walk->depth--;
    return true;
}

bool pipeline_tree_check(struct pipeline_tree *tree, const char *model, const char *version,
                         pipeline_tree_stable *stable, void *self, char reason[PIPELINE_TREE_REASON_MAX])
{
    struct walk walk = {.tree = tree, .stable = stable, .self = self, .reason = reason};
    struct node *node = find(tree, model, version);
    for (size_t i = 0; i < tree->count; i++)
        tree->nodes[i].seen = false;
    return node == NULL || visit(&walk, node);
}
