/* inspecting: what a worker tells of one file, by hand or to `outrigger check` and `outrigger optimize`,
 * instead of serving it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_INSPECTING_H
#define OUTRIGGER_INSPECTING_H

#include <stdbool.h>

/* True when the arguments of main are none of a worker that serves, but one of these. What a file is and
 * takes:
 *     --describe FILE [FOLDER [MODE WORKER_READ MODELS_DIRECTORY SIGNING_KEYS USER]]
 * `outrigger check` tells what its configuration says of the sandbox and of signatures, so that the model is
 * tried as it will serve; by hand the sandbox is on. Where the file belongs to a model of a repository,
 * FOLDER is the model's; without, its own folder may be any, and is not read. USER, if it is not "", is whom
 * root becomes before it looks at anything. What it answers on standard input, which is a socket, and how
 * long that takes (measuring.h); golden requests are not asked:
 *     --measure FILE FOLDER MODE WORKER_READ MODELS_DIRECTORY SIGNING_KEYS USER
 * What ONNX Runtime makes of it, into a file that is there, and empty:
 *     --graph FILE OUTPUT MODE */
bool inspecting_asked(int count, char **arguments);
/* Does it. An exit status; what was wrong is printed, in one line. May end the process itself. */
int inspecting_run(int count, char **arguments);

#endif
