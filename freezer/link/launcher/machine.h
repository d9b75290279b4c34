/* What depends on the machine in making and restoring snapshots; machine.c has a part for each.

   Where there is none, the application always starts plainly. No C library is needed: save.c runs with the
   application's, the launcher with its own. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

enum { MACHINE_WORDS = 16, MACHINE_FEATURES = 16 };

/* The registers that a function preserves, and what the thread is known by. What each word is, only machine.c knows,
   but for these. */
struct machine_context {
    uint64_t words[MACHINE_WORDS];
    uint64_t stack, code, thread; /* the stack pointer, the address to go on at, the thread pointer */
};

/* Returns whether snapshots can be made and restored here, in a process with these settings: not if the processor checks
   returns (shadow stacks), for example. */
int machine_can(void);

/* Saves the context, and returns 0; where a saved context is resumed, it returns once more, with 1. */
int machine_save(struct machine_context *context) __attribute__((returns_twice));

/* Resumes a context whose memory is in place. */
__attribute__((noreturn)) void machine_resume(const struct machine_context *context);

/* Returns the thread pointer. */
uint64_t machine_thread(void);

/* Notes what the processor can do. */
void machine_features(uint32_t features[MACHINE_FEATURES]);

/* A system call; returns what the kernel does, an error as a negative number. */
long machine_call(long number, long a, long b, long c, long d, long e, long f);

#endif
