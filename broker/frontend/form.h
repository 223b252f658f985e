/* form: a body of application/x-www-form-urlencoded, "age=31&income=20.5&key=user+7", as one row of a model's
 * inputs. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FORM_H
#define OUTRIGGER_FORM_H

#include "record.h"

/* Zeroed = empty. Texts are views of the body. Large: belongs to a thread, not to a stack. */
struct form {
    struct text model, version, key; /* the pairs of these names, which can therefore be no feature's; empty:
                                        not said */
    struct csv_record names, values; /* of all other pairs */
    struct csv_field *fields;        /* memory of both */
    struct columns columns;
    struct tensor tensors[TENSOR_COUNT_MAX];
};

/* Takes the body apart; it is decoded where it stands, and bytes[length] is written to as well. False when
 * something is wrong, which `faults` says. */
bool form_read(struct form *form, char *bytes, size_t length, struct problem_faults *faults);
/* Bytes of the tensors payload (PROTOCOL.md section 6) of the one row that the pairs make; 0 when they are
 * not the features of a model with this layout and these fields (NULL: none): `faults` says why. */
size_t form_measure(struct form *form, const struct layout *layout, const struct fields *fields,
                    bool allow_nan, struct problem_faults *faults);
/* Writes the payload of `bytes` bytes, which form_measure returned. False when a value is refused: `faults`
 * says which. */
bool form_write(const struct form *form, uint8_t *payload, size_t bytes, struct problem_faults *faults);
/* Gives up what the others needed; `form` may be used for the next one. */
void form_end(struct form *form);

#endif
