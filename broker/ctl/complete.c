/* complete: walks over the words as arguments.c would, but forgives everything, and so knows what comes next:
 * a command, a verb, an option, the value of one, an operand. The rows of the table say the rest.
 * SPDX-License-Identifier: MIT */
#include "complete.h"

#include <stdlib.h>

enum { CANDIDATE_BYTES = 256 };

/* The walk, and the word at its end. */
struct walk {
    const struct command *command;
    const char **settings;
    struct complete_place place;
    const char *model;   /* that was named so far; NULL: none */
    enum option_id open; /* the option whose value comes next; OPTION_END: none */
    size_t operand_count;
    bool options_are_over;
    const char *word; /* what is being written */
    const char *head; /* what stands in front of a value in the same word: "--wait=", "" */
    const struct complete_source *source;
    complete_take *take;
    void *taker;
};

/* ---- candidates ---- */

static void offer(const struct walk *walk, const char *candidate, const char *meaning)
{
    char whole[CANDIDATE_BYTES];
    if (strncmp(candidate, walk->word, strlen(walk->word)) != 0)
        return;
    snprintf(whole, sizeof whole, "%s%s", walk->head, candidate);
    walk->take(walk->taker, whole, meaning);
}

static void offer_name(void *self, const char *candidate, const char *meaning)
{
    offer(self, candidate, meaning);
}

static void offer_commands(const struct walk *walk)
{
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (!command->hidden && strchr(command->name, ' ') == NULL)
            offer(walk, command->name, command->summary);
    if (walk->word[0] == '-') {
        offer(walk, "--help", "list the commands");
        offer(walk, "--version", "print the version of Outrigger");
    }
}

static void offer_verbs(const struct walk *walk, const char *name)
{
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (command_is_verb_of(command, name) && !command->hidden)
            offer(walk, command->name + strlen(name) + 1, command->summary);
}

static void offer_options(const struct walk *walk)
{
    char name[CANDIDATE_BYTES];
    for (size_t i = 0; walk->command->options[i] != OPTION_END; i++) {
        const struct option_row *row = option_row(walk->command->options[i]);
        snprintf(name, sizeof name, "--%s", row->name);
        if (*row->text != '\0')
            offer(walk, name, row->text);
    }
    offer(walk, "--help", option_row(OPTION_HELP)->text);
}

static void offer_settings(const struct walk *walk)
{
    static const struct {
        const char *section, *name, *meaning;
    } rows[] = {
#define INTEGER(section, name, fallback, minimum, maximum, unit, text) {#section, #name, text},
#define STRING(section, name, fallback, text)                          {#section, #name, text},
#include "parameters.def"
#undef INTEGER
#undef STRING
    };
    char setting[CANDIDATE_BYTES];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(setting, sizeof setting, "%s%s%s=", rows[i].section, *rows[i].section == '\0' ? "" : ".",
                 rows[i].name);
        offer(walk, setting, rows[i].meaning);
    }
}

static void offer_words(const struct walk *walk, const char *words)
{
    struct text word;
    char candidate[CANDIDATE_BYTES];
    while (value_next_word(&words, &word))
        offer(walk, text_copy(word, candidate, sizeof candidate), "");
}

/* The values of that kind; true when it is a path. */
static bool offer_values(struct walk *walk, enum value_kind kind, const char *words)
{
    if (kind == VALUE_MODEL)
        walk->source->each(walk->source->self, &walk->place, NULL, offer_name, walk);
    else if (kind == VALUE_VERSION && walk->model != NULL)
        walk->source->each(walk->source->self, &walk->place, walk->model, offer_name, walk);
    else if (kind == VALUE_SETTING)
        offer_settings(walk);
    else if (kind == VALUE_WORD)
        offer_words(walk, words);
    return kind == VALUE_FILE;
}

static bool offer_operand(struct walk *walk)
{
    struct operand operands[OPERANDS_MAX];
    char words[CANDIDATE_BYTES];
    if (walk->operand_count >= command_operands(walk->command, operands))
        return false;
    const struct operand *operand = &operands[walk->operand_count];
    if (text_is(operand->name, "COMMAND"))
        offer_commands(walk);
    return offer_values(walk, operand->kind, text_copy(operand->name, words, sizeof words));
}

