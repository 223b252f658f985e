/* allow: the public keys that may come in over tcp, and whose they are. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ALLOW_H
#define OUTRIGGER_ALLOW_H

#include "key.h"

enum { ALLOW_MAX = 4096 }; /* keys of one list: as many as the broker has workers */

struct allow_entry {
    char key[KEY_LENGTH + 1];
    char name[KEY_NAME_MAX + 1];
    unsigned doors;                  /* key_door's */
    char models[KEY_MODELS_MAX + 1]; /* that a worker with it may serve (key.h); "": all */
};

struct allow_list {
    struct allow_entry *entries;
    size_t count;
    size_t capacity;
};

/* An empty list: nobody may. Never NULL. */
struct allow_list *allow_new(void);
void allow_free(struct allow_list *list);

/* Adds a copy, without a look at what is there. */
void allow_add(struct allow_list *list, const struct allow_entry *entry);
/* Adds what a list says, one key a line: NAME KEY [workers [MODELS]|askers], and comments, which begin with
 * #. False, and in `reason` what is wrong, with the line; the list is of no use then. No key and no name
 * twice. */
bool allow_parse(struct allow_list *list, struct text bytes, char *reason, size_t capacity);
/* Reads such a file, or a folder: of that each *.key, a certificate (key.h) whose name is that in it, else
 * the file's. NULL with a reason that begins with the path. The caller frees it. */
struct allow_list *allow_read(const char *path, char *reason, size_t capacity);

/* True when a worker with the key of that entry may serve the model. */
bool allow_serves(const struct allow_entry *entry, struct text model);
/* The entry of that key, if it opens that door, else NULL. Takes as long whatever it finds: what a stranger
 * can measure tells nothing of the keys that are in the list. */
const struct allow_entry *allow_find(const struct allow_list *list, const char key[KEY_LENGTH],
                                     enum key_door door);

#endif
