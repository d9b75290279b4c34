/* Maps the memory of a snapshot.

   Pages of the snapshot are mapped from its file, so that those which are only read are shared by all processes. To copy
   one when it is written to takes as long as reading ten. So it is known from the first process which pages are written
   to, and these are copied at once. Where they are many, the kernel is asked for huge pages, into which all is read: that
   takes a third of the time, and at the end they are given back at once. */
#include "snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
    HUGE = 1 << 21,                                /* bytes of a huge page */
    MANY_WRITTEN = HUGE / 8 * 3,                   /* so many bytes must be written to of one */
    MUCH_CODE = 1 << 20, VERY_MUCH_CODE = 1 << 23, /* bytes: most of what is between these is used by each process */
    SLOW = 1000000,                                /* nanoseconds: a kernel that takes longer for each has none at hand */
    SOME = 4,                                      /* pieces that may take longer */
    FEW = 16,                                      /* pages that are given: more is no huge page */
};

const char SNAPSHOT_STALE[] = "a file that it needs has changed";

struct mapping {
    const struct snapshot *snapshot;
    const struct restoring *how;
    int *files;
    uint64_t no_more; /* from this address on there are no huge pages */
    int64_t blocks, spent; /* how many pieces of huge pages have been read, and what that took in nanoseconds */
    uint64_t last;    /* a block of the size of a huge page, and whether it is to be one */
    bool last_huge;
};

