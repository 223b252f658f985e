/* key_command: `outrigger key`: the API keys of clients, which need no running Outrigger to be changed.
 *
 * A change is made under a lock on the folder of the file, and is on the disk before a key is shown: the
 * frontends notice it by themselves within a second. A running supervisor is told of it, for its log and for
 * the audit log, with the uid that the kernel says. A key is printed once, to stdout alone, and is in no
 * argument, file or message. SPDX-License-Identifier: MIT */
#include "api_key.h"
#include "ask.h"
#include "clock.h"
#include "key.h"
#include "key_view.h"
#include "say.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { TELL_TIMEOUT_MS = 2000, DAY_MS = 24 * 3600 * 1000 };

/* The file, and what is in it, while a command changes it. */
struct change {
    const struct arguments *arguments;
    struct config *config;
    struct api_keys *keys;
    struct api_key *key; /* the one that it is about */
    int lock;            /* -1: it is only looked at */
    int64_t now;         /* seconds since 1970 */
};

/* ---- begin and end ---- */

static void end_change(struct change *change)
{
    api_keys_free(change->keys);
    config_free(change->config);
    if (change->lock != -1)
        close(change->lock);
}

/* CTL_GOOD, or an exit status after a complaint. */
static int begin_change(const struct arguments *arguments, bool lock, struct change *change)
{
    struct config_errors errors = {0};
    *change = (struct change){.arguments = arguments, .lock = -1, .now = clock_wall() / SECOND};
    change->config = arguments_config(arguments);
    if (change->config == NULL)
        return CTL_FAULT;
    const char *path = change->config->auth_keys_file;
    if (lock && (change->lock = api_keys_lock(path)) == -1) {
        say_fault(arguments, CTL_FAULT, "the folder of %s: %s", path, strerror(errno));
        return CTL_FAULT;
    }
    change->keys = api_keys_read(path, &errors);
    if (change->keys != NULL)
        return CTL_GOOD;
    errors.text[strcspn(errors.text, "\n")] = '\0';
    say_fault(arguments, CTL_FAULT, "%s%s", errors.text, errors.count > 1 ? " (and more)" : "");
    return CTL_FAULT;
}

static int write_change(const struct change *change)
{
    const char *path = change->config->auth_keys_file;
    if (api_keys_write(path, change->keys) == 0)
        return CTL_GOOD;
    return say_fault(change->arguments, CTL_FAULT, "%s: %s; nothing was changed", path, strerror(errno));
}

/* What a running supervisor writes down. */
static void tell(const struct change *change, const char *act, const struct api_key *key)
{
    char scopes[RIGHTS_TEXT_MAX], path[4352];
    yyjson_mut_doc *question = ask_new(act);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(question);
    ask_add_text(question, "id", key->id);
    ask_add_text(question, "name", key->name);
    ask_add_text(question, "scopes", rights_text(key->rights, ' ', scopes));
    ask_add_text(question, "models", *key->models == '\0' ? NULL : key->models);
    if (key->expires != 0)
        yyjson_mut_obj_add_int(question, root, "expires", key->expires);
    if (key->previous_until != 0)
        yyjson_mut_obj_add_int(question, root, "previous_until", key->previous_until);
    char *line = yyjson_mut_write(question, YYJSON_WRITE_NOFLAG, NULL);
    ENSURE(line != NULL);
    yyjson_mut_doc_free(question);
    snprintf(path, sizeof path, "%s/supervisor.sock", change->config->runtime_directory);
    yyjson_doc *answer = ask_line(change->config, "supervisor.sock", line, TELL_TIMEOUT_MS);
    if (answer == NULL || ask_refusal(answer) != NULL)
        fprintf(stderr, "outrigger: %s: nobody there wrote this to the audit log\n", path);
    yyjson_doc_free(answer);
    free(line);
}

/* ---- what is asked for ---- */

