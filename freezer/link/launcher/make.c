/* Has a snapshot made, while the application runs.

   A process of the launcher's, at the lowest priority, starts the application once more, with nothing of the caller but
   the variables of the key. That one saves itself behind its imports (save.c), and ends. The snapshot is then tried: a
   process is restored from it, which ends at once. Only then it gets its name and its seal, so a half-written one is
   never used, whenever this is interrupted.

   The process is no child of the application, so that the application may wait for all its children. It ends when the
   application has ended and some time has passed, as many applications take less time than this; and by the signals that
   the terminal sends to the application's process group, to which it belongs. What it has started ends with it. */
#include "init.h"
#include "snapshots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
#ifndef MAKING_SECONDS
    MAKING_SECONDS = 60, /* how long making may take */
    AFTER_SECONDS = 10,  /* how long it goes on after the application has ended */
    TEST_SECONDS = 10,   /* how long the restored process may take */
#endif
    BEFORE_MILLISECONDS = 250, /* how long it waits first, unless the application ends, not to disturb its start */
    OVERLAY = 0x794c7630, /* a file system of containers' layers; see statfs(2) */
    IO_PRIORITY_PROCESS = 1, IO_PRIORITY_IDLE = 3 << 13, /* of ioprio_set(2) */
    LEAST = 19, /* of setpriority(2) */
    NOT_RESTORED = 3, /* the status of a test that did not come to the restored process */
};

struct maker {
    const struct entry *entry;
    const struct app *app;
    const struct key *key;
    int directory;   /* of the snapshots */
    int application; /* the descriptor of the process of the application */
    int64_t until;   /* nanoseconds of the monotonic clock */
    bool at_once;    /* the application waits for it */
};

static int process_descriptor(pid_t process)
{
    return (int)syscall(SYS_pidfd_open, process, 0);
}

/* Gives up all that is the caller's, but for the terminal and the process group. */
static bool become_maker(const struct maker *maker)
{
    const int kept[] = {maker->entry->dir, maker->entry->used, maker->application};
    sigset_t none;
    struct sched_param parameter = {0};
    int last = STDERR_FILENO;

    (void)prctl(PR_SET_NAME, "freezer-snapshot");
    for (int number_ = 1; number_ <= SNAPSHOT_SIGNALS; number_++)
        (void)signal(number_, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (!maker->at_once) {
        (void)setpriority(PRIO_PROCESS, 0, LEAST);
        (void)sched_setscheduler(0, SCHED_IDLE, &parameter);
        (void)syscall(SYS_ioprio_set, IO_PRIORITY_PROCESS, 0, IO_PRIORITY_IDLE);
    }
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        (void)!write(score, "1000", 4);
        close(score);
    }
    int null = open("/dev/null", O_RDWR);
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (null < 0 || dup2(null, stream) < 0)
            return false;
    for (size_t round = 0; round < sizeof kept / sizeof *kept; round++) {
        int next = -1; /* the descriptors that stay, in the order of their numbers */
        for (size_t index = 0; index < sizeof kept / sizeof *kept; index++)
            if (kept[index] > last && (next < 0 || kept[index] < next))
                next = kept[index];
        close_files(last + 1, next - 1);
        last = next;
    }
    close_files(last + 1, -1);
    return maker->key->here || chdir("/") == 0;
}

static bool ends_with(const char *name, const char *kind)
{
    return strlen(name) == IDENTITY_SIZE + strlen(kind) && strcmp(name + IDENTITY_SIZE, kind) == 0;
}

/* Removes what an interrupted maker has left, and the snapshots that were not used for the longest time, so that there
   is room for one more. The lock is held. */
