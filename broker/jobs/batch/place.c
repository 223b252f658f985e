/* place: see place.h. SPDX-License-Identifier: MIT */
#include "place.h"

#include "hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define COMPLAIN(reason, ...) (snprintf((reason), PLACE_REASON_MAX, __VA_ARGS__), false)

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *text, size_t length, const char *ending)
{
    size_t bytes = strlen(ending);
    return length >= bytes && strncasecmp(text + length - bytes, ending, bytes) == 0;
}

/* ---- which kind ---- */

static bool kind_by_ending(const char *path, size_t length, enum place_kind *kind)
{
    static const struct {
        const char *ending;
        enum place_kind kind;
    } endings[] = {{".csv", PLACE_CSV},   {".jsonl", PLACE_JSONL},   {".ndjson", PLACE_JSONL},
                   {".db", PLACE_SQLITE}, {".sqlite", PLACE_SQLITE}, {".sqlite3", PLACE_SQLITE}};
    if (ends(path, length, ".gz"))
        length -= 3;
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (ends(path, length, endings[i].ending)) {
            *kind = endings[i].kind;
            return true;
        }
    return false;
}

/* The kind, and where what is behind it begins. */
static bool kind_of(const char *text, size_t length, enum place_kind *kind, size_t *from)
{
    static const struct {
        const char *scheme;
        enum place_kind kind;
        bool kept; /* it is a part of what is named */
    } schemes[] = {{"sqlite:", PLACE_SQLITE, false},
                   {"postgres://", PLACE_POSTGRES, true},
                   {"postgresql://", PLACE_POSTGRES, true},
                   {"postgres:", PLACE_POSTGRES, false},
                   {"csv:", PLACE_CSV, false},
                   {"jsonl:", PLACE_JSONL, false},
                   {"table:", PLACE_TABLE, false}};
    *from = 0;
    if (length == strlen("column") && begins(text, "column")) {
        *kind = PLACE_COLUMN;
        *from = length;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (begins(text, schemes[i].scheme)) {
            *kind = schemes[i].kind;
            *from = schemes[i].kept ? 0 : strlen(schemes[i].scheme);
            return true;
        }
    if (length == 1 && *text == '-') {
        *kind = PLACE_CSV;
        return true;
    }
    return kind_by_ending(text, length, kind);
}

/* ---- parameters ---- */

static char *decoded(const char *at, size_t length)
{
    char *text = object_alloc(length + 1);
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        bool escape =
            at[i] == '%' && i + 2 < length && hex_value(at[i + 1]) != -1 && hex_value(at[i + 2]) != -1;
        text[written++] = escape ? (char)(hex_value(at[i + 1]) * 16 + hex_value(at[i + 2])) : at[i];
        i += escape ? 2 : 0;
    }
    return text;
}

