/* Finds a snapshot and checks its file.

   A snapshot counts only with its seal, which is written last: it has the file's inode, size and times, and the digest of
   its head. No program can set the time of change, so whatever is done to the file shows, as with the manifest of the
   entry (entry.c). The pages are not read for that. The head is checked once more, number by number, so that no damage
   of it leads to more than a plain start. */
#include "snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char SEAL_MAGIC[8] = "FRZRSEA1";

struct seal {
    char magic[8];
    uint64_t inode, size;
    int64_t modified, modified_nanoseconds, changed, changed_nanoseconds;
    uint8_t head[DIGEST_SIZE];
};

void snapshot_name(char to[SNAPSHOT_NAME], const char *name, const char *kind)
{
    (void)snprintf(to, SNAPSHOT_NAME, "%s.%s", name, kind);
}

/* Returns whether memory could be mapped there: whole pages in the part of the addresses that programs have. */
static bool is_place(uint64_t start, uint64_t size)
{
    const uint64_t lowest = 1 << 16, highest = (uint64_t)1 << 47;

    return start % PAGE_OF_MEMORY == 0 && size % PAGE_OF_MEMORY == 0 && size > 0 && start >= lowest &&
           start < highest && size <= highest - start;
}

/* Returns whether bytes of the file's pages, behind the head, are meant. */
static bool is_saved(const struct snapshot_head *head, uint64_t offset, uint64_t size)
{
    return offset % PAGE_OF_MEMORY == 0 && offset >= head->head_size && offset <= head->file_size &&
           size <= head->file_size - offset;
}

static const char *check_area(
    const struct snapshot_head *head, const struct snapshot_area *area, const struct snapshot_area *around, uint64_t end)
{
    static const char why[] = "an area is not as it should be";

    if (!is_place(area->start, area->size) || area->protection > 7 || (area->flags & ~(AREA_SHARED | AREA_WIPED)) != 0 ||
        area->unused != 0)
        return why;
    if (area->kind == PAGES_AREA) {
        if (!around || area->start < around->start || area->size > around->size ||
            area->start - around->start > around->size - area->size || area->start < end)
            return "a piece is outside of its area";
        return is_saved(head, area->offset, area->size) && area->flags == 0 ? NULL : why;
    }
    if (area->start < end)
        return "two areas overlap";
    if (area->kind == FILE_AREA)
        return area->file < head->files && area->offset % PAGE_OF_MEMORY == 0 && area->offset <= INT64_MAX ? NULL : why;
    if (area->kind == STACK_AREA)
        return area->saved % PAGE_OF_MEMORY == 0 && area->saved <= area->size && area->flags == 0 &&
                       is_saved(head, area->offset, area->saved)
                   ? NULL
                   : why;
    return area->kind == MEMORY_AREA && (area->flags & AREA_SHARED) == 0 ? NULL : why;
}

/* Returns whether an object lies in one area, which permits what "protection" says. */
static bool is_in_area(const struct snapshot_head *head, uint64_t address, uint64_t size, unsigned protection)
{
    const struct snapshot_area *areas = (const void *)(head + 1);

    for (uint64_t index = 0; index < head->areas; index++) {
        const struct snapshot_area *area = &areas[index];
        if (area->kind != PAGES_AREA && address >= area->start && address - area->start < area->size)
            return size <= area->size - (address - area->start) && (area->protection & protection) == protection &&
                   (area->flags & AREA_SHARED) == 0;
    }
    return false;
}

