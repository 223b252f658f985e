/* arguments: reads a command line as its row of the table says: options in any place, operands in their
 * order, each value as its kind says. A complaint names the option, what was expected, what came, and what
 * was likely meant. SPDX-License-Identifier: MIT */
#include "nearest.h"
#include "say.h"

#include <stdlib.h>

struct given {
    enum option_id id;
    struct value value;
};

/* Where the reading is. */
struct reading {
    struct arguments *arguments;
    char **at; /* the next word */
    char **end;
    size_t operand_count;
    bool help;
};

const struct option_row *option_row(enum option_id id)
{
    static const struct option_row rows[] = {
        [OPTION_END] = {"", "", "", VALUE_NONE, 0},
#define OPTION(id, letter, name, kind, value, text) [OPTION_##id] = {name, value, text, VALUE_##kind, letter},
#include "options.def"
#undef OPTION
    };
    ENSURE(id > OPTION_END && id < OPTION_COUNT);
    return &rows[id];
}

/* ---- options ---- */

static bool named(enum option_id id, struct text name, char letter)
{
    const struct option_row *row = option_row(id);
    return letter != 0 ? row->letter == letter : text_is(name, row->name);
}

/* The command's option of that letter, or of that name when the letter is 0; OPTION_END when it takes none
 * such. */
static enum option_id find(const struct command *command, struct text name, char letter)
{
    for (size_t i = 0; command->options[i] != OPTION_END; i++)
        if (named(command->options[i], name, letter))
            return command->options[i];
    return named(OPTION_HELP, name, letter) ? OPTION_HELP : OPTION_END;
}

static void complain_unknown(const struct command *command, const char *word)
{
    char name[64];
    const char *nearest = NULL;
    text_copy((struct text){word + 2, strcspn(word + 2, "=")}, name, sizeof name);
    for (size_t i = 0; word[1] == '-' && command->options[i] != OPTION_END; i++) {
        const struct option_row *row = option_row(command->options[i]);
        if (*row->text != '\0' && nearest_plausible(row->name, name) &&
            (nearest == NULL || nearest_distance(row->name, name) < nearest_distance(nearest, name)))
            nearest = row->name;
    }
    fprintf(stderr, "outrigger %s: unknown option %.*s%s%s\n", command->name, (int)strcspn(word, "="), word,
            nearest == NULL ? "" : "; the nearest known is --", nearest == NULL ? "" : nearest);
}

/* Complains that `text` (NULL: nothing) is no value of that kind. */
static bool refuse(const struct command *command, const char *what, enum value_kind kind, const char *words,
                   const char *text)
{
    struct text nearest = {"", 0};
    fprintf(stderr, "outrigger %s: %s%sexpected %s, got %s", command->name, what, *what == '\0' ? "" : ": ",
            value_expected(kind, words),
            text == NULL    ? "nothing"
            : *text == '\0' ? "an empty text"
                            : text);
    if (kind == VALUE_WORD && text != NULL)
        nearest = value_nearest_word(words, text);
    if (nearest.length > 0)
        fprintf(stderr, "; the nearest known is %.*s", (int)nearest.length, nearest.at);
    fputc('\n', stderr);
    return false;
}

static void keep(struct arguments *arguments, enum option_id id, struct value value)
{
    if (id == OPTION_CONFIG)
        arguments->config_file = value.text;
    else if (id == OPTION_SET)
        arguments->settings[arguments->setting_count++] = value.text;
    else if (id == OPTION_JSON)
        arguments->json = true;
    arguments->given[arguments->given_count++] = (struct given){id, value};
}

/* `attached` is what stood behind the equals sign or the letter, NULL for nothing. */
static bool take_option(struct reading *reading, enum option_id id, const char *attached)
{
    const struct option_row *row = option_row(id);
    const struct command *command = reading->arguments->command;
    struct value value = {.text = ""};
    char what[64];
    snprintf(what, sizeof what, "--%s", row->name);
    if (row->kind == VALUE_NONE && attached != NULL)
        return refuse(command, what, VALUE_NONE, NULL, attached);
    if (row->kind != VALUE_NONE) {
        if (attached == NULL && reading->at == reading->end)
            return refuse(command, what, row->kind, row->value, NULL);
        const char *text = attached != NULL ? attached : *reading->at++;
        if (!value_read(row->kind, row->value, text, &value))
            return refuse(command, what, row->kind, row->value, text);
    }
    if (id == OPTION_HELP)
        reading->help = true;
    keep(reading->arguments, id, value);
    return true;
}

/* --name, --name=value. */
static bool take_long(struct reading *reading, const char *word)
{
    size_t length = strcspn(word + 2, "=");
    enum option_id id = find(reading->arguments->command, (struct text){word + 2, length}, 0);
    if (id != OPTION_END)
        return take_option(reading, id, word[2 + length] == '=' ? word + 2 + length + 1 : NULL);
    complain_unknown(reading->arguments->command, word);
    return false;
}

/* -x, -xvalue, -xyz of flags. */
static bool take_short(struct reading *reading, const char *word)
{
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        enum option_id id = find(reading->arguments->command, (struct text){"", 0}, *letter);
        if (id == OPTION_END) {
            complain_unknown(reading->arguments->command, (const char[]){'-', *letter, '\0'});
            return false;
        }
        bool is_flag = option_row(id)->kind == VALUE_NONE;
        if (!take_option(reading, id, is_flag || letter[1] == '\0' ? NULL : letter + 1))
            return false;
        if (!is_flag)
            return true;
    }
    return true;
}

/* ---- operands ---- */

