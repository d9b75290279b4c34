/* The filter for tables: rows of a few bytes are stored column by column.

   Tables of numbers are rows, and in each column there are similar bytes: the high bytes of 16-bit characters, the types
   of relocations. A compressor that codes all bytes by one table of frequencies, as zstd does, gains from that. */
#include "filter.h"

void filter_rows(const uint8_t *from, uint8_t *to, size_t size, size_t width, bool undo)
{
    size_t rows = width > 0 ? size / width : 0;

    for (size_t column = 0; column < width; column++)
        for (size_t row = 0; row < rows; row++) {
            size_t in_rows = row * width + column, in_columns = column * rows + row;
            to[undo ? in_rows : in_columns] = from[undo ? in_columns : in_rows];
        }
    for (size_t at = rows * width; at < size; at++)
        to[at] = from[at];
}
