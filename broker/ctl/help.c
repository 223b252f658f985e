/* help: the list of commands, and one command in full; with --json the whole table, which the tests hold the
 * manual page and the shells' completion against. SPDX-License-Identifier: MIT */
#include "say.h"

enum { NAME_COLUMNS = 26 }; /* of the names of options */

/* ---- text ---- */

static void print_commands(void)
{
    fputs("usage: outrigger COMMAND [OPTION]...\n\n"
          "Serves machine-learning models beside a web server that already runs.\n\nCommands:\n",
          stdout);
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (!command->hidden)
            printf("  %-16s %s\n", command->name, command->summary);
    fputs("\n  outrigger help COMMAND tells more about one of them; outrigger --version prints the version.\n"
          "\nExit status: 0 all is well; 1 something is wrong, refused or not ready in time; 2 the command "
          "line is "
          "wrong;\n3 nothing runs there.\n",
          stdout);
}

static bool is_shown(enum option_id id)
{
    return *option_row(id)->text != '\0';
}

/* A name that is too long for its column has the line for itself. */
static void print_option(enum option_id id, FILE *out)
{
    const struct option_row *row = option_row(id);
    char name[96], letter[8] = "    ";
    if (row->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(name, sizeof name, "--%s%s%s", row->name, row->kind == VALUE_NONE ? "" : " ", row->value);
    if (strlen(name) > NAME_COLUMNS)
        fprintf(out, "  %s%s\n%*s%s\n", letter, name, NAME_COLUMNS + 7, "", row->text);
    else
        fprintf(out, "  %s%-*s %s\n", letter, NAME_COLUMNS, name, row->text);
}

static void print_options(const struct command *command, FILE *out)
{
    fputs("\nOptions:\n", out);
    for (size_t i = 0; command->options[i] != OPTION_END; i++)
        if (is_shown(command->options[i]))
            print_option(command->options[i], out);
    print_option(OPTION_HELP, out);
}

static void print_verbs(const struct command *command, FILE *out)
{
    const struct command *verb;
    const char *head = "\nVerbs:\n";
    for (size_t i = 0; (verb = command_at(i)) != NULL; i++)
        if (command_is_verb_of(verb, command->name) && !verb->hidden) {
            fprintf(out, "%s  outrigger %-24s %s\n", head, verb->name, verb->summary);
            head = "";
        }
}

void help_print(const struct command *command, FILE *out)
{
    const char *operands = command->operands == NULL ? "" : command->operands;
    fprintf(out, "usage: outrigger %s%s%s%s\n\n%c%s.\n", command->name, *operands == '\0' ? "" : " ",
            operands, command->options[0] == OPTION_END ? "" : " [OPTION]...",
            command->summary[0] - 'a' + 'A', command->summary + 1);
    if (*command->text != '\0')
        fprintf(out, "\n%s", command->text);
    print_verbs(command, out);
    print_options(command, out);
}

/* ---- JSON ---- */

static void add_option(yyjson_mut_doc *document, yyjson_mut_val *options, enum option_id id)
{
    const struct option_row *row = option_row(id);
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, options);
    yyjson_mut_obj_add_str(document, entry, "name", row->name);
    if (row->letter != 0)
        yyjson_mut_obj_add_strncpy(document, entry, "letter", &row->letter, 1);
    if (row->kind != VALUE_NONE)
        yyjson_mut_obj_add_str(document, entry, "value", row->value);
    yyjson_mut_obj_add_str(document, entry, "text", row->text);
}

static void add_command(yyjson_mut_doc *document, yyjson_mut_val *commands, const struct command *command)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, commands);
    yyjson_mut_obj_add_str(document, entry, "name", command->name);
    yyjson_mut_obj_add_str(document, entry, "summary", command->summary);
    yyjson_mut_obj_add_str(document, entry, "operands", command->operands == NULL ? "" : command->operands);
    yyjson_mut_obj_add_str(document, entry, "text", command->text);
    yyjson_mut_val *options = yyjson_mut_obj_add_arr(document, entry, "options");
    for (size_t i = 0; command->options[i] != OPTION_END; i++)
        if (is_shown(command->options[i]))
            add_option(document, options, command->options[i]);
}

/* All commands, or the one and its verbs. */
static void print_json(const struct command *one)
{
    yyjson_mut_doc *document = say_new();
    yyjson_mut_val *commands =
        yyjson_mut_obj_add_arr(document, yyjson_mut_doc_get_root(document), "commands");
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        if (!command->hidden && (one == NULL || command == one || command_is_verb_of(command, one->name)))
            add_command(document, commands, command);
    say_json(document);
}

int help_command(const struct arguments *arguments)
{
    const char *words[] = {arguments->operands[0], arguments->operands[1]};
    size_t count = (size_t)(words[0] != NULL) + (size_t)(words[1] != NULL), used = 0;
    const struct command *command = count == 0 ? NULL : command_of(words, count, &used);
    if (used < count) {
        const char *nearest = command_nearest(used == 0 ? "" : words[0], words[used]);
        return say_fault(arguments, CTL_USAGE, "there is no command %s%s%s%s%s", used == 0 ? "" : words[0],
                         used == 0 ? "" : " ", words[used], nearest == NULL ? "" : "; the nearest known is ",
                         nearest == NULL ? "" : nearest);
    }
    if (arguments->json)
        print_json(command);
    else if (command == NULL)
        print_commands();
    else
        help_print(command, stdout);
    return CTL_GOOD;
}