/* Opens the files that areas show; "files" has room for all. Returns NULL, or why one cannot be used. */
static const char *open_files(const struct snapshot *snapshot, int *files)
{
    for (uint64_t index = 0; index < snapshot->head->files; index++) {
        const struct snapshot_file *told = &snapshot->files[index];
        struct stat is;
        files[index] = open(snapshot->text + told->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (files[index] < 0 || fstat(files[index], &is) != 0 || !S_ISREG(is.st_mode) || is.st_ino != told->inode ||
            (uint64_t)is.st_size != told->size || is.st_mtim.tv_sec != told->modified ||
            is.st_mtim.tv_nsec != told->modified_nanoseconds || is.st_ctim.tv_sec != told->changed ||
            is.st_ctim.tv_nsec != told->changed_nanoseconds)
            return files[index] < 0 && errno != ENOENT && errno != ENOTDIR ? "a file that it needs cannot be opened"
                                                                           : SNAPSHOT_STALE;
    }
    return NULL;
}

/* Returns whether the kernel has huge pages for who asks for them. */
static bool has_huge_pages(void)
{
    char text[64] = "";
    int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return false;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    return size > 0 && !strstr(text, "[never]");
}

/* Returns how many bytes are known to be written to of a block. */
static uint64_t written_of(const struct restoring *how, uint64_t block)
{
    uint64_t sum = 0;

    for (size_t index = 0; index < how->runs; index++) {
        const struct snapshot_run *run = &how->written[index];
        uint64_t from = run->start > block ? run->start : block, to = block + HUGE;
        if (run->size < to - run->start && run->start < to)
            to = run->start + run->size;
        sum += run->start < block + HUGE && to > from ? to - from : 0;
    }
    return sum;
}

/* Returns whether a block of an area is to be a huge page. */
static bool is_huge(struct mapping *mapping, const struct snapshot_area *around, uint64_t block)
{
    if (block >= mapping->no_more || around->kind != MEMORY_AREA || around->flags != 0 ||
        around->protection != (PROT_READ | PROT_WRITE) || block < around->start || around->size < HUGE ||
        block - around->start > around->size - HUGE)
        return false;
    if (mapping->last != block) {
        mapping->last = block;
        mapping->last_huge = written_of(mapping->how, block) >= MANY_WRITTEN;
    }
    return mapping->last_huge;
}

static uint64_t block_of(uint64_t address)
{
    return address & ~(uint64_t)(HUGE - 1);
}

/* Returns how often this process was given memory. */
static long given(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_minflt : 0;
}

/* Reads pages of a snapshot into memory, the whole of which is a huge page, if the kernel gives one. */
static bool read_pages(struct mapping *mapping, uint64_t at, uint64_t size, uint64_t offset)
{
    int64_t before = now();
    long given_before = given();

    (void)madvise((void *)block_of(at), HUGE, MADV_HUGEPAGE);
    if (pread(mapping->snapshot->file, (void *)at, size, (off_t)offset) != (ssize_t)size)
        return false;
    mapping->spent += now() - before;
    if (mapping->spent > (++mapping->blocks + SOME) * SLOW || given() - given_before > FEW)
        mapping->no_more = block_of(at) + HUGE;
    return true;
}

/* Places a piece of the snapshot into the area that it is in. */
static bool map_pages(struct mapping *mapping, const struct snapshot_area *around, const struct snapshot_area *pages)
{
    for (uint64_t at = pages->start, end = at + pages->size, next; at < end; at = next) {
        bool huge = is_huge(mapping, around, block_of(at));
        uint64_t offset = pages->offset + (at - pages->start);
        for (next = block_of(at) + HUGE; !huge && next < end && !is_huge(mapping, around, next);)
            next += HUGE;
        next = next < end ? next : end;
        if (huge) {
            if (!read_pages(mapping, at, next - at, offset))
                return false;
        } else if (mmap((void *)at, next - at, pages->protection, MAP_PRIVATE | MAP_FIXED, mapping->snapshot->file,
                       (off_t)offset) != (void *)at)
            return false;
    }
    return true;
}

static bool map_area(const struct mapping *mapping, const struct snapshot_area *area)
{
    int flags = (area->flags & AREA_SHARED ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED_NOREPLACE, file = -1;
    off_t offset = 0;

    if (area->kind == FILE_AREA) {
        file = mapping->files[area->file];
        offset = (off_t)area->offset;
    } else
        flags |= MAP_ANONYMOUS | (area->kind == STACK_AREA ? MAP_GROWSDOWN | MAP_STACK : MAP_NORESERVE);
    char *wanted = (char *)area->start;
    char *at = mmap(wanted, area->size, area->protection, flags, file, offset);
    if (at != wanted)
        return false;
    if (area->kind == FILE_AREA && (area->protection & PROT_EXEC) && area->size >= MUCH_CODE && area->size <= VERY_MUCH_CODE)
        (void)madvise(at, area->size, MADV_POPULATE_READ);
    if (area->flags & AREA_WIPED && madvise(at, area->size, MADV_WIPEONFORK) != 0)
        return false;
    return area->kind != STACK_AREA ||
           pread(mapping->snapshot->file, at + area->size - area->saved, area->saved, (off_t)area->offset) ==
               (ssize_t)area->saved;
}

/* Maps an area that consists of pages of the snapshot, but for huge pages. */
static bool map_whole(const struct mapping *mapping, const struct snapshot_area *pages)
{
    void *wanted = (void *)pages->start;

    return mmap(wanted, pages->size, pages->protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE, mapping->snapshot->file,
               (off_t)pages->offset) == wanted;
}

static bool map_areas(struct mapping *mapping)
{
    const struct snapshot_area *areas = mapping->snapshot->areas, *around = NULL;
    uint64_t count = mapping->snapshot->head->areas;

    for (uint64_t index = 0; index < count; index++) {
        const struct snapshot_area *area = &areas[index], *next = index + 1 < count ? area + 1 : NULL;
        bool good;
        if (area->kind == PAGES_AREA)
            good = map_pages(mapping, around, area);
        else if (next && next->kind == PAGES_AREA && next->start == area->start && next->size == area->size &&
                 area->kind != STACK_AREA && area->size < HUGE) {
            good = map_whole(mapping, next);
            index++;
        } else
            good = map_area(mapping, area);
        if (!good)
            return false;
        around = area->kind == PAGES_AREA ? around : area;
    }
    return true;
}

/* Has pages copied that are known to be written to. This is only faster than to copy each when it is written to, so
   whatever the list says must be harmless: only pages of the snapshot's are looked at. */
static void copy_written(struct mapping *mapping)
{
    const struct snapshot *snapshot = mapping->snapshot;
    uint64_t area = 0;

    for (size_t index = 0; index < mapping->how->runs; index++) {
        const struct snapshot_run *run = &mapping->how->written[index];
        while (area < snapshot->head->areas && (snapshot->areas[area].kind == PAGES_AREA ||
                                                   snapshot->areas[area].start + snapshot->areas[area].size <= run->start))
            area++;
        if (area == snapshot->head->areas)
            return;
        const struct snapshot_area *around = &snapshot->areas[area];
        if (run->start < around->start || run->size > around->size - (run->start - around->start) ||
            !(around->protection & PROT_WRITE) || around->kind == STACK_AREA)
            continue;
        for (uint64_t at = run->start, end = at + run->size, next; at < end; at = next) {
            next = block_of(at) + HUGE < end ? block_of(at) + HUGE : end;
            if (!is_huge(mapping, around, block_of(at)) && madvise((void *)at, next - at, MADV_POPULATE_WRITE) != 0 &&
                errno == EINVAL)
                return; /* the kernel is older than 5.14 */
        }
    }
}

const char *snapshot_map(const struct snapshot *snapshot, const struct restoring *how)
{
    uint64_t count = snapshot->head->files;
    struct mapping mapping = {.snapshot = snapshot, .how = how, .files = malloc((count + 1) * sizeof *mapping.files),
        .no_more = how->runs > 0 && has_huge_pages() ? UINT64_MAX : 0};

    if (!mapping.files)
        return strerror(ENOMEM);
    for (uint64_t index = 0; index < count; index++)
        mapping.files[index] = -1;
    const char *why = open_files(snapshot, mapping.files);
    if (!why && !map_areas(&mapping))
        why = "its memory cannot be mapped, or an address is in use";
    if (!why)
        copy_written(&mapping);
    for (uint64_t index = 0; index < count; index++)
        if (mapping.files[index] >= 0)
            close(mapping.files[index]);
    free(mapping.files);
    return why;
}