/* ---- the walk ---- */

static enum option_id option_of(const struct command *command, const char *word)
{
    size_t length = strcspn(word, "=");
    for (size_t i = 0; command->options[i] != OPTION_END; i++) {
        const struct option_row *row = option_row(command->options[i]);
        bool is_long = strncmp(word, "--", 2) == 0 && text_is((struct text){word + 2, length - 2}, row->name);
        if (is_long || (row->letter != 0 && word[1] == row->letter && word[2] == '\0'))
            return command->options[i];
    }
    return OPTION_END;
}

static void take_value(struct walk *walk, enum option_id id, const char *value)
{
    if (id == OPTION_CONFIG)
        walk->place.config_file = value;
    else if (id == OPTION_SET)
        walk->settings[walk->place.setting_count++] = value;
    else if (option_row(id)->kind == VALUE_MODEL)
        walk->model = value;
}

static void take_word(struct walk *walk, const char *word)
{
    if (walk->open != OPTION_END) {
        take_value(walk, walk->open, word);
        walk->open = OPTION_END;
    } else if (!walk->options_are_over && strcmp(word, "--") == 0) {
        walk->options_are_over = true;
    } else if (!walk->options_are_over && word[0] == '-' && word[1] != '\0') {
        enum option_id id = option_of(walk->command, word);
        const char *equals = strchr(word, '=');
        if (id != OPTION_END && equals != NULL)
            take_value(walk, id, equals + 1);
        else if (id != OPTION_END && option_row(id)->kind != VALUE_NONE)
            walk->open = id;
    } else {
        struct operand operands[OPERANDS_MAX];
        size_t count = command_operands(walk->command, operands);
        if (walk->operand_count < count && operands[walk->operand_count].kind == VALUE_MODEL)
            walk->model = word;
        walk->operand_count++;
    }
}

/* What may stand where the walk has ended. */
static bool offer_next(struct walk *walk)
{
    if (walk->open != OPTION_END) {
        const struct option_row *row = option_row(walk->open);
        return offer_values(walk, row->kind, row->value);
    }
    const char *equals = strchr(walk->word, '=');
    if (walk->options_are_over || walk->word[0] != '-')
        return offer_operand(walk);
    if (equals == NULL) {
        offer_options(walk);
        return false;
    }
    enum option_id id = option_of(walk->command, walk->word);
    if (id == OPTION_END)
        return false;
    char head[CANDIDATE_BYTES];
    walk->head = text_copy((struct text){walk->word, (size_t)(equals + 1 - walk->word)}, head, sizeof head);
    walk->word = equals + 1;
    return offer_values(walk, option_row(id)->kind, option_row(id)->value);
}

/* Behind a command that was found in the first `used` words. */
static bool complete_behind(struct walk *walk, const char *const *words, size_t count, size_t used)
{
    for (size_t i = used; i + 1 < count; i++)
        take_word(walk, words[i]);
    if (used == 1 && count == 2)
        offer_verbs(walk, walk->command->name);
    bool is_help = strcmp(walk->command->name, "help") == 0;
    if (is_help && walk->operand_count == 1)
        offer_verbs(walk, words[count - 2]);
    return offer_next(walk);
}

bool complete(const char *const *words, size_t count, const struct complete_source *source,
              complete_take *take, void *taker)
{
    if (count == 0)
        return false;
    struct walk walk = {.word = words[count - 1], .head = "", .source = source, .take = take, .taker = taker};
    if (count == 1) {
        offer_commands(&walk);
        return false;
    }
    size_t used;
    walk.command = command_of(words, count - 1, &used);
    if (walk.command == NULL || walk.command->hidden)
        return false;
    walk.settings = object_alloc(count * sizeof(char *));
    walk.place.settings = walk.settings;
    bool is_path = complete_behind(&walk, words, count, used);
    free(walk.settings);
    return is_path;
}
