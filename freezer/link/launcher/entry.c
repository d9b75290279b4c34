/* Cache entries: their locks, the manifest that shows whether one is complete, and the executables known to be
   undamaged.

   The manifest has the inode, size, mode, mtime and ctime of everything in the tree. It is written last, so an entry
   with a manifest was finished. No program can set a ctime, so every later change, replacement or addition shows. The
   manifest protects against accidents, clean-up programs and half-restored backups. The ownership of the directories
   protects against other users (place.c); no protection is needed against the user himself.

   A manifest consists of, in the machine's byte order: a header, the tree's absolute path, a record with a name for
   each item, the tree itself ("") first, and the BLAKE2b of all that. It has no device numbers, as a reboot may change
   them.

   The file "seen" lists the executables whose digest was checked. So a start need not read its whole executable, and an
   executable that has changed since its check is checked again. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { SEEN_LIMIT = 16, DAY = 86400, NAMES_LIMIT = 1 << 28 };

static const char MAGIC[8] = "FRZRMAN1";

struct manifest_header {
    char magic[8];
    uint32_t count, path;
    uint64_t size;
};

struct manifest_record {
    uint64_t inode, size;
    int64_t modified, changed;
    uint32_t modified_nanoseconds, changed_nanoseconds, mode, name;
};

struct seen_record {
    uint64_t device, inode, size;
    int64_t modified, changed;
    uint32_t modified_nanoseconds, changed_nanoseconds;
};

static bool read_all(int file, void *data, size_t size)
{
    for (char *at = data; size > 0;) {
        ssize_t count = read(file, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        at += count;
        size -= (size_t)count;
    }
    return true;
}

static bool write_all(int file, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t count = write(file, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            if (count == 0)
                errno = ENOSPC;
            return false;
        }
        at += count;
        size -= (size_t)count;
    }
    return true;
}

static void record_of(const struct stat *stat, struct manifest_record *record)
{
    memset(record, 0, sizeof *record);
    record->inode = stat->st_ino;
    /* A directory's size depends on the file system. */
    record->size = S_ISDIR(stat->st_mode) ? 0 : (uint64_t)stat->st_size;
    record->modified = stat->st_mtim.tv_sec;
    record->changed = stat->st_ctim.tv_sec;
    record->modified_nanoseconds = (uint32_t)stat->st_mtim.tv_nsec;
    record->changed_nanoseconds = (uint32_t)stat->st_ctim.tv_nsec;
    record->mode = stat->st_mode;
}

