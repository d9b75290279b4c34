/* Unpacks the tree: the writer of files.

   The payload is a stream of records (directories, files, links last). Nothing in it is trusted, although the
   executable's digest was checked before: names and link targets are checked, and as links are made last, nothing is
   ever written through one.

   The outcome is DONE; REFUSED, if this directory cannot take the tree, but another may; or DAMAGED. */
#include "filter.h"
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER_SIZE = 24,
    RANGE_SIZE = 16,
    FILTER_SIZE = 24,
    TELL_EACH = 1 << 20,
};

/* Returns whether a name is relative, and has no empty component, "." or "..". */
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

/* Returns whether a link's target stays in the tree, judged by the names alone. */
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

struct range { /* of a file: a place for a path */
    uint64_t offset, size;
};

struct file { /* a record of a file, and how far it was taken */
    const char *name;
    uint64_t size, left;
    const struct range *fixups;
    const struct filter *filters;
    uint32_t fixup_count, filter_count;
    uint32_t next; /* the filter for what is taken next, or for something behind it */
    char type;
};

static bool inside(uint64_t offset, uint64_t size, uint64_t total)
{
    return offset <= total && size <= total - offset;
}

struct writer {
    struct reader *reader;
    struct watch *watch;
    const char *tree; /* the absolute path that the tree will have */
    char *why;
    struct range *fixups;
    struct filter *filters;
    struct room room;
    int directory;
    bool memory; /* whether files to execute or to load are made in memory */
    uint64_t untold;
};

static enum outcome failed(struct writer *writer, const char *name)
{
    refuse(writer->why, "cannot write %s: %s", name, strerror(errno));
    return REFUSED;
}

static enum outcome damaged(struct writer *writer, const char *how)
{
    refuse(writer->why, "its payload is corrupt: %s", how);
    return DAMAGED;
}

/* Returns the outcome after the reader returned nothing. */
static enum outcome ended(struct writer *writer)
{
    return writer->why[0] ? REFUSED : damaged(writer, "it ends too early, or cannot be decompressed");
}

