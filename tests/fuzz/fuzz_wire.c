/* The msgpack reader with any bytes: each kind of element asked for in turn, as the first byte says; it must
 * never leave its bytes. SPDX-License-Identifier: MIT */
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 1)
        return 0;
    struct wire_reader reader = wire_reader(bytes + 1, length - 1);
    uint32_t count;
    uint64_t number;
    int64_t integer;
    bool flag;
    double real;
    struct text text;
    for (unsigned turn = bytes[0]; !reader.failed && reader.at < reader.end; turn = turn * 5 + 1) {
        switch (turn % 9) {
        case 0:
            wire_read_array(&reader, &count);
            break;
        case 1:
            wire_read_map(&reader, &count);
            break;
        case 2:
            wire_read_uint(&reader, UINT64_MAX, &number);
            break;
        case 3:
            wire_read_int(&reader, &integer);
            break;
        case 4:
            wire_read_bool(&reader, &flag);
            break;
        case 5:
            wire_read_double(&reader, &real);
            break;
        case 6:
            wire_read_str(&reader, length, &text);
            break;
        case 7:
            wire_read_bin(&reader, length, &text);
            break;
        default:
            wire_skip(&reader);
        }
        ENSURE(reader.at <= reader.end);
    }
    reader = wire_reader(bytes, length);
    while (wire_skip(&reader))
        ENSURE(reader.at <= reader.end);
    return 0;
}
