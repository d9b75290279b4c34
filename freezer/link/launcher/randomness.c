/*
 * Draws random numbers so that the process that draws them can be saved.
 *
 * From 2.41 on, glibc's getrandom and getentropy draw from memory that the kernel may drop (MAP_DROPPABLE, Linux 6.11),
 * without a system call. The kernel wipes it in a child; but nobody can tell what it is in a restored process, so a process
 * that has such memory is not saved (save.c). So one that is to be saved draws by system calls, as every process did
 * before, and so do those that are restored from it. All others have the C library's functions, which are faster.
 *
 * What the C library draws for itself (arc4random, mkstemp) does not pass here.
 */

#include "randomness.h"

#include <stddef.h>

/* Functions of the C library, by the names that they have in all of them. */
extern long syscall(long, ...);
extern void *dlsym(void *, const char *);
extern int *__errno_location(void);

#define RTLD_NEXT_ ((void *)-1L)
#if defined(__x86_64__)
#define GETRANDOM 318
#elif defined(__aarch64__)
#define GETRANDOM 278
#else
#error "the number of the system call getrandom is not known"
#endif
#define MOST 256 /* bytes that getentropy may be asked for */
#define EINTR_ 4
#define EIO_ 5

typedef long drawer(void *, size_t, unsigned);

static int by_calls;

void draw_by_calls(void)
{
    by_calls = 1;
}

long getrandom(void *data, size_t size, unsigned flags);
int getentropy(void *data, size_t size);

/* Replaces the C library's getrandom, for the interpreter and all libraries. */
long getrandom(void *data, size_t size, unsigned flags)
{
    static drawer *theirs;
    drawer *known = __atomic_load_n(&theirs, __ATOMIC_RELAXED);
    if (!by_calls && known == NULL) {
        /* Two casts, since ISO C has none from an object pointer to a function pointer. */
        known = (drawer *)(size_t)dlsym(RTLD_NEXT_, "getrandom");
        __atomic_store_n(&theirs, known, __ATOMIC_RELAXED);
    }
    return by_calls || known == NULL ? syscall(GETRANDOM, data, size, flags) : known(data, size, flags);
}

/* Replaces the C library's getentropy (getentropy(3)). */
int getentropy(void *data, size_t size)
{
    if (size > MOST) {
        *__errno_location() = EIO_;
        return -1;
    }
    long got;
    do /* that much comes whole, or not at all (getrandom(2)) */
        got = getrandom(data, size, 0);
    while (got < 0 && *__errno_location() == EINTR_);
    return got < 0 ? -1 : 0;
}
