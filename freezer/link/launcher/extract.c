/* How the tree gets there: the writer of files.

   The payload is a stream of records (directories, files, links last). Nothing in it is trusted, though the executable's
   digest was checked before: names and link targets are judged, and as links are made last, nothing is ever written
   through one.

   Three things can come of it: done; refused, that is this directory cannot take it and another may; damaged. */
#include "filter.h"
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
    FILTERED = 1, /* a record's number for content whose code is filtered */
    TELL_EACH = 1 << 20,
    SECOND = 1000000000,
    /* Seconds without progress of the one that is unpacking, after which a start says that it waits for it, and after
       which it takes the next place. One that is stopped makes none, and may never be continued; one on a slow disk makes
       some in each second, so that few seconds are enough. */
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

/* Called with each file and megabyte. Those who wait look at the lock's time, and touching it each tenth of a second is
   enough for them. */
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

/* Whether a name is relative, and has no empty component, "." or "..". */
static bool good_name(const char *name, size_t length)
{
    if (length == 0 || memchr(name, 0, length))
        return false;
    for (size_t at = 0; at <= length;) {
        const char *slash = memchr(name + at, '/', length - at);
        size_t size = (slash ? (size_t)(slash - name) : length) - at;
        if (size == 0 || (size == 1 && name[at] == '.') || (size == 2 && name[at] == '.' && name[at + 1] == '.'))
            return false;
        at += size + 1;
    }
    return true;
}

/* Whether a link's target stays in the tree, judged lexically. */
static bool good_target(const char *name, const char *target)
{
    size_t depth = 0;

    if (!*target || *target == '/')
        return false;
    for (; *name; name++)
        depth += *name == '/';
    while (*target) {
        size_t length = strcspn(target, "/");
        if (length == 2 && target[0] == '.' && target[1] == '.') {
            if (depth-- == 0)
                return false;
        } else if (length > 0 && !(length == 1 && target[0] == '.'))
            depth++;
        target += length;
        target += strspn(target, "/");
    }
    return true;
}

struct range { /* of a file: a place for a path, or code that is filtered */
    uint64_t offset, size;
};

static bool inside(const struct range *range, uint64_t size)
{
    return range->offset <= size && range->size <= size - range->offset;
}

struct writer {
    struct reader *reader;
    struct watch *watch;
    const char *tree; /* the absolute path that the tree will have */
    char *why;
    uint8_t *block; /* of code */
    int directory;
    uint64_t untold;
};

static enum outcome failed(struct writer *writer, const char *name)
{
    refuse(writer->why, "cannot write %s: %s", name, strerror(errno));
    return REFUSED;
}

/* What it means that nothing could be taken. */
static enum outcome ended(struct writer *writer)
{
    if (writer->why[0])
        return REFUSED;
    refuse(writer->why, "its content is not as it should be");
    return DAMAGED;
}

static enum outcome damaged(struct writer *writer)
{
    refuse(writer->why, "its content is not as it should be");
    return DAMAGED;
}

static bool write_at(int file, const char *data, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t count = pwrite(file, data, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            if (count == 0)
                errno = ENOSPC;
            return false;
        }
        data += count;
        offset += (uint64_t)count;
        size -= (size_t)count;
    }
    return true;
}

/* Puts the tree's path in front of a path within the file. */
static enum outcome fix(struct writer *writer, int file, const char *name, const struct range *fixup)
{
    char text[PATH_ROOM] = {0}, fixed[2 * PATH_ROOM] = {0};
    size_t most = fixup->size < sizeof text ? (size_t)fixup->size : sizeof text;

    ssize_t size = pread(file, text, most, (off_t)fixup->offset);
    if (size < 0)
        return failed(writer, name);
    if ((size_t)size != most || text[0] != '/' || !memchr(text, 0, most))
        return damaged(writer);
    size_t length = strlen(writer->tree) + strlen(text);
    if (length >= fixup->size || length >= PATH_ROOM) {
        refuse(writer->why, "its path is too long: the program has room for %llu bytes",
            (unsigned long long)(fixup->size - strlen(text) - 1));
        return REFUSED;
    }
    strcpy(fixed, writer->tree);
    strcat(fixed, text);
    if (!write_at(file, fixed, length + 1, fixup->offset))
        return failed(writer, name);
    /* The old text may have been longer than what now ends it; the rest was NULs, or becomes so. */
    for (uint64_t at = length + 1; at < fixup->size;) {
        static const char zeros[PATH_ROOM];
        size_t part = fixup->size - at < sizeof zeros ? (size_t)(fixup->size - at) : sizeof zeros;
        if (!write_at(file, zeros, part, fixup->offset + at))
            return failed(writer, name);
        at += part;
    }
    return DONE;
}

