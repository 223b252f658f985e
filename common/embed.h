/* embed: a file of the tree as bytes of the program.
 *
 * The assembler puts them there (.incbin): no tool besides the compiler is needed, and the file stays what it
 * is, for editors and tests. Paths are from the tree's root, where make runs; the compiler does not tell make
 * of them, so a rule of the Makefile says which object is made anew when the file changes.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EMBED_H
#define OUTRIGGER_EMBED_H

#include "object.h"

/* At file scope: EMBED(page, "broker/frontend/docs/page.html"). The name belongs to this file alone. */
#define EMBED(name, path)                                                                                    \
    __asm__(".pushsection .rodata\n"                                                                         \
            ".balign 16\n" #name ":\n"                                                                       \
            ".incbin \"" path "\"\n" #name "_end:\n"                                                         \
            ".byte 0\n"                                                                                      \
            ".popsection\n");                                                                                \
    extern const char name[];                                                                                \
    extern const char name##_end[]

/* The bytes of it; a NUL stands behind them. */
#define EMBEDDED(name) ((struct text){name, (size_t)((uintptr_t)name##_end - (uintptr_t)name)})

#endif
