/* likeness: see likeness.h. The frontends check a request against the stable version, and the broker chooses
 * who answers it: so whoever shares a route shares the inputs. Schemas are taken apart here when they have
 * changed, or when somebody asks, and never for a request. SPDX-License-Identifier: MIT */
#include "likeness.h"

#include "schema_fields.h"

static struct schema *read_schema(const struct version *version)
{
    const char *reason;
    return version->schema == NULL ? NULL : schema_decode(version->schema, version->schema_length, &reason);
}

bool likeness_of_inputs(const struct version *one, const struct version *other, char *how, size_t capacity)
{
    char one_name[PROTOCOL_NAME_MAX + 16], other_name[PROTOCOL_NAME_MAX + 16];
    if (one == other ||
        (one->schema_length == other->schema_length && one->schema != NULL && other->schema != NULL &&
         memcmp(one->schema, other->schema, one->schema_length) == 0))
        return true;
    struct schema *of_one = read_schema(one), *of_other = read_schema(other);
    snprintf(one_name, sizeof one_name, "version %s", one->name);
    snprintf(other_name, sizeof other_name, "version %s", other->name);
    bool same = of_one == NULL || of_other == NULL ||
                schema_same_inputs(of_one, one_name, of_other, other_name, how, capacity);
    schema_free(of_one);
    schema_free(of_other);
    return same;
}
