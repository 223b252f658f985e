/* contents: what lies in the folder of a version: every file with its SHA-256, and one digest of them all.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONTENTS_H
#define OUTRIGGER_CONTENTS_H

#include "object.h"

#include <sys/stat.h>

/* The signature of a version lies in its folder and is no part of the digest: signing changes no model. */
#define CONTENTS_SIGNATURE "model.sig"

enum {
    CONTENTS_HASH = 32,         /* bytes of a SHA-256 */
    CONTENTS_DIGEST = 72,       /* bytes of "sha256:", 64 hexadecimal digits and the terminator */
    CONTENTS_FILES_MAX = 65536, /* of one folder */
    CONTENTS_DEPTH_MAX = 16     /* folders in folders; ends circles of links, too */
};

struct contents_file {
    char *name;  /* below the folder: "weights/0.bin" */
    bool linked; /* it, or a folder on the way to it, is a symbolic link */
    uint8_t hash[CONTENTS_HASH];
    /* What it was when it was read. */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct contents {
    char *folder;
    struct contents_file *files; /* by name, byte by byte */
    size_t count;
    struct contents_file *folders; /* the folder itself ("") and those in it, without hashes, in any order */
    size_t folder_count;
    char *odd; /* the first name of something that is neither file nor folder, or a link to nothing; NULL */
    char digest[CONTENTS_DIGEST];
};

/* Reads every file of the folder and of the folders in it, also behind symbolic links and with names that
 * begin with a dot. NULL with `reason`, which names the file, when one cannot be read, changes meanwhile, or
 * there are too many.
 *
 * The digest is the SHA-256 of what this prints (all files but the signature of the folder itself):
 *     find -L . -type f ! -path ./model.sig -printf '%P\0' | LC_ALL=C sort -z | xargs -0r sha256sum -z -- |
 *         sha256sum */
struct contents *contents_read(const char *folder, char *reason, size_t capacity);
/* False with `reason` when anything in the folder is another file than the one that was read, or is new, or
 * gone, or was meanwhile, and when the folder or one in it is another. Nothing is read: inodes, sizes and
 * times are compared; of a folder behind a link only what its own times tell, without the name that is new.
 * May be called in a worker's sandbox. */
bool contents_same(const struct contents *contents, char *reason, size_t capacity);
/* The file of that name; NULL. */
const struct contents_file *contents_find(const struct contents *contents, struct text name);
/* The hash as 64 hexadecimal digits. Returns `text`. */
char *contents_hex(const uint8_t hash[CONTENTS_HASH], char text[2 * CONTENTS_HASH + 1]);
void contents_free(struct contents *contents);

#endif