/* Of an id, or of a name that one key alone has. CTL_GOOD, or an exit status after a complaint. */
static int find_key(struct change *change)
{
    const char *word = change->arguments->operands[0];
    size_t prefix = sizeof API_KEY_PREFIX - 1, named = 0;
    if (strncmp(word, API_KEY_PREFIX, prefix) == 0)
        word += prefix;
    if (strlen(word) > API_KEY_ID && word != change->arguments->operands[0]) {
        say_usage(change->arguments,
                  "expected the id of a key, got a key: command lines are seen by everybody on a host, "
                  "so it should be revoked now (its id is %.*s)",
                  API_KEY_ID, word);
        return CTL_USAGE;
    }
    if (api_key_id_ok(text_of(word)))
        change->key = api_keys_find(change->keys, word);
    for (size_t i = 0; change->key == NULL && i < change->keys->count; i++)
        named += strcmp(change->keys->keys[i].name, word) == 0;
    for (size_t i = 0; named == 1 && i < change->keys->count; i++)
        if (strcmp(change->keys->keys[i].name, word) == 0)
            change->key = &change->keys->keys[i];
    if (change->key != NULL)
        return CTL_GOOD;
    if (named > 1)
        say_fault(change->arguments, CTL_FAULT, "%zu keys are called %s: name one by its id", named, word);
    else
        say_fault(change->arguments, CTL_FAULT, "no key has the id or the name %s", word);
    return CTL_FAULT;
}

/* A limit; 0 when it is not said, negative after a complaint. */
static double limit_of(const struct arguments *arguments, enum option_id id)
{
    const char *text = arguments_text(arguments, id);
    char *end;
    if (text == NULL)
        return 0;
    double number = strtod(text, &end);
    if (end != text && *end == '\0' && number > 0 && number <= 1e9)
        return number;
    say_usage(arguments, "--%s: expected a number above 0, got %s", option_row(id)->name, text);
    return -1;
}

/* CTL_GOOD, or an exit status after a complaint. */
static int read_limits(const struct arguments *arguments, struct api_key *key)
{
    key->requests_per_s = limit_of(arguments, OPTION_KEY_REQUESTS);
    key->rows_per_s = key->requests_per_s < 0 ? -1 : limit_of(arguments, OPTION_KEY_ROWS);
    key->burst = key->rows_per_s < 0 ? -1 : limit_of(arguments, OPTION_KEY_BURST);
    return key->burst < 0 ? CTL_USAGE : CTL_GOOD;
}

static int read_key(const struct arguments *arguments, struct api_key *key)
{
    const char *name = arguments->operands[0], *scopes = arguments_text(arguments, OPTION_KEY_SCOPES);
    const char *models = arguments_text(arguments, OPTION_KEY_MODELS);
    char word[API_KEY_WORD_MAX];
    *key = (struct api_key){.created = 0};
    if (!api_key_name_ok(text_of(name)))
        return say_usage(arguments, "NAME: expected 1 to %d printable characters", API_KEY_NAME_MAX);
    strcpy(key->name, name);
    if (!rights_read(scopes == NULL ? "predict" : scopes, &key->rights, word))
        return say_usage(arguments, "--scopes: expected predict, feedback, metrics or admin, got %s", word);
    if (models != NULL && !api_key_models_read(models, key->models, word))
        return say_usage(
            arguments,
            "--models: expected names of models, or beginnings of such with a *, at most %d bytes "
            "together, got %s",
            API_KEY_MODELS_MAX, word);
    return read_limits(arguments, key);
}

static void set_expiry(const struct change *change, struct api_key *key)
{
    if (arguments_has(change->arguments, OPTION_KEY_EXPIRES))
        key->expires = change->now + arguments_number(change->arguments, OPTION_KEY_EXPIRES, 0) / 1000;
}

/* ---- what is shown ---- */

/* The key alone on stdout, so that a script may take it from there. */
static void show_key(const struct change *change, const struct api_key *key, const char *text)
{
    char until[KEY_VIEW_TIME_MAX];
    if (change->arguments->json) {
        yyjson_mut_doc *document = say_new();
        yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
        yyjson_mut_obj_add_strcpy(document, root, "key", text);
        key_view_json(key, NULL, change->now, document, root);
        say_json(document);
        return;
    }
    fprintf(stderr, "The key %s (%s) is shown this once; what is kept cannot tell it:\n", key->id, key->name);
    puts(text);
    fflush(stdout);
    if (key->previous_until > change->now)
        fprintf(stderr, "The one before is good until %s.\n", key_view_time(key->previous_until, until));
}