static void tidy(int directory)
{
    char oldest[IDENTITY_SIZE + 1], path[SNAPSHOT_NAME];

    for (;;) {
        unsigned count = 0;
        int64_t since = 0;
        int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = copy < 0 ? NULL : fdopendir(copy);
        if (!list)
            return;
        for (struct dirent *item; (item = readdir(list)) != NULL;) {
            struct stat stat;
            char name[IDENTITY_SIZE + 1];
            bool old = ends_with(item->d_name, ".new");
            if (ends_with(item->d_name, ".bad") && fstatat(directory, item->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
                old = time(NULL) - stat.st_mtime > SNAPSHOT_DAYS * 86400;
            if (old)
                (void)unlinkat(directory, item->d_name, 0);
            if (!ends_with(item->d_name, ".memory"))
                continue;
            (void)snprintf(name, sizeof name, "%.*s", (int)IDENTITY_SIZE, item->d_name);
            snapshot_name(path, name, "seal");
            if (fstatat(directory, path, &stat, AT_SYMLINK_NOFOLLOW) != 0)
                memset(&stat, 0, sizeof stat);
            int64_t used = (int64_t)stat.st_mtim.tv_sec * 1000000000 + stat.st_mtim.tv_nsec;
            if (count++ == 0 || used < since) {
                since = used;
                memcpy(oldest, name, sizeof oldest);
            }
        }
        (void)closedir(list);
        if (count == 0 || (count < SNAPSHOTS_KEPT && since != 0))
            return;
        snapshot_remove(directory, oldest);
    }
}

/* Waits for a child, and ends it if it takes too long, or if the application has ended some time ago. Returns its
   status. */
static int wait_for(struct maker *maker, pid_t child, int64_t until)
{
    const int64_t second = 1000000000, after = AFTER_SECONDS * second;
    int status = -1, descriptor = process_descriptor(child);

    for (bool ended = descriptor < 0; !ended;) {
        struct pollfd files[] = {{descriptor, POLLIN, 0}, {maker->application, POLLIN, 0}};
        int64_t end = until < maker->until ? until : maker->until, rest = (end - now()) / (second / 1000);
        if (rest <= 0 || (poll(files, 2, (int)rest) < 0 && errno != EINTR))
            break;
        ended = (files[0].revents & POLLIN) != 0;
        if ((files[1].revents & POLLIN) && maker->application >= 0) {
            close(maker->application);
            maker->application = -1; /* poll() passes over it */
            if (now() + after < maker->until)
                maker->until = now() + after;
        }
    }
    if (descriptor >= 0)
        close(descriptor);
    (void)kill(child, SIGKILL); /* it may have ended, but was not waited for */
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* In a child: has it end with its parent. */
static void end_with(pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

/* Starts the application, which is to write its snapshot to a file; returns its status. */
static int save(struct maker *maker, const char *file)
{
    static const char variable[] = "_FREEZER_SNAPSHOT=";
    static char told[sizeof variable + PATH_ROOM + SNAPSHOT_NAME], program[PATH_ROOM + 16];
    const struct entry *entry = maker->entry;
    char *const arguments[] = {(char *)(size_t)maker->app->path, NULL};
    pid_t parent = getpid(), child = fork();

    if (child != 0)
        return child < 0 ? -1 : wait_for(maker, child, INT64_MAX);
    end_with(parent);
    (void)snprintf(told, sizeof told, "%s%.*ssnapshots/%s", variable, (int)(strlen(entry->tree) - strlen("tree")),
        entry->tree, file);
    (void)snprintf(program, sizeof program, "%s/program", entry->tree);
    char **environment = environment_of(maker->app, entry, maker->key->environment, told);
    if (environment && fcntl(entry->used, F_SETFD, 0) == 0)
        execve(program, arguments, environment);
    _exit(1);
}

/* Restores a process, which is to end at once; returns its status. */
static int test(struct maker *maker, const struct snapshot *snapshot)
{
    char *arguments[] = {(char *)(size_t)maker->app->path, NULL};
    struct restoring how = {.entry = maker->entry, .app = maker->app, .arguments = arguments,
        .environment = (char **)(size_t)maker->key->environment, .trial_lock = -1, .directory = maker->directory,
        .test = true};
    pid_t parent = getpid(), child = fork();

    if (child != 0)
        return child < 0 ? -1 : wait_for(maker, child, now() + (int64_t)TEST_SECONDS * 1000000000);
    end_with(parent);
    (void)snapshot_restore(snapshot, &how);
    _exit(NOT_RESTORED);
}

/* Returns whether a status means that the process has failed by itself, rather than been ended by others. "but" is a
   status by which it says something else. */
static bool has_failed(int status, int but)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

    for (size_t index = 0; index < sizeof own / sizeof *own; index++)
        if (WIFSIGNALED(status) && WTERMSIG(status) == own[index])
            return true;
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != but;
}

/* Notes why there is no snapshot, by what the application has written instead. */
static void forbid(const struct maker *maker, const char *file)
{
    /* A limit of the caller's may be the cause, or a full disk. */
    static const char ended[] = "the imports ended the process", unwritten[] = "the snapshot cannot be written";
    char why[WHY_ROOM + 1] = "";
    int reason = openat(maker->directory, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (reason >= 0) {
        ssize_t size = read(reason, why, WHY_ROOM);
        why[size > 0 ? size : 0] = 0;
        close(reason);
    }
    if (!why[0])
        memcpy(why, ended, sizeof ended);
    bool briefly = strcmp(why, ended) == 0 || strncmp(why, unwritten, strlen(unwritten)) == 0;
    snapshot_forbid(maker->directory, maker->key->name, why, briefly);
}

/* Gives the snapshot its name, and seals it. */
static void finish(const struct maker *maker, const struct snapshot *snapshot, const char *file)
{
    const char *name = maker->key->name;
    char to[SNAPSHOT_NAME];

    if (fsync(snapshot->file) != 0)
        return;
    snapshot_remove(maker->directory, name);
    snapshot_name(to, name, "trial");
    int trial = openat(maker->directory, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (trial < 0)
        return;
    close(trial);
    snapshot_name(to, name, "memory");
    if (renameat(maker->directory, file, maker->directory, to) == 0 && snapshot_seal(snapshot, maker->directory, name))
        (void)fsync(maker->directory);
}

static void make(struct maker *maker, char *environment[])
{
    static struct key after;
    char file[SNAPSHOT_NAME];
    struct snapshot snapshot;
    struct stat stat;

    snapshot_name(file, maker->key->name, "new");
    int status = save(maker, file);
    if (status == 0 && !snapshot_read(&snapshot, maker->directory, file, &stat)) {
        status = test(maker, &snapshot);
        /* What it depends on may have changed while it was made. */
        if (status == 0 && key_make(&after, maker->entry, maker->app, environment, maker->key) &&
            strcmp(after.name, maker->key->name) == 0)
            finish(maker, &snapshot, file);
        else if (has_failed(status, NOT_RESTORED))
            snapshot_forbid(maker->directory, maker->key->name, "a process that was restored for a test crashed\n", false);
    } else if (has_failed(status, 0))
        forbid(maker, file);
    (void)unlinkat(maker->directory, file, 0);
}

/* Opens the directory of the snapshots, and takes its lock. Returns false if another process makes one. */
static bool take_lock(struct maker *maker)
{
    struct stat stat;

    if (mkdirat(maker->entry->dir, "snapshots", 0700) != 0 && errno != EEXIST)
        return false;
    maker->directory = openat(maker->entry->dir, "snapshots", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (maker->directory < 0 || fstat(maker->directory, &stat) != 0 || !trusted(&stat, true))
        return false;
    int lock = openat(maker->directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    return lock >= 0 && flock(lock, LOCK_EX | (maker->at_once ? 0 : LOCK_NB)) == 0;
}

static _Noreturn void make_and_end(struct maker *maker, char *environment[])
{
    struct snapshot snapshot;
    struct pollfd begins = {maker->application, POLLIN, 0};

    maker->until = now() + (int64_t)MAKING_SECONDS * 1000000000;
    if (!become_maker(maker) || !take_lock(maker))
        _exit(1);
    if (!maker->at_once)
        (void)poll(&begins, 1, BEFORE_MILLISECONDS);
    /* Another start may have been first. */
    if (!snapshot_is_bad(maker->directory, maker->key->name) &&
        snapshot_open(&snapshot, maker->directory, maker->key->name) != NULL) {
        tidy(maker->directory);
        make(maker, environment);
    }
    _exit(0);
}

void snapshot_make(const struct entry *entry, const struct app *app, const struct key *key, bool now)
{
    struct maker maker = {.entry = entry, .app = app, .key = key, .directory = -1, .at_once = now};
    struct statfs system;
    int status;

    /* Process 1 would have to wait for the maker. What is in a container's layer is not there at its next start. */
    if ((getpid() == 1 && !now) || fstatfs(entry->dir, &system) != 0 || system.f_type == OVERLAY)
        return;
    maker.application = process_descriptor(getpid());
    if (maker.application < 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        /* A process whose parent has ended becomes the child of an init. */
        if (now || fork() == 0)
            make_and_end(&maker, environ);
        _exit(0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    close(maker.application);
}
