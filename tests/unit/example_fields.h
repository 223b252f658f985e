/* example_fields: what the columns of a schema may be, from the text that model.conf has of it, as JSON.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXAMPLE_FIELDS_H
#define OUTRIGGER_EXAMPLE_FIELDS_H

#include "example_schema.h"
#include "model_inputs.h"
#include "schema_fields.h"
#include "suite.h"

static inline void example_fields_fault(void *self, const char *field, const char *complaint)
{
    (void)self;
    ck_abort_msg("%s: %s", field, complaint);
}

/* The schema gets these fields, whose names become its features. In `text` ' stands for ". */
static inline void example_fields(struct schema *schema, const char *text)
{
    char *json = object_strdup(text);
    size_t count = 0;
    for (char *at = json; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    yyjson_doc *document = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    ck_assert_msg(document != NULL, "%s", json);
    ck_assert(model_inputs_read(yyjson_doc_get_root(document), example_fields_fault, NULL, &schema->fields,
                                &count));
    schema->features = object_alloc(count * sizeof *schema->features);
    schema->feature_count = count;
    for (size_t i = 0; i < count; i++)
        schema->features[i] = object_strdup(schema->fields[i].name);
    yyjson_doc_free(document);
    free(json);
}

#endif
