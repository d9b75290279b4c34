/* Removes the remains of interrupted extractions, and entries that nobody used for a long time.

   A tree is removed with a constant number of descriptors and without recursion, as limits may be low: the directories
   in it are first moved up beside the others. A tree that this start has just unpacked is removed without descriptors,
   as there may be none left. An entry is removed only by a process that holds both of its locks, so never while a
   running application uses it, whatever the clock shows.

   A complete entry is renamed first, so that other processes finish its removal if this one ends. An entry that cannot
   be used is removed under its name: its manifest first and its locks last, so that until the end it is an entry that
   the next start unpacks again. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { UNUSED_DAYS = 30, REMOVALS = 64, LOOKED_AT = 4096 };

/* A list of the names in a directory. opendir() would allocate memory, and there may be none left. */
struct list {
    int file;
    size_t at, size;
    _Alignas(8) char items[2048]; /* as the kernel writes them; see getdents64(2) */
};

enum { ITEM_LENGTH = 16, ITEM_NAME = 19 }; /* offsets in an item */

static bool list_open(struct list *list, int parent, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

    list->at = list->size = 0;
    list->file = openat(parent, name, flags);
    if (list->file < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        list->file = openat(parent, name, flags);
    return list->file >= 0;
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* Returns the next name, valid until the next call; NULL at the end. */
static const char *list_next(struct list *list)
{
    for (;;) {
        if (list->at == list->size) {
            long size = syscall(SYS_getdents64, list->file, list->items, sizeof list->items);
            if (size <= 0)
                return NULL;
            list->size = (size_t)size;
            list->at = 0;
        }
        const char *item = list->items + list->at;
        uint16_t length;
        memcpy(&length, item + ITEM_LENGTH, sizeof length);
        list->at += length;
        if (!is_dots(item + ITEM_NAME))
            return item + ITEM_NAME;
    }
}

static void list_again(struct list *list)
{
    (void)lseek(list->file, 0, SEEK_SET);
    list->at = list->size = 0;
}

/* Empties a directory: removes its files, and moves its directories that are not empty into "top". */
static void empty(struct list *list, int top, unsigned *moved)
{
    int here = list->file;

    for (const char *item; (item = list_next(list)) != NULL;) {
        if (unlinkat(here, item, 0) == 0 || unlinkat(here, item, AT_REMOVEDIR) == 0 || here == top)
            continue;
        char name[32];
        (void)snprintf(name, sizeof name, ".%u", (*moved)++);
        (void)renameat(here, item, top, name);
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
    struct list top;
    if (!list_open(&top, parent, name))
        return errno == ENOENT;
    /* Repeat until a round removes nothing; a directory that was moved is emptied in the next round. */
    (void)fchmod(top.file, 0700);
    for (bool progress = true; progress;) {
        progress = false;
        empty(&top, top.file, &moved);
        list_again(&top);
        for (const char *item; (item = list_next(&top)) != NULL;) {
            struct list list;
            if (list_open(&list, top.file, item)) {
                (void)fchmod(list.file, 0700);
                empty(&list, top.file, &moved);
                close(list.file);
            }
            progress |= unlinkat(top.file, item, AT_REMOVEDIR) == 0;
        }
        list_again(&top);
    }
    close(top.file);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* Removes a directory and the names that an extraction made in it, the last first. The links are the last names, so no
   path leads through a link when the others are removed. */
void remove_named(int parent, const char *top, struct names *names)
{
    char path[PATH_ROOM + 8];

    for (; names->count > 1; names_drop(names)) { /* the first is the directory itself */
        const char *name = names->text + names->used - 1;
        while (name[-1] != 0)
            name--;
        (void)snprintf(path, sizeof path, "%s/%s", top, name);
        if (unlinkat(parent, path, 0) != 0)
            (void)unlinkat(parent, path, AT_REMOVEDIR);
    }
    (void)unlinkat(parent, top, AT_REMOVEDIR);
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

/* Removes an entry that could not be filled, unless another start uses it. The caller holds its lock. */
void remove_unfinished(const struct entry *entry)
{
    static const char *const trees[] = {"new", "old", "tree", "snapshots"};
    static const char *const files[] = {"manifest.new", "seen.new", "seen", "memory", "used", "lock"};

    if (!entry->bare && (entry->used < 0 || flock(entry->used, LOCK_EX | LOCK_NB) != 0))
        return;
    (void)unlinkat(entry->dir, "manifest", 0);
    for (size_t index = 0; index < sizeof trees / sizeof *trees; index++)
        if (!remove_tree(entry->dir, trees[index]))
            return;
    for (size_t index = 0; index < sizeof files / sizeof *files; index++)
        (void)unlinkat(entry->dir, files[index], 0);
    (void)unlinkat(entry->home, entry->identity, AT_REMOVEDIR);
}

/* Removes an entry that this start unpacked and cannot execute, unless another start uses it. Others that have found it
   cannot execute it either, and soon release it. */
void remove_unstarted(struct entry *entry)
{
    enum { ATTEMPTS = 25 };
    const struct timespec nap = {0, 20000000};

    entry->bare = false;
    for (unsigned attempt = 0; attempt < ATTEMPTS && entry_is_current(entry); attempt++) {
        int lock = lock_of(entry->dir, "lock");
        if (lock >= 0) {
            remove_unfinished(entry);
            close(lock);
        }
        if (!entry_is_current(entry))
            break;
        (void)nanosleep(&nap, NULL);
    }
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
    struct list list;

    if (!list_open(&list, home, "."))
        return;
    for (const char *item; removals < REMOVALS && looks < LOOKED_AT && (item = list_next(&list)) != NULL; looks++) {
        bool old = strncmp(item, ".old-", 5) == 0;
        const char *name = old ? item + 5 : item;
        size_t length = strspn(name, "0123456789abcdef");
        /* Other names are not the launcher's. */
        if (length != IDENTITY_SIZE || name[length] != (old ? '-' : 0) ||
            (!old && strcmp(name, identity) == 0))
            continue;
        removals += remove_entry(home, item, old);
    }
    close(list.file);
}
