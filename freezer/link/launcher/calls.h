/* System calls without a C library, for save.c: by their numbers on each machine that machine.c knows, and what they take
   and give in the kernel's own form. */
#ifndef CALLS_H
#define CALLS_H

#include "machine.h"

#include <stddef.h>

#if defined(__x86_64__)
enum {
    CALL_WRITE = 1, CALL_CLOSE = 3, CALL_MMAP = 9, CALL_BREAK = 12, CALL_SIGNAL_ACTION = 13, CALL_SIGNAL_MASK = 14,
    CALL_READ_AT = 17, CALL_WRITE_AT = 18, CALL_PROCESS = 39, CALL_WAIT = 61, CALL_TRUNCATE = 77, CALL_PARENT = 110,
    CALL_SIGNAL_STACK = 131, CALL_PRCTL = 157, CALL_THREAD = 186, CALL_CLOCK = 228, CALL_EXIT = 231, CALL_OPEN = 257,
    CALL_ROBUST_LIST = 274, CALL_STATX = 332,
};
#else /* never called */
enum {
    CALL_WRITE, CALL_CLOSE, CALL_MMAP, CALL_BREAK, CALL_SIGNAL_ACTION, CALL_SIGNAL_MASK, CALL_READ_AT, CALL_WRITE_AT,
    CALL_PROCESS, CALL_WAIT, CALL_TRUNCATE, CALL_PARENT, CALL_SIGNAL_STACK, CALL_PRCTL, CALL_THREAD, CALL_CLOCK, CALL_EXIT, CALL_OPEN,
    CALL_ROBUST_LIST, CALL_STATX,
};
#endif

enum {
    AT_HERE = -100,                                                            /* AT_FDCWD */
    TO_READ = 02000000, TO_REPLACE = 02000000 | 01000 | 0100 | 2,              /* O_CLOEXEC and more, of open(2) */
    CAN_READ = 1, CAN_WRITE = 2, CAN_EXECUTE = 4, PRIVATE_MEMORY = 0x22,       /* of mmap(2) */
    STATX_BASIC = 0x7ff,
};

struct told_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t unused;
};

struct told_file { /* struct statx */
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode, unused;
    uint64_t inode, size, blocks, attributes_mask;
    struct told_time accessed, born, changed, modified;
    uint32_t of_device[2], device_major, device_minor;
    uint64_t more[14];
};

static inline long call0(long number)
{
    return machine_call(number, 0, 0, 0, 0, 0, 0);
}

static inline long call1(long number, long a)
{
    return machine_call(number, a, 0, 0, 0, 0, 0);
}

static inline long call4(long number, long a, long b, long c, long d)
{
    return machine_call(number, a, b, c, d, 0, 0);
}

static inline void *new_memory(size_t size)
{
    long at = machine_call(CALL_MMAP, 0, (long)size, CAN_READ | CAN_WRITE, PRIVATE_MEMORY, -1, 0);
    return at < 0 && at > -4096 ? NULL : (void *)at;
}

#endif
