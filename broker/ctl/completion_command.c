/* completion_command: `outrigger completion SHELL` prints what the shell has to know, and `outrigger
 * complete`, which that calls, answers it. So there is one completion, made of the table, for all shells, and
 * it is always that of the program that is installed. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "complete.h"

#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 300 }; /* a person waits with the finger on the key */

/* ---- the scripts ---- */

/* Each hands the words up to the cursor to `outrigger complete`, which answers a line for each candidate,
 * with a tab and its meaning; ":files" asks for a path. A candidate that ends with "=" is not whole yet. */
static const char bash_script[] =
    "# bash completion for outrigger(1): source it, or put it into\n"
    "# ~/.local/share/bash-completion/completions/outrigger\n"
    "_outrigger() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words=() candidate\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r candidate _; do\n"
    "        if [[ $candidate == :files ]]; then\n"
    "            compopt -o default 2>/dev/null\n"
    "            return\n"
    "        fi\n"
    "        # bash replaces what stands behind the \"=\" alone\n"
    "        [[ ${words[-1]} == *=* && $COMP_WORDBREAKS == *=* ]] && candidate=${candidate#*=}\n"
    "        [[ $candidate == *= ]] && compopt -o nospace 2>/dev/null\n"
    "        COMPREPLY+=(\"$candidate\")\n"
    "    done < <(\"$1\" complete \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _outrigger outrigger\n";

static const char zsh_script[] =
    "#compdef outrigger\n"
    "# zsh completion for outrigger(1): put it into a folder of $fpath as _outrigger, or source it after "
    "compinit\n"
    "_outrigger() {\n"
    "    local -a whole open\n"
    "    local candidate meaning entry\n"
    "    while IFS=$'\\t' read -r candidate meaning; do\n"
    "        if [[ $candidate == :files ]]; then\n"
    "            [[ $PREFIX == -*=* ]] && compset -P '*='\n"
    "            _files\n"
    "            return\n"
    "        fi\n"
    "        entry=${candidate//:/\\\\:}${meaning:+:$meaning}\n"
    "        if [[ $candidate == *= ]]; then open+=(\"$entry\"); else whole+=(\"$entry\"); fi\n"
    "    done < <(\"${words[1]}\" complete \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    local -i found=1\n"
    "    (( $#whole )) && _describe -t outrigger outrigger whole && found=0\n"
    "    (( $#open )) && _describe -t parameters parameter open -S '' && found=0\n"
    "    return found\n"
    "}\n"
    "if [[ ${funcstack[1]} == _outrigger ]]; then _outrigger \"$@\"; else compdef _outrigger outrigger; fi\n";

static const char fish_script[] =
    "# fish completion for outrigger(1): put it into ~/.config/fish/completions/outrigger.fish\n"
    "function __outrigger_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    for line in (command $words[1] complete $words[2..-1] \"$current\" 2>/dev/null)\n"
    "        if test \"$line\" = :files\n"
    "            set -l head (string match -r -- '^--[^=]*=' \"$current\")\n"
    "            __fish_complete_path (string replace -r -- '^--[^=]*=' '' \"$current\") |\n"
    "                string replace -r -- '^' \"$head\"\n"
    "        else\n"
    "            printf '%s\\n' $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c outrigger -f -a '(__outrigger_complete)'\n";

int completion_command(const struct arguments *arguments)
{
    const char *shell = arguments->operands[0];
    fputs(strcmp(shell, "bash") == 0  ? bash_script
          : strcmp(shell, "zsh") == 0 ? zsh_script
                                      : fish_script,
          stdout);
    return CTL_GOOD;
}

/* ---- the names of models ---- */

/* What the supervisor knows; NULL when it does not tell. */
static yyjson_doc *ask_models(const struct config *config)
{
    yyjson_doc *answer = ask(config, "supervisor.sock", "models", ANSWER_TIMEOUT_MS);
    if (answer != NULL && ask_refusal(answer) == NULL)
        return answer;
    yyjson_doc_free(answer);
    return NULL;
}

static void take_text(yyjson_val *entry, const char *name, complete_take *take, void *taker)
{
    const char *text = yyjson_get_str(yyjson_obj_get(entry, name));
    if (text != NULL)
        take(taker, text, "");
}

static void each_of_answer(yyjson_doc *answer, const char *model, complete_take *take, void *taker)
{
    size_t i, count, j, versions;
    yyjson_val *entry, *version;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(answer), "models"), i, count, entry)
    {
        if (model == NULL) {
            take_text(entry, "model", take, taker);
            continue;
        }
        if (!yyjson_equals_str(yyjson_obj_get(entry, "model"), model))
            continue;
        yyjson_arr_foreach(yyjson_obj_get(entry, "versions"), j, versions, version)
        {
            take_text(version, "version", take, taker);
        }
    }
}

static void each_of_list(const struct model_list *list, const char *model, complete_take *take, void *taker)
{
    if (model == NULL) {
        for (size_t i = 0; i < list->count; i++)
            take(taker, list->models[i]->name, "");
        return;
    }
    const struct model_config *found = model_list_find(list, text_of(model));
    for (size_t i = 0; found != NULL && i < found->versions.count; i++)
        take(taker, found->versions.names[i], "");
}

/* What runs knows best; where nothing runs the repository is looked at. What is wrong with either is not the
 * time to say. */
static void each_name(void *self, const struct complete_place *place, const char *model, complete_take *take,
                      void *taker)
{
    (void)self;
    struct config_errors errors = {0};
    struct config *config = config_load(place->config_file, place->settings, place->setting_count, &errors);
    if (config == NULL)
        return;
    yyjson_doc *answer = ask_models(config);
    if (answer != NULL) {
        each_of_answer(answer, model, take, taker);
    } else {
        struct model_list *list = model_list_load(config->models_directory, &errors);
        each_of_list(list, model, take, taker);
        model_list_free(list);
    }
    yyjson_doc_free(answer);
    config_free(config);
}

/* ---- what the scripts ask ---- */

static void print_candidate(void *self, const char *candidate, const char *meaning)
{
    (void)self;
    printf("%s\t%s\n", candidate, meaning);
}

int complete_command(const struct arguments *arguments)
{
    const struct complete_source source = {.each = each_name};
    if (complete((const char *const *)arguments->words, arguments->word_count, &source, print_candidate,
                 NULL))
        puts(":files");
    return CTL_GOOD;
}
