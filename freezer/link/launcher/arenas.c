/*
 * Gives Python memory: keeps it from asking the system for the same again and again, and has the first of it in huge pages.
 *
 * Since 3.11, Python holds the frames of its functions in pieces of 16 KiB, maps the next piece when one is full, and
 * unmaps it as soon as it is left (_PyThreadState_PushFrame). A loop whose calls cross that border maps, clears and unmaps
 * 16 KiB in each round: importing FastAPI does so 700 times, which is 2 to 4 % of its start. The piece that was left last is
 * kept here, for the next call.
 *
 * The arenas of objects are placed one behind the other, from an address on at which a huge page may begin, and the kernel
 * is asked for huge pages there (madvise(2), MADV_HUGEPAGE). A start writes to nearly every page of them, and memory that
 * is given by 2 MB takes a fifth of the time that the same takes by 4 KB: that is 5 % of a start of Python. A process uses
 * up to 2 MB more for it. Only the first arenas are had so: those of imports. What a long-running application takes later
 * is as under Python, whose users know what to expect of the kernel then. If the kernel has no room there, an arena is
 * placed as ever; if it has no huge page, it gives small ones.
 *
 * In a process that is to be saved (save.c), all arenas are placed so, and the heap of the C library, too: a restored
 * process has them in huge pages (mapping.c). Wherever Python places them, libraries come between them.
 *
 * PyObject_SetArenaAllocator is part of Python's interface since 3.4. What else Python asks of it, its arenas of objects,
 * is mapped and unmapped as Python itself does.
 */

#include "arenas.h"

#include <stddef.h>
#include <stdint.h>

#define PIECE 16384 /* bytes: DATA_STACK_CHUNK_SIZE, which no other request has */

/* Functions of the C library, by the names that they have in all of them. */
extern void *mmap(void *, size_t, int, int, int, long);
extern int munmap(void *, size_t);
extern int madvise(void *, size_t, int);
extern void *dlsym(void *, const char *);

extern void *sbrk(intptr_t);

#define PROT_NONE_ 0
#define PROT_READ_WRITE_ 3
#define MAP_PRIVATE_ANONYMOUS_ 34
#define MAP_NORESERVE_ 0x4000
#define MAP_FIXED_NOREPLACE_ 0x100000
#define MAP_FAILED_ ((void *)-1L)
#define MADV_HUGEPAGE_ 14
#define RTLD_DEFAULT_ NULL

struct arena_allocator { /* PyObjectArenaAllocator */
    void *context;
    void *(*allocate)(void *, size_t);
    void (*release)(void *, void *, size_t);
};

#define HUGE_PAGE ((uint64_t)1 << 21)
#define LEAST ((size_t)1 << 17) /* bytes of what is placed */
#define ROOM ((size_t)1 << 28)  /* bytes of addresses that are free, for the arenas to come */
#define FIRST 16                /* huge pages that are asked for */

/* Whether this process is to be saved; how many huge pages it may still have otherwise; and the part of the last one that
   no arena has yet. "busy" is set while somebody finds that: interpreters with a lock of their own may be in here at
   once. */
static int saved, left = FIRST;
static uint64_t next, end;
static char busy;

/* Returns where memory is mapped, 0 if there is none. */
static uint64_t map(uint64_t at, size_t size, int protection, int flags)
{
    void *got = mmap((void *)at, size, protection, MAP_PRIVATE_ANONYMOUS_ | flags, -1, 0);
    return got == MAP_FAILED_ ? 0 : (uint64_t)got;
}

/* Maps a huge page at an address; returns 0 if that is not possible. */
static uint64_t map_page(uint64_t at)
{
    uint64_t got = at == 0 ? 0 : map(at, HUGE_PAGE, PROT_READ_WRITE_, MAP_FIXED_NOREPLACE_);
    if (got == at)
        return got;
    if (got != 0) /* the kernel is older than 4.17, and took it for a wish */
        munmap((void *)got, HUGE_PAGE);
    return 0;
}

/* Returns an address at which a huge page may begin, and behind which nothing is mapped; 0 if there is none. */
static uint64_t find_room(void)
{
    uint64_t got = map(0, ROOM, PROT_NONE_, MAP_NORESERVE_);
    if (got != 0)
        munmap((void *)got, ROOM);
    return (got + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

/* Returns an arena behind the last one, NULL if there is no room. */
static void *placed(size_t size)
{
    if (end - next < size) {
        if (!saved && left == 0)
            return NULL;
        uint64_t page = map_page(end);
        page = page != 0 ? page : map_page(find_room());
        left = page != 0 && left > 0 ? left - 1 : 0;
        if (page == 0)
            return NULL;
        if (!saved) /* what is saved is so by small pages */
            (void)madvise((void *)page, HUGE_PAGE, MADV_HUGEPAGE_);
        next = page;
        end = page + HUGE_PAGE;
    }
    next += size;
    return (void *)(next - size);
}

void place_arenas(void)
{
    intptr_t heap = (intptr_t)sbrk(0);
    saved = 1;
    if (heap != -1)
        sbrk(-heap & (intptr_t)(HUGE_PAGE - 1));
}

/* The piece that is kept; NULL if there is none. Threads with frames of their own exchange it. */
static void *kept;

static void *allocate(void *context, size_t size)
{
    (void)context;
    void *piece = size == PIECE ? __atomic_exchange_n(&kept, NULL, __ATOMIC_ACQ_REL) : NULL;
    if (piece == NULL && size >= LEAST && HUGE_PAGE % size == 0 && !__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE)) {
        piece = placed(size);
        __atomic_clear(&busy, __ATOMIC_RELEASE);
    }
    if (piece != NULL)
        return piece;
    piece = mmap(NULL, size, PROT_READ_WRITE_, MAP_PRIVATE_ANONYMOUS_, -1, 0);
    return piece == MAP_FAILED_ ? NULL : piece;
}

static void release(void *context, void *piece, size_t size)
{
    (void)context;
    if (size == PIECE)
        piece = __atomic_exchange_n(&kept, piece, __ATOMIC_ACQ_REL);
    if (piece != NULL)
        munmap(piece, size);
}

void keep_stack_pieces(void)
{
    typedef void setter(const struct arena_allocator *);
    /* Two casts, since ISO C has none from an object pointer to a function pointer. */
    setter *set = (setter *)(size_t)dlsym(RTLD_DEFAULT_, "PyObject_SetArenaAllocator");
    const struct arena_allocator ours = {NULL, allocate, release};
    if (set != NULL)
        set(&ours);
}
