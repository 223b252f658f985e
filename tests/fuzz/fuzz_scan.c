/* What a peer may send on the FastCGI socket: the scan of it in one piece and in two must agree, whatever it
 * is. SPDX-License-Identifier: MIT */
#include "scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct scan_limits limits = {.max_params = 4096, .max_body = 16384};

static enum scan_result in_two(const uint8_t *bytes, size_t length, size_t cut)
{
    struct scan scan = {0};
    enum scan_result first = scan_feed(&scan, &limits, bytes, cut);
    if (first == SCAN_REFUSED)
        return first;
    if (first != SCAN_PARTIAL) /* complete before the end: what is left over is refused */
        return cut == length ? first : SCAN_REFUSED;
    return scan_feed(&scan, &limits, bytes + cut, length - cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct scan scan = {0};
    enum scan_result whole = scan_feed(&scan, &limits, bytes, length);
    if (whole == SCAN_COMPLETE || whole == SCAN_TOO_LARGE) {
        ENSURE(scan.offset == length && scan.params_end > 0 && scan.params_end < length);
        ENSURE(scan.params <= limits.max_params && scan.request_id != 0);
        ENSURE((scan.body > limits.max_body) == (whole == SCAN_TOO_LARGE));
    }
    for (size_t cut = 0; cut <= length; cut += 1 + length / 16)
        ENSURE(in_two(bytes, length, cut) == whole);
    return 0;
}
