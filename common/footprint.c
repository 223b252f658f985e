/* footprint: see footprint.h. Loading a model walks through some 20 MB of the engine's code and constants
 * that computing never touches, and they would stay in each worker's resident set as long as memory is
 * plenty. With many small models on one machine that is most of what there is to see.
 *
 * Only segments that are mapped without the right to write are dropped: nothing in them can differ from the
 * file. (What the linker relocates and then protects lies in a segment that is writable, as far as its header
 * says.) SPDX-License-Identifier: MIT */
#include "footprint.h"

#include "object.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

static int drop_segments(struct dl_phdr_info *object, size_t size, void *page_size)
{
    (void)size;
    uintptr_t page = *(const uintptr_t *)page_size;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0)
            continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) / page * page;
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) / page * page;
        if (start < end)
            madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void footprint_give_back(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    malloc_trim(0);
    dl_iterate_phdr(drop_segments, &page);
}
