/* config: outrigger.conf and model.conf as structs, read through one table of parameters each.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONFIG_H
#define OUTRIGGER_CONFIG_H

#include "object.h"

#include <stdio.h>

/* outrigger.conf: one member for each row of parameters.def, section_name. Strings are owned by the struct.
 * "Computed" defaults (empty strings, 0 = auto) are filled in by config_load, so that nobody computes them
 * twice: frontend_socket, auth_keys_file, broker_askers, broker_workers, binary_directory,
 * frontend_processes. */
struct config {
    char *file; /* the path it was read from; "" for the defaults alone */
#define INTEGER(section, name, ...)   int64_t CONFIG_NAME(section, name);
#define STRING(section, name, ...)    char *CONFIG_NAME(section, name);
#define CONFIG_NAME(section, name)    CONFIG_JOIN(section, name)
#define CONFIG_JOIN(section, name)    CONFIG_JOIN_##section(name)
#define CONFIG_JOIN_(name)            name
#define CONFIG_JOIN_frontend(name)    frontend_##name
#define CONFIG_JOIN_auth(name)        auth_##name
#define CONFIG_JOIN_broker(name)      broker_##name
#define CONFIG_JOIN_worker(name)      worker_##name
#define CONFIG_JOIN_collector(name)   collector_##name
#define CONFIG_JOIN_metrics(name)     metrics_##name
#define CONFIG_JOIN_supervisor(name)  supervisor_##name
#define CONFIG_JOIN_drift(name)       drift_##name
#define CONFIG_JOIN_flight(name)      flight_##name
#define CONFIG_JOIN_feedback(name)    feedback_##name
#define CONFIG_JOIN_slo(name)         slo_##name
#define CONFIG_JOIN_token(name)       token_##name
#define CONFIG_JOIN_trace(name)       trace_##name
#define CONFIG_JOIN_log(name)         log_##name
#define CONFIG_JOIN_audit(name)       audit_##name
#define CONFIG_JOIN_oip(name)         oip_##name
#define CONFIG_JOIN_sandbox(name)     sandbox_##name
#define CONFIG_JOIN_signing(name)     signing_##name
#define CONFIG_JOIN_batching(name)    batching_##name
#define CONFIG_JOIN_queue(name)       queue_##name
#define CONFIG_JOIN_cache(name)       cache_##name
#define CONFIG_JOIN_idempotency(name) idempotency_##name
#define CONFIG_JOIN_limits(name)      limits_##name
#define CONFIG_JOIN_onnx(name)        onnx_##name
#define CONFIG_JOIN_limit(name)       limit_##name
#define CONFIG_JOIN_rate(name)        rate_##name
#define CONFIG_JOIN_shadow(name)      shadow_##name
#define CONFIG_JOIN_scaling(name)     scaling_##name
#define CONFIG_JOIN_validation(name)  validation_##name
#include "parameters.def"
#undef INTEGER
#undef STRING
};

/* A list of strings. */
struct config_names {
    char **names;
    size_t count;
};

struct route;
struct schema_field;

/* model.conf, the same way, from model_parameters.def; and where the model lies. */
struct model_config {
    char *name;                   /* the folder's */
    char *directory;              /* models_directory/name */
    struct config_names versions; /* its version folders, ascending: numbers by value, then names */
    struct route *route;          /* the group of that name (route.h); never NULL */
    struct schema_field *inputs;  /* likewise (schema.h): of each column, if the list is not empty */
    size_t input_count;
    struct config_names settings; /* the group of that name (model_settings.h): name, value, name, value */
    char *settings_json;          /* the same group as a JSON object; never NULL */
#define INTEGER(section, name, ...) int64_t CONFIG_NAME(section, name);
#define REAL(section, name, ...)    double CONFIG_NAME(section, name);
#define STRING(section, name, ...)  char *CONFIG_NAME(section, name);
#define NAMES(section, name, ...)   struct config_names CONFIG_NAME(section, name);
#include "model_parameters.def"
#undef INTEGER
#undef REAL
#undef STRING
#undef NAMES
};

/* All models of a repository, by name. */
struct model_list {
    struct model_config **models;
    size_t count;
};

/* Where complaints go: each one line that names file, line, key, what was expected, what came, and the
 * nearest known key; ended with a newline. */
struct config_errors {
    char text[8192];
    size_t length;
    int count;
};

/* Adds one line (its newline not in `format`). Lines that have no room any more are only counted. Control
 * characters become '?'. */
void config_complain(struct config_errors *errors, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints all lines, and how many more there were. */
void config_errors_print(const struct config_errors *errors, FILE *out);

/* Reads `file` (NULL or "": defaults alone), then applies `settings` ("section.name=value", `setting_count`
 * of them; the command line's --set), checks all, fills in the computed ones. NULL when anything is wrong:
 * all complaints are in `errors` then. The caller frees with config_free. */
struct config *config_load(const char *file, const char *const *settings, size_t setting_count,
                           struct config_errors *errors);
void config_free(struct config *config);
/* The public keys (PATH:PATH) one of which must have signed that model: signing.keys, unless it is one of
 * signing.unsigned; "": nobody need have. */
const char *config_signing_keys(const struct config *config, const char *model);

/* Reads the model repository: each folder with at least one version folder or a model.conf is a model (names
 * starting with a dot are passed over). A model whose model.conf is wrong is left out and complained of.
 * Never NULL; an unreadable directory is a complaint and an empty list. */
struct model_list *model_list_load(const char *models_directory, struct config_errors *errors);
void model_list_free(struct model_list *list);
/* A model that cannot be read just now is still what it was: takes those out of `before` that are not in the
 * list though their folders are there. Only after complaints: without any, they are no models any more. */
void model_list_keep(struct model_list *list, struct model_list *before);
struct model_config *model_list_find(const struct model_list *list, struct text name);
/* True when there is such a version on disk. */
bool model_has_version(const struct model_config *model, const char *version);
/* True when model.conf's `serve` names the version beside the one that takes the traffic. */
bool model_policy_serves(const struct model_config *model, const char *version);
/* The version that takes the traffic: model.conf's, else the highest; NULL when there is none. */
const char *model_stable_version(const struct model_config *model);
/* The model file of a version (a path that the caller frees) and the backend ("onnx", "xgboost", "echo",
 * "python", ...; constant) that it or model.conf asks for. NULL when there is no such file; complained of in
 * `errors`. */
char *model_file(const struct model_config *model, const char *version, const char **backend,
                 struct config_errors *errors);
/* The interpreter that serves a version of backend python (a path that the caller frees): model.conf's, or
 * `standard`, outrigger.conf's. */
char *model_python(const struct model_config *model, const char *version, const char *standard);
/* The default model's name: config's, else the only one of the list; NULL when there is none. */
const char *model_default(const struct config *config, const struct model_list *list);

/* Prints a commented configuration file with every parameter at its default. */
void config_print_template(FILE *out);
/* Prints a commented model.conf likewise. */
void model_config_print_template(FILE *out);

#endif
