/* path: a file's path, of its folder and its name. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PATH_H
#define OUTRIGGER_PATH_H

/* FOLDER/NAME; the caller frees. */
char *path_in(const char *folder, const char *name);

#endif
