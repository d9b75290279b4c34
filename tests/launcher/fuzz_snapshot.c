/* Feeds the check of snapshots with heads that mean harm: the head of a snapshot, changed at random.

       fuzz_snapshot SNAPSHOT ROUNDS

   Ends with status 1 if a head is accepted by which memory would be mapped outside of what a snapshot may have, or a
   place of the file outside of it. Reads outside of the head are the sanitizers' to find. The numbers are those of a
   generator with a fixed seed, so a failure can be repeated. */
#include "snapshots.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t seed = 88172645463325252ULL;

static uint64_t random_below(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % limit;
}

static uint64_t evil(uint64_t was)
{
    const uint64_t values[] = {0, 1, 7, 8, 4095, 4096, 4097, 1 << 16, (uint64_t)1 << 31, (uint64_t)1 << 32, INT64_MAX,
        (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 4095, (uint64_t)1 << 47, ((uint64_t)1 << 47) - 4096, was + 1, was - 1,
        was + 4096, was - 4096, was * 2, was / 2, was ^ ((uint64_t)1 << random_below(64))};

    return values[random_below(sizeof values / sizeof *values)];
}

/* What must hold of a head that is accepted, once more, and in another way than snapshot.c has it. */
static bool is_sound(const struct snapshot_head *head, size_t size, uint64_t file_size)
{
    const struct snapshot_area *areas = (const void *)(head + 1);
    uint64_t last = 0;

    if ((uint64_t)((const char *)(areas + head->areas) - (const char *)head) > size)
        return false;
    for (uint64_t index = 0; index < head->areas; index++) {
        __extension__ typedef unsigned __int128 wide;
        const struct snapshot_area *area = &areas[index];
        wide end = (wide)area->start + area->size;
        uint64_t saved = area->kind == PAGES_AREA ? area->size : area->kind == STACK_AREA ? area->saved : 0;
        if (area->start < 65536 || end > ((wide)1 << 47) || area->start % 4096 || area->size % 4096 || area->size == 0)
            return false;
        if (saved > 0 && ((wide)area->offset + saved > file_size || area->offset % 4096))
            return false;
        if (area->kind == FILE_AREA && area->file >= head->files)
            return false;
        if (area->kind != PAGES_AREA) {
            if (area->start < last)
                return false;
            last = (uint64_t)end;
        } else if (index == 0 || area->start + area->size > last)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    int file = argc == 3 ? open(argv[1], O_RDONLY) : -1;
    unsigned long rounds = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, accepted = 0;
    struct snapshot_head first;

    if (file < 0 || pread(file, &first, sizeof first, 0) != (ssize_t)sizeof first)
        return 2;
    size_t size = first.head_size;
    uint8_t *whole = malloc(size);
    if (!whole || pread(file, whole, size, 0) != (ssize_t)size || snapshot_check(whole, size, first.file_size))
        return 2;
    for (unsigned long round = 0; round < rounds; round++) {
        size_t part = random_below(4) == 0 ? random_below(size + 1) : size;
        uint64_t length = random_below(8) == 0 ? evil(first.file_size) : first.file_size;
        uint8_t *head = malloc(part > 0 ? part : 1);
        if (!head)
            return 2;
        memcpy(head, whole, part);
        for (uint64_t changes = random_below(4); changes > 0 && part >= 8; changes--) {
            /* The fixed part more often than the lists, which are longer. */
            size_t most = random_below(2) == 0 && part > sizeof first ? sizeof first : part;
            size_t at = random_below(most / 8) * 8;
            uint64_t was;
            memcpy(&was, head + at, sizeof was);
            was = evil(was);
            memcpy(head + at, &was, random_below(2) == 0 ? 8 : 1 + random_below(8));
        }
        if (!snapshot_check(head, part, length)) {
            accepted++;
            if (!is_sound((const void *)head, part, length)) {
                fprintf(stderr, "round %lu: an unsound head is accepted\n", round);
                return 1;
            }
        }
        free(head);
    }
    free(whole);
    printf("%lu of %lu accepted\n", accepted, rounds);
    return 0;
}
