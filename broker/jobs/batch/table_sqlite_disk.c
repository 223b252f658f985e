/* table_sqlite_disk: see table_sqlite_disk.h.
 *
 * A transaction of 80,000 rows ends with some thousand pages that go to the file one after the other, which
 * takes tens of milliseconds of a processor, in one piece: who answers clients waits for it, as batch
 * processes interrupt nobody. So the processor is offered now and then between pages. All else is the default
 * VFS's: a file of ours is a file of its, with this in front. Used by table_sqlite.c.
 * SPDX-License-Identifier: MIT */
#include "table_sqlite_disk.h"

#include "object.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define NAME "outrigger"
enum { PAGE_BYTES = 512, PAGES = 4 /* some 20 us */ };

struct file {
    sqlite3_file base;
    unsigned pages;
    /* the default's file stands behind */
};

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)((struct file *)(void *)file + 1);
}

/* ---- what is ours ---- */

static int write_some(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
    sqlite3_file *real = real_of(file);
    struct file *ours = (struct file *)(void *)file;
    if (length >= PAGE_BYTES && ++ours->pages % PAGES == 0)
        sched_yield();
    return real->pMethods->xWrite(real, bytes, length, at);
}

/* ---- what is the default's ---- */

static int close_it(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int read_some(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), bytes, length, at);
}

static int cut(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int sync_it(sqlite3_file *file, int flags)
{
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int size_of(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int is_reserved(sqlite3_file *file, int *reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int control(sqlite3_file *file, int what, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shared_map(sqlite3_file *file, int page, int size, int extend, void volatile **at)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, at);
}

static int shared_lock(sqlite3_file *file, int first, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), first, count, flags);
}

static void shared_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shared_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* ---- the VFS ---- */

/* Version 2: files are not mapped, nor are they by default. */
static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = close_it,
                                           .xRead = read_some,
                                           .xWrite = write_some,
                                           .xTruncate = cut,
                                           .xSync = sync_it,
                                           .xFileSize = size_of,
                                           .xLock = lock,
                                           .xUnlock = unlock,
                                           .xCheckReservedLock = is_reserved,
                                           .xFileControl = control,
                                           .xSectorSize = sector_size,
                                           .xDeviceCharacteristics = characteristics,
                                           .xShmMap = shared_map,
                                           .xShmLock = shared_lock,
                                           .xShmBarrier = shared_barrier,
                                           .xShmUnmap = shared_unmap};

static int open_it(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *said)
{
    sqlite3_vfs *real = vfs->pAppData;
    struct file *ours = (struct file *)(void *)file;
    int code = real->xOpen(real, name, real_of(file), flags, said);
    ours->pages = 0;
    ours->base.pMethods =
        real_of(file)->pMethods == NULL ? NULL : &methods; /* NULL: it is not to be closed */
    return code;
}

const char *sqlite_disk(void)
{
    if (sqlite3_vfs_find(NAME) != NULL)
        return NAME;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL), *ours = object_alloc(sizeof *ours); /* SQLite's for ever */
    if (real == NULL || real->iVersion > 3) {
        free(ours);
        return NULL;
    }
    *ours = *real;
    ours->pNext = NULL;
    ours->zName = NAME;
    ours->szOsFile = (int)sizeof(struct file) + real->szOsFile;
    ours->pAppData = real;
    ours->xOpen = open_it;
    if (sqlite3_vfs_register(ours, 0) == SQLITE_OK)
        return NAME;
    free(ours);
    return NULL;
}