static enum value_kind operand_kind(struct text name)
{
    return text_is(name, "MODEL")                             ? VALUE_MODEL
           : text_is(name, "VERSION")                         ? VALUE_VERSION
           : text_is(name, "FILE")                            ? VALUE_FILE
           : memchr(name.at, '|', name.length) != NULL        ? VALUE_WORD
           : text_is(name, "N") || text_is(name, "INSTANCES") ? VALUE_COUNT
                                                              : VALUE_TEXT;
}

size_t command_operands(const struct command *command, struct operand operands[OPERANDS_MAX])
{
    size_t count = 0;
    for (const char *at = command->operands; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, " ");
        bool optional = *at == '[';
        ENSURE(count < OPERANDS_MAX && length > 2 * (size_t)optional);
        struct text name = {at + optional, length - 2 * (size_t)optional};
        operands[count++] = (struct operand){name, operand_kind(name), optional};
        at += length + (at[length] == ' ');
    }
    return count;
}

/* Says that the command takes no such word: it may have been meant as a verb. */
static bool complain_unexpected(const struct command *command, size_t count, const char *word)
{
    bool has_verbs = false;
    for (size_t i = 0; command_at(i) != NULL; i++)
        has_verbs = has_verbs || command_is_verb_of(command_at(i), command->name);
    const char *nearest = has_verbs && count == 0 ? command_nearest(command->name, word) : NULL;
    fprintf(stderr, "outrigger %s: unexpected argument %s%s%s\n", command->name, word,
            nearest == NULL ? "" : "; the nearest known is ", nearest == NULL ? "" : nearest);
    return false;
}

static bool take_operand(struct reading *reading, char *word)
{
    struct operand operands[OPERANDS_MAX];
    const struct command *command = reading->arguments->command;
    size_t count = command_operands(command, operands);
    if (reading->operand_count == count)
        return complain_unexpected(command, count, word);
    const struct operand *operand = &operands[reading->operand_count];
    char words[256];
    struct value value;
    text_copy(operand->name, words, sizeof words);
    if (!value_read(operand->kind, words, word, &value))
        return refuse(command, operand->kind == VALUE_WORD ? "" : words, operand->kind, words, word);
    reading->arguments->operands[reading->operand_count++] = word;
    return true;
}

static bool has_all_operands(const struct reading *reading)
{
    struct operand operands[OPERANDS_MAX];
    const struct command *command = reading->arguments->command;
    size_t count = command_operands(command, operands);
    if (reading->operand_count >= count || operands[reading->operand_count].optional)
        return true;
    struct text missing = operands[reading->operand_count].name;
    fprintf(stderr, "outrigger %s: expected %.*s, got nothing\n", command->name, (int)missing.length,
            missing.at);
    return false;
}

/* ---- the whole ---- */

static bool take_words(struct reading *reading)
{
    bool options = true;
    while (reading->at < reading->end) {
        char *word = *reading->at++;
        bool good = true;
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0)
            good = take_long(reading, word);
        else if (options && word[0] == '-' && word[1] != '\0')
            good = take_short(reading, word);
        else
            good = take_operand(reading, word);
        if (!good)
            return false;
        if (reading->help)
            return true;
    }
    return has_all_operands(reading);
}

int arguments_parse(const struct command *command, int argc, char **argv, struct arguments *arguments)
{
    /* No more options than letters: room for all at once. */
    size_t letters = 1;
    for (int i = 0; i < argc; i++)
        letters += strlen(argv[i]);
    *arguments = (struct arguments){.command = command, .words = argv, .word_count = (size_t)argc};
    arguments->settings = object_alloc(letters * sizeof(char *));
    arguments->given = object_alloc(letters * sizeof(struct given));
    struct reading reading = {.arguments = arguments, .at = argv, .end = argv + argc};
    if (command->raw || take_words(&reading))
        return reading.help ? 1 : 0;
    fprintf(stderr, "Try: outrigger help %s\n", command->name);
    return -1;
}

void arguments_free(struct arguments *arguments)
{
    free(arguments->settings);
    free(arguments->given);
    *arguments = (struct arguments){0};
}

struct config *arguments_config(const struct arguments *arguments)
{
    struct config_errors errors = {0};
    struct config *config =
        config_load(arguments->config_file, arguments->settings, arguments->setting_count, &errors);
    if (config == NULL)
        config_errors_print(&errors, stderr);
    if (config == NULL && arguments->json)
        say_json_error(errors.text);
    return config;
}

/* ---- what was given ---- */

static const struct value *last(const struct arguments *arguments, enum option_id id)
{
    for (size_t i = arguments->given_count; i-- > 0;)
        if (arguments->given[i].id == id)
            return &arguments->given[i].value;
    return NULL;
}

bool arguments_has(const struct arguments *arguments, enum option_id id)
{
    return last(arguments, id) != NULL;
}

const char *arguments_text(const struct arguments *arguments, enum option_id id)
{
    const struct value *value = last(arguments, id);
    return value == NULL ? NULL : value->text;
}

int64_t arguments_number(const struct arguments *arguments, enum option_id id, int64_t fallback)
{
    const struct value *value = last(arguments, id);
    return value == NULL ? fallback : value->number;
}

double arguments_fraction(const struct arguments *arguments, enum option_id id, double fallback)
{
    const struct value *value = last(arguments, id);
    return value == NULL ? fallback : value->fraction;
}

const char *arguments_text_at(const struct arguments *arguments, enum option_id id, size_t index)
{
    for (size_t i = 0; i < arguments->given_count; i++)
        if (arguments->given[i].id == id && index-- == 0)
            return arguments->given[i].value.text;
    return NULL;
}
