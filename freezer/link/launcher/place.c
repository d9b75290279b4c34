/* The candidates for the cache directory, and the walk that decides whether a directory can be trusted.

   Anyone who can rename or replace a component of the path can put another program at its end. So each component is
   opened relative to the one before, without following links, and is then checked: it must belong to root or the user,
   and be sticky as /tmp is, unless nobody else can write to it. The user's own links, such as ~/.cache on another disk,
   are resolved first; the walk follows the resolved path, by which the application is started, too. In a directory that
   others can write to (/tmp), the last component must not be a link. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

void refuse(char why[WHY_ROOM], const char *format, ...)
{
    va_list values;

    va_start(values, format);
    (void)vsnprintf(why, WHY_ROOM, format, values);
    va_end(values);
}

static const char *value_of(char *const environment[], const char *variable)
{
    size_t length = strlen(variable);

    for (; *environment; environment++)
        if (strncmp(*environment, variable, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

static void add_place(
    struct place *place, char *const environment[], const char *base, const char *rest, unsigned makeable, bool shared)
{
    bool variable = base[0] != '/';
    const char *value = variable ? value_of(environment, base) : base;

    place->makeable = makeable;
    place->shared = shared;
    place->ours = shared ? 1 : *rest ? 2 : 0;
    (void)snprintf(place->path, sizeof place->path, "%s%s", variable ? "$" : "", base);
    if (!value)
        refuse(place->why, "not set");
    else if (!*value)
        refuse(place->why, "empty");
    else if (*value != '/')
        refuse(place->why, "not an absolute path");
    else if (!*rest && !value[strspn(value, "/")])
        refuse(place->why, "the root directory cannot be used");
    else {
        size_t length = strlen(value);
        while (length > 1 && value[length - 1] == '/')
            length--;
        if (length == 1 && *rest)
            length = 0; /* "/" itself */
        /* The path of the program in the tree must fit as well. */
        if (length + strlen(rest) + sizeof "//tree/program" + IDENTITY_SIZE > PATH_ROOM) {
            refuse(place->why, "its path is too long");
            return;
        }
        memcpy(place->path, value, length);
        strcpy(place->path + length, rest);
        place->named = true;
    }
}

/* Fills in the candidates in their order, and returns how many there are. */
size_t places_find(struct place places[PLACES], char *const environment[])
{
    char own[64];
    size_t count = 0;

    (void)snprintf(own, sizeof own, "/freezer-%lu", (unsigned long)geteuid());
    const struct {
        const char *base, *rest;
        unsigned makeable;
        bool shared;
    } all[PLACES] = {
        {"FREEZER_CACHE", "", UINT_MAX, false},
        {"XDG_CACHE_HOME", "/freezer/apps", UINT_MAX, false},
        {"HOME", "/.cache/freezer/apps", 3, false},
        {"/var/tmp", own, 1, true},
        {"TMPDIR", own, 1, true},
        {"/tmp", own, 1, true},
        {"/dev/shm", own, 1, true},
    };
    for (size_t index = 0; index < PLACES; index++) {
        struct place *place = &places[count];
        bool twice = false;
        add_place(place, environment, all[index].base, all[index].rest, all[index].makeable, all[index].shared);
        for (size_t other = 0; other < count; other++)
            twice |= strcmp(places[other].path, place->path) == 0;
        if (twice)
            memset(place, 0, sizeof *place);
        else
            count++;
    }
    return count;
}

/* Returns true if no user in this namespace has the uid 65534. In a user namespace (rootless containers, bubblewrap)
   the kernel shows this uid for the owners of files that belong to users outside of it, even to the real root; if no
   user inside has it, nobody inside can be the owner. /proc/self/uid_map has lines of first inside, first outside,
   count. */
static bool overflow_is_foreign(void)
{
    static int known = -1;
    char text[4096];

    if (known >= 0)
        return known;
    known = 0;
    int file = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    if (size <= 0 || size == sizeof text - 1)
        return false;
    text[size] = 0;
    bool mapped = false;
    for (char *at = text, *end; *at; at = end) {
        unsigned long long first = strtoull(at, &end, 10);
        if (end == at)
            break;
        at = end;
        (void)strtoull(at, &end, 10);
        at = end;
        unsigned long long count = strtoull(at, &end, 10);
        if (end == at)
            return false;
        mapped |= first <= 65534 && 65534 - first < count;
        while (*end == '\n' || *end == ' ')
            end++;
    }
    known = !mapped;
    return known;
}

