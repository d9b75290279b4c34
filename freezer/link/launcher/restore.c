/* Undoes the filters for tables, in a file that is written otherwise: they need whole tables, and other parts of the
   file, which may come later. Each table is read, restored and written back. */
#include "filter.h"
#include "launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KINDS = STRINGS + 1, ENOUGH = 1 << 21 /* for most applications */ };

struct tables {
    const struct filter *by_kind[KINDS];
    uint8_t *room;
    int file;
};

bool is_table(const struct filter *filter)
{
    return filter->kind >= UNWINDING && filter->kind <= STRINGS;
}

/* Returns room for so many bytes, the same for all that is restored: using memory for the first time takes longer than
   what is done in it. Returns NULL, with errno, if there is not enough. */
uint8_t *room_for(struct room *room, size_t size)
{
    if (size > room->size) {
        free(room->bytes);
        /* What is not used takes no memory. */
        room->size = size > ENOUGH ? size : ENOUGH;
        room->bytes = malloc(room->size);
        if (!room->bytes)
            room->size = 0;
    }
    return room->bytes;
}

static size_t size_of(const struct tables *tables, enum kind kind)
{
    return tables->by_kind[kind] ? (size_t)tables->by_kind[kind]->size : 0;
}

static bool load(const struct tables *tables, enum kind kind, uint8_t *to)
{
    size_t size = size_of(tables, kind), at = 0;

    while (at < size) {
        ssize_t count = pread(tables->file, to + at, size - at, (off_t)(tables->by_kind[kind]->offset + at));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            errno = count < 0 ? errno : EIO;
            return false;
        }
        at += (size_t)count;
    }
    return true;
}

static bool store(const struct tables *tables, enum kind kind, const uint8_t *from)
{
    return write_at(tables->file, from, size_of(tables, kind), tables->by_kind[kind]->offset);
}

/* Returns false with errno, or with errno 0 if the table is damaged. */
static bool restore_unwinding(const struct tables *tables)
{
    size_t size = size_of(tables, UNWINDING), index_size = size_of(tables, UNWINDING_INDEX);
    uint8_t *from = tables->room, *to = from + size, *index = to + size;

    if (size == 0)
        return true;
    size_t entries = tables->by_kind[UNWINDING]->entries;
    if (!load(tables, UNWINDING, from))
        return false;
    errno = 0;
    if (!unwinding_join(from, to, size, entries) || !store(tables, UNWINDING, to))
        return false;
    if (index_size == 0)
        return true;
    if (!load(tables, UNWINDING_INDEX, index))
        return false;
    /* What was read is not needed any more, and its memory is aligned. */
    filter_unwinding_index(index, index_size, to, size, entries, (uint64_t *)(void *)from, true);
    return store(tables, UNWINDING_INDEX, index);
}

static bool restore_hashes(const struct tables *tables)
{
    size_t size = size_of(tables, HASHES), symbols = size_of(tables, SYMBOLS), strings = size_of(tables, STRINGS);
    uint8_t *hashes = tables->room, *predicted = hashes + size, *names = predicted + size, *text = names + symbols;

    if (size == 0 || symbols == 0 || strings == 0)
        return true;
    if (!load(tables, HASHES, hashes) || !load(tables, SYMBOLS, names) || !load(tables, STRINGS, text))
        return false;
    filter_hashes(hashes, size, names, symbols, text, strings, predicted);
    return store(tables, HASHES, hashes);
}

/* Restores the tables of a file. Returns false with errno, or with the problem if they are damaged. */
bool restore_tables(
    int file, const struct filter *filters, uint32_t count, struct room *room, const char **problem)
{
    struct tables tables = {.file = file};

    *problem = NULL;
    for (uint32_t index = 0; index < count; index++)
        if (is_table(&filters[index])) {
            if (tables.by_kind[filters[index].kind])
                *problem = "a file has two tables of a kind";
            tables.by_kind[filters[index].kind] = &filters[index];
        }
    if (*problem)
        return false;
    size_t unwinding = 2 * size_of(&tables, UNWINDING) + size_of(&tables, UNWINDING_INDEX);
    size_t hashes = 2 * size_of(&tables, HASHES) + size_of(&tables, SYMBOLS) + size_of(&tables, STRINGS);
    size_t need = unwinding > hashes ? unwinding : hashes;
    if (need == 0)
        return true;
    tables.room = room_for(room, need);
    if (!tables.room)
        return false;
    if (restore_unwinding(&tables) && restore_hashes(&tables))
        return true;
    if (errno == 0)
        *problem = "its unwinding tables are damaged";
    return false;
}
