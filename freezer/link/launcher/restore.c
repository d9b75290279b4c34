/* Undoes the filters for tables, in a file that is written otherwise: they need whole tables, and other parts of the
   file, which may come later. Each table is read, restored and written back. */
#include "filter.h"
#include "launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KINDS = STRINGS + 1 };

struct tables {
    const struct filter *by_kind[KINDS];
    uint8_t *bytes[KINDS];
    int file;
    const char *problem; /* of a table that does not fit its filter */
};

bool is_table(const struct filter *filter)
{
    return filter->kind >= UNWINDING && filter->kind <= STRINGS;
}

/* Reads a table, followed by as many bytes of room. Returns NULL, with errno or a problem, if that is not possible; and
   without either if there is no such table. */
static uint8_t *load(struct tables *tables, enum kind kind)
{
    const struct filter *filter = tables->by_kind[kind];
    size_t size = filter ? (size_t)filter->size : 0, at = 0;

    errno = 0;
    if (!filter || tables->bytes[kind])
        return tables->bytes[kind];
    uint8_t *bytes = malloc(2 * size + 1);
    if (bytes)
        tables->bytes[kind] = bytes;
    while (bytes && at < size) {
        ssize_t count = pread(tables->file, bytes + at, size - at, (off_t)(filter->offset + at));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            errno = count < 0 ? errno : EIO;
            return NULL;
        }
        at += (size_t)count;
    }
    return bytes;
}

static bool store(const struct tables *tables, enum kind kind, const uint8_t *bytes)
{
    const struct filter *filter = tables->by_kind[kind];

    return write_at(tables->file, bytes, (size_t)filter->size, filter->offset);
}

static bool restore_unwinding(struct tables *tables)
{
    const struct filter *filter = tables->by_kind[UNWINDING], *index = tables->by_kind[UNWINDING_INDEX];
    uint8_t *from = load(tables, UNWINDING);

    if (!from)
        return errno == 0;
    size_t size = (size_t)filter->size;
    if (!unwinding_join(from, from + size, size, filter->entries)) {
        tables->problem = "its unwinding tables are damaged";
        return false;
    }
    if (!store(tables, UNWINDING, from + size))
        return false;
    uint8_t *positions = load(tables, UNWINDING_INDEX);
    if (!positions)
        return errno == 0;
    /* malloc() aligns what is read over here, which is not needed any more. */
    filter_unwinding_index(
        positions, (size_t)index->size, from + size, size, filter->entries, (uint64_t *)(void *)from, true);
    return store(tables, UNWINDING_INDEX, positions);
}

static bool restore_hashes(struct tables *tables)
{
    const struct filter *hashes = tables->by_kind[HASHES], *symbols = tables->by_kind[SYMBOLS],
                        *strings = tables->by_kind[STRINGS];

    if (!hashes || !symbols || !strings)
        return true;
    uint8_t *to = load(tables, HASHES), *from = to ? load(tables, SYMBOLS) : NULL;
    const uint8_t *names = from ? load(tables, STRINGS) : NULL;
    if (!names)
        return false;
    size_t size = (size_t)hashes->size;
    filter_hashes(to, size, from, (size_t)symbols->size, names, (size_t)strings->size, to + size);
    return store(tables, HASHES, to);
}

/* Restores the tables of a file. Returns false with errno, or with the problem in "why" if they are damaged. */
bool restore_tables(int file, const struct filter *filters, uint32_t count, const char **problem)
{
    struct tables tables = {.file = file};

    *problem = NULL;
    for (uint32_t index = 0; index < count; index++)
        if (is_table(&filters[index])) {
            if (tables.by_kind[filters[index].kind])
                *problem = "a file has two tables of a kind";
            tables.by_kind[filters[index].kind] = &filters[index];
        }
    bool restored = !*problem && restore_unwinding(&tables) && restore_hashes(&tables);
    int error = errno;
    for (size_t kind = 0; kind < KINDS; kind++)
        free(tables.bytes[kind]);
    errno = error;
    if (tables.problem)
        *problem = tables.problem;
    return restored;
}