/* The next piece of a file, NULL as for reader_take(); "left" bytes of its "size" were not taken yet. */
static const uint8_t *content(
    struct writer *writer, uint64_t size, uint64_t left, const struct range *code, size_t *count)
{
    uint64_t at = size - left, over = code->offset + code->size;

    if (at < code->offset)
        return reader_take(writer->reader, code->offset - at, count);
    if (at >= over)
        return reader_take(writer->reader, left, count);
    *count = over - at < FILTER_BLOCK ? (size_t)(over - at) : FILTER_BLOCK;
    if (!reader_take_all(writer->reader, writer->block, *count))
        return NULL;
    filter_code(writer->block, *count, at, size, true);
    return writer->block;
}

static enum outcome write_file(struct writer *writer, const char *name, mode_t mode, uint64_t size,
    const struct range *code, const struct range *fixups, uint32_t count)
{
    enum outcome outcome = DONE;
    uint64_t left = size;

    if (!inside(code, size) || (code->size > 0 && size > INT32_MAX))
        return damaged(writer);
    for (uint32_t index = 0; index < count; index++)
        if (!inside(&fixups[index], size) || fixups[index].size < 2)
            return damaged(writer);
    int file = openat(writer->directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (file < 0)
        return failed(writer, name);
    while (left > 0 && outcome == DONE) {
        size_t part;
        const uint8_t *from = content(writer, size, left, code, &part);
        if (!from) {
            outcome = ended(writer);
            break;
        }
        left -= part;
        writer->untold += part;
        while (part > 0) {
            ssize_t done = write(file, from, part);
            if (done < 0 && errno == EINTR)
                continue;
            if (done <= 0) {
                if (done == 0)
                    errno = ENOSPC;
                outcome = failed(writer, name);
                break;
            }
            from += done;
            part -= (size_t)done;
        }
        if (writer->untold >= TELL_EACH) {
            writer->untold = 0;
            watch_tell(writer->watch);
        }
    }
    for (uint32_t index = 0; index < count && outcome == DONE; index++)
        outcome = fix(writer, file, name, &fixups[index]);
    /* An access control list of the directory's may have changed the mode. */
    if (outcome == DONE && fchmod(file, mode) != 0)
        outcome = failed(writer, name);
    if (close(file) != 0 && outcome == DONE)
        outcome = failed(writer, name);
    watch_tell(writer->watch);
    return outcome;
}

/* Makes a link. Its directory is opened component by component: the links made before are not gone through. */
static enum outcome write_link(struct writer *writer, const char *name, const char *target)
{
    int here = writer->directory;
    const char *at = name;
    enum outcome outcome = DONE;

    if (!good_target(name, target))
        return damaged(writer);
    for (const char *slash; (slash = strchr(at, '/')) != NULL; at = slash + 1) {
        char part[256];
        size_t length = (size_t)(slash - at);
        int next = -1;
        errno = ENAMETOOLONG;
        if (length < sizeof part) {
            memcpy(part, at, length);
            part[length] = 0;
            next = openat(here, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        int error = errno;
        if (here != writer->directory)
            close(here);
        errno = error;
        if (next < 0)
            return error == ENOENT || error == ENOTDIR || error == ELOOP ? damaged(writer) : failed(writer, name);
        here = next;
    }
    if (symlinkat(target, here, at) != 0)
        outcome = failed(writer, name);
    if (here != writer->directory)
        close(here);
    return outcome;
}

/* A number of the payload or the trailer, which are little-endian. */
uint64_t number(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;

    while (size-- > 0)
        value = value << 8 | from[size];
    return value;
}

static bool take_range(struct writer *writer, struct range *range)
{
    uint8_t pair[16];

    if (!reader_take_all(writer->reader, pair, sizeof pair))
        return false;
    range->offset = number(pair, 8);
    range->size = number(pair + 8, 8);
    return true;
}

/* Reads the next record and carries it out; *type is it. */
static enum outcome write_record(struct writer *writer, struct names *names, struct range *fixups, char *type)
{
    struct range code = {0, 0};
    uint8_t header[24];
    char name[NAME_LIMIT + 1], target[NAME_LIMIT + 1];
    bool links = *type == 'L';

    if (!reader_take_all(writer->reader, header, sizeof header))
        return ended(writer);
    size_t length = (size_t)number(header + 2, 2);
    uint32_t count = (uint32_t)number(header + 4, 4);
    uint64_t size = number(header + 8, 8);
    *type = (char)header[0];
    if (header[1] > FILTERED || number(header + 16, 8) != 0 || length > NAME_LIMIT || count > FIXUP_LIMIT)
        return damaged(writer);
    if (*type == 'E')
        return length || count || size || header[1] ? damaged(writer) : DONE;
    bool file = *type == 'F' || *type == 'X';
    if ((!file && *type != 'D' && *type != 'L') || (links && *type != 'L') || ((count || header[1]) && !file) ||
        (*type == 'D' && size) || (*type == 'L' && (size == 0 || size > NAME_LIMIT)))
        return damaged(writer);
    if (!reader_take_all(writer->reader, name, length))
        return ended(writer);
    name[length] = 0;
    if (!good_name(name, length))
        return damaged(writer);
    if (strlen(writer->tree) + 1 + length >= PATH_ROOM) {
        refuse(writer->why, "its path is too long");
        return REFUSED;
    }
    if (header[1] == FILTERED && !take_range(writer, &code))
        return ended(writer);
    for (uint32_t index = 0; index < count; index++)
        if (!take_range(writer, &fixups[index]))
            return ended(writer);
    if (!names_add(names, name)) {
        refuse(writer->why, "%s", strerror(ENOMEM));
        return REFUSED;
    }
    switch (*type) {
    case 'D':
        if (mkdirat(writer->directory, name, 0755) != 0 || fchmodat(writer->directory, name, 0755, 0) != 0)
            return failed(writer, name);
        return DONE;
    case 'L':
        if (!reader_take_all(writer->reader, target, (size_t)size))
            return ended(writer);
        target[size] = 0;
        if (strlen(target) != size)
            return damaged(writer);
        enum outcome outcome = write_link(writer, name, target);
        if (outcome != DONE)
            names_drop(names); /* its path may lead through another link, and none is to be removed that way */
        return outcome;
    default:
        return write_file(writer, name, *type == 'X' ? 0555 : 0444, size, &code, fixups, count);
    }
}

/* Unpacks into an empty directory. "why" says what went wrong. */
enum outcome extract_stream(
    const struct app *app, int directory, const char *tree, struct names *names, struct watch *watch, char *why)
{
    struct writer writer = {.watch = watch, .tree = tree, .why = why, .directory = directory};
    struct range *fixups = malloc(FIXUP_LIMIT * sizeof *fixups);
    enum outcome outcome = REFUSED;
    uint32_t count = 0;
    char type = 0;

    why[0] = 0;
    writer.block = malloc(FILTER_BLOCK);
    if (!fixups || !writer.block || !names_add(names, ""))
        refuse(why, "%s", strerror(ENOMEM));
    if (!why[0] && (writer.reader = reader_open(app, why)) != NULL) {
        do
            outcome = write_record(&writer, names, fixups, &type);
        while (outcome == DONE && type != 'E' && ++count <= app->records);
        if (outcome == DONE && (type != 'E' || count != app->records || !reader_at_end(writer.reader)))
            outcome = ended(&writer);
    }
    reader_close(writer.reader);
    free(writer.block);
    free(fixups);
    return outcome;
}

/* The process that holds a lock; 0 if that is not known. A line of /proc/locks (proc(5)):
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

/* Once it has taken long enough for a person to wonder. */
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

/* Whether an entry has something; also true if that cannot be told. */
static bool is_there(const struct entry *entry, const char *name)
{
    return faccessat(entry->dir, name, F_OK, 0) == 0 || errno != ENOENT;
}

/* Waits for the lock of those who unpack. False when it cannot be had, with place->why. */
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
            refuse(place->why, "another start is unpacking there, and got nowhere for %d seconds", (int)PATIENCE);
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

/* Puts what was unpacked in the place of what may be there. */
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
    /* An old kernel, or a file system that cannot. Without the manifest nobody uses what is there. */
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
    else
        outcome = extract_stream(app, fresh, entry->tree, &names, watch, place->why);
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

/* For something that failed in an entry: whether that is because someone has removed it. */
static enum outcome refused(const struct entry *entry)
{
    return entry_is_current(entry) || errno != ESTALE ? REFUSED : GONE;
}

/* What to do with an entry whose lock is held. */
static enum outcome fill_locked(struct entry *entry, struct place *place, const struct app *app, struct watch *watch)
{
    enum outcome outcome = DONE;

    entry->bare = !is_there(entry, "tree");
    /* Before all else, so that no cleaner takes the entry for unused. */
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

/* Unpacks into the entry, which is open, or finds that another start just did. GONE: someone removed the entry between
   its opening and its locking, so a new one has to be made. */
enum outcome extract(struct entry *entry, struct place *place, const struct app *app, struct watch *watch)
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
    watch->lock = -1; /* only its holder touches it */
    if (take_lock(entry, place, lock, watch)) {
        watch->lock = lock;
        (void)futimens(lock, NULL);
        watch->touched = now();
        /* Whoever removes an entry holds its lock until the end. */
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
