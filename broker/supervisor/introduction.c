/* introduction: see introduction.h. In lines of some workers each, which are far from the 64 KiB that a line
 * may have, whatever their names; only the last one answers. SPDX-License-Identifier: MIT */
#include "introduction.h"

#include "control.h"

#include <stdlib.h>

enum { WORKERS_OF_A_LINE = 100, ANSWER_MS = 200 };

struct introduction {
    const char *path;
    uint64_t question;
    bool missed; /* a line: then the question is not answered */
    yyjson_mut_doc *document;
    yyjson_mut_val *workers;
};

static void begin(struct introduction *introduction)
{
    introduction->document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(introduction->document);
    yyjson_mut_doc_set_root(introduction->document, root);
    yyjson_mut_obj_add_str(introduction->document, root, "command", "announce");
    introduction->workers = yyjson_mut_obj_add_arr(introduction->document, root, "workers");
}

static bool is_heard(const char *path, const char *line)
{
    yyjson_doc *answer = control_call(path, line, ANSWER_MS);
    bool heard = yyjson_is_true(yyjson_obj_get(yyjson_doc_get_root(answer), "ok"));
    yyjson_doc_free(answer);
    return heard;
}

/* Whoever was left out of an answer would be taken for a stranger. */
static void say(struct introduction *introduction)
{
    char *line = yyjson_mut_write(introduction->document, YYJSON_WRITE_NOFLAG, NULL);
    ENSURE(line != NULL); /* names and digits */
    if (introduction->question == 0)
        (void)control_tell(introduction->path, line);
    else if (!introduction->missed)
        introduction->missed = !is_heard(introduction->path, line);
    free(line);
}

struct introduction *introduction_new(const char *path, uint64_t question)
{
    struct introduction *introduction = object_alloc(sizeof(*introduction));
    introduction->path = path;
    introduction->question = question;
    begin(introduction);
    return introduction;
}

void introduction_add(struct introduction *introduction, const struct worker_token *token, const char *model,
                      const char *version, pid_t pid)
{
    if (token->text[0] == '\0')
        return;
    if (yyjson_mut_arr_size(introduction->workers) == WORKERS_OF_A_LINE) {
        say(introduction);
        yyjson_mut_doc_free(introduction->document);
        begin(introduction);
    }
    yyjson_mut_doc *document = introduction->document;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, introduction->workers);
    yyjson_mut_obj_add_strcpy(document, entry, "token", token->text);
    yyjson_mut_obj_add_strcpy(document, entry, "model", model);
    yyjson_mut_obj_add_strcpy(document, entry, "version", version);
    yyjson_mut_obj_add_uint(document, entry, "pid", (uint64_t)pid);
}

void introduction_end(struct introduction *introduction)
{
    if (introduction->question != 0)
        yyjson_mut_obj_add_uint(introduction->document, yyjson_mut_doc_get_root(introduction->document),
                                "answer", introduction->question);
    if (introduction->question != 0 || yyjson_mut_arr_size(introduction->workers) > 0)
        say(introduction);
    yyjson_mut_doc_free(introduction->document);
    free(introduction);
}
