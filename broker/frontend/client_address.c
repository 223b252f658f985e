/* client_address: see client_address.h. Different addresses have different numbers: nobody can choose one
 * that is counted as another's. Pure. SPDX-License-Identifier: MIT */
#include "client_address.h"

#include <arpa/inet.h>

/* IPv4 stands where no IPv6 network of anybody is: 0:ffff::/32. */
#define IPV4_PREFIX UINT64_C(0x0000ffff00000000)

static uint64_t number_of(const uint8_t *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

uint64_t client_address_number(const char *text)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, text, bytes) == 1)
        return IPV4_PREFIX | number_of(bytes, 4);
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)bytes))
        return IPV4_PREFIX | number_of(bytes + 12, 4);
    uint64_t network = number_of(bytes, 8);
    return network == 0 ? 1 : network; /* ::1, of this host */
}

uint64_t client_address(const struct http_request *request)
{
    const char *address = http_request_parameter(request, "REMOTE_ADDR");
    return address == NULL ? 0 : client_address_number(address);
}
