/* keygen_command: `outrigger keygen`: makes a pair of keys. Only the public one is ever shown.
 * SPDX-License-Identifier: MIT */
#include "ctl.h"
#include "curve.h"

#include <errno.h>
#include <unistd.h>

/* What the key is called; false after a complaint. */
static bool set_name(const char *wanted, struct key_pair *pair)
{
    char host[256] = "";
    if (wanted == NULL && gethostname(host, sizeof host - 1) != 0) {
        fprintf(stderr, "outrigger keygen: the name of this host: %s\n", strerror(errno));
        return false;
    }
    struct text name = text_of(wanted != NULL ? wanted : host);
    if (!key_name_ok(name)) {
        fprintf(stderr,
                "outrigger keygen: --name: expected 1 to %d of A-Z a-z 0-9 . _ - and no dot first, got %s\n",
                KEY_NAME_MAX, wanted != NULL ? wanted : host);
        return false;
    }
    text_copy(name, pair->name, sizeof pair->name);
    return true;
}

int keygen_command(const struct arguments *arguments)
{
    const char *directory = arguments->directory != NULL ? arguments->directory : ".";
    struct key_pair pair = {.doors = KEY_ALL_DOORS};
    char reason[4608];
    if (!set_name(arguments->name, &pair))
        return CTL_USAGE;
    if (!curve_new_pair(&pair)) {
        fputs("outrigger keygen: this libzmq was built without CURVE: install one with libsodium\n", stderr);
        return CTL_FAULT;
    }
    bool written = key_write(directory, &pair, reason, sizeof reason);
    key_wipe(pair.secret_key, sizeof pair.secret_key);
    if (!written) {
        fprintf(stderr, "outrigger keygen: %s\n", reason);
        return CTL_FAULT;
    }
    printf("%s/%s%s: the public key is %s\n%s/%s%s: the secret one; it stays on this host\n", directory,
           pair.name, KEY_SUFFIX, pair.public_key, directory, pair.name, KEY_SUFFIX_SECRET);
    return CTL_GOOD;
}
