/* provenance: the order in which a worker finds out what it has, which is what makes it of use:
 *
 *   1. before its sandbox: the keys are read, whose files the sandbox does not show, and every file of the
 *      version is hashed, wherever links lead. Nobody looks at what the bytes mean.
 *   2. in the sandbox: the signature is read (JSON, base64, a key's arithmetic: bytes from outside) and
 *      compared with the hashes. The engine has not seen a byte yet. The supervisor could do it as well, but
 *      would read outside bytes with all its rights, and not on the host of a worker elsewhere.
 *   3. the engine opens the files by their names: ONNX Runtime, the loader and Python all do, and more than
 *      the one file (weights, modules), so they cannot be given the bytes that were hashed.
 *   4. when the model is loaded, and before the broker hears of it: nothing may have changed since 1.
 *
 * What that means for somebody who can write in the folder and has no key: what he puts there is refused. Who
 * changes a file or the folder between 1 and 3 is found out at 4 (but for what contents.c names) and never
 * serves, but the engine has read it, and where it is a program (a plug-in, Python) it has run, in the
 * sandbox, and might lie at 4. So the folder must not be his to write all the same; `outrigger check` says
 * where it is. SPDX-License-Identifier: MIT */
#include "provenance.h"

#include "contents.h"
#include "log.h"
#include "signature_bundle.h"
#include "signature_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROVENANCE_MAGIC = 0x9405e4a1 };

struct provenance {
    unsigned magic;
    struct contents *contents; /* NULL: not known */
    struct signing_keys *keys; /* NULL: nobody need have signed */
    char *signature;           /* the bytes of model.sig; NULL: there is none */
    size_t signature_length;
};

/* ---- before the sandbox ---- */

static char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    size_t length = slash == NULL ? 1 : slash == file ? 1 : (size_t)(slash - file);
    return text_copy((struct text){slash == NULL ? "." : file, length}, object_alloc(length + 1), length + 1);
}

/* Reads the signature, if there is one; false with `reason` when that cannot be. */
static bool read_signature(struct provenance *provenance, const char *folder, char *reason, size_t capacity)
{
    const struct contents_file *listed = contents_find(provenance->contents, text_of(CONTENTS_SIGNATURE));
    if (listed == NULL)
        return true;
    size_t length = listed->size > SIGNATURE_BYTES_MAX ? SIGNATURE_BYTES_MAX + 1 : (size_t)listed->size;
    char *path;
    ENSURE(asprintf(&path, "%s/%s", folder, CONTENTS_SIGNATURE) >= 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL)
        snprintf(reason, capacity, "%s: %s", path, strerror(errno));
    free(path);
    if (file == NULL)
        return false;
    provenance->signature = object_alloc(length + 1);
    provenance->signature_length = fread(provenance->signature, 1, length, file);
    fclose(file);
    return true;
}

static bool gather(struct provenance *provenance, const char *folder, const char *signing_keys, char *reason,
                   size_t capacity)
{
    char why[512];
    if (*signing_keys != '\0' &&
        (provenance->keys = signing_keys_read(signing_keys, why, sizeof why)) == NULL) {
        snprintf(reason, capacity, "signing.keys: %s", why);
        return false;
    }
    provenance->contents = contents_read(folder, reason, capacity);
    if (provenance->keys != NULL)
        return provenance->contents != NULL && read_signature(provenance, folder, reason, capacity);
    if (provenance->contents == NULL)
        log_warning("the digest of %s is not known: %s", folder, reason);
    return true;
}

struct provenance *provenance_gather(const char *model_file, const char *signing_keys, char *reason,
                                     size_t capacity)
{
    struct provenance *provenance = object_alloc(sizeof *provenance);
    provenance->magic = PROVENANCE_MAGIC;
    char *folder = folder_of(model_file);
    bool good = gather(provenance, folder, signing_keys, reason, capacity);
    free(folder);
    if (good)
        return provenance;
    provenance_free(provenance);
    return NULL;
}

/* ---- in it ---- */

static bool verify(const struct provenance *provenance, char *reason, size_t capacity)
{
    struct signature_bundle bundle;
    const char *complaint =
        signature_bundle_read((struct text){provenance->signature, provenance->signature_length}, &bundle);
    if (complaint == NULL)
        complaint = signing_keys_verify(provenance->keys, &bundle);
    else
        bundle = (struct signature_bundle){0};
    bool good = complaint == NULL &&
                signature_manifest_fits((struct text){(const char *)bundle.payload, bundle.payload_length},
                                        provenance->contents, reason, capacity);
    if (complaint != NULL)
        snprintf(reason, capacity, "%s", complaint);
    signature_bundle_free(&bundle);
    return good;
}

bool provenance_trusted(const struct provenance *provenance, char *reason, size_t capacity)
{
    char why[512];
    CHECK_OBJECT(provenance, PROVENANCE_MAGIC);
    if (provenance->keys == NULL)
        return true;
    const char *folder = provenance->contents->folder;
    if (provenance->signature == NULL)
        snprintf(reason, capacity,
                 "%s: the model is not signed: expected %s there, made with one of the keys of signing.keys",
                 folder, CONTENTS_SIGNATURE);
    else if (verify(provenance, why, sizeof why))
        return true;
    else
        snprintf(reason, capacity, "%s/%s: %s", folder, CONTENTS_SIGNATURE, why);
    return false;
}

bool provenance_holds(const struct provenance *provenance, char *reason, size_t capacity)
{
    CHECK_OBJECT(provenance, PROVENANCE_MAGIC);
    return provenance->contents == NULL || contents_same(provenance->contents, reason, capacity);
}

const char *provenance_digest(const struct provenance *provenance)
{
    CHECK_OBJECT(provenance, PROVENANCE_MAGIC);
    return provenance->contents == NULL ? "" : provenance->contents->digest;
}

bool provenance_demanded(const struct provenance *provenance)
{
    CHECK_OBJECT(provenance, PROVENANCE_MAGIC);
    return provenance->keys != NULL;
}

void provenance_free(struct provenance *provenance)
{
    if (provenance == NULL)
        return;
    CHECK_OBJECT(provenance, PROVENANCE_MAGIC);
    contents_free(provenance->contents);
    signing_keys_free(provenance->keys);
    free(provenance->signature);
    provenance->magic = 0;
    free(provenance);
}
