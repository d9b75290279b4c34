/* Starts from memory, where every directory that can be written to forbids execution, or is full.

   The files to execute or to load become files in memory (memfd_create(2)), and the rest of the tree an entry in such a
   directory, with links "/proc/PROCESS/fd/NUMBER" in their places: for a link it does not matter where it is, only
   where it leads. The process that has unpacked them keeps the files open as long as an application uses the entry, and
   then removes the entry. It is no child of the application, so that the application may close all its files and wait
   for all its children. All starts by one user in one PID namespace share an entry.

   A program in memory is in no directory, so its search path "$ORIGIN:$ORIGIN/_internal" becomes the tree's directory,
   by the same process: "/proc/PROCESS/fd/NUMBER", for which there is room. As that is one directory, it has links to the
   libraries in "_internal".

   The links lead elsewhere once that process has ended, so an entry counts only while it lives: it holds a lock on the
   file "memory", which says where one of its files is. Files in memory are sealed: nobody can change them. */
#include "init.h"
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CLOSE_ON_EXEC = 1, ALLOW_SEALING = 2, EXECUTABLE = 16, /* flags of memfd_create(2) */
    ADD_SEALS = 1033, ALL_SEALS = 15                       /* of fcntl(2): no change of the size or the content */
};

#define CONTENTS "_internal" /* the directory in the tree that has the libraries of packages */
static const char LOCK[] = "memory";

/* What the file "memory" contains. */
struct memory_record {
    int64_t process, file;
    uint64_t device, inode;
};

/* In the process that keeps the files: its lock, one of its files, and the directory of the tree. */
static int keeper = -1, first = -1, top = -1;

/* Gives the entry its name in memory. Links into /proc mean something in one PID namespace only, so the name contains
   that. Returns false with "why" if this is not possible. */
bool memory_name(struct app *app, char why[WHY_ROOM])
{
    struct stat namespace;

    if (stat("/proc/self/ns/pid", &namespace) != 0) {
        refuse(why, "needs /proc: /proc/self/ns/pid: %s", strerror(errno));
        return false;
    }
    (void)snprintf(app->identity + IDENTITY_SIZE, sizeof app->identity - IDENTITY_SIZE, "-%llu",
        (unsigned long long)namespace.st_ino);
    app->memory = true;
    return true;
}

void memory_forget(struct app *app)
{
    app->identity[IDENTITY_SIZE] = 0;
    app->memory = false;
}

/* Returns whether the process lives whose files the entry leads to. */
bool memory_is_kept(const struct entry *entry)
{
    struct memory_record record;
    struct stat stat_;
    char name[64];
    int file = openat(entry->dir, LOCK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file < 0)
        return false;
    bool locked = flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ssize_t size = pread(file, &record, sizeof record, 0);
    close(file);
    if (!locked || size != (ssize_t)sizeof record)
        return false;
    (void)snprintf(name, sizeof name, "/proc/%lld/fd/%lld", (long long)record.process, (long long)record.file);
    return stat(name, &stat_) == 0 && stat_.st_dev == record.device && stat_.st_ino == record.inode;
}

/* Marks the entry, which is locked, as kept by this process. */
bool memory_begin(const struct entry *entry, char why[WHY_ROOM])
{
    keeper = openat(entry->dir, LOCK, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (keeper >= 0 && flock(keeper, LOCK_EX | LOCK_NB) == 0)
        return true;
    refuse(why, "cannot lock %s: %s", LOCK, strerror(errno));
    return false;
}

/* Writes down, after the extraction, which process keeps the files. */
bool memory_record(char why[WHY_ROOM])
{
    struct memory_record record = {.process = getpid(), .file = first};
    struct stat stat;

    if (first < 0 || fstat(first, &stat) != 0) {
        refuse(why, "there is nothing to execute in it");
        return false;
    }
    record.device = stat.st_dev;
    record.inode = stat.st_ino;
    if (pwrite(keeper, &record, sizeof record, 0) == (ssize_t)sizeof record)
        return true;
    refuse(why, "cannot write %s: %s", LOCK, strerror(errno));
    return false;
}

/* Returns whether a file of the tree is to be in memory. */
bool memory_takes(const char *name, char type)
{
    const char *last = strrchr(name, '/');

    return type == 'X' || strstr(last ? last : name, ".so") != NULL;
}

/* Returns a new file in memory, -1 with errno. */
int memory_create(void)
{
    static const char name[] = "program";

    long file = syscall(SYS_memfd_create, name, CLOSE_ON_EXEC | ALLOW_SEALING | EXECUTABLE);
    if (file < 0 && errno == EINVAL) /* before Linux 6.3 */
        file = syscall(SYS_memfd_create, name, CLOSE_ON_EXEC | ALLOW_SEALING);
    return (int)file;
}

static void path_of(char path[64], int file)
{
    (void)snprintf(path, 64, "/proc/%ld/fd/%d", (long)getpid(), file);
}

/* Fills the tree's directory into the search path of a program, if it has that path. */
static bool fill_search_path(int file, int directory)
{
    static const char search[] = "$ORIGIN:$ORIGIN/" CONTENTS;
    struct stat stat;
    char path[64] = {0};

    if (top < 0 && (top = fcntl(directory, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) < 0)
        return false;
    path_of(path, top);
    if (fstat(file, &stat) != 0)
        return false;
    char *data = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (data == MAP_FAILED)
        return stat.st_size == 0;
    char *found = memmem(data, (size_t)stat.st_size, search, sizeof search);
    if (found && strlen(path) < sizeof search)
        memcpy(found, path, sizeof search); /* with NULs behind it */
    return munmap(data, (size_t)stat.st_size) == 0;
}

/* Puts links to the libraries in "_internal" into the tree's directory, unless there is a file of that name. */
bool memory_search(int directory, struct names *names)
{
    static const char inside[] = CONTENTS "/";
    uint32_t count = names->count;

    for (size_t at = 0; count > 0; count--) {
        const char *name = names->text + at, *library = name + sizeof inside - 1;
        at += strlen(name) + 1;
        if (strncmp(name, inside, sizeof inside - 1) != 0 || strchr(library, '/') || !strstr(library, ".so"))
            continue;
        if (symlinkat(name, directory, library) == 0) {
            char added[NAME_LIMIT + 1];
            (void)snprintf(added, sizeof added, "%s", library); /* the names may move */
            if (!names_add(names, added))
                return false;
        } else if (errno != EEXIST)
            return false;
    }
    return true;
}

/* Puts a link to a file in memory, which is complete, into the tree. */
bool memory_link(int file, int directory, const char *name)
{
    char target[64];

    if (strcmp(name, "program") == 0 && !fill_search_path(file, directory))
        return false;
    path_of(target, file);
    if (fcntl(file, ADD_SEALS, ALL_SEALS) != 0 || symlinkat(target, directory, name) != 0)
        return false;
    if (first < 0)
        first = file;
    return true;
}

struct report { /* of the process that keeps the files */
    enum outcome outcome;
    char why[WHY_ROOM];
};

/* Gives up what nobody needs who only keeps files. Without its rights, processes that have given up theirs can follow
   the links, too. */
static void become_keeper(int file, int answer)
{
    const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ};
    struct { uint32_t version; int process; } header = {0x20080522, 0};
    uint32_t none[6] = {0};
    struct rlimit files;

    (void)setsid();
    (void)prctl(PR_SET_NAME, "freezer-memory");
    (void)umask(0);
    for (size_t index = 0; index < sizeof ignored / sizeof *ignored; index++)
        (void)signal(ignored[index], SIG_IGN);
    close_files(STDERR_FILENO + 1, (file < answer ? file : answer) - 1);
    close_files((file < answer ? file : answer) + 1, (file < answer ? answer : file) - 1);
    close_files((file < answer ? answer : file) + 1, -1);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)syscall(SYS_capset, &header, none);
    (void)prctl(PR_SET_DUMPABLE, 1);
}

