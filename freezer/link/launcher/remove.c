/* Removes the remains of interrupted extractions, and entries that nobody used for a long time.

   A tree is removed with a constant number of descriptors and without recursion, as limits may be low: the directories
   in it are first moved up beside the others. An entry is removed only by a process that holds both of its locks, so
   never while a running application uses it, whatever the clock shows. It is renamed first, so that a start that has it
   open notices. */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { UNUSED_DAYS = 30, REMOVALS = 64, LOOKED_AT = 4096 };

static DIR *open_list(int parent, const char *name)
{
    int file = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        file = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return NULL;
    DIR *list = fdopendir(file);
    if (!list)
        close(file);
    return list;
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* Empties a directory: removes its files, and moves its directories that are not empty into "top". */
static void empty(DIR *list, int top, unsigned *moved)
{
    int here = dirfd(list);

    for (struct dirent *item; (item = readdir(list)) != NULL;) {
        if (is_dots(item->d_name) || unlinkat(here, item->d_name, 0) == 0 ||
            unlinkat(here, item->d_name, AT_REMOVEDIR) == 0)
            continue;
        char name[32];
        if (here == top)
            continue;
        (void)snprintf(name, sizeof name, ".%u", (*moved)++);
        (void)renameat(here, item->d_name, top, name);
    }
}

/* Removes a directory with its content, or a file. Returns true if it is gone, or did not exist. */
bool remove_tree(int parent, const char *name)
{
    unsigned moved = 0;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return true;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    DIR *top = open_list(parent, name);
    if (!top)
        return false;
    /* Repeat until a round removes nothing; a directory that was moved is emptied in the next round. */
    (void)fchmod(dirfd(top), 0700);
    for (bool progress = true; progress;) {
        progress = false;
        empty(top, dirfd(top), &moved);
        rewinddir(top);
        for (struct dirent *item; (item = readdir(top)) != NULL;) {
            if (is_dots(item->d_name))
                continue;
            DIR *list = open_list(dirfd(top), item->d_name);
            if (list) {
                (void)fchmod(dirfd(list), 0700);
                empty(list, dirfd(top), &moved);
                closedir(list);
            }
            progress |= unlinkat(dirfd(top), item->d_name, AT_REMOVEDIR) == 0;
        }
        rewinddir(top);
    }
    closedir(top);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

static int lock_of(int entry, const char *name)
{
    int file = openat(entry, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0) {
        close(file);
        return -2;
    }
    return file < 0 && errno != ENOENT ? -2 : file;
}

static bool remove_renamed(int home, const char *name)
{
    char away[2 * IDENTITY_SIZE];

    if ((size_t)snprintf(away, sizeof away, ".old-%s-%ld", name, (long)getpid()) >= sizeof away ||
        renameat(home, name, home, away) != 0)
        return false;
    (void)remove_tree(home, away);
    return true;
}

/* Removes an entry that could not be filled, unless another start has begun to use it. The caller holds its lock. */
void remove_unfinished(const struct entry *entry)
{
    if (entry_is_current(entry) && flock(entry->used, LOCK_EX | LOCK_NB) == 0)
        (void)remove_renamed(entry->home, entry->identity);
}

/* Returns whether nobody used an entry for a long time; a time stamp of 1970 counts as a long time ago, too. */
static bool unused(int home, int entry, const char *name)
{
    const time_t limit = (time_t)UNUSED_DAYS * 86400;
    struct stat stat;

    if (fstatat(home, name, &stat, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(stat.st_mode) || !trusted(&stat, true) ||
        time(NULL) - stat.st_mtime < limit)
        return false;
    return fstatat(entry, "used", &stat, AT_SYMLINK_NOFOLLOW) != 0 ? errno == ENOENT
                                                                   : time(NULL) - stat.st_mtime >= limit;
}

/* Removes an entry if nobody holds it. With "old" it was renamed before, by a process that did not finish. */
static bool remove_entry(int home, const char *name, bool old)
{
    bool gone = false;

    int entry = openat(home, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0)
        return false;
    if (!old && !unused(home, entry, name)) {
        close(entry);
        return false;
    }
    int lock = lock_of(entry, "lock");
    int used = lock == -2 ? -2 : lock_of(entry, "used");
    /* An application may have used the entry, and ended, before the locks were taken. */
    if (lock != -2 && used != -2 && (old || unused(home, entry, name))) {
        gone = old ? remove_tree(home, name) : remove_renamed(home, name);
    }
    if (lock >= 0)
        close(lock);
    if (used >= 0)
        close(used);
    close(entry);
    return gone;
}

/* Removes unused entries from a directory of entries, but not the entry "identity". */
void keep_house(int home, const char *identity)
{
    unsigned removals = 0, looks = 0;
    DIR *list = open_list(home, ".");

    if (!list)
        return;
    for (struct dirent *item; removals < REMOVALS && looks < LOOKED_AT && (item = readdir(list)) != NULL; looks++) {
        bool old = strncmp(item->d_name, ".old-", 5) == 0;
        const char *name = old ? item->d_name + 5 : item->d_name;
        size_t length = strspn(name, "0123456789abcdef");
        /* Other names are not the launcher's. */
        if (length != IDENTITY_SIZE || name[length] != (old ? '-' : 0) ||
            (!old && strcmp(name, identity) == 0))
            continue;
        removals += remove_entry(home, item->d_name, old);
    }
    closedir(list);
}
