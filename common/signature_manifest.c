/* signature_manifest: see signature_manifest.h. The statement is in-toto's; its predicate lists the files as
 * resources, in an order of its own, and its subject's digest is the SHA-256 of their hashes in that order:
 * it follows from them, and one that does not fit shows a statement that was put together wrongly.
 *
 * We are stricter than the tool that signs where a model could read what nobody has signed: a file that the
 * signer left out (ignore_paths) is refused unless it is git's, since weights and Python modules lie beside
 * the model file and are found by name. Called by provenance.c. SPDX-License-Identifier: MIT */
#include "signature_manifest.h"

#include "strict_json.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "https://model_signing/signature/v1.0"

enum { NAME_SHOWN = 200 };

struct reading {
    const struct contents *contents;
    yyjson_val *ignored; /* the statement's ignore_paths */
    bool links;          /* are taken for what they lead to */
    bool *found;         /* of each file of the contents: it is signed */
    uint8_t sum[CONTENTS_HASH];
    char *reason;
    size_t capacity;
};

static bool refuse(const struct reading *reading, const char *what)
{
    snprintf(reading->reason, reading->capacity, "%s", what);
    return false;
}

static bool refuse_file(const struct reading *reading, struct text name, const char *what)
{
    char shown[NAME_SHOWN];
    text_copy(name, shown, sizeof shown);
    for (char *c = shown; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    snprintf(reading->reason, reading->capacity, "%s %s", shown, what);
    return false;
}

/* ---- hashes ---- */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hash(struct text text, uint8_t hash[CONTENTS_HASH])
{
    if (text.length != 2 * CONTENTS_HASH)
        return false;
    for (size_t i = 0; i < CONTENTS_HASH; i++) {
        int high = digit(text.at[2 * i]), low = digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool refuse_hash(const struct reading *reading, const struct contents_file *file,
                        const uint8_t hash[CONTENTS_HASH])
{
    char what[2 * sizeof(char[2 * CONTENTS_HASH + 1]) + 96], expected[2 * CONTENTS_HASH + 1],
        got[2 * CONTENTS_HASH + 1];
    snprintf(what, sizeof what, "is not the file that was signed: expected SHA-256 %s, got %s",
             contents_hex(hash, expected), contents_hex(file->hash, got));
    return refuse_file(reading, text_of(file->name), what);
}

/* ---- resources ---- */

/* One file that is signed. */
static bool take_resource(struct reading *reading, yyjson_val *resource, EVP_MD_CTX *sum)
{
    struct text name = strict_json_string(resource, "name");
    uint8_t hash[CONTENTS_HASH];
    if (name.at == NULL || !text_is(strict_json_string(resource, "algorithm"), "sha256") ||
        !read_hash(strict_json_string(resource, "digest"), hash))
        return refuse(reading, "the statement lists a file without name or SHA-256 (no other hash is "
                               "taken)");
    ENSURE(EVP_DigestUpdate(sum, hash, sizeof hash) == 1);
    const struct contents_file *file = contents_find(reading->contents, name);
    if (file == NULL)
        return refuse_file(reading, name, "was signed and is not there");
    size_t index = (size_t)(file - reading->contents->files);
    if (reading->found[index])
        return refuse_file(reading, name, "stands in the statement twice");
    reading->found[index] = true;
    if (memcmp(file->hash, hash, sizeof hash) != 0)
        return refuse_hash(reading, file, hash);
    if (file->linked && !reading->links)
        return refuse_file(reading, name,
                           "is a symbolic link, and was signed as a file "
                           "(model_signing sign key --allow_symlinks)");
    return true;
}

static bool take_resources(struct reading *reading, yyjson_val *resources)
{
    size_t index, count;
    yyjson_val *resource;
    bool good = true;
    if (!yyjson_is_arr(resources) || yyjson_arr_size(resources) == 0)
        return refuse(reading, "the statement lists no files");
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    ENSURE(sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1);
    yyjson_arr_foreach(resources, index, count, resource)
    {
        good = good && take_resource(reading, resource, sum);
    }
    ENSURE(EVP_DigestFinal_ex(sum, reading->sum, NULL) == 1);
    EVP_MD_CTX_free(sum);
    return good;
}

/* ---- what is not signed ---- */

/* "a/b" lies in "a", and "a" in itself. A text from JSON may be longer than it looks: it may hold \u0000. */
static bool is_in(const char *name, struct text folder)
{
    return strlen(name) >= folder.length && memcmp(name, folder.at, folder.length) == 0 &&
           (name[folder.length] == '\0' || name[folder.length] == '/');
}

static bool is_git(const char *name)
{
    static const char *const names[] = {".git", ".github", ".gitattributes", ".gitignore"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (is_in(name, text_of(names[i])))
            return true;
    return false;
}

static bool is_ignored(const struct reading *reading, const char *name)
{
    size_t index, count;
    yyjson_val *path;
    yyjson_arr_foreach(reading->ignored, index, count, path)
    {
        struct text text = {yyjson_get_str(path), yyjson_get_len(path)};
        if (yyjson_is_str(path) && text.length > 0 && is_in(name, text))
            return true;
    }
    return false;
}

static bool all_signed(const struct reading *reading)
{
    const struct contents *contents = reading->contents;
    for (size_t i = 0; i < contents->count; i++) {
        const char *name = contents->files[i].name;
        bool ignored = is_ignored(reading, name);
        if (reading->found[i] || strcmp(name, CONTENTS_SIGNATURE) == 0 || (ignored && is_git(name)))
            continue;
        return refuse_file(reading, text_of(name),
                           ignored ? "is left out of the signature (ignore_paths), and a model could read it"
                                   : "was not signed");
    }
    if (contents->odd != NULL)
        return refuse_file(reading, text_of(contents->odd), "is neither file nor folder");
    return true;
}

/* ---- the statement ---- */

static bool read_serialization(struct reading *reading, yyjson_val *serialization)
{
    if (!text_is(strict_json_string(serialization, "method"), "files") ||
        !text_is(strict_json_string(serialization, "hash_type"), "sha256"))
        return refuse(reading, "the model was not signed by the SHA-256 of whole files, which is the default "
                               "of model_signing");
    reading->links = yyjson_is_true(yyjson_obj_get(serialization, "allow_symlinks"));
    reading->ignored = yyjson_obj_get(serialization, "ignore_paths");
    return true;
}

static bool subject_fits(struct reading *reading, yyjson_val *subjects)
{
    uint8_t hash[CONTENTS_HASH];
    yyjson_val *digest = yyjson_obj_get(yyjson_arr_get_first(subjects), "digest");
    if (yyjson_arr_size(subjects) == 1 && read_hash(strict_json_string(digest, "sha256"), hash) &&
        memcmp(hash, reading->sum, sizeof hash) == 0)
        return true;
    return refuse(reading, "the statement's subject is not what its files add up to");
}

static bool read_statement(struct reading *reading, yyjson_val *root)
{
    yyjson_val *predicate = yyjson_obj_get(root, "predicate");
    struct text type = strict_json_string(root, "predicateType");
    if (!text_is(strict_json_string(root, "_type"), STATEMENT_TYPE))
        return refuse(reading, "what is signed is no in-toto statement of version 1");
    if (text_is(type, "https://model_signing/Digests/v0.1"))
        return refuse(reading, "is signed in the form that was before v1.0: sign it again");
    if (!text_is(type, PREDICATE_TYPE))
        return refuse(reading, "what is signed is no model (expected the predicate " PREDICATE_TYPE ")");
    return read_serialization(reading, yyjson_obj_get(predicate, "serialization")) &&
           take_resources(reading, yyjson_obj_get(predicate, "resources")) &&
           subject_fits(reading, yyjson_obj_get(root, "subject")) && all_signed(reading);
}

bool signature_manifest_fits(struct text statement, const struct contents *contents, char *reason,
                             size_t capacity)
{
    const char *complaint;
    struct reading reading = {.contents = contents,
                              .found = object_alloc(contents->count + 1),
                              .reason = reason,
                              .capacity = capacity};
    yyjson_doc *document = strict_json_read(statement, &complaint);
    bool good = document != NULL
                    ? read_statement(&reading, yyjson_doc_get_root(document))
                    : refuse(&reading, "what is signed is no statement: it is no JSON, or holds a "
                                       "member twice");
    yyjson_doc_free(document);
    free(reading.found);
    return good;
}