static const char *check_addresses(const struct snapshot_head *head)
{
    const unsigned data = PROT_READ | PROT_WRITE;

    if (!is_in_area(head, head->context.stack - 8, 16, data) || !is_in_area(head, head->context.code, 1, PROT_EXEC) ||
        !is_in_area(head, head->context.thread, 8, data) ||
        !is_in_area(head, head->mailbox, sizeof(struct snapshot_mailbox), data) || head->mailbox % 8 != 0 ||
        !is_in_area(head, head->thread_number, 4, data) || head->thread_number % 4 != 0)
        return "an address is in no area";
    if ((head->rseq != 0 && (!is_in_area(head, head->rseq, head->rseq_size, data) || head->rseq % 32 != 0 ||
                                head->rseq_size < 32 || head->rseq_size > PAGE_OF_MEMORY)) ||
        (head->robust_list != 0 && !is_in_area(head, head->robust_list, head->robust_size, data)))
        return "an address of the thread is in no area";
    if (head->break_start > head->break_end || (head->break_start != 0 && !is_in_area(head, head->break_start,
                                                                         head->break_end - head->break_start, data)))
        return "the break is in no area";
    return NULL;
}

/* Returns whether the list of the kernel's own mappings is one. */
static const char *check_parts(const struct snapshot_head *head)
{
    static const char why[] = "the kernel's mappings are not as they should be";
    const struct snapshot_area *areas = (const void *)(head + 1);

    if (head->parts > SNAPSHOT_PARTS || (head->parts == 0) != (head->vdso == 0))
        return why;
    if (head->parts == 0)
        return NULL;
    uint64_t start = head->borders[0], end = head->borders[head->parts];
    bool found = false;
    for (uint64_t index = 0; index < head->parts; index++) {
        if (head->borders[index] >= head->borders[index + 1] ||
            !is_place(head->borders[index], head->borders[index + 1] - head->borders[index]))
            return why;
        found |= head->borders[index] == head->vdso;
    }
    for (uint64_t index = 0; index < head->areas; index++)
        if (areas[index].start < end && start < areas[index].start + areas[index].size)
            return why;
    return found ? NULL : why;
}

const char *snapshot_check(const void *data, size_t size, uint64_t file_size)
{
    const struct snapshot_head *head = data;
    const char *why = NULL;

    if (size < sizeof *head || memcmp(head->magic, SNAPSHOT_MAGIC, sizeof head->magic) != 0)
        return "it is none";
    if (head->head_size > size || head->head_size > SNAPSHOT_HEAD || head->file_size != file_size ||
        file_size > SNAPSHOT_LIMIT || head->page_size != PAGE_OF_MEMORY)
        return "its size is another";
    if (head->areas > SNAPSHOT_AREAS || head->files > SNAPSHOT_FILES || head->text_size > SNAPSHOT_TEXT ||
        head->head_size != sizeof *head + head->areas * sizeof(struct snapshot_area) +
                               head->files * sizeof(struct snapshot_file) + head->text_size)
        return "its parts do not have its size";
    const struct snapshot_area *areas = (const void *)(head + 1), *around = NULL;
    const struct snapshot_file *files = (const void *)(areas + head->areas);
    const char *text = (const void *)(files + head->files);
    if (head->text_size > 0 && text[head->text_size - 1] != 0)
        return "its names have no end";
    for (uint64_t index = 0; index < head->files; index++)
        if (files[index].name >= head->text_size || text[files[index].name] != '/')
            return "the name of a file is none";
    uint64_t end = 0, inner = 0;
    for (uint64_t index = 0; index < head->areas && !why; index++) {
        const struct snapshot_area *area = &areas[index];
        why = check_area(head, area, around, area->kind == PAGES_AREA ? inner : end);
        if (area->kind == PAGES_AREA)
            inner = area->start + area->size;
        else {
            around = area;
            inner = 0;
            end = area->start + area->size;
        }
    }
    if (!why)
        why = check_parts(head);
    return why ? why : check_addresses(head);
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot->file >= 0)
        close(snapshot->file);
    if (snapshot->room > 0)
        (void)munmap((void *)(size_t)snapshot->head, snapshot->room);
    *snapshot = (struct snapshot){.file = -1};
}

/* Returns the file's head in memory of its own, which is not where a snapshot may be restored to: the kernel has chosen
   the place. */
