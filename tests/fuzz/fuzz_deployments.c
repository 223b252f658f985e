/* Any text as deployments.json: what holds can be written again, and is then read without a complaint as the
 * same. SPDX-License-Identifier: MIT */
#include "deployments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool same_text(const char *left, const char *right)
{
    return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static bool same_list(const struct config_names *left, const struct config_names *right)
{
    bool same = left->count == right->count;
    for (size_t i = 0; same && i < left->count; i++)
        same = deployment_lists(right, left->names[i]);
    return same;
}

static void expect_same(const struct deployment *left, const struct deployment *right)
{
    ENSURE(same_text(left->stable, right->stable) && same_text(left->previous, right->previous));
    ENSURE(same_text(left->serving, right->serving));
    ENSURE((left->route == NULL) == (right->route == NULL));
    ENSURE(left->route == NULL || route_equals(left->route, right->route));
    ENSURE(left->stopped == right->stopped && left->instances == right->instances);
    ENSURE(left->instances_min == right->instances_min && left->instances_max == right->instances_max);
    ENSURE(same_list(&left->loaded, &right->loaded) && same_list(&left->unloaded, &right->unloaded));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char path[64];
    struct config_errors errors = {0}, none = {0};
    struct deployments *said = deployments_parse("input", (const char *)bytes, length, &errors);
    snprintf(path, sizeof path, "/tmp/outrigger-fuzz-deployments.%ld", (long)getpid());
    ENSURE(deployments_write(path, said) == 0);
    struct deployments *again = deployments_read(path, &none);
    ENSURE(none.count == 0 && again->count <= said->count);
    for (size_t i = 0; i < again->count; i++)
        expect_same(again->models[i], deployments_find(said, again->models[i]->model));
    unlink(path);
    deployments_free(again);
    deployments_free(said);
    return 0;
}
