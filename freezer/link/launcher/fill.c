/* Fills an entry: waits for its lock, and unpacks into it unless another start has just done so.

   The holder of the lock "lock" unpacks into the directory "new", renames that to "tree", and writes the manifest. If
   any of this fails, it removes what it has made. Waiting starts see its progress by the time of the lock. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SECOND = 1000000000,
    /* Seconds without progress of another start that is unpacking: after SILENCE, the waiting start reports that it
       waits; after PATIENCE, it takes the next candidate. A stopped process makes no progress, and may never be
       continued. On a slow disk there is progress in every second, so few seconds are enough. */
#ifndef PATIENCE
    SILENCE = 2,
    PATIENCE = 10,
#endif
};

int64_t now(void)
{
    struct timespec time = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/* Shows progress; called after each file and megabyte. Waiting starts look at the lock's time, for which it is enough
   to touch the lock each tenth of a second. */
void watch_tell(struct watch *watch)
{
    int64_t time = now();

    if (time - watch->touched > SECOND / 10 && watch->lock >= 0) {
        watch->touched = time;
        (void)futimens(watch->lock, NULL);
    }
    if (!watch->said && time - watch->started > SECOND / 2) {
        watch->said = true;
        if (isatty(STDERR_FILENO)) {
            char text[128];
            (void)snprintf(text, sizeof text, "unpacking for the first start, %llu MB to ",
                (unsigned long long)((watch->app->stream_size + 999999) / 1000000));
            says_notice(text, watch->home);
        }
    }
}

/* Returns the process that holds a lock; 0 if it is unknown. A line of /proc/locks (proc(5)):
   "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF". */
static long holder_of(const struct stat *lock)
{
    static char text[1 << 14];
    char end[48];
    int file = open("/proc/locks", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? 0 : read(file, text, sizeof text - 1);

    if (file >= 0)
        close(file);
    text[size > 0 ? size : 0] = 0;
    (void)snprintf(end, sizeof end, ":%llu 0 EOF\n", (unsigned long long)lock->st_ino);
    char *found = strstr(text, end);
    if (!found)
        return 0;
    *found = 0;
    char *line = strrchr(text, '\n');
    const char *number_ = strstr(line ? line : text, "WRITE ");
    long process = number_ ? strtol(number_ + strlen("WRITE "), NULL, 10) : 0;
    return process > 0 ? process : 0;
}

/* Tells the user what this start waits for; called once there was no progress for some time. */
static void say_waiting(const struct stat *lock, struct watch *watch)
{
    char text[80];
    long process = holder_of(lock);

    watch->waits = true;
    if (process > 0)
        (void)snprintf(text, sizeof text, "waiting for process %ld, which is unpacking to ", process);
    else
        (void)snprintf(text, sizeof text, "waiting for another start, which is unpacking to ");
    says_notice(text, watch->home);
}

/* Returns whether an entry contains a file; also true if that is unknown. */
static bool is_there(const struct entry *entry, const char *name)
{
    return faccessat(entry->dir, name, F_OK, 0) == 0 || errno != ENOENT;
}

/* Waits for the lock for unpacking. Returns false with place->why if it cannot be taken. */
static bool take_lock(const struct entry *entry, struct place *place, int lock, struct watch *watch)
{
    int64_t progress = now(), nap = 1000000;
    struct stat before, after;

    if (fstat(lock, &before) != 0)
        memset(&before, 0, sizeof before);
    while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            refuse(place->why, "cannot take the lock of the entry: %s", strerror(errno));
            if (!is_there(entry, "used") && !is_there(entry, "tree")) {
                (void)unlinkat(entry->dir, "lock", 0);
                (void)unlinkat(entry->home, entry->identity, AT_REMOVEDIR);
            }
            return false;
        }
        if (fstat(lock, &after) == 0 && memcmp(&after.st_mtim, &before.st_mtim, sizeof after.st_mtim) != 0) {
            before = after;
            progress = now();
        }
        if (now() - progress > (int64_t)PATIENCE * SECOND) {
            refuse(place->why, "another start is unpacking there, without progress for %d seconds", (int)PATIENCE);
            return false;
        }
        if (!watch->waits && now() - progress > (int64_t)SILENCE * SECOND)
            say_waiting(&before, watch);
        watch_tell(watch);
        struct timespec time = {0, (long)nap};
        (void)nanosleep(&time, NULL);
        nap = nap * 2 > 20000000 ? 20000000 : nap * 2;
    }
    return true;
}

