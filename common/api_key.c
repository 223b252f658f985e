/* api_key: the text of a key, and what its words mean. Pure but for the kernel's random numbers.
 *
 * The prefix makes keys findable where they do not belong (secret scanners look for such), the id finds one
 * among many without a secret being compared, and the checksum sorts out what somebody mistyped before any
 * list is looked at. The secret's 32 letters are drawn evenly from 62: 190 bits, so plain SHA-256 keeps them
 * as well as any slow hash would, and costs a request a third of a microsecond. SPDX-License-Identifier: MIT
 */
#include "api_key.h"

#include "fnv.h"
#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { LETTERS = sizeof letters - 1, CHECKED = API_KEY_LENGTH - API_KEY_CHECK };

/* ---- the text ---- */

static bool is_letter(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool all_letters(const char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_letter(at[i]))
            return false;
    return true;
}

static void write_check(const char *text, char check[API_KEY_CHECK])
{
    uint64_t hash = fnv_add(FNV_START, text, CHECKED);
    for (int i = API_KEY_CHECK - 1; i >= 0; i--, hash /= LETTERS)
        check[i] = letters[hash % LETTERS];
}

bool api_key_well_formed(struct text text)
{
    char check[API_KEY_CHECK];
    size_t prefix = sizeof API_KEY_PREFIX - 1;
    if (text.length != API_KEY_LENGTH || memcmp(text.at, API_KEY_PREFIX, prefix) != 0 ||
        text.at[prefix + API_KEY_ID] != '_' || !all_letters(text.at + prefix, API_KEY_ID) ||
        !all_letters(text.at + prefix + API_KEY_ID + 1, API_KEY_SECRET + API_KEY_CHECK))
        return false;
    write_check(text.at, check);
    return memcmp(text.at + CHECKED, check, sizeof check) == 0;
}

/* Each letter as likely as any other: bytes beyond the last whole 62 are thrown away. */
static void draw_letters(char *at, size_t count)
{
    uint8_t bytes[64];
    for (size_t drawn = 0; drawn < count;) {
        ENSURE(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
        for (size_t i = 0; i < sizeof bytes && drawn < count; i++)
            if (bytes[i] < 256 / LETTERS * LETTERS)
                at[drawn++] = letters[bytes[i] % LETTERS];
    }
    explicit_bzero(bytes, sizeof bytes);
}

void api_key_make(const char *id, char text[API_KEY_LENGTH + 1])
{
    char *at = text + sizeof API_KEY_PREFIX - 1;
    memcpy(text, API_KEY_PREFIX, sizeof API_KEY_PREFIX - 1);
    if (id != NULL)
        memcpy(at, id, API_KEY_ID);
    else
        draw_letters(at, API_KEY_ID);
    at[API_KEY_ID] = '_';
    draw_letters(at + API_KEY_ID + 1, API_KEY_SECRET);
    write_check(text, text + CHECKED);
    text[API_KEY_LENGTH] = '\0';
}

bool api_key_id_ok(struct text text)
{
    return text.length == API_KEY_ID && all_letters(text.at, text.length);
}

uint64_t api_key_tenant(const char *id)
{
    return fnv_of(text_of(id));
}

/* ---- models ---- */

bool api_key_models_have(const char *models, struct text model)
{
    if (*models == '\0')
        return true;
    for (models += strspn(models, " "); *models != '\0'; models += strspn(models, " ")) {
        size_t length = strcspn(models, " ");
        bool prefix = models[length - 1] == '*';
        size_t compared = length - prefix;
        if ((prefix ? model.length >= compared : model.length == compared) &&
            (compared == 0 || memcmp(models, model.at, compared) == 0))
            return true;
        models += length;
    }
    return false;
}

bool api_key_model_ok(struct text pattern)
{
    bool prefix = pattern.length > 0 && pattern.at[pattern.length - 1] == '*';
    struct text name = {pattern.at, pattern.length - prefix};
    return (prefix && name.length == 0) || protocol_name_ok(name);
}

bool api_key_models_read(const char *text, char models[API_KEY_MODELS_MAX + 1], char word[API_KEY_WORD_MAX])
{
    static const char separators[] = ", ";
    size_t length = 0;
    *models = '\0';
    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        struct text part = {text, strcspn(text, separators)};
        if (!api_key_model_ok(part) || length + part.length + 1 > API_KEY_MODELS_MAX) {
            text_copy(part, word, API_KEY_WORD_MAX);
            return false;
        }
        if (length > 0)
            models[length++] = ' ';
        text_copy(part, models + length, API_KEY_MODELS_MAX + 1 - length);
        length += part.length;
        text += part.length;
    }
    return true;
}

/* What a terminal shows, and a log takes, as it is. */
bool api_key_name_ok(struct text name)
{
    if (name.length == 0 || name.length > API_KEY_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (name.at[i] < ' ' || name.at[i] > '~')
            return false;
    return true;
}
