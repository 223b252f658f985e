/* key: CURVE keys as text, and the files that hold them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_KEY_H
#define OUTRIGGER_KEY_H

#include "object.h"

#include <sys/types.h>

/* A key is 32 bytes, written as 40 characters in Z85 (ZeroMQ's RFC 32). */
enum {
    KEY_LENGTH = 40,
    KEY_NAME_MAX = 64,
    KEY_MODELS_MAX = 512, /* bytes of the models' names, with a blank between each two */
    KEY_FILE_MAX = 4096,  /* bytes of a file of one key */
    KEY_SHOWN = 8         /* characters of a public key that logs show: enough to find it in a list */
};
#define KEY_SUFFIX        ".key"        /* of the file that may be given away */
#define KEY_SUFFIX_SECRET ".key_secret" /* of the one that stays */

/* Which of the broker's endpoints a key opens. */
enum key_door { KEY_WORKERS = 1, KEY_ASKERS = 2 };
#define KEY_ALL_DOORS (KEY_WORKERS | KEY_ASKERS)

/* What a file of one key says; "" = it does not. Whoever has had a secret in it wipes it with key_wipe. */
struct key_pair {
    char name[KEY_NAME_MAX + 1]; /* of whoever has the secret */
    char public_key[KEY_LENGTH + 1];
    char secret_key[KEY_LENGTH + 1];
    unsigned doors;                  /* key_door's; KEY_ALL_DOORS unless the file says less */
    char models[KEY_MODELS_MAX + 1]; /* that a worker with it may serve, as api_key.h has them; "": all */
};

/* True for 40 characters that stand for 32 bytes. */
bool key_ok(struct text key);
/* True for 1 to 64 of A-Z a-z 0-9 . _ -, no dot first. */
bool key_name_ok(struct text name);
/* Reads such models, parted by commas. False when they are none. */
bool key_models_read(struct text text, char models[KEY_MODELS_MAX + 1]);
/* "workers" or "askers"; 0 for another word. */
unsigned key_door_of(struct text word);
/* True when both are the same key. Takes as long whichever character differs. */
bool key_equal(const char left[KEY_LENGTH], const char right[KEY_LENGTH]);
/* Overwrites a secret. */
void key_wipe(void *secret, size_t bytes);

/* Reads a certificate in ZeroMQ's form (as keygen, czmq and pyzmq write it): lines of `name = "value"`, of
 * which name, public-key, secret-key, doors and models count. False, and in `reason` what is wrong, with the
 * line; never a value, which may be the secret. */
bool key_parse(struct text bytes, struct key_pair *pair, char *reason, size_t capacity);
/* The same from a file. `secret`: it must hold a secret, belong to us or root, and be closed to others
 * (mode 0640 or less); else it must hold a public key. `reason` begins with the path. */
bool key_read(const char *path, bool secret, struct key_pair *pair, char *reason, size_t capacity);

/* The bytes of a regular file of at most `capacity` bytes, which go to `bytes`; how many, or -1 and why not.
 * With `secret` as for key_read. */
ssize_t key_slurp(const char *path, bool secret, char *bytes, size_t capacity, const char **complaint);
/* The same of a secret that is that user's, or root's. */
ssize_t key_slurp_of(const char *path, uid_t reader, char *bytes, size_t capacity, const char **complaint);

/* Writes NAME.key (mode 0644) and NAME.key_secret (0600) to a folder, which must be there. What stands there
 * already is not touched. False with a reason; then neither file was made. */
bool key_write(const char *directory, const struct key_pair *pair, char *reason, size_t capacity);

#endif