static void show_keys(const struct change *change)
{
    char path[4352];
    snprintf(path, sizeof path, "%s/key_uses.table", change->config->state_directory);
    struct key_uses *uses = key_uses_read(path); /* the frontends' */
    if (change->arguments->json) {
        yyjson_mut_doc *document = say_new();
        yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, yyjson_mut_doc_get_root(document), "keys");
        for (size_t i = 0; i < change->keys->count; i++)
            key_view_json(&change->keys->keys[i], uses, change->now, document,
                          yyjson_mut_arr_add_obj(document, list));
        say_json(document);
    } else {
        key_view_print(change->keys, uses, change->now);
    }
    key_uses_free(uses);
}

/* ---- the verbs ---- */

int key_command(const struct arguments *arguments)
{
    struct change change;
    int status = begin_change(arguments, false, &change);
    if (status == CTL_GOOD)
        show_keys(&change);
    end_change(&change);
    return status;
}

/* A new text for the key, whose digest it gets. */
static void renew(struct api_key *key, bool same_id, char text[API_KEY_LENGTH + 1])
{
    api_key_make(same_id ? key->id : NULL, text);
    memcpy(key->id, text + sizeof API_KEY_PREFIX - 1, API_KEY_ID);
    key->id[API_KEY_ID] = '\0';
    struct sha256 *sha256 = sha256_new();
    sha256_of(sha256, (struct text){text, API_KEY_LENGTH}, key->digest);
    sha256_free(sha256);
}

static int add(struct change *change, struct api_key *key)
{
    char text[API_KEY_LENGTH + 1];
    key->created = change->now;
    set_expiry(change, key);
    if (change->keys->count >= API_KEYS_MAX)
        return say_fault(change->arguments, CTL_FAULT, "there are %d keys already, as many as may be",
                         API_KEYS_MAX);
    do
        renew(key, false, text);
    while (!api_keys_add(change->keys, key));
    int status = write_change(change);
    if (status == CTL_GOOD) {
        tell(change, "key-add", key);
        show_key(change, key, text);
    }
    key_wipe(text, sizeof text);
    return status;
}

int key_add_command(const struct arguments *arguments)
{
    struct change change;
    struct api_key key;
    int status = read_key(arguments, &key);
    if (status != CTL_GOOD)
        return status;
    status = begin_change(arguments, true, &change);
    if (status == CTL_GOOD)
        status = add(&change, &key);
    end_change(&change);
    return status;
}

static int rotate(struct change *change)
{
    char text[API_KEY_LENGTH + 1];
    struct api_key *key = change->key;
    int64_t grace = arguments_number(change->arguments, OPTION_KEY_GRACE, DAY_MS) / 1000;
    memcpy(key->previous, key->digest, sizeof key->previous);
    key->previous_until = grace == 0 ? 0 : change->now + grace;
    set_expiry(change, key);
    renew(key, true, text);
    int status = write_change(change);
    if (status == CTL_GOOD) {
        tell(change, "key-rotate", key);
        show_key(change, key, text);
    }
    key_wipe(text, sizeof text);
    return status;
}

int key_rotate_command(const struct arguments *arguments)
{
    struct change change;
    int status = begin_change(arguments, true, &change);
    if (status == CTL_GOOD)
        status = find_key(&change);
    if (status == CTL_GOOD)
        status = rotate(&change);
    end_change(&change);
    return status;
}

static int take_out(struct change *change)
{
    struct api_key key = *change->key; /* for what is told of it afterwards */
    bool previous = arguments_has(change->arguments, OPTION_KEY_PREVIOUS);
    if (previous && change->key->previous_until == 0)
        return say_fault(change->arguments, CTL_FAULT, "the key %s has not been rotated", key.id);
    if (previous)
        change->key->previous_until = 0;
    else
        api_keys_remove(change->keys, change->key);
    int status = write_change(change);
    if (status != CTL_GOOD)
        return status;
    tell(change, previous ? "key-revoke-previous" : "key-revoke", &key);
    return say_good(change->arguments, "revoked; running frontends know it within a second");
}

int key_revoke_command(const struct arguments *arguments)
{
    struct change change;
    int status = begin_change(arguments, true, &change);
    if (status == CTL_GOOD)
        status = find_key(&change);
    if (status == CTL_GOOD)
        status = take_out(&change);
    end_change(&change);
    return status;
}
