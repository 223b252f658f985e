/* onnx_references: which other files an ONNX model wants to be read. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ONNX_REFERENCES_H
#define OUTRIGGER_ONNX_REFERENCES_H

#include "object.h"

/* Called with the location of each tensor whose data lie in another file; false ends the search. */
typedef bool onnx_location(void *self, struct text location);

/* Finds all locations in a model's bytes. False when `found` said so, or when the bytes are no protobuf
 * message as ONNX Runtime would read it. Pure. */
bool onnx_references_find(const uint8_t *bytes, size_t length, onnx_location *found, void *self);

/* True when everything that the model file refers to is a regular file in its folder, symbolic links
 * followed. Else `error` (`error_size` bytes) says why not. */
bool onnx_references_stay(const char *path, char *error, size_t error_size);

#endif
