/* keys: see keys.h. The list is security: its change waits for nothing else that a reload brings about, and
 * an operator who takes a key out of it is told when that did not happen. SPDX-License-Identifier: MIT */
#include "keys.h"

#include "api_key.h"
#include "control.h"
#include "curve.h"
#include "log.h"
#include "runtime.h"

enum { RELOAD_MS = 1000 };

bool keys_check(const struct config *config)
{
    struct config_errors errors = {0};
    char *rest = errors.text;
    curve_check(config, &errors);
    if (config->auth_required != 0)
        api_keys_free(api_keys_read(config->auth_keys_file, &errors));
    else
        log_warning("auth.required is off: everybody who reaches the web server may ask for everything");
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (*line != '\0')
            log_error("%s", line);
    return errors.count == 0;
}

void keys_reload(const struct config *config, changes_visit *visit, void *self)
{
    char path[RUNTIME_PATH_BYTES], text[512];
    if (*config->broker_workers_tcp == '\0' && *config->broker_askers_tcp == '\0')
        return;
    yyjson_doc *answer =
        control_call(runtime_path(config, "broker.sock", path), "{\"command\":\"reload-keys\"}", RELOAD_MS);
    const char *error = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(answer), "error"));
    if (error != NULL) {
        snprintf(text, sizeof text, "%s: outrigger reload, when that is mended", error);
        visit(self, text);
    }
    yyjson_doc_free(answer);
}
