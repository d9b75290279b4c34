/* Loads the dynamic loader of the program, as the kernel would (load_elf_interp() in fs/binfmt_elf.c).

   The kernel loads one interpreter for a program: the init here. Nothing of the program but its segments is in place
   then, so a fork copies almost nothing; behind the loader, which writes to all libraries, a fork costs a millisecond.
   The program names its dynamic loader behind the interpreter's name, where the kernel does not look. */
#include "loader.h"

#include "bare.h"

#include <stddef.h>

/* Of the auxiliary vector (getauxval(3)), and of ELF files (elf(5)). */
enum { PROGRAM_HEADERS = 3, HEADER_COUNT = 5, PAGE_SIZE = 6, LOADER_BASE = 7 };
enum { LOADED = 1, INTERPRETER = 3, HEADERS = 6, EXECUTE = 1, WRITE = 2, READ = 4 };
/* Of mmap(2). */
enum { CAN_READ = 1, CAN_WRITE = 2, CAN_EXECUTE = 4, PRIVATE = 0x02, FIXED = 0x10, ANONYMOUS = 0x20 };
enum { TO_READ = 02000000 /* O_RDONLY | O_CLOEXEC */, ROOM = 4096 };

struct file_header {
    unsigned char magic[16];
    unsigned short type, machine;
    unsigned version;
    unsigned long entry, headers, sections;
    unsigned flags;
    unsigned short size, header_size, header_count;
};

struct segment {
    unsigned kind, flags;
    unsigned long offset, address, physical, file_size, size, alignment;
};

static unsigned long *value_of(struct auxiliary *vector, unsigned long kind)
{
    for (; vector->kind != 0; vector++)
        if (vector->kind == kind)
            return &vector->value;
    return NULL;
}

static unsigned long told(const struct auxiliary *vector, unsigned long kind)
{
    for (; vector->kind != 0; vector++)
        if (vector->kind == kind)
            return vector->value;
    return 0;
}

const char *loader_name(const struct auxiliary *vector)
{
    static char path[2 * ROOM];
    const struct segment *segments = (const struct segment *)told(vector, PROGRAM_HEADERS);
    unsigned long count = told(vector, HEADER_COUNT), base = 0;
    size_t used = 0;

    for (unsigned long i = 0; i < count; i++)
        if (segments[i].kind == HEADERS)
            base = (unsigned long)segments - segments[i].address;
    for (unsigned long i = 0; i < count; i++) {
        if (segments[i].kind != INTERPRETER || segments[i].size > ROOM)
            continue;
        const char *own = (const char *)(base + segments[i].address), *name = own + strlen(own) + 1;
        if (name >= own + segments[i].size || *name == '\0')
            return NULL;
        for (size_t at = 0; own[at] != '\0'; at++) {
            path[at] = own[at];
            if (own[at] == '/')
                used = at + 1;
        }
        while (*name != '\0')
            path[used++] = *name++;
        path[used] = '\0';
        return path;
    }
    return NULL;
}

static int protection(const struct segment *segment)
{
    return (segment->flags & READ ? CAN_READ : 0) | (segment->flags & WRITE ? CAN_WRITE : 0) |
           (segment->flags & EXECUTE ? CAN_EXECUTE : 0);
}

/* Maps a segment at its address from ``base``. */
static int map(const struct segment *segment, unsigned long base, unsigned long page, int file)
{
    unsigned long first = segment->address & -page, filled = segment->address + segment->file_size;
    unsigned long mapped = (filled + page - 1) & -page, end = (segment->address + segment->size + page - 1) & -page;
    unsigned long extra = segment->address - first;

    if (segment->file_size > 0 &&
        mmap((void *)(base + first), segment->file_size + extra, protection(segment), PRIVATE | FIXED, file,
            (long)(segment->offset - extra)) != (void *)(base + first))
        return 0;
    /* To the end of the page: loaders take their first memory from what is behind their data. */
    if (segment->flags & WRITE)
        for (volatile char *byte = (char *)(base + filled); byte < (char *)(base + mapped); byte++)
            *byte = 0;
    return end <= mapped || mmap((void *)(base + mapped), end - mapped, protection(segment),
                                PRIVATE | FIXED | ANONYMOUS, -1, 0) == (void *)(base + mapped);
}

static unsigned long load(int file, struct auxiliary *vector)
{
    static _Alignas(16) char data[ROOM];
    const struct file_header *header = (const struct file_header *)data;
    unsigned long page = told(vector, PAGE_SIZE), low = -1UL, high = 0, *base = value_of(vector, LOADER_BASE);
    long got = pread(file, data, sizeof data, 0);

    if (got < (long)sizeof *header || page == 0 || base == NULL || header->header_size != sizeof(struct segment) ||
        header->headers > (unsigned long)got ||
        ((unsigned long)got - header->headers) / sizeof(struct segment) < header->header_count)
        return 0;
    const struct segment *segments = (const struct segment *)(data + header->headers);
    for (unsigned i = 0; i < header->header_count; i++)
        if (segments[i].kind == LOADED) {
            unsigned long first = segments[i].address & -page;
            unsigned long end = (segments[i].address + segments[i].size + page - 1) & -page;
            low = first < low ? first : low;
            high = end > high ? end : high;
        }
    if (high <= low)
        return 0;
    /* One place for all segments, into which they are mapped. */
    char *place = mmap(NULL, high - low, 0, PRIVATE | ANONYMOUS, -1, 0);
    if (place == (char *)-1)
        return 0;
    for (unsigned i = 0; i < header->header_count; i++)
        if (segments[i].kind == LOADED && !map(&segments[i], (unsigned long)place - low, page, file))
            return 0;
    *base = (unsigned long)place - low;
    return *base + header->entry;
}

unsigned long loader_load(const char *name, struct auxiliary *vector)
{
    int file = open(name, TO_READ);
    unsigned long start = file < 0 ? 0 : load(file, vector);

    if (file >= 0)
        (void)close(file);
    return start;
}
