/* confinement: see confinement.h. The model is the danger: its file may be made to break the engine that
 * reads it, and a plug-in or a pickle is a program. So everything is opened or looked up before, and the
 * model is read by a process that can do nothing else. SPDX-License-Identifier: MIT */
#include "confinement.h"

#include "sandbox.h"

#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { LINKS_MAX = SANDBOX_PATHS_MAX / 2, ALSO_MAX = SANDBOX_PATHS_MAX / 4 };

struct texts {
    char *texts[SANDBOX_PATHS_MAX];
    size_t count;
};

static bool is_below(const char *path, const char *folder)
{
    char *real = realpath(folder, NULL);
    size_t length = real == NULL ? 0 : strlen(real);
    bool below =
        length > 0 && strncmp(path, real, length) == 0 && (path[length] == '/' || path[length] == '\0');
    free(real);
    return below;
}

/* Data files of a model may be links to where models share them. A link that leads out of the repository is
 * not followed: with it a model could be given any file that we can read. */
static void add_links(struct texts *texts, const char *folder, const char *models_directory)
{
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return;
    for (const struct dirent *entry; texts->count < LINKS_MAX && (entry = readdir(directory)) != NULL;) {
        char *path, *real;
        if (entry->d_name[0] == '.' || (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN))
            continue;
        ENSURE(asprintf(&path, "%s/%s", folder, entry->d_name) >= 0);
        real = realpath(path, NULL);
        free(path);
        if (real != NULL && is_below(real, models_directory))
            texts->texts[texts->count++] = real;
        else
            free(real);
    }
    closedir(directory);
}

static void add_listed(struct texts *texts, const char *list)
{
    for (size_t i = 0, length; *list != '\0' && i < ALSO_MAX; i++, list += length) {
        list += strspn(list, ":");
        length = strcspn(list, ":");
        if (length > 0)
            ENSURE((texts->texts[texts->count++] = strndup(list, length)) != NULL);
    }
}

void confine(const struct confinement *confinement)
{
    struct sandbox sandbox = {.role = confinement->host == NULL ? SANDBOX_WORKER : confinement->host->role,
                              .mode = confinement->mode,
                              .name = confinement->name,
                              .remove = confinement->page};
    struct texts texts = {0};
    char *copy = object_strdup(confinement->path), *folder = dirname(copy);
    if (confinement->models_directory != NULL)
        add_links(&texts, folder, confinement->models_directory);
    if (confinement->models_directory != NULL && confinement->model != NULL)
        add_links(&texts, confinement->model, confinement->models_directory);
    if (confinement->also != NULL)
        add_listed(&texts, confinement->also);
    if (confinement->host != NULL)
        add_listed(&texts, confinement->host->reads);
    sandbox_may_read(&sandbox, confinement->path);
    sandbox_may_read(&sandbox, folder);
    sandbox_may_read(&sandbox, confinement->model);
    sandbox_may_write(&sandbox, confinement->writes);
    for (size_t i = 0; i < texts.count; i++)
        sandbox_may_read(&sandbox, texts.texts[i]);
    for (size_t i = 0; i < COUNT_OF(confinement->endpoints) && confinement->endpoints[i] != NULL; i++)
        sandbox_may_reach(&sandbox, confinement->endpoints[i]);
    sandbox_enter_or_exit(&sandbox);
    for (size_t i = 0; i < texts.count; i++)
        free(texts.texts[i]);
    free(copy);
}

char *confined_endpoint(const char *endpoint, char *reason, size_t capacity)
{
    char host[NI_MAXHOST], address[NI_MAXHOST], *numeric;
    const char *start = endpoint + strlen("tcp://"), *colon = strrchr(endpoint, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (strncmp(endpoint, "tcp://", 6) != 0 || *start == '[' || colon < start)
        return object_strdup(endpoint); /* libzmq says what is wrong with it */
    text_copy((struct text){start, (size_t)(colon - start)}, host, sizeof host);
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error == 0)
        error =
            getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
    bool six = error == 0 && found->ai_family == AF_INET6;
    if (found != NULL)
        freeaddrinfo(found);
    if (error != 0) {
        snprintf(reason, capacity, "%s: %s", endpoint, gai_strerror(error));
        return NULL;
    }
    ENSURE(asprintf(&numeric, six ? "tcp://[%s]%s" : "tcp://%s%s", address, colon) >= 0);
    return numeric;
}
