/* A file of keys with any bytes, as a certificate and as a list: whatever is taken has the form that the rest
 * of the program relies on, and each key of a list is found for its doors. SPDX-License-Identifier: MIT */
#include "allow.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void try_certificate(struct text text)
{
    struct key_pair pair;
    char reason[256] = "";
    if (!key_parse(text, &pair, reason, sizeof reason)) {
        ENSURE(*reason != '\0' && *pair.secret_key == '\0');
        return;
    }
    ENSURE(*pair.name == '\0' || key_name_ok(text_of(pair.name)));
    ENSURE(*pair.public_key == '\0' || key_ok(text_of(pair.public_key)));
    ENSURE(*pair.secret_key == '\0' || key_ok(text_of(pair.secret_key)));
    ENSURE(pair.doors != 0 && (pair.doors & ~(unsigned)KEY_ALL_DOORS) == 0);
}

static void try_list(struct text text)
{
    struct allow_list *list = allow_new();
    char reason[256] = "";
    bool good = allow_parse(list, text, reason, sizeof reason);
    ENSURE(good || *reason != '\0');
    ENSURE(list->count <= ALLOW_MAX);
    for (size_t i = 0; good && i < list->count; i++) {
        const struct allow_entry *entry = &list->entries[i];
        enum key_door door = (entry->doors & KEY_WORKERS) != 0 ? KEY_WORKERS : KEY_ASKERS;
        ENSURE(key_ok(text_of(entry->key)) && key_name_ok(text_of(entry->name)));
        ENSURE(allow_find(list, entry->key, door) == entry);
    }
    allow_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct text text = {(const char *)bytes, length};
    try_certificate(text);
    try_list(text);
    return 0;
}