/* Returns whether only the user and root can change what is in a directory; with "own" it must be the user's. */
bool trusted(const struct stat *stat, bool own)
{
    bool closed = (stat->st_mode & (S_IWGRP | S_IWOTH)) == 0;

    if (stat->st_uid == geteuid())
        return closed || (!own && (stat->st_mode & S_ISVTX));
    if (own)
        return false;
    if (stat->st_uid == 0)
        return closed || (stat->st_mode & S_ISVTX);
    return stat->st_uid == 65534 && (closed || (stat->st_mode & S_ISVTX)) && overflow_is_foreign();
}

static void refuse_untrusted(struct place *place, int length, const struct stat *stat, bool own)
{
    if (stat->st_uid != geteuid() && (own || stat->st_uid != 0))
        refuse(place->why, "%.*s belongs to user %lu", length, place->real, (unsigned long)stat->st_uid);
    else {
        bool all = (stat->st_mode & S_IWOTH) != 0;
        place->open |= all;
        refuse(place->why, "%.*s can be written by others (mode %o%s)", length, place->real,
            (unsigned)stat->st_mode & 07777, all ? ", like Kubernetes' emptyDir" : "");
    }
}

/* Resolves the links in the part of the path that exists; the last component only where others cannot create one. */
static bool resolve(struct place *place)
{
    char prefix[PATH_ROOM], found[PATH_ROOM];
    const char *path = place->path;
    size_t end = strlen(path);

    if (place->shared)
        end = (size_t)(strrchr(path, '/') - path);
    for (;;) {
        memcpy(prefix, path, end);
        prefix[end] = 0;
        if (realpath(end ? prefix : "/", found))
            break;
        if (errno != ENOENT || end == 0) {
            refuse(place->why, "%s: %s", prefix, strerror(errno));
            return false;
        }
        while (end > 0 && path[end - 1] == '/')
            end--;
        while (end > 0 && path[end - 1] != '/')
            end--;
    }
    const char *rest = path + end;
    int length = snprintf(place->real, sizeof place->real, "%s/%s", strcmp(found, "/") ? found : "", rest);
    if (length < 0 || (size_t)length + sizeof "//tree/program" + IDENTITY_SIZE > PATH_ROOM) {
        refuse(place->why, "its path is too long");
        return false;
    }
    return true;
}

/* Returns whether the dynamic loader takes the path literally: in the names of files that it opens it replaces some
   words (ld.so(8)), and would open other files. */
static bool is_plain(struct place *place)
{
    static const char *const replaced[] = {"$ORIGIN", "$LIB", "$PLATFORM", "${"};

    for (size_t index = 0; index < sizeof replaced / sizeof *replaced; index++)
        if (strstr(place->real, replaced[index])) {
            refuse(place->why, "the dynamic loader would replace the %s in its path", replaced[index]);
            return false;
        }
    return true;
}

/* Moves to the next component of a path, and returns its length; 0 at the end. */
static size_t component(const char **at)
{
    *at += strspn(*at, "/");
    return strcspn(*at, "/");
}

enum { REFUSED_HERE = -1, MET_LINK = -2 };

