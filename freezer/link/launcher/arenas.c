/*
 * Keeps Python from asking the system for the same memory again and again.
 *
 * Since 3.11, Python holds the frames of its functions in pieces of 16 KiB, maps the next piece when one is full, and
 * unmaps it as soon as it is left (_PyThreadState_PushFrame). A loop whose calls cross that border maps, clears and unmaps
 * 16 KiB in each round: importing FastAPI does so 700 times, which is 2 to 4 % of its start. The piece that was left last is
 * kept here, for the next call.
 *
 * PyObject_SetArenaAllocator is part of Python's interface since 3.4. What else Python asks of it, its arenas of objects,
 * is mapped and unmapped as Python itself does.
 */

#include "arenas.h"

#include <stddef.h>

#define PIECE 16384 /* bytes: DATA_STACK_CHUNK_SIZE, which no other request has */

/* Functions of the C library, by the names that they have in all of them. */
extern void *mmap(void *, size_t, int, int, int, long);
extern int munmap(void *, size_t);
extern void *dlsym(void *, const char *);

#define PROT_READ_WRITE_ 3
#define MAP_PRIVATE_ANONYMOUS_ 34
#define MAP_FAILED_ ((void *)-1L)
#define RTLD_DEFAULT_ NULL

struct arena_allocator { /* PyObjectArenaAllocator */
    void *context;
    void *(*allocate)(void *, size_t);
    void (*release)(void *, void *, size_t);
};

/* The piece that is kept; NULL if there is none. Threads with frames of their own exchange it. */
static void *kept;

static void *allocate(void *context, size_t size)
{
    (void)context;
    void *piece = size == PIECE ? __atomic_exchange_n(&kept, NULL, __ATOMIC_ACQ_REL) : NULL;
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
