/* model_settings: the group `settings` of model.conf: what a model's own program is told, of which nobody
 * else knows what it means. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MODEL_SETTINGS_H
#define OUTRIGGER_MODEL_SETTINGS_H

#include "parameter.h"

enum { MODEL_SETTINGS_MAX = 256 /* pairs of one model */ };

/* Reads the group, in JSON's form, and tells every fault with its field. False when there is any; else
 * *settings has a name, its value, the next name, ...: texts as they stand; numbers, true and false as JSON
 * has them; a list of those with a space between them; other lists and groups as JSON. config_names_free
 * takes them. */
bool model_settings_read(yyjson_val *value, parameter_fault *fault, void *self,
                         struct config_names *settings);
/* The settings of a model: name, value, ..., NULL. Good as long as the model's configuration. */
const char *const *model_settings_list(const struct model_config *model);
/* Prints the group as it stands in a commented model.conf. */
void model_settings_print_template(FILE *out);

#endif
