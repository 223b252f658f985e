/* shared_table: a table of fixed size that several processes map from one file. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_SHARED_TABLE_H
#define OUTRIGGER_SHARED_TABLE_H

#include <stddef.h>

/* Maps the first `bytes` of the file, which is made (mode 0600) and lengthened with zeros if need be, to read
 * and write. The caller unmaps it (munmap); the file stays, for the others. MAP_FAILED with errno; a link is
 * refused with ELOOP. */
void *shared_table_map(const char *path, size_t bytes);

#endif
