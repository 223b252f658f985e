/* folder: folders that a command works in for a while. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FOLDER_H
#define OUTRIGGER_FOLDER_H

/* Removes it with all that is in it, and follows no links. What cannot be removed stays: there is nobody to
 * tell. */
void folder_remove(const char *path);

#endif
