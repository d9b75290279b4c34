/* Calls of the C library that fail, for one process that was started with this library in LD_PRELOAD.
 *
 * failing_arm() counts the calls from then on that can fail with the kind of error; the one whose turn it is fails, or
 * all from it on. Calls on the standard streams are left alone: the process reports through them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPENS = 1, GROWS = 2, TOUCHES = 4 };

static int armed, code, lasting, wanted;
static long turn, calls;
static char failed[64];

void failing_arm(int error, int kinds, long which, int from_then_on)
{
    code = error, wanted = kinds, turn = which, lasting = from_then_on;
    calls = 0;
    failed[0] = 0;
    armed = 1;
}

const char *failing_disarm(void)
{
    armed = 0;
    return failed;
}

static int fails(const char *name, int kinds)
{
    if (!armed || !(kinds & wanted))
        return 0;
    long now = calls++;
    if (now != turn && !(lasting && now > turn))
        return 0;
    if (!failed[0])
        strncpy(failed, name, sizeof failed - 1);
    errno = code;
    return 1;
}

#define CALL(type, bad, name, kinds, parameters, arguments) \
    type name parameters \
    { \
        static type (*real) parameters; \
        if (fails(#name, kinds)) \
            return bad; \
        if (!real) \
            real = (type (*) parameters)dlsym(RTLD_NEXT, #name); \
        return real arguments; \
    }

#define OPEN(name, before, given) \
    int name(before const char *path, int flags, ...) \
    { \
        static int (*real)(before const char *, int, ...); \
        va_list list; \
        va_start(list, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0; \
        va_end(list); \
        if (fails(#name, OPENS | TOUCHES | (flags & O_CREAT ? GROWS : 0))) \
            return -1; \
        if (!real) \
            real = (int (*)(before const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        return real(given path, flags, mode); \
    }
#define AT int folder,
#define FOLDER folder,
#define NONE

OPEN(open, NONE, NONE)
OPEN(open64, NONE, NONE)
OPEN(openat, AT, FOLDER)
OPEN(openat64, AT, FOLDER)

static int is_standard(int file) { return file >= 0 && file <= 2; }

CALL(ssize_t, -1, read, is_standard(file) ? 0 : TOUCHES, (int file, void *data, size_t size), (file, data, size))
CALL(ssize_t, -1, write, is_standard(file) ? 0 : TOUCHES | GROWS, (int file, const void *data, size_t size),
     (file, data, size))
CALL(int, -1, mkdir, TOUCHES | GROWS, (const char *path, mode_t mode), (path, mode))
CALL(int, -1, mkdirat, TOUCHES | GROWS, (int folder, const char *path, mode_t mode), (folder, path, mode))
CALL(int, -1, symlinkat, TOUCHES | GROWS, (const char *target, int folder, const char *path), (target, folder, path))
CALL(int, -1, symlink, TOUCHES | GROWS, (const char *target, const char *path), (target, path))
CALL(int, -1, linkat, TOUCHES | GROWS, (int from, const char *old, int to, const char *new, int flags),
     (from, old, to, new, flags))
CALL(int, -1, link, TOUCHES | GROWS, (const char *old, const char *new), (old, new))
CALL(int, -1, rename, TOUCHES | GROWS, (const char *old, const char *new), (old, new))
CALL(int, -1, renameat, TOUCHES | GROWS, (int from, const char *old, int to, const char *new), (from, old, to, new))
CALL(int, -1, unlink, TOUCHES, (const char *path), (path))
CALL(int, -1, unlinkat, TOUCHES, (int folder, const char *path, int flags), (folder, path, flags))
CALL(int, -1, rmdir, TOUCHES, (const char *path), (path))
CALL(int, -1, chmod, TOUCHES, (const char *path, mode_t mode), (path, mode))
CALL(int, -1, fchmod, TOUCHES, (int file, mode_t mode), (file, mode))
CALL(int, -1, fchmodat, TOUCHES, (int folder, const char *path, mode_t mode, int flags), (folder, path, mode, flags))
CALL(int, -1, fchown, TOUCHES | GROWS, (int file, uid_t user, gid_t group), (file, user, group))
CALL(int, -1, lchown, TOUCHES | GROWS, (const char *path, uid_t user, gid_t group), (path, user, group))
CALL(int, -1, fchownat, TOUCHES | GROWS, (int folder, const char *path, uid_t user, gid_t group, int flags),
     (folder, path, user, group, flags))
CALL(int, -1, futimens, TOUCHES, (int file, const struct timespec times[2]), (file, times))
CALL(int, -1, utimensat, TOUCHES, (int folder, const char *path, const struct timespec times[2], int flags),
     (folder, path, times, flags))
CALL(int, -1, fsync, TOUCHES | GROWS, (int file), (file))
CALL(int, -1, flock, TOUCHES, (int file, int what), (file, what))
CALL(int, -1, stat, TOUCHES, (const char *path, struct stat *status), (path, status))
CALL(int, -1, lstat, TOUCHES, (const char *path, struct stat *status), (path, status))
CALL(int, -1, fstat, TOUCHES, (int file, struct stat *status), (file, status))
CALL(int, -1, fstatat, TOUCHES, (int folder, const char *path, struct stat *status, int flags),
     (folder, path, status, flags))
CALL(int, -1, stat64, TOUCHES, (const char *path, struct stat64 *status), (path, status))
CALL(int, -1, lstat64, TOUCHES, (const char *path, struct stat64 *status), (path, status))
CALL(int, -1, fstat64, TOUCHES, (int file, struct stat64 *status), (file, status))
CALL(int, -1, fstatat64, TOUCHES, (int folder, const char *path, struct stat64 *status, int flags),
     (folder, path, status, flags))
CALL(ssize_t, -1, readlink, TOUCHES, (const char *path, char *data, size_t size), (path, data, size))
CALL(ssize_t, -1, readlinkat, TOUCHES, (int folder, const char *path, char *data, size_t size),
     (folder, path, data, size))
CALL(DIR *, NULL, opendir, OPENS | TOUCHES, (const char *path), (path))
CALL(DIR *, NULL, fdopendir, TOUCHES, (int file), (file))
CALL(struct dirent *, NULL, readdir, TOUCHES, (DIR * folder), (folder))
CALL(struct dirent64 *, NULL, readdir64, TOUCHES, (DIR * folder), (folder))
CALL(ssize_t, -1, sendfile, TOUCHES | GROWS, (int to, int from, off_t *at, size_t size), (to, from, at, size))
CALL(ssize_t, -1, sendfile64, TOUCHES | GROWS, (int to, int from, off64_t *at, size_t size), (to, from, at, size))
CALL(ssize_t, -1, copy_file_range, TOUCHES | GROWS,
     (int from, off64_t *at, int to, off64_t *there, size_t size, unsigned flags), (from, at, to, there, size, flags))

/* dup(2), as Python calls it. */
#define FCNTL(name) \
    int name(int file, int command, ...) \
    { \
        static int (*real)(int, int, ...); \
        va_list list; \
        va_start(list, command); \
        void *argument = va_arg(list, void *); \
        va_end(list); \
        if (command == F_DUPFD_CLOEXEC && fails("dup", OPENS)) \
            return -1; \
        if (!real) \
            real = (int (*)(int, int, ...))dlsym(RTLD_NEXT, #name); \
        return real(file, command, argument); \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* openat2(2), which has no function. */
long syscall(long number, ...)
{
    static long (*real)(long, ...);
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    if (number == 437 && fails("openat2", OPENS | TOUCHES))
        return -1;
    if (!real)
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, a, b, c, d, e, f);
}
