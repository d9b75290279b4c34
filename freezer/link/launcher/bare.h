/* A program without a C library: what the kernel gives it (System V ABI, "Process Initialization"), and system calls by
   the names that a C library has for them. */
#ifndef BARE_H
#define BARE_H

#include <stddef.h>

/* The program's first function. ``given`` is the number of arguments; behind it are the arguments, a NULL, the
   environment, a NULL, and the auxiliary vector: pairs of a kind and a value, the last with the kind 0. Returns the
   address of the code to go on with, which finds the stack and the registers as a new program does. */
unsigned long begin(unsigned long *given);

int open(const char *name, int flags, ...);
long pread(int file, void *data, size_t size, long offset);
int close(int file);
long write(int file, const void *data, size_t size);
void *mmap(void *place, size_t size, int protection, int flags, int file, long offset);
int getpid(void);
size_t strlen(const char *text);
_Noreturn void _exit(int status);

#endif
