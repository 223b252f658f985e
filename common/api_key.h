/* api_key: keys of clients: their text, and STATE/keys.json, which knows them without being able to tell
 * them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_API_KEY_H
#define OUTRIGGER_API_KEY_H

#include "config.h"
#include "rights.h"
#include "sha256.h"

#include <yyjson.h>

/* ork_ID_SECRETCHECK, parts of 0-9 A-Z a-z: ID is public and finds the key, SECRET is 190 bits, CHECK is
 * FNV-1a of all before it, modulo 62^6, so that what was mistyped or cut off is known for it without a look
 * at any list.
 */
#define API_KEY_PREFIX "ork_"
enum {
    API_KEY_ID = 12,
    API_KEY_SECRET = 32,
    API_KEY_CHECK = 6,
    API_KEY_LENGTH = 4 + API_KEY_ID + 1 + API_KEY_SECRET + API_KEY_CHECK,
    API_KEY_NAME_MAX = 64,    /* bytes */
    API_KEY_MODELS_MAX = 512, /* bytes of the models' names, with a blank between each two */
    API_KEYS_MAX = 4096,
    API_KEY_FILE_MAX = 8 << 20 /* bytes of keys.json */
};

/* One entry. */
struct api_key {
    char id[API_KEY_ID + 1];
    char name[API_KEY_NAME_MAX + 1];
    uint8_t digest[SHA256_BYTES];   /* of the key's text */
    uint8_t previous[SHA256_BYTES]; /* likewise of the one before a rotation, good until previous_until */
    int64_t previous_until;         /* seconds since 1970; 0: there is none */
    unsigned rights;                /* enum right's, added */
    char models[API_KEY_MODELS_MAX + 1]; /* names, parted by blanks, "prefix*" too; "": all */
    int64_t created;                     /* seconds since 1970 */
    int64_t expires;                     /* likewise; 0: never */
    double requests_per_s, rows_per_s;   /* limits of its own; 0: those of everybody */
    double burst;                        /* likewise, requests; 0: not said */
};

/* By id, ascending; no id twice. */
struct api_keys {
    struct api_key *keys;
    size_t count;
};

/* ---- the text of a key ---- */

/* True when it is long enough, of the right letters, and its checksum fits. */
bool api_key_well_formed(struct text text);
/* A new one with that id (NULL: a new one, too), from the kernel's random numbers. Wipe it after use. */
void api_key_make(const char *id, char text[API_KEY_LENGTH + 1]);
/* True for API_KEY_ID letters. */
bool api_key_id_ok(struct text text);
/* Whose limits and turn in the queue it is: a hash of the id, never 0, the same in every process. */
uint64_t api_key_tenant(const char *id);

/* ---- parts of an entry ---- */

/* Whether a list of names, and of "prefix*", parted by blanks, has the model; an empty one has all. */
bool api_key_models_have(const char *models, struct text model);
/* Reads such a list, parted by commas or blanks. False when a part is none, or all are too long together: the
 * part is copied to `word`. */
enum { API_KEY_WORD_MAX = 40 };
bool api_key_models_read(const char *text, char models[API_KEY_MODELS_MAX + 1], char word[API_KEY_WORD_MAX]);
/* True for a name of a model, a part of one and a *, and * alone. */
bool api_key_model_ok(struct text pattern);
/* True for 1 to 64 printable characters of ASCII. */
bool api_key_name_ok(struct text name);

/* ---- the file ---- */

/* Reads the text of a file called `name`. NULL when anything is wrong with it: all of it is in `errors`, with
 * the entry, and never a digest. The caller frees with api_keys_free. */
struct api_keys *api_keys_parse(const char *name, struct text text, struct config_errors *errors);
/* The same from the disk; one that is not there is an empty list. It must be a regular file of ours or
 * root's that is closed to others (mode 0640 or less); root takes that of the user whose folder it is in,
 * too. */
struct api_keys *api_keys_read(const char *path, struct config_errors *errors);
void api_keys_free(struct api_keys *keys);                                  /* NULL is fine */
struct api_key *api_keys_find(const struct api_keys *keys, const char *id); /* NULL: there is none */
/* Adds a copy. False when there are API_KEYS_MAX, or one of that id. */
bool api_keys_add(struct api_keys *keys, const struct api_key *key);
void api_keys_remove(struct api_keys *keys, struct api_key *key);
/* Writes the file anew, in one step and to the disk, with mode 0600 (or that of the file before, if it lets
 * a group read it, too), for the user whose folder it is in. 0, or -1 with errno; then it is what it was. */
int api_keys_write(const char *path, const struct api_keys *keys);
/* Its text, which the caller frees. */
char *api_keys_print(const struct api_keys *keys, size_t *length);
/* Adds the members `models` and `limits`, where there are such, as they stand in the file. */
void api_key_models_to_json(const char *models, yyjson_mut_doc *document, yyjson_mut_val *object);
void api_key_limits_to_json(const struct api_key *key, yyjson_mut_doc *document, yyjson_mut_val *object);
/* Makes the folder of the file when it is missing, and waits until no other command is changing the file.
 * Returns a descriptor that is closed when all is done, or -1 with errno. */
int api_keys_lock(const char *path);

#endif
