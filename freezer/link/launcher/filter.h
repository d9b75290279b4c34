/* What filter.c does; it uses nothing of the launcher and nothing of a C library, since freezer loads it, too. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILTER_BLOCK = 1 << 16 }; /* bytes that are filtered on their own; a part is some of these, and the rest */

/* Filters "size" bytes of code, the first of which is at "place" in a file of "total" bytes (below 2 GB), or undoes it. */
void filter_code(uint8_t *code, size_t size, uint64_t place, uint64_t total, bool undo);

#endif
