/* table_sqlite_disk: how a job's SQLite writes its files: as it does by default, and giving way to others
 * meanwhile. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_TABLE_SQLITE_DISK_H
#define OUTRIGGER_BATCH_TABLE_SQLITE_DISK_H

/* The name for sqlite3_open_v2 (https://www.sqlite.org/vfs.html); NULL, the default's, when there is none of
 * ours. For one thread at a time. */
const char *sqlite_disk(void);

#endif
