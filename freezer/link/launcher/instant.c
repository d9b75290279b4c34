/* Starts the application by a snapshot, if there is one that fits.

   A new snapshot is on trial. Its file NAME.trial is locked by the process that was started by it, as long as that lives;
   the process writes a letter there when it begins to end, and removes the file at its end. So a start that finds the
   file, and nobody who locks it, knows that such a process was killed or crashed, and the snapshot is not used again.
   While the first process runs, others start plainly, until it has run for a moment. */
#include "snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum {
    TRIAL_SECONDS = 1, /* a process that runs for so long has not crashed early */
    TRIALS = 8,        /* letters in the file after which there are no further trials */
};

static const char STARTED = 's';

/* Returns how many seconds ago a file was written to; negative if it is unknown. */
static int64_t age_of(const struct stat *stat)
{
    struct timespec time;

    if (clock_gettime(CLOCK_REALTIME, &time) != 0 || time.tv_sec < stat->st_mtim.tv_sec)
        return -1;
    return (int64_t)time.tv_sec - stat->st_mtim.tv_sec;
}

/* Returns whether there is a recent note that there is to be no snapshot. */
bool snapshot_is_bad(int directory, const char *name)
{
    char path[SNAPSHOT_NAME];
    struct stat stat;

    snapshot_name(path, name, "bad");
    return fstatat(directory, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 && age_of(&stat) <= SNAPSHOT_DAYS * 86400;
}

void snapshot_forbid(int directory, const char *name, const char *why, bool briefly)
{
    enum { HOUR = 3600 };
    char path[SNAPSHOT_NAME];
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - SNAPSHOT_DAYS * 86400 + HOUR}};

    snapshot_name(path, name, "bad");
    (void)unlinkat(directory, path, 0);
    int file = openat(directory, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    (void)!write(file, why, strlen(why));
    if (briefly)
        (void)futimens(file, times);
    close(file);
    snapshot_remove(directory, name);
}

void snapshot_remove(int directory, const char *name)
{
    static const char *const kinds[] = {"seal", "trial", "written", "memory"};
    char path[SNAPSHOT_NAME];

    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++) {
        snapshot_name(path, name, kinds[index]);
        (void)unlinkat(directory, path, 0);
    }
}

/* Returns NULL if a snapshot may be used, and why not otherwise. If it is on trial by this start, *lock is the locked
   file, else -1. */
static const char *try_it(int directory, const char *name, int *lock)
{
    char path[SNAPSHOT_NAME], letters[TRIALS + 1] = "";
    struct stat stat;

    snapshot_name(path, name, "trial");
    *lock = openat(directory, path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*lock < 0)
        return errno == ENOENT ? NULL : "it cannot be tried";
    const char *why = "another process tries it";
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK && fstat(*lock, &stat) == 0 && age_of(&stat) > TRIAL_SECONDS) {
            (void)unlinkat(directory, path, 0);
            why = NULL;
        }
    } else {
        ssize_t count = pread(*lock, letters, sizeof letters, 0);
        if (count >= 0 && count < TRIALS && (count == 0 || letters[count - 1] != STARTED) &&
            write(*lock, &STARTED, 1) == 1)
            return NULL;
        why = "a process that was started by it crashed";
        if (count > 0)
            snapshot_forbid(directory, name, why, false);
    }
    close(*lock);
    *lock = -1;
    return why;
}

/* Notes that a snapshot is used, once in an hour. */
static void note_use(int directory, const char *name)
{
    char path[SNAPSHOT_NAME];
    struct stat stat;

    snapshot_name(path, name, "seal");
    if (fstatat(directory, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 && age_of(&stat) > 3600)
        (void)utimensat(directory, path, NULL, AT_SYMLINK_NOFOLLOW);
}

/* Returns the pages that are known to be written to. */
static const struct snapshot_run *read_written(int directory, const char *name, size_t *count)
{
    static struct snapshot_run runs[SNAPSHOT_RUNS];
    char path[SNAPSHOT_NAME];
    struct stat stat;

    *count = 0;
    snapshot_name(path, name, "written");
    int file = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return runs;
    ssize_t size = fstat(file, &stat) == 0 && trusted(&stat, true) ? read(file, runs, sizeof runs) : 0;
    close(file);
    *count = size > 0 ? (size_t)size / sizeof *runs : 0;
    return runs;
}

/* Returns what a note says. */
static const char *note_of(int directory, const char *name)
{
    static char why[WHY_ROOM + 1];
    char path[SNAPSHOT_NAME];
    ssize_t size = 0;

    snapshot_name(path, name, "bad");
    int file = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file >= 0) {
        size = read(file, why, WHY_ROOM);
        close(file);
    }
    why[size > 0 ? size : 0] = 0;
    why[strcspn(why, "\n")] = 0;
    return why[0] ? why : "it cannot be saved";
}