/* Puts the unpacked tree into its place, and removes an old tree that is there. */
static bool put(int directory)
{
    if (renameat(directory, "new", directory, "tree") == 0)
        return true;
    if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
        return false;
    if (syscall(SYS_renameat2, directory, "new", directory, "tree", 2U /* RENAME_EXCHANGE */) == 0) {
        (void)remove_tree(directory, "new");
        return true;
    }
    /* The kernel or the file system cannot exchange. Nobody uses the old tree, as its manifest is gone. */
    (void)remove_tree(directory, "old");
    if (renameat(directory, "tree", directory, "old") != 0)
        return false;
    if (renameat(directory, "new", directory, "tree") != 0) {
        int error = errno;
        (void)renameat(directory, "old", directory, "tree");
        errno = error;
        return false;
    }
    (void)remove_tree(directory, "old");
    return true;
}

static enum outcome fill_entry(struct entry *entry, struct place *place, const struct app *app, struct watch *watch)
{
    struct names names = {NULL, 0, 0, 0};
    enum outcome outcome = REFUSED;
    const char *top = "new";
    int fresh = -1;

    (void)unlinkat(entry->dir, "manifest", 0);
    (void)unlinkat(entry->dir, "manifest.new", 0);
    if (!remove_tree(entry->dir, top) || mkdirat(entry->dir, top, 0755) != 0 ||
        (fresh = openat(entry->dir, top, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        refuse(place->why, "cannot make a directory: %s", strerror(errno));
    else if (!entry->memory || memory_begin(entry, place->why))
        outcome = extract_stream(app, fresh, entry->tree, &names, watch, place->why);
    if (outcome == DONE && entry->memory && !memory_record(place->why))
        outcome = REFUSED;
    if (fresh >= 0)
        close(fresh);
    if (outcome == DONE && !put(entry->dir)) {
        refuse(place->why, "cannot rename: %s", strerror(errno));
        outcome = REFUSED;
    } else if (outcome == DONE) {
        top = "tree";
        if (!manifest_write(entry, &names, place->why))
            outcome = REFUSED;
    }
    if (outcome != DONE)
        remove_named(entry->dir, top, &names);
    free(names.text);
    watch->unpacked = outcome == DONE;
    return outcome;
}

/* Returns the outcome of a failure in an entry: GONE if another process has removed the entry, else REFUSED. */
static enum outcome refused(const struct entry *entry)
{
    return entry_is_current(entry) || errno != ESTALE ? REFUSED : GONE;
}

/* Fills an entry whose lock is held, unless it is complete. */
static enum outcome fill_locked(struct entry *entry, struct place *place, const struct app *app, struct watch *watch)
{
    enum outcome outcome = DONE;

    entry->bare = !is_there(entry, "tree");
    /* First of all, so that no cleaner takes the entry for unused. */
    if (!entry_hold(entry, true)) {
        refuse(place->why, "cannot mark the entry as used: %s", strerror(errno));
        outcome = refused(entry);
    } else {
        enum found found = entry->bare ? BROKEN : entry_look(entry, place->why);
        if (found == UNKNOWN)
            return REFUSED;
        if (found == WHOLE)
            return DONE;
        outcome = fill_entry(entry, place, app, watch);
    }
    if (outcome != DONE && outcome != GONE)
        remove_unfinished(entry);
    return outcome;
}

/* Unpacks into the entry, which is open, unless another start has just done so. Returns GONE if the entry was removed
   between its opening and its locking, so that a new one has to be made. */
enum outcome entry_fill(struct entry *entry, struct place *place, const struct app *app, struct watch *watch)
{
    enum outcome outcome = REFUSED;
    struct stat stat;

    watch->lock = openat(entry->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (watch->lock < 0) {
        refuse(place->why, "cannot make the lock: %s", strerror(errno));
        outcome = refused(entry);
        (void)unlinkat(entry->home, entry->identity, AT_REMOVEDIR);
        return outcome;
    }
    int lock = watch->lock;
    watch->lock = -1; /* only the holder of the lock updates its time */
    if (take_lock(entry, place, lock, watch)) {
        watch->lock = lock;
        (void)futimens(lock, NULL);
        watch->touched = now();
        /* A process that removes an entry removes the lock as well, and holds it until then. */
        if (fstat(lock, &stat) == 0 && stat.st_nlink == 0)
            outcome = GONE;
        else
            outcome = fill_locked(entry, place, app, watch);
        watch->lock = -1;
    }
    close(lock);
    if (outcome != DONE && entry->used >= 0) {
        close(entry->used);
        entry->used = -1;
    }
    return outcome;
}