static char **member_of(struct place *place, struct text name)
{
#define X(member)                                                                                            \
    if (text_is(name, #member))                                                                              \
        return &place->member;
    PLACE_PARAMETERS(X)
#undef X
    return NULL;
}

/* What is not ours stays in the URL of libpq. */
static bool keep_for_libpq(struct place *place, const char *at, size_t length)
{
    char *whole;
    if (asprintf(&whole, "%s%c%.*s", place->at, strchr(place->at, '?') == NULL ? '?' : '&', (int)length, at) <
        0)
        return false;
    free(place->at);
    place->at = whole;
    return true;
}

static bool take_parameter(struct place *place, const char *at, size_t length, char *reason)
{
    const char *equals = memchr(at, '=', length);
    struct text name = {at, equals == NULL ? length : (size_t)(equals - at)};
    char **member = equals == NULL ? NULL : member_of(place, name);
    if (member == NULL && place->kind == PLACE_POSTGRES && strstr(place->at, "://") != NULL)
        return keep_for_libpq(place, at, length);
    if (member == NULL && strspn(name.at, "abcdefghijklmnopqrstuvwxyz_") < name.length)
        name = text_of("what stands behind the question mark"); /* it may be a piece of a password */
    if (member == NULL)
        return COMPLAIN(reason,
                        "%.*s: unknown; expected NAME=VALUE with one of table, where, key, columns, "
                        "prediction, probability, label, model_version, predicted_at, delimiter",
                        (int)(name.length < 64 ? name.length : 64), name.at);
    if (*member != NULL)
        return COMPLAIN(reason, "%.*s is said twice", (int)name.length, at);
    *member = decoded(equals + 1, length - name.length - 1);
    return true;
}

static bool take_parameters(struct place *place, const char *at, char *reason)
{
    while (*at != '\0') {
        size_t length = strcspn(at, "&");
        if (length > 0 && !take_parameter(place, at, length, reason))
            return false;
        at += length + (at[length] == '&');
    }
    return true;
}

/* ---- the whole ---- */

bool place_parse(const char *text, struct place *place, char reason[PLACE_REASON_MAX])
{
    size_t length = strcspn(text, "?"), from;
    *place = (struct place){0};
    if (!kind_of(text, length, &place->kind, &from)) {
        char *shown = object_strdup(text);
        place_hide(shown);
        (void)COMPLAIN(reason,
                       "\"%.100s\": expected sqlite:PATH?table=NAME, postgres://..., csv:PATH, "
                       "jsonl:PATH or a path that ends with .csv, .jsonl or .db",
                       shown);
        free(shown);
        return false;
    }
    place->at = strndup(text + from, length - from);
    ENSURE(place->at != NULL);
    place->packed =
        (place->kind == PLACE_CSV || place->kind == PLACE_JSONL) && ends(place->at, strlen(place->at), ".gz");
    if (*place->at == '\0' && place->kind != PLACE_COLUMN && place->kind != PLACE_POSTGRES)
        return COMPLAIN(reason, "\"%.100s\" names nothing", text);
    return text[length] == '\0' || take_parameters(place, text + length + 1, reason);
}

void place_free(struct place *place)
{
    free(place->at);
#define X(name) free(place->name);
    PLACE_PARAMETERS(X)
#undef X
    *place = (struct place){0};
}

/* ---- secrets ---- */

static const char word[] = "password"; /* sslpassword, too */

/* Where the value of a parameter of libpq's words ends: quoted, or at a blank. One that was to be quoted goes
 * on to the next NAME=. */
static const char *value_end(const char *at)
{
    if (*at == '\'') {
        for (at++; *at != '\0' && *at != '\''; at++)
            at += *at == '\\' && at[1] != '\0';
        return at + (*at == '\'');
    }
    for (; *at != '\0'; at++) {
        const char *next = at + strspn(at, " \t\n");
        size_t name = next == at ? 0 : strspn(next, "abcdefghijklmnopqrstuvwxyz_");
        if (name > 0 && next[name + strspn(next + name, " ")] == '=')
            return at;
        at += *at == '\\' && at[1] != '\0';
    }
    return at;
}

/* In "host=h password = 'a secret'". */
static struct text secret_of_words(const char *text)
{
    for (const char *name = text; (name = strcasestr(name, word)) != NULL; name++) {
        const char *equals = name + strlen(word) + strspn(name + strlen(word), " ");
        if (*equals != '=')
            continue;
        const char *begin = equals + 1 + strspn(equals + 1, " ");
        const char *end = value_end(equals + 1) == equals + 1 ? equals + 1 : value_end(begin);
        return (struct text){name, (size_t)(end - name)};
    }
    return (struct text){0};
}

/* In "...?sslmode=require&password=secret", where a name may be percent-encoded. */
static struct text secret_of_parameters(const char *at)
{
    while ((at = strpbrk(at, "?&")) != NULL) {
        size_t length = strcspn(++at, "&"), name = strcspn(at, "=&");
        char *said = decoded(at, name);
        bool secret = strcasestr(said, word) != NULL;
        free(said);
        if (secret)
            return (struct text){at, length};
    }
    return (struct text){0};
}

static struct text secret_of(const char *text)
{
    const char *authority = strstr(text, "://");
    if (authority == NULL)
        return secret_of_words(text);
    const char *host = strrchr(authority, '@'); /* the last one: in a password it may not have been encoded */
    const char *colon = host == NULL ? NULL : memchr(authority + 3, ':', (size_t)(host - authority) - 3);
    return colon == NULL ? secret_of_parameters(authority) : (struct text){colon, (size_t)(host - colon)};
}

void place_hide(char *text)
{
    struct text secret;
    while ((secret = secret_of(text)).length > 0) {
        size_t at = (size_t)(secret.at - text), behind = strlen(text) - at - secret.length;
        memmove(text + at, text + at + secret.length, behind);
        memset(text + at + behind, 0, secret.length);
    }
}

char *place_text(const struct place *place)
{
    static const char *const schemes[] = {"sqlite:", "", "csv:", "jsonl:", "column", "table:"};
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    ENSURE(out != NULL);
    bool words = place->kind == PLACE_POSTGRES && strstr(place->at, "://") == NULL;
    char *at = object_strdup(place->at);
    if (place->kind == PLACE_POSTGRES)
        place_hide(at);
    fprintf(out, "%s%s", words ? "postgres:" : schemes[place->kind], at);
    free(at);
    const char *mark = "?";
#define X(name)                                                                                              \
    if (place->name != NULL) {                                                                               \
        fprintf(out, "%s" #name "=%s", mark, place->name);                                                   \
        mark = "&";                                                                                          \
    }
    PLACE_PARAMETERS(X)
#undef X
    fclose(out);
    ENSURE(text != NULL);
    return text;
}

const char *place_result(const struct place *place, const char *name)
{
    char *const *said = member_of((struct place *)place, text_of(name));
    ENSURE(said != NULL);
    if (*said == NULL)
        return strcmp(name, "label") == 0 ? NULL : name;
    return **said == '\0' ? NULL : *said;
}
