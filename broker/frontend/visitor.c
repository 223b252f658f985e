/* visitor: see visitor.h.
 *
 * What stands in HTTP_... parameters is the client's own word, all else the web server's. A name is taken
 * from the parameter that is configured and no other, and only where it stands once: of two, one is not the
 * web server's. SPDX-License-Identifier: MIT */
#include "visitor.h"

/* ---- the address ---- */

/* The part behind the last comma of the first `length` bytes, without blanks; *length is then what is left
 * before it. */
static struct text last_part(const char *list, size_t *length)
{
    size_t end = *length, begin = end;
    while (begin > 0 && list[begin - 1] != ',')
        begin--;
    *length = begin == 0 ? 0 : begin - 1;
    while (begin < end && (list[begin] == ' ' || list[begin] == '\t'))
        begin++;
    while (end > begin && (list[end - 1] == ' ' || list[end - 1] == '\t'))
        end--;
    return (struct text){list + begin, end - begin};
}

/* From right to left, as the proxies wrote it: the first that is no trusted proxy is who asked them. What is
 * no address ends the way: the proxy that wrote it is the last that is known. */
static struct address behind_proxies(const char *list, struct address nearest,
                                     const struct address_list *proxies)
{
    size_t length = strlen(list);
    while (length > 0 && address_list_has(proxies, &nearest)) {
        struct address next;
        if (!address_read(last_part(list, &length), &next))
            break;
        nearest = next;
    }
    return nearest;
}

struct address visitor_address(const struct http_request *request, const struct address_list *proxies)
{
    struct address address;
    if (!address_read(text_of(request->remote_address), &address))
        return address;
    if (proxies->count == 0 || request->forwarded_for == NULL)
        return address;
    return behind_proxies(request->forwarded_for, address, proxies);
}

bool visitor_is_local(const struct http_request *request, const struct address_list *proxies)
{
    struct address nearest, address = visitor_address(request, proxies);
    if (!address_is_loopback(&address))
        return false;
    return !request->forwarded ||
           (address_read(text_of(request->remote_address), &nearest) && address_list_has(proxies, &nearest));
}

/* ---- the name ---- */

/* The value of a parameter that is there once and not empty; else an empty text. */
static struct text only(const struct http_request *request, const char *name)
{
    size_t length = strlen(name);
    const char *value = NULL;
    for (char *const *parameter = request->parameters; *parameter != NULL; parameter++) {
        if (strncmp(*parameter, name, length) != 0 || (*parameter)[length] != '=')
            continue;
        if (value != NULL)
            return (struct text){0};
        value = *parameter + length + 1;
    }
    return text_of(value);
}

struct text visitor_name(const struct http_request *request, const struct config *config)
{
    struct text name = {0};
    if (*config->auth_trust_client_certificate != '\0' &&
        text_is(only(request, "SSL_CLIENT_VERIFY"), "SUCCESS"))
        name = only(request, config->auth_trust_client_certificate);
    if (name.length == 0 && *config->auth_trust_remote_user != '\0')
        name = only(request, config->auth_trust_remote_user);
    return name;
}
