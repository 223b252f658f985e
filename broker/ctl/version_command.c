/* version_command: `outrigger version`. SPDX-License-Identifier: MIT */
#include "say.h"

int version_command(const struct arguments *arguments)
{
    if (!arguments->json) {
        puts("outrigger " OUTRIGGER_VERSION);
        return CTL_GOOD;
    }
    yyjson_mut_doc *document = say_new();
    yyjson_mut_obj_add_str(document, yyjson_mut_doc_get_root(document), "version", OUTRIGGER_VERSION);
    say_json(document);
    return CTL_GOOD;
}
