/* The interface of filter.c, which uses neither the launcher nor a C library, since freezer loads it, too. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILTER_BLOCK = 1 << 16 }; /* bytes that are filtered on their own; only the last block may be smaller */

/* Filters "size" bytes of code, or undoes that. The first is at "place" in a file of "total" bytes (below 2 GB). */
void filter_code(uint8_t *code, size_t size, uint64_t place, uint64_t total, bool undo);

#endif