/* Waits until no application uses the entry, and removes it. */
static void keep(struct entry *entry, struct place *place)
{
    while (entry_is_current(entry)) {
        while (flock(entry->used, LOCK_EX) != 0)
            if (errno != EINTR)
                return;
        /* In the order in which starts take them: "used" alone, or "lock" before "used". */
        (void)flock(entry->used, LOCK_UN);
        int lock = openat(entry->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (lock < 0 || flock(lock, LOCK_EX) != 0)
            return;
        entry->bare = false;
        remove_unfinished(entry); /* unless a start uses it by now */
        close(lock);
    }
    place_leave(place);
}

static _Noreturn void unpack_and_keep(struct place *place, const struct app *app, struct watch *watch, int answer)
{
    enum { ATTEMPTS = 100 };
    struct report report = {.outcome = GONE};
    struct entry entry;
    char byte;

    become_keeper(app->fd, answer);
    watch->home = place->real;
    for (unsigned attempt = 0; attempt < ATTEMPTS && report.outcome == GONE; attempt++) {
        int home = place_open(place, app, true);
        if (home < 0) {
            report.outcome = place->gone ? GONE : REFUSED;
            continue;
        }
        if (entry_open(&entry, place, app, home, true)) {
            report.outcome = entry_fill(&entry, place, app, watch);
            if (report.outcome != DONE)
                entry_close(&entry);
        } else if (place->why[0])
            report.outcome = REFUSED;
        if (report.outcome != DONE)
            close(home);
    }
    if (report.outcome != DONE)
        place_leave(place);
    memcpy(report.why, place->why, sizeof report.why);
    ssize_t written = write(answer, &report, sizeof report);
    if (report.outcome == DONE && watch->unpacked) {
        close_files(STDIN_FILENO, STDERR_FILENO);
        close(app->fd);
        if (chdir("/") == 0 && written == (ssize_t)sizeof report)
            (void)!read(answer, &byte, 1); /* until the start has taken its lock, and has become the application */
        keep(&entry, place);
    }
    _exit(0);
}

/* Has another process unpack into an entry with files in memory, unless there is one, and keep the files. *waits
   becomes a descriptor that is to be closed once this start holds the entry's lock. */
enum outcome memory_unpack(struct place *place, const struct app *app, struct watch *watch, int *waits)
{
    struct report report = {.outcome = REFUSED, .why = "the process that unpacks into memory has ended"};
    int ends[2], status;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        refuse(place->why, "%s", strerror(errno));
        return REFUSED;
    }
    pid_t child = fork();
    if (child == 0) {
        /* A process whose parent has ended becomes the child of an init. */
        if (fork() == 0)
            unpack_and_keep(place, app, watch, ends[1]);
        _exit(0);
    }
    int error = errno;
    close(ends[1]);
    if (child < 0) {
        refuse(place->why, "cannot start a process: %s", strerror(error));
        close(ends[0]);
        return REFUSED;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    ssize_t size;
    while ((size = read(ends[0], &report, sizeof report)) < 0 && errno == EINTR)
        ;
    memcpy(place->why, report.why, sizeof report.why);
    *waits = ends[0];
    return report.outcome;
}
