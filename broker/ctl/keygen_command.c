/* keygen_command: `outrigger keygen`: makes a pair of keys. Only the public one is ever shown.
 * SPDX-License-Identifier: MIT */
#include "curve.h"
#include "say.h"

#include <errno.h>
#include <unistd.h>

/* What the key is called; CTL_GOOD, or an exit status after a complaint. */
static int set_name(const struct arguments *arguments, struct key_pair *pair)
{
    const char *wanted = arguments_text(arguments, OPTION_KEY_NAME);
    char host[256] = "";
    if (wanted == NULL && gethostname(host, sizeof host - 1) != 0)
        return say_fault(arguments, CTL_FAULT, "the name of this host: %s", strerror(errno));
    struct text name = text_of(wanted != NULL ? wanted : host);
    if (!key_name_ok(name))
        return say_usage(arguments, "--name: expected 1 to %d of A-Z a-z 0-9 . _ - and no dot first, got %s",
                         KEY_NAME_MAX, wanted != NULL ? wanted : host);
    text_copy(name, pair->name, sizeof pair->name);
    return CTL_GOOD;
}

static void print_pair(const struct arguments *arguments, const char *directory, const struct key_pair *pair)
{
    char public_file[4608], secret_file[4608];
    snprintf(public_file, sizeof public_file, "%s/%s%s", directory, pair->name, KEY_SUFFIX);
    snprintf(secret_file, sizeof secret_file, "%s/%s%s", directory, pair->name, KEY_SUFFIX_SECRET);
    if (!arguments->json) {
        printf("%s: the public key is %s\n%s: the secret one; it stays on this host\n", public_file,
               pair->public_key, secret_file);
        return;
    }
    yyjson_mut_doc *document = say_new();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_obj_add_strcpy(document, root, "name", pair->name);
    yyjson_mut_obj_add_strcpy(document, root, "public_key", pair->public_key);
    yyjson_mut_obj_add_strcpy(document, root, "public_file", public_file);
    yyjson_mut_obj_add_strcpy(document, root, "secret_file", secret_file);
    say_json(document);
}

int keygen_command(const struct arguments *arguments)
{
    const char *directory = arguments_text(arguments, OPTION_KEY_DIRECTORY);
    struct key_pair pair = {.doors = KEY_ALL_DOORS};
    char reason[4608];
    if (directory == NULL)
        directory = ".";
    int status = set_name(arguments, &pair);
    if (status != CTL_GOOD)
        return status;
    if (!curve_new_pair(&pair))
        return say_fault(arguments, CTL_FAULT,
                         "this libzmq was built without CURVE: install one with libsodium");
    bool written = key_write(directory, &pair, reason, sizeof reason);
    key_wipe(pair.secret_key, sizeof pair.secret_key);
    if (!written)
        return say_fault(arguments, CTL_FAULT, "%s", reason);
    print_pair(arguments, directory, &pair);
    return CTL_GOOD;
}
