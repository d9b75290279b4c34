/* The interface of the filters, which use neither the launcher nor a C library, since freezer loads them, too.

   A filter changes the content of a file before compression so that it compresses better, and can be undone. Offsets and
   sizes are in bytes. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__)
/* GCC makes calls of memcpy and memset of loops, also of those over a few bytes, where a call takes longer than they do. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

enum {
    FILTER_BLOCK = 1 << 16,  /* bytes that are filtered on their own; only the last block may be smaller */
    OBJECTS_LIMIT = 1 << 19, /* bytes of objects that are filtered at once */
    OBJECTS_HEAD = 40,       /* bytes that filtered objects have more */
};

/* Kinds of filters, as numbers of the payload. Code and rows are filtered in blocks, and objects at once; the others
   need their whole table, and HASHES those that SYMBOLS and STRINGS name, which stay as they are. */
enum kind { CODE = 1, ROWS, UNWINDING, UNWINDING_INDEX, HASHES, SYMBOLS, STRINGS, OBJECTS };

/* Filters "size" bytes of code, or undoes that. The first is at "place" in a file of "total" bytes (below 2 GB). */
void filter_code(uint8_t *code, size_t size, uint64_t place, uint64_t total, bool undo);

/* Stores rows of "width" bytes column by column, or undoes that; what is left of "size" stays at the end. */
void filter_rows(const uint8_t *from, uint8_t *to, size_t size, size_t width, bool undo);

/* Returns the width of rows as which a block (at most 64 kB) may compress better, judged by its bytes' frequencies; 1
   if there is none. Not in the launcher. */
size_t likely_width(const uint8_t *block, size_t size);

/* The filter for .eh_frame. unwinding_entries() counts its entries, which the others need. Returns false if
   there are not as many: a damaged table. */
size_t unwinding_entries(const uint8_t *table, size_t size);
void unwinding_split(const uint8_t *table, uint8_t *to, size_t size, size_t entries);
bool unwinding_join(const uint8_t *from, uint8_t *table, size_t size, size_t entries);

/* The filter for .eh_frame_hdr; "room" has as many bytes as the table, which is not filtered. */
void filter_unwinding_index(
    uint8_t *index, size_t index_size, const uint8_t *table, size_t size, size_t entries, uint64_t *room, bool undo);

/* The filter for .gnu.hash, which undoes itself; "room" has as many bytes as the hashes. */
void filter_hashes(uint8_t *hashes, size_t size, const uint8_t *symbols, size_t symbols_size, const uint8_t *strings,
    size_t strings_size, uint8_t *room);

/* The filter for marshalled code objects, which begin with so many numbers. What is filtered has OBJECTS_HEAD bytes
   more than the objects, whose size is given. Returns false if they are no such objects. */
bool objects_split(const uint8_t *from, uint8_t *to, size_t size, uint32_t numbers);
bool objects_join(const uint8_t *from, uint8_t *to, size_t size, uint32_t numbers);

#endif