/* Starts by the snapshot of a key; returns why that is not possible. *make tells whether one should be made. */
static const char *start_by(int directory, const struct key *key, struct restoring *how, bool *make)
{
    static char trial[PATH_ROOM + SNAPSHOT_NAME];
    struct snapshot snapshot;
    const struct entry *entry = how->entry;

    *make = false;
    if (snapshot_is_bad(directory, key->name))
        return note_of(directory, key->name);
    const char *why = snapshot_open(&snapshot, directory, key->name);
    *make = why != NULL;
    if (!why)
        why = try_it(directory, key->name, &how->trial_lock);
    if (!why) {
        (void)snprintf(trial, sizeof trial, "%.*ssnapshots/%s.trial", (int)(strlen(entry->tree) - strlen("tree")),
            entry->tree, key->name);
        how->trial = how->trial_lock >= 0 ? trial : NULL;
        how->directory = directory;
        how->written = read_written(directory, key->name, &how->runs);
        note_use(directory, key->name);
        why = snapshot_restore(&snapshot, how);
        if (why == SNAPSHOT_STALE) {
            snapshot_remove(directory, key->name);
            *make = true;
        }
        if (how->trial_lock >= 0) {
            (void)!ftruncate(how->trial_lock, 0); /* it was not tried */
            close(how->trial_lock);
        }
    }
    snapshot_close(&snapshot);
    return why;
}

/* Starts by the snapshot of a key if there is one, in the directory of the snapshots. Returns as start_by() does. */
static const char *start_if_there(const struct key *key, struct restoring *how, bool *make)
{
    struct stat stat;
    const char *why = "the snapshots belong to others";
    int directory = openat(how->entry->dir, "snapshots", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    *make = directory < 0;
    if (directory < 0)
        return "no snapshot has been made yet";
    if (fstat(directory, &stat) == 0 && trusted(&stat, true))
        why = start_by(directory, key, how, make);
    close(directory);
    return why;
}

/* Returns whether the user has forbidden snapshots ("freezer cache snapshots --forbid"). */
static bool is_forbidden(const struct entry *entry)
{
    return faccessat(entry->home, "no-snapshots", F_OK, 0) == 0;
}

void snapshot_start(const struct entry *entry, const struct app *app, char *arguments[], char *environment[])
{
    static struct key key;
    static char *only[2];
    struct restoring how = {.entry = entry, .app = app, .arguments = arguments, .environment = environment,
        .trial_lock = -1, .directory = -1};
    const char *value = variable_of(environment, "FREEZER_DEBUG");
    const char *why = key.why;
    bool make = false, now = false;

    only[0] = (char *)(size_t)app->path;
    if (!arguments[0])
        how.arguments = only;
    if (entry->memory || faccessat(entry->dir, "tree/snapshot.key", F_OK, 0) != 0)
        return;
    how.tells = value && strcmp(value, "start") == 0;
    value = variable_of(environment, "FREEZER_START");
    if (value && strcmp(value, "plain") == 0)
        why = "FREEZER_START=plain";
    else if (is_forbidden(entry))
        why = "snapshots are forbidden; \"freezer cache snapshots --allow\" allows them";
    else if (!machine_can())
        why = "this machine, or this process, cannot";
    else if (key_make(&key, entry, app, environment, NULL)) {
        why = start_if_there(&key, &how, &make);
        now = make && value && strcmp(value, "snapshot") == 0;
        if (now) {
            snapshot_make(entry, app, &key, true);
            why = start_if_there(&key, &how, &make);
        }
    }
    if (how.tells)
        (void)dprintf(STDERR_FILENO, "%s: started plainly: %s\n", app->path, why);
    if (make && !now)
        snapshot_make(entry, app, &key, false);
}
