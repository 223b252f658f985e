/* mapped_file: a model file's bytes, without a copy of them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MAPPED_FILE_H
#define OUTRIGGER_MAPPED_FILE_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of a regular file that is not empty; NULL with errno. Must be unmapped. */
uint8_t *mapped_file(const char *path, size_t *length);

#endif
