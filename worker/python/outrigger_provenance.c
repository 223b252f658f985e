/* outrigger_provenance: which model it is, and who has signed it (common/provenance.h), for a worker in
 * Python, by the same library as the sandbox: a signature must not be read in two ways.
 * SPDX-License-Identifier: MIT */
#include "log.h"
#include "provenance.h"

#define FOR_PYTHON __attribute__((visibility("default")))

FOR_PYTHON struct provenance *outrigger_provenance_gather(const char *process, const char *model_file,
                                                          const char *signing_keys, char *reason,
                                                          size_t capacity);
FOR_PYTHON int outrigger_provenance_trusted(const struct provenance *provenance, char *reason,
                                            size_t capacity);
FOR_PYTHON int outrigger_provenance_holds(const struct provenance *provenance, char *reason, size_t capacity);
FOR_PYTHON const char *outrigger_provenance_digest(const struct provenance *provenance);

struct provenance *outrigger_provenance_gather(const char *process, const char *model_file,
                                               const char *signing_keys, char *reason, size_t capacity)
{
    log_open(process, "info");
    return provenance_gather(model_file, signing_keys, reason, capacity);
}

int outrigger_provenance_trusted(const struct provenance *provenance, char *reason, size_t capacity)
{
    return provenance_trusted(provenance, reason, capacity);
}

int outrigger_provenance_holds(const struct provenance *provenance, char *reason, size_t capacity)
{
    return provenance_holds(provenance, reason, capacity);
}

const char *outrigger_provenance_digest(const struct provenance *provenance)
{
    return provenance_digest(provenance);
}