/* Opens the directory of an entry. Returns false, with place->why if it exists and cannot be trusted. */
bool entry_open(struct entry *entry, struct place *place, const struct app *app, int home, bool make)
{
    struct stat stat;

    entry->home = home;
    entry->dir = entry->used = -1;
    entry->bare = false;
    entry->memory = app->memory;
    entry->identity = app->identity;
    int length = snprintf(entry->tree, sizeof entry->tree, "%s%s%s/tree", place->real,
        place->real[strlen(place->real) - 1] == '/' ? "" : "/", app->identity);
    if (length < 0 || (size_t)length + sizeof "/program" > sizeof entry->tree) {
        refuse(place->why, "its path is too long");
        return false;
    }
    if (make && mkdirat(home, app->identity, 0700) != 0 && errno != EEXIST) {
        /* ENOENT: another start made the directory of entries, and has just removed it. */
        if (errno != ENOENT)
            refuse(place->why, "%s", strerror(errno));
        return false;
    }
    entry->dir = openat(home, app->identity, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (entry->dir >= 0 && fstat(entry->dir, &stat) == 0) {
        if (trusted(&stat, true))
            return true;
        refuse(place->why, "%s/%s belongs to another user, or can be written by others", place->real, app->identity);
    } else if (errno != ENOENT)
        refuse(place->why, "%s/%s: %s", place->real, app->identity, strerror(errno));
    if (make)
        (void)unlinkat(home, app->identity, AT_REMOVEDIR); /* fails unless it is empty */
    entry_close(entry);
    return false;
}

void entry_close(struct entry *entry)
{
    if (entry->used >= 0)
        close(entry->used);
    if (entry->dir >= 0)
        close(entry->dir);
    entry->used = entry->dir = -1;
}

/* Returns whether the directory still has its name. If not, errno is ESTALE: the entry was renamed or removed. */
bool entry_is_current(const struct entry *entry)
{
    struct stat ours, theirs;

    if (fstat(entry->dir, &ours) != 0)
        return false;
    if (fstatat(entry->home, entry->identity, &theirs, AT_SYMLINK_NOFOLLOW) == 0) {
        if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
            return true;
        errno = ESTALE;
    } else if (errno == ENOENT)
        errno = ESTALE;
    return false;
}

/* Takes the lock that marks the entry as used until the application ends. Returns false with errno if the file to lock
   is missing or cannot be examined, or the entry is being removed. On a file system without locks, only the file's
   recent time protects the entry. */
bool entry_hold(struct entry *entry, bool make)
{
    struct stat stat;
    int flags = make ? O_RDWR | O_CREAT : O_RDONLY;

    entry->used = openat(entry->dir, "used", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (entry->used < 0)
        return false;
    /* Examined after the lock is taken, as the file may have been removed before. */
    bool good = (flock(entry->used, LOCK_SH | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR)) &&
                fstat(entry->used, &stat) == 0;
    if (good && (!S_ISREG(stat.st_mode) || stat.st_uid != geteuid() || stat.st_nlink == 0)) {
        errno = stat.st_nlink == 0 ? ESTALE : EPERM;
        good = false;
    }
    if (good && entry_is_current(entry)) {
        struct timespec time;
        if (clock_gettime(CLOCK_REALTIME, &time) == 0 &&
            (time.tv_sec - stat.st_mtim.tv_sec > DAY || stat.st_mtim.tv_sec - time.tv_sec > DAY))
            (void)futimens(entry->used, NULL);
        return true;
    }
    int error = errno;
    close(entry->used);
    entry->used = -1;
    errno = error;
    return false;
}

/* Returns what an error of a look at the entry means: BROKEN if a file is missing or has another type, else UNKNOWN. */
static enum found look_failed(const struct entry *entry, const char *name, char why[WHY_ROOM])
{
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EISDIR || errno == ENXIO)
        return BROKEN;
    refuse(why, "cannot check %.*s/%s: %s", (int)(strlen(entry->tree) - strlen("/tree")), entry->tree, name,
        strerror(errno));
    return UNKNOWN;
}

/* Returns whether everything in the tree agrees with the manifest; "why" is the reason of UNKNOWN. */
enum found entry_look(struct entry *entry, char why[WHY_ROOM])
{
    static const char manifest[] = "manifest";
    struct manifest_header header;
    struct stat stat;
    uint8_t digest[DIGEST_SIZE], small[32768], *data = small;
    struct blake2b hash;
    enum found found = BROKEN;
    int tree = -1;

    if (entry->memory && !memory_is_kept(entry))
        return BROKEN;
    int file = openat(entry->dir, manifest, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return look_failed(entry, manifest, why);
    /* Not preceded by a stat: a small manifest needs one read only. */
    ssize_t got = read(file, small, sizeof small);
    if (got < 0)
        found = look_failed(entry, manifest, why);
    if (got < (ssize_t)(sizeof header + DIGEST_SIZE))
        goto end;
    memcpy(&header, small, sizeof header);
    if (memcmp(header.magic, MAGIC, sizeof MAGIC) != 0 || header.size > NAMES_LIMIT ||
        header.size < sizeof header + DIGEST_SIZE)
        goto end;
    size_t size = (size_t)header.size;
    if (size > (size_t)got) {
        if (fstat(file, &stat) == 0 && (uint64_t)stat.st_size != size)
            goto end; /* a damaged size must not decide how much memory is allocated */
        data = malloc(size);
        if (data)
            memcpy(data, small, (size_t)got);
        errno = data ? 0 : ENOMEM;
        if (!data || !read_all(file, data + got, size - (size_t)got)) {
            if (errno != 0) /* 0: the file ends too early */
                found = look_failed(entry, manifest, why);
            goto end;
        }
    } else if (size < (size_t)got)
        goto end;
    /* Before the tree is opened, as descriptors may be few. */
    close(file);
    file = -1;
    blake2b_start(&hash);
    blake2b_add(&hash, data, size - DIGEST_SIZE);
    blake2b_end(&hash, digest);
    if (memcmp(digest, data + size - DIGEST_SIZE, DIGEST_SIZE) != 0)
        goto end;
    size_t at = sizeof header, last = size - DIGEST_SIZE, length = strlen(entry->tree);
    if (header.path != length || last - at < length || memcmp(data + at, entry->tree, length) != 0)
        goto end;
    at += length;
    tree = openat(entry->dir, "tree", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (tree < 0) {
        found = look_failed(entry, "tree", why);
        goto end;
    }
    for (uint32_t index = 0; index < header.count; index++) {
        struct manifest_record told, is;
        if (last - at < sizeof told)
            goto end;
        memcpy(&told, data + at, sizeof told);
        at += sizeof told;
        const char *name = (const char *)data + at;
        if (told.name == 0 || last - at < told.name || name[told.name - 1] != 0)
            goto end;
        at += told.name;
        if ((index == 0 ? fstat(tree, &stat) : fstatat(tree, name, &stat, AT_SYMLINK_NOFOLLOW)) != 0) {
            found = look_failed(entry, index == 0 ? "tree" : name, why);
            goto end;
        }
        record_of(&stat, &is);
        is.name = told.name;
        if (memcmp(&told, &is, sizeof is) != 0)
            goto end;
    }
    if (at == last && header.count > 0) {
        memcpy(entry->manifest, digest, sizeof entry->manifest);
        found = WHOLE;
    }
end:
    if (data != small)
        free(data);
    if (tree >= 0)
        close(tree);
    if (file >= 0)
        close(file);
    return found;
}

/* Looks for a complete entry and takes its lock. */
bool entry_find(struct entry *entry, struct place *place, const struct app *app, int home)
{
    if (!entry_open(entry, place, app, home, false))
        return false;
    if (entry_hold(entry, false) && entry_look(entry, place->why) == WHOLE)
        return true;
    entry_close(entry);
    return false;
}

bool names_add(struct names *names, const char *name)
{
    size_t size = strlen(name) + 1;

    if (size > names->room - names->used) {
        size_t room = names->room + names->room / 2 + size + 4096;
        char *text = room > NAMES_LIMIT ? NULL : realloc(names->text, room);
        if (!text)
            return false;
        names->text = text;
        names->room = room;
    }
    memcpy(names->text + names->used, name, size);
    names->used += size;
    names->count++;
    return true;
}

/* Removes the last name. */
void names_drop(struct names *names)
{
    names->used--;
    while (names->used > 0 && names->text[names->used - 1] != 0)
        names->used--;
    names->count--;
}

/* Writes a new file and renames it into place. */
static bool replace_file(int directory, const char *name, const char *fresh, const void *data, size_t size)
{
    int file = openat(directory, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (file < 0)
        return false;
    bool good = write_all(file, data, size);
    int error = errno;
    if (close(file) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && renameat(directory, fresh, directory, name) != 0) {
        good = false;
        error = errno;
    }
    if (!good)
        (void)unlinkat(directory, fresh, 0);
    errno = error;
    return good;
}

/* Writes the manifest of the tree, which is in its place. There is no fsync: after a loss of power, files are shorter
   than in the manifest, or there is no manifest, and the entry is rebuilt. */
bool manifest_write(const struct entry *entry, const struct names *names, char why[WHY_ROOM])
{
    size_t length = strlen(entry->tree), at = 0;
    size_t size = sizeof(struct manifest_header) + length + DIGEST_SIZE + names->used +
                  names->count * sizeof(struct manifest_record);
    struct manifest_header header = {.count = names->count, .path = (uint32_t)length, .size = size};
    struct blake2b hash;
    uint8_t *data = size > NAMES_LIMIT ? NULL : malloc(size);
    int tree = openat(entry->dir, "tree", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool good = false;

    if (!data || tree < 0) {
        refuse(why, "cannot list the unpacked files: %s", strerror(data ? errno : ENOMEM));
        goto end;
    }
    memcpy(header.magic, MAGIC, sizeof header.magic);
    memcpy(data, &header, sizeof header);
    at = sizeof header;
    memcpy(data + at, entry->tree, length);
    at += length;
    const char *name = names->text;
    for (uint32_t index = 0; index < names->count; index++) {
        struct manifest_record record;
        struct stat stat;
        if ((index == 0 ? fstat(tree, &stat) : fstatat(tree, name, &stat, AT_SYMLINK_NOFOLLOW)) != 0) {
            refuse(why, "%s/%s: %s", entry->tree, name, strerror(errno));
            goto end;
        }
        record_of(&stat, &record);
        record.name = (uint32_t)strlen(name) + 1;
        memcpy(data + at, &record, sizeof record);
        at += sizeof record;
        memcpy(data + at, name, record.name);
        at += record.name;
        name += record.name;
    }
    blake2b_start(&hash);
    blake2b_add(&hash, data, at);
    blake2b_end(&hash, data + at);
    good = replace_file(entry->dir, "manifest", "manifest.new", data, size);
    if (!good)
        refuse(why, "cannot write the manifest: %s", strerror(errno));
end:
    if (tree >= 0)
        close(tree);
    free(data);
    return good;
}

static struct seen_record seen_of(const struct stat *stat)
{
    struct seen_record record;

    memset(&record, 0, sizeof record);
    record.device = stat->st_dev;
    record.inode = stat->st_ino;
    record.size = (uint64_t)stat->st_size;
    record.modified = stat->st_mtim.tv_sec;
    record.changed = stat->st_ctim.tv_sec;
    record.modified_nanoseconds = (uint32_t)stat->st_mtim.tv_nsec;
    record.changed_nanoseconds = (uint32_t)stat->st_ctim.tv_nsec;
    return record;
}

static size_t seen_read(const struct entry *entry, struct seen_record records[SEEN_LIMIT])
{
    int file = openat(entry->dir, "seen", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file < 0)
        return 0;
    ssize_t size = read(file, records, SEEN_LIMIT * sizeof *records);
    close(file);
    return size < 0 ? 0 : (size_t)size / sizeof *records;
}

/* Returns whether this executable was found undamaged before, and has not changed since. */
bool entry_knows(const struct entry *entry, const struct app *app)
{
    struct seen_record records[SEEN_LIMIT], ours = seen_of(&app->stat);
    size_t count = seen_read(entry, records);

    for (size_t index = 0; index < count; index++)
        if (memcmp(&records[index], &ours, sizeof ours) == 0)
            return true;
    return false;
}

/* Records that the executable is undamaged; if that fails, the next start checks it again. An executable that changed
   just now is not recorded: a second change within the same tick of the file system's clock would not show. */
void entry_remember(const struct entry *entry, const struct app *app)
{
    struct seen_record records[1 + SEEN_LIMIT];
    struct timespec time;

    if (clock_gettime(CLOCK_REALTIME, &time) != 0)
        return;
    int64_t age = ((int64_t)time.tv_sec - app->stat.st_ctim.tv_sec) * 1000 +
                  (time.tv_nsec - app->stat.st_ctim.tv_nsec) / 1000000;
    if (age >= 0 && age < 20)
        return;
    records[0] = seen_of(&app->stat);
    size_t count = seen_read(entry, records + 1) + 1;
    if (count > SEEN_LIMIT)
        count = SEEN_LIMIT;
    (void)replace_file(entry->dir, "seen", "seen.new", records, count * sizeof *records);
}
