/* stream_kinds: which kinds of streams there are. SPDX-License-Identifier: MIT */
#include "stream.h"

static const struct stream_kind *const kinds[] = {
    &stream_kafka, &stream_redis, NULL, /* behind the last */
};

const struct stream_kind *stream_kind_of(struct text scheme)
{
    for (size_t i = 0; kinds[i] != NULL; i++)
        if (text_is(scheme, kinds[i]->scheme))
            return kinds[i];
    return NULL;
}