bool write_at(int file, const void *data, size_t size, uint64_t offset)
{
    const uint8_t *at = data;

    while (size > 0) {
        ssize_t count = pwrite(file, at, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            if (count == 0)
                errno = ENOSPC;
            return false;
        }
        at += count;
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
        return damaged(writer, "there is no path at the place of a fixup");
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
    /* Clear the rest of the room: the old text may have been longer. */
    for (uint64_t at = length + 1; at < fixup->size;) {
        static const char zeros[PATH_ROOM];
        size_t part = fixup->size - at < sizeof zeros ? (size_t)(fixup->size - at) : sizeof zeros;
        if (!write_at(file, zeros, part, fixup->offset + at))
            return failed(writer, name);
        at += part;
    }
    return DONE;
}

/* Returns the next piece of a file, or NULL as reader_take() does. */
static const uint8_t *content(struct writer *writer, struct file *file, size_t *count)
{
    uint64_t at = file->size - file->left;
    const struct filter *filter = NULL;

    for (; file->next < file->filter_count; file->next++) {
        filter = &file->filters[file->next];
        if (!is_table(filter) && at < filter->offset + filter->size)
            break;
        filter = NULL;
    }
    if (!filter || at < filter->offset)
        return reader_take(writer->reader, filter ? filter->offset - at : file->left, count);
    uint64_t over = filter->offset + filter->size;
    size_t most = filter->kind == OBJECTS ? OBJECTS_LIMIT : FILTER_BLOCK,
           head = filter->kind == OBJECTS ? OBJECTS_HEAD : 0;
    *count = over - at < most ? (size_t)(over - at) : most;
    /* What is filtered, and behind it what it was before. */
    uint8_t *from = room_for(&writer->room, head + 2 * *count);
    uint8_t *to = from + head + *count;
    if (!from)
        refuse(writer->why, "%s", strerror(ENOMEM));
    if (!from || !reader_take_all(writer->reader, from, head + *count))
        return NULL;
    if (filter->kind == CODE) {
        filter_code(from, *count, at, file->size, true);
        return from;
    }
    if (filter->kind == OBJECTS)
        return objects_join(from, to, *count, filter->entries) ? to : NULL;
    filter_rows(from, to, *count, filter->entries, true);
    return to;
}

/* Returns what is wrong with the places of fixups and filters; NULL if nothing is. What is filtered is in the file's
   order; no path is in a table, which is restored as it was before paths were filled in. */
static const char *misplaced(const struct file *file)
{
    uint64_t over = 0;

    for (uint32_t index = 0; index < file->filter_count; index++) {
        const struct filter *filter = &file->filters[index];
        bool changed = filter->kind != SYMBOLS && filter->kind != STRINGS;
        if (filter->kind < CODE || filter->kind > OBJECTS || (changed && filter->offset < over) || filter->size == 0 ||
            !inside(filter->offset, filter->size, file->size) || file->size > INT32_MAX ||
            (filter->kind == ROWS && (filter->entries < 2 || filter->entries > FILTER_BLOCK)) ||
            (filter->kind == OBJECTS && filter->size > OBJECTS_LIMIT) ||
            (is_table(filter) && filter->size > TABLE_LIMIT))
            return "the place of a filter in a file is invalid";
        if (changed)
            over = filter->offset + filter->size;
    }
    for (uint32_t index = 0; index < file->fixup_count; index++) {
        const struct range *fixup = &file->fixups[index];
        if (!inside(fixup->offset, fixup->size, file->size) || fixup->size < 2)
            return "the place of a fixup in a file is invalid";
        for (uint32_t other = 0; other < file->filter_count; other++) {
            const struct filter *filter = &file->filters[other];
            if (is_table(filter) && fixup->offset < filter->offset + filter->size &&
                filter->offset < fixup->offset + fixup->size)
                return "the place of a fixup in a file is in a table";
        }
    }
    return NULL;
}

static enum outcome write_content(struct writer *writer, struct file *file, int descriptor)
{
    while (file->left > 0) {
        size_t part;
        const uint8_t *from = content(writer, file, &part);
        if (!from)
            return ended(writer);
        file->left -= part;
        writer->untold += part;
        while (part > 0) {
            ssize_t done = write(descriptor, from, part);
            if (done < 0 && errno == EINTR)
                continue;
            if (done <= 0) {
                if (done == 0)
                    errno = ENOSPC;
                return failed(writer, file->name);
            }
            from += done;
            part -= (size_t)done;
        }
        if (writer->untold >= TELL_EACH) {
            writer->untold = 0;
            watch_tell(writer->watch);
        }
    }
    const char *problem;
    if (!restore_tables(descriptor, file->filters, file->filter_count, &writer->room, &problem))
        return problem ? damaged(writer, problem) : failed(writer, file->name);
    return DONE;
}

static enum outcome write_file(struct writer *writer, struct file *file)
{
    mode_t mode = file->type == 'X' ? 0555 : 0444;
    bool memory = writer->memory && memory_takes(file->name, file->type);
    const char *wrong = misplaced(file);

    if (wrong)
        return damaged(writer, wrong);
    int descriptor = memory
        ? memory_create()
        : openat(writer->directory, file->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (descriptor < 0)
        return failed(writer, file->name);
    enum outcome outcome = write_content(writer, file, descriptor);
    for (uint32_t index = 0; index < file->fixup_count && outcome == DONE; index++)
        outcome = fix(writer, descriptor, file->name, &file->fixups[index]);
    /* An access control list of the directory may have changed the mode. */
    if (outcome == DONE && fchmod(descriptor, mode) != 0)
        outcome = failed(writer, file->name);
    if (memory && outcome == DONE && !memory_link(descriptor, writer->directory, file->name))
        outcome = failed(writer, file->name);
    if (!(memory && outcome == DONE) && close(descriptor) != 0 && outcome == DONE)
        outcome = failed(writer, file->name);
    watch_tell(writer->watch);
    return outcome;
}

/* Makes a link. Opens its directory component by component, without following the links made before. */
static enum outcome write_link(struct writer *writer, const char *name, const char *target)
{
    int here = writer->directory;
    const char *at = name;
    enum outcome outcome = DONE;

    if (!good_target(name, target))
        return damaged(writer, "a link leads out of the tree");
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
            return error == ENOENT || error == ENOTDIR || error == ELOOP
                       ? damaged(writer, "the directory of a link is missing")
                       : failed(writer, name);
        here = next;
    }
    if (symlinkat(target, here, at) != 0)
        outcome = failed(writer, name);
    if (here != writer->directory)
        close(here);
    return outcome;
}

/* Reads a number of the payload or the trailer, which are little-endian. */
uint64_t number(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;

    while (size-- > 0)
        value = value << 8 | from[size];
    return value;
}

static bool take_fixup(struct writer *writer, struct range *fixup)
{
    uint8_t pair[RANGE_SIZE];

    if (!reader_take_all(writer->reader, pair, sizeof pair))
        return false;
    fixup->offset = number(pair, 8);
    fixup->size = number(pair + 8, 8);
    return true;
}

static bool take_filter(struct writer *writer, struct filter *filter)
{
    uint8_t data[FILTER_SIZE];

    if (!reader_take_all(writer->reader, data, sizeof data))
        return false;
    filter->kind = (uint32_t)number(data, 4);
    filter->entries = (uint32_t)number(data + 4, 4);
    filter->offset = number(data + 8, 8);
    filter->size = number(data + 16, 8);
    return true;
}

/* Reads a link's target, and makes it. */
static enum outcome take_link(struct writer *writer, struct names *names, const struct file *file)
{
    char target[NAME_LIMIT + 1];

    if (!reader_take_all(writer->reader, target, (size_t)file->size))
        return ended(writer);
    target[file->size] = 0;
    if (strlen(target) != file->size)
        return damaged(writer, "the target of a link contains a NUL");
    enum outcome outcome = write_link(writer, file->name, target);
    if (outcome != DONE)
        names_drop(names); /* a failure may mean that its path leads through another link: do not remove there */
    return outcome;
}

/* Reads the next record and writes its file, directory or link; *type becomes the record's type. */
static enum outcome write_record(struct writer *writer, struct names *names, char *type)
{
    uint8_t header[HEADER_SIZE];
    char name[NAME_LIMIT + 1];
    bool links = *type == 'L';

    if (!reader_take_all(writer->reader, header, sizeof header))
        return ended(writer);
    size_t length = (size_t)number(header + 2, 2);
    uint64_t fixups = number(header + 4, 4), size = number(header + 8, 8), filters = number(header + 16, 8);
    *type = (char)header[0];
    if (header[1] != 0 || length > NAME_LIMIT || fixups > FIXUP_LIMIT || filters > FILTER_LIMIT)
        return damaged(writer, "the header of a record is invalid");
    if (*type == 'E')
        return length || fixups || size || filters ? damaged(writer, "its end record is invalid") : DONE;
    bool file = *type == 'F' || *type == 'X';
    if ((!file && *type != 'D' && *type != 'L') || (links && *type != 'L') || ((fixups || filters) && !file) ||
        (*type == 'D' && size) || (*type == 'L' && (size == 0 || size > NAME_LIMIT)))
        return damaged(writer, "the type of a record is invalid, or does not fit its header");
    if (!reader_take_all(writer->reader, name, length))
        return ended(writer);
    name[length] = 0;
    if (!good_name(name, length))
        return damaged(writer, "the name of a record is invalid");
    if (strlen(writer->tree) + 1 + length >= PATH_ROOM) {
        refuse(writer->why, "its path is too long");
        return REFUSED;
    }
    for (uint64_t index = 0; index < filters; index++)
        if (!take_filter(writer, &writer->filters[index]))
            return ended(writer);
    for (uint64_t index = 0; index < fixups; index++)
        if (!take_fixup(writer, &writer->fixups[index]))
            return ended(writer);
    if (!names_add(names, name)) {
        refuse(writer->why, "%s", strerror(ENOMEM));
        return REFUSED;
    }
    struct file record = {name, size, size, writer->fixups, writer->filters, (uint32_t)fixups, (uint32_t)filters, 0, *type};
    switch (*type) {
    case 'D':
        if (mkdirat(writer->directory, name, 0755) != 0 || fchmodat(writer->directory, name, 0755, 0) != 0)
            return failed(writer, name);
        return DONE;
    case 'L':
        return take_link(writer, names, &record);
    default:
        return write_file(writer, &record);
    }
}

/* Unpacks into an empty directory. On failure "why" is the reason. */
enum outcome extract_stream(
    const struct app *app, int directory, const char *tree, struct names *names, struct watch *watch, char *why)
{
    struct writer writer = {
        .watch = watch, .tree = tree, .why = why, .directory = directory, .memory = app->memory};
    enum outcome outcome = REFUSED;
    uint32_t count = 0;
    char type = 0;

    why[0] = 0;
    writer.fixups = malloc(FIXUP_LIMIT * sizeof *writer.fixups);
    writer.filters = malloc(FILTER_LIMIT * sizeof *writer.filters);
    if (!writer.fixups || !writer.filters || !names_add(names, ""))
        refuse(why, "%s", strerror(ENOMEM));
    if (!why[0] && (writer.reader = reader_open(app, why)) != NULL) {
        do
            outcome = write_record(&writer, names, &type);
        while (outcome == DONE && type != 'E' && ++count <= app->records);
        if (outcome == DONE && (type != 'E' || count != app->records || !reader_at_end(writer.reader)))
            outcome = why[0] ? REFUSED : damaged(&writer, "its records do not match the trailer");
    }
    if (outcome == DONE && app->memory && !memory_search(directory, names))
        outcome = failed(&writer, "links to libraries");
    reader_close(writer.reader);
    free(writer.room.bytes);
    free(writer.filters);
    free(writer.fixups);
    return outcome;
}
