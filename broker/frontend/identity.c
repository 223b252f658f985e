/* identity: two of whom different things are said are two, whatever they are called: in limits, in the queue
 * and in the audit log. Names come from elsewhere, may be as long as a certificate's subject, and may be
 * chosen by whom they name. Called by auth.c and claims.c. SPDX-License-Identifier: MIT */
#include "identity.h"

#include "hex.h"
#include "sha256.h"
#include "utf8.h"

enum {
    MARK_BYTES = 16,                             /* of the digest, where a name is not shown as it is */
    MARK_LENGTH = 1 + 2 * MARK_BYTES,            /* "~" and hexadecimal digits */
    SHOWN_MAX = IDENTITY_NAME_MAX - MARK_LENGTH, /* of a name that has a mark */
};

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* A name that ends so could be taken for another's. */
static bool has_mark(struct text name)
{
    if (name.length < MARK_LENGTH || name.at[name.length - MARK_LENGTH] != '~')
        return false;
    for (size_t i = name.length - MARK_LENGTH + 1; i < name.length; i++)
        if (strchr("0123456789abcdef", name.at[i]) == NULL)
            return false;
    return true;
}

static bool is_shown_as_it_is(struct text name)
{
    if (name.length > IDENTITY_NAME_MAX || has_mark(name) || !utf8_ok(name))
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (is_control(name.at[i]))
            return false;
    return true;
}

/* What can be read of it, not half a character, and a mark that no other name has. */
static void show_marked(struct text name, char shown[IDENTITY_NAME_MAX + 1])
{
    uint8_t digest[SHA256_BYTES];
    size_t length = name.length < SHOWN_MAX ? name.length : SHOWN_MAX;
    while (length > 0 && length < name.length && (name.at[length] & 0xc0) == 0x80)
        length--;
    text_copy((struct text){name.at, length}, shown, SHOWN_MAX + 1);
    for (size_t i = 0; i < length; i++)
        if (is_control(name.at[i]))
            shown[i] = '?';
    shown[length++] = '~';
    struct sha256_sum sum = sha256_begin();
    sha256_add_bytes(&sum, name.at, name.length);
    sha256_end(&sum, digest);
    hex_write(shown + length, digest, MARK_BYTES);
    shown[length + 2 * MARK_BYTES] = '\0';
}

/* By the whole name and not by what of it is shown, and by a hash for which nobody who may choose his name
 * finds that of another. */
uint64_t identity_tenant(const char *said_by, struct text name)
{
    uint8_t digest[SHA256_BYTES];
    uint64_t tenant;
    struct sha256_sum sum = sha256_begin();
    sha256_add_text(&sum, text_of(said_by));
    sha256_add_text(&sum, name);
    sha256_end(&sum, digest);
    memcpy(&tenant, digest, sizeof tenant);
    return tenant == 0 ? 1 : tenant;
}

void identity_name(struct identity *identity, const char *said_by, struct text name)
{
    identity->tenant = identity_tenant(said_by, name);
    if (is_shown_as_it_is(name))
        text_copy(name, identity->name, sizeof identity->name);
    else
        show_marked(name, identity->name);
}