static const void *read_head(struct snapshot *snapshot, uint64_t size)
{
    char *room = mmap(NULL, SNAPSHOT_HEAD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct snapshot_head first;
    size_t used = 0;

    if (room == MAP_FAILED)
        return NULL;
    snapshot->room = SNAPSHOT_HEAD;
    snapshot->head = (const void *)room;
    if (pread(snapshot->file, &first, sizeof first, 0) != (ssize_t)sizeof first || first.head_size > size ||
        first.head_size > SNAPSHOT_HEAD)
        return NULL;
    while (used < first.head_size) {
        ssize_t count = pread(snapshot->file, room + used, first.head_size - used, (off_t)used);
        if (count <= 0)
            return NULL;
        used += (size_t)count;
    }
    return room;
}

const char *snapshot_read(struct snapshot *snapshot, int directory, const char *name, struct stat *stat)
{
    const char *why = NULL;

    *snapshot = (struct snapshot){.file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (snapshot->file < 0)
        return "there is none";
    if (fstat(snapshot->file, stat) != 0 || !S_ISREG(stat->st_mode) || !trusted(stat, true))
        why = "it is not the user's own";
    else if (!read_head(snapshot, (uint64_t)stat->st_size))
        why = "it cannot be read";
    else
        why = snapshot_check(snapshot->head, snapshot->head->head_size, (uint64_t)stat->st_size);
    if (why) {
        snapshot_close(snapshot);
        return why;
    }
    snapshot->areas = (const void *)(snapshot->head + 1);
    snapshot->files = (const void *)(snapshot->areas + snapshot->head->areas);
    snapshot->text = (const void *)(snapshot->files + snapshot->head->files);
    return NULL;
}

static struct seal seal_of(const struct snapshot *snapshot, const struct stat *stat)
{
    struct seal seal;
    struct blake2b hash;

    memset(&seal, 0, sizeof seal);
    memcpy(seal.magic, SEAL_MAGIC, sizeof seal.magic);
    seal.inode = stat->st_ino;
    seal.size = (uint64_t)stat->st_size;
    seal.modified = stat->st_mtim.tv_sec;
    seal.modified_nanoseconds = stat->st_mtim.tv_nsec;
    seal.changed = stat->st_ctim.tv_sec;
    seal.changed_nanoseconds = stat->st_ctim.tv_nsec;
    blake2b_start(&hash);
    blake2b_add(&hash, snapshot->head, snapshot->head->head_size);
    blake2b_end(&hash, seal.head);
    return seal;
}

const char *snapshot_open(struct snapshot *snapshot, int directory, const char *name)
{
    char path[SNAPSHOT_NAME];
    struct seal told, is;
    struct stat stat;
    struct timespec time;

    *snapshot = (struct snapshot){.file = -1};
    snapshot_name(path, name, "seal");
    int file = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return "there is none for what it depends on";
    ssize_t size = read(file, &told, sizeof told);
    close(file);
    snapshot_name(path, name, "memory");
    const char *why = snapshot_read(snapshot, directory, path, &stat);
    if (why)
        return why;
    is = seal_of(snapshot, &stat);
    if (size != (ssize_t)sizeof told || memcmp(&told, &is, sizeof is) != 0)
        why = "it has changed since it was made";
    else if (clock_gettime(CLOCK_REALTIME, &time) != 0 || time.tv_sec < snapshot->head->made ||
             time.tv_sec - snapshot->head->made > SNAPSHOT_DAYS * 86400)
        why = "it is old";
    if (why)
        snapshot_close(snapshot);
    return why;
}

/* Seals a snapshot that has its name. A seal has its own when it is whole. */
bool snapshot_seal(const struct snapshot *snapshot, int directory, const char *name)
{
    char path[SNAPSHOT_NAME], new[SNAPSHOT_NAME];
    struct stat stat;

    if (fstat(snapshot->file, &stat) != 0)
        return false;
    struct seal seal = seal_of(snapshot, &stat);
    snapshot_name(path, name, "seal");
    snapshot_name(new, name, "new");
    int file = openat(directory, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    bool good = write(file, &seal, sizeof seal) == (ssize_t)sizeof seal && fsync(file) == 0;
    close(file);
    return good && renameat(directory, new, directory, path) == 0;
}
