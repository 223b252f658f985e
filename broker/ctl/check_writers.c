/* check_writers: who can change what is signed. It is verified and then read by the engine, and in between it
 * must be nobody's to change: no file of the version, no folder in which a file could give way to another,
 * and not the model's folder and model.conf, which say what is loaded. SPDX-License-Identifier: MIT */
#include "checked.h"

#include <fts.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* True, with a warning, when somebody else can change it. Root and whose service it is can in any case. */
static bool warned(struct check *check, const char *path, const struct stat *status)
{
    uid_t service = check->service == NULL ? geteuid() : check->service->uid;
    bool owned = status->st_uid == 0 || status->st_uid == service || status->st_uid == geteuid();
    if (!owned)
        config_complain(&check->warnings,
                        "signing.keys: the user %u can change %s, also while it is loaded: chown it",
                        (unsigned)status->st_uid, path);
    else if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        config_complain(&check->warnings,
                        "signing.keys: others can change %s, also while it is loaded: chmod go-w it", path);
    else
        return false;
    return true;
}

/* The folder, or the first in it that others can change: also what a link leads to. */
static void look_into(struct check *check, char *folder)
{
    char *const folders[] = {folder, NULL};
    FTS *tree = fts_open(folders, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    const FTSENT *entry;
    while (tree != NULL && (entry = fts_read(tree)) != NULL)
        if ((entry->fts_info == FTS_D || entry->fts_info == FTS_F || entry->fts_info == FTS_DEFAULT) &&
            warned(check, entry->fts_path, entry->fts_statp))
            break;
    if (tree != NULL)
        fts_close(tree);
}

void check_writers(struct check *check, const struct check_model *entry)
{
    const char *directory = entry->model->directory;
    char *folder, *settings;
    struct stat status;
    if (*config_signing_keys(check->config, entry->model->name) == '\0' || entry->version == NULL)
        return;
    ENSURE(asprintf(&folder, "%s/%s", directory, entry->version) >= 0);
    ENSURE(asprintf(&settings, "%s/model.conf", directory) >= 0);
    if (stat(directory, &status) == 0)
        warned(check, directory, &status);
    if (stat(settings, &status) == 0)
        warned(check, settings, &status);
    look_into(check, folder);
    free(settings);
    free(folder);
}
