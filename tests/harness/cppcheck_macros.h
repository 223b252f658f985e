/* uthash's loops, for cppcheck, which does not read the headers of libraries. SPDX-License-Identifier: MIT */
#define DL_FOREACH(head, each)        for ((each) = (head); (each); (each) = (each)->next)
#define DL_FOREACH2(head, each, link) for ((each) = (head); (each); (each) = (each)->link)
#define DL_FOREACH_SAFE(head, each, kept)                                                                    \
    for ((each) = (head); (each) && ((kept) = (each)->next, 1); (each) = (kept))
#define DL_FOREACH_SAFE2(head, each, kept, link)                                                             \
    for ((each) = (head); (each) && ((kept) = (each)->link, 1); (each) = (kept))
#define LL_FOREACH(head, each) for ((each) = (head); (each); (each) = (each)->next)
#define LL_FOREACH_SAFE(head, each, kept)                                                                    \
    for ((each) = (head); (each) && ((kept) = (each)->next, 1); (each) = (kept))
#define HASH_ITER(handle, head, each, kept)                                                                  \
    for ((each) = (head); (each) && ((kept) = (each)->handle.next, 1); (each) = (kept))
#define CDL_FOREACH2(head, each, link)                                                                       \
    for ((each) = (head); (each); (each) = ((each)->link == (head)) ? 0 : (each)->link)
