/* Guesses which blocks of a file are tables: freezer tries those, and leaves all others alone.

   A block may be a table if its bytes would take less room with frequencies of their own for each column. In text and
   code, all columns have about the same frequencies. */
#include "filter.h"

enum { COLUMNS = 8, LEAST = 512 };

/* Returns 256 times the logarithm of a number to the base 2, to within 3. */
static uint32_t logarithm(uint32_t number)
{
    uint32_t whole = 31 - (uint32_t)__builtin_clz(number);
    uint32_t rest = (uint32_t)(((uint64_t)number << 16 >> whole) - (1 << 16)); /* the fraction, of 2^16 */

    /* log2(1 + x) is about x + 0.344 x (1 - x). */
    return whole * 256 + (rest >> 8) + (uint32_t)((uint64_t)rest * (65536 - rest) / 65536 * 88 >> 16);
}

/* Returns 256 times the bits that bytes of these frequencies take. */
static uint64_t bits(const uint32_t *counts)
{
    uint64_t sum = 0, used = 0;

    for (size_t value = 0; value < 256; value++)
        if (counts[value] > 0) {
            sum += counts[value];
            used += (uint64_t)counts[value] * logarithm(counts[value]);
        }
    return sum > 0 ? sum * logarithm((uint32_t)sum) - used : 0;
}

static uint64_t bits_of_columns(uint32_t counts[COLUMNS][256], size_t width)
{
    uint64_t sum = 0;

    for (size_t column = 0; column < width; column++) {
        uint32_t joined[256];
        for (size_t value = 0; value < 256; value++) {
            joined[value] = 0;
            for (size_t other = column; other < COLUMNS; other += width)
                joined[value] += counts[other][value];
        }
        sum += bits(joined);
    }
    return sum;
}

size_t likely_width(const uint8_t *block, size_t size)
{
    uint32_t counts[COLUMNS][256];
    size_t width = 1;

    if (size < LEAST)
        return 1;
    for (size_t column = 0; column < COLUMNS; column++)
        for (size_t value = 0; value < 256; value++)
            counts[column][value] = 0;
    for (size_t at = 0; at < size; at++)
        counts[at % COLUMNS][block[at]]++;
    /* Each of the frequencies is stored, too: a wider row must be better by a sixteenth. */
    uint64_t least = bits_of_columns(counts, 1) / 16 * 15;
    for (size_t wider = 2; wider <= COLUMNS; wider *= 2) {
        uint64_t found = bits_of_columns(counts, wider);
        if (found < least) {
            least = found / 16 * 15;
            width = wider;
        }
    }
    return width;
}