/* Opens the directories of place->real that exist, and returns the last; *rest is the part that does not exist. */
static int walk(struct place *place, const char **rest)
{
    const char *at = place->real;
    int here = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (here < 0) {
        refuse(place->why, "/: %s", strerror(errno));
        return REFUSED_HERE;
    }
    for (size_t length; (length = component(&at)) > 0; at += length) {
        char name[NAME_MAX + 1];
        int upto = (int)(at - place->real + (ptrdiff_t)length), next = -1, error = ENAMETOOLONG;
        struct stat stat;
        *rest = at;
        if (length <= NAME_MAX) {
            memcpy(name, at, length);
            name[length] = 0;
            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
                close(here);
                return MET_LINK; /* resolve() removes it, as it does links */
            }
            next = openat(here, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            error = errno;
        }
        if (next < 0 && error == ENOENT)
            return here;
        if (next < 0 && (error == ENOTDIR || error == ELOOP) &&
            fstatat(here, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(stat.st_mode)) {
            refuse(place->why, "%.*s is a symbolic link", upto, place->real);
            close(here);
            return MET_LINK;
        }
        close(here);
        if (next < 0 || fstat(next, &stat) != 0) {
            refuse(place->why, "%.*s: %s", upto, place->real, strerror(next < 0 ? error : errno));
            if (next >= 0)
                close(next);
            return REFUSED_HERE;
        }
        here = next;
        const char *after = at + length;
        bool own = component(&after) == 0;
        if (!trusted(&stat, own)) {
            refuse_untrusted(place, upto, &stat, own);
            close(here);
            return REFUSED_HERE;
        }
    }
    *rest = at;
    return here;
}

/* Returns whether programs can be unpacked and started here. Nothing has been created here yet. An entry with files in
   memory needs less: unpacking will show whether there is room. */
static bool has_room(struct place *place, const struct app *app, int directory)
{
    struct statvfs disk;

    if (fstatvfs(directory, &disk) != 0)
        return true; /* unknown: unpacking will show it */
    uint64_t block = disk.f_frsize ? disk.f_frsize : disk.f_bsize;
    if (disk.f_flag & ST_RDONLY)
        refuse(place->why, "read-only");
    else if (disk.f_files && disk.f_favail < app->records)
        refuse(place->why, "%lu inodes needed, %llu inodes free", (unsigned long)app->records,
            (unsigned long long)disk.f_favail);
    else if (app->memory)
        return true;
    else if ((place->memory = disk.f_flag & ST_NOEXEC) != 0)
        refuse(place->why, "mounted noexec");
    else if ((place->memory = disk.f_blocks && block && disk.f_bavail < app->disk_need / block))
        refuse(place->why, "%llu MB needed, %llu MB free", (unsigned long long)(app->disk_need / 1000000 + 1),
            (unsigned long long)(disk.f_bavail * block / 1000000));
    else
        return true;
    return false;
}

static int make_rest(struct place *place, const struct app *app, int here, const char *rest)
{
    unsigned missing = 0;
    size_t length;

    for (const char *at = rest; (length = component(&at)) > 0; at += length) {
        if ((length == 1 && at[0] == '.') || (length == 2 && at[0] == '.' && at[1] == '.')) {
            refuse(place->why, "%s: does not exist", place->path);
            close(here);
            return -1;
        }
        missing++;
    }
    if (missing > place->makeable) {
        length = component(&rest);
        refuse(place->why, "%.*s does not exist", (int)(rest - place->real + (ptrdiff_t)length), place->real);
        close(here);
        return -1;
    }
    if (!has_room(place, app, here)) {
        close(here);
        return -1;
    }
    for (const char *at = rest; (length = component(&at)) > 0; at += length) {
        char name[NAME_MAX + 1];
        struct stat stat;
        int next = -1;
        if (length <= NAME_MAX) {
            memcpy(name, at, length);
            name[length] = 0;
            bool made = mkdirat(here, name, 0700) == 0;
            if (made && missing > place->made)
                place->made = missing;
            if (made || errno == EEXIST) /* another start may be first */
                next = openat(here, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            missing--;
        } else
            errno = ENAMETOOLONG;
        int error = errno, upto = (int)(at - place->real + (ptrdiff_t)length);
        close(here);
        place->gone = next < 0 && error == ENOENT;
        if (next < 0 || fstat(next, &stat) != 0) {
            refuse(place->why, "cannot make %.*s: %s", upto, place->real, strerror(next < 0 ? error : errno));
            if (next >= 0)
                close(next);
            return -1;
        }
        here = next;
        if (!trusted(&stat, true)) {
            refuse_untrusted(place, upto, &stat, true);
            close(here);
            return -1;
        }
    }
    return here;
}

/* Opens the directory of a candidate. Returns -1 if it is refused, with place->why, or does not exist, without. Creates
   it with "make", if there is room for the application. */
int place_open(struct place *place, const struct app *app, bool make)
{
    const char *rest = "";

    if (!place->named)
        return -1;
    place->why[0] = 0;
    place->gone = false;
    strcpy(place->real, place->path);
    if (!is_plain(place))
        return -1;
    int here = walk(place, &rest);
    if (here == MET_LINK) {
        place->why[0] = 0;
        if (!resolve(place) || !is_plain(place))
            return -1;
        here = walk(place, &rest);
        if (here == MET_LINK && !place->why[0])
            refuse(place->why, "does not exist");
    }
    if (here < 0)
        return -1;
    if (component(&rest) == 0) {
        if (make && !has_room(place, app, here)) {
            close(here);
            return -1;
        }
    } else if (make)
        here = make_rest(place, app, here, rest);
    else {
        close(here);
        here = -1;
    }
    /* Another start may have created them, and left their removal to this one when it failed. */
    if (here >= 0 && place->made < place->ours && strcmp(place->real, place->path) == 0)
        place->made = place->ours;
    return here;
}

/* Removes the directories that place_open() created, or another start, if they are empty. */
void place_leave(struct place *place)
{
    for (; place->made > 0; place->made--) {
        size_t length = strlen(place->real);
        while (length > 1 && place->real[length - 1] == '/')
            length--;
        place->real[length] = 0;
        if (rmdir(place->real) != 0 && errno != ENOENT) /* ENOENT: not all of them were created */
            break;
        while (length > 0 && place->real[length - 1] != '/')
            length--;
        place->real[length] = 0;
    }
}
