/* The filter for .gnu.hash, the table by which the dynamic loader finds symbols. It follows from the symbols' names
   (their hashes, a bucket for each remainder, a filter of bits), but looks random, so no compressor makes it smaller.
   The table is predicted from the names, and the difference of bits is stored: zeros, in what linkers make.

   Layout: the numbers of buckets, of symbols that are not in the table, and of the filter's words, and a shift; the
   filter, in words of 64 bits; the buckets, each the number of its first symbol; and the hashes of the symbols, the
   lowest bit of which says whether it is the last of its bucket. */
#include "filter.h"

enum {
    WORD = 4,
    WIDE = 8,
    HEAD = 4 * WORD,
    SYMBOL = 24,
    NAMES_LIMIT = 1 << 26 /* bytes of names, at most: no table takes longer */
};

struct names {
    const uint8_t *symbols, *strings;
    size_t count, size, left;
};

static uint32_t word(const uint8_t *from)
{
    uint32_t value;

    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

static void put_word(uint8_t *to, uint32_t value)
{
    __builtin_memcpy(to, &value, sizeof value);
}

/* Returns the hash of a symbol's name: Bernstein's, times 33. */
static uint32_t hash_of(struct names *names, size_t symbol)
{
    size_t at = word(names->symbols + symbol * SYMBOL);
    uint32_t hash = 5381;

    for (; at < names->size && names->strings[at] && names->left > 0; at++, names->left--)
        hash = hash * 33 + names->strings[at];
    return hash;
}

static void predict(uint8_t *to, size_t size, const uint8_t *head, struct names *names)
{
    uint32_t buckets = word(head), first = word(head + WORD), words = word(head + 2 * WORD),
             shift = word(head + 3 * WORD) & 31;
    uint64_t filter_at = HEAD, buckets_at = filter_at + (uint64_t)words * WIDE,
             hashes_at = buckets_at + (uint64_t)buckets * WORD;

    if (buckets == 0 || words == 0 || hashes_at > size || first >= names->count)
        return;
    uint32_t hash = hash_of(names, first);
    for (uint64_t symbol = first; symbol < names->count; symbol++) {
        uint64_t place = hashes_at + (symbol - first) * WORD;
        if (place + WORD > size)
            return;
        uint32_t bucket = hash % buckets;
        uint8_t *bits = to + filter_at + (hash / 64 & (words - 1)) * WIDE;
        bits[hash % 64 / 8] |= (uint8_t)(1 << hash % 8);
        bits[(hash >> shift) % 64 / 8] |= (uint8_t)(1 << (hash >> shift) % 8);
        if (word(to + buckets_at + bucket * WORD) == 0)
            put_word(to + buckets_at + bucket * WORD, (uint32_t)symbol);
        bool last = symbol + 1 == names->count;
        uint32_t next = last ? 0 : hash_of(names, (size_t)symbol + 1);
        put_word(to + place, (hash & ~1U) | (last || next % buckets != bucket));
        hash = next;
    }
}

void filter_hashes(uint8_t *hashes, size_t size, const uint8_t *symbols, size_t symbols_size, const uint8_t *strings,
    size_t strings_size, uint8_t *room)
{
    struct names names = {symbols, strings, symbols_size / SYMBOL, strings_size, NAMES_LIMIT};

    if (size < HEAD)
        return;
    for (size_t at = 0; at < size; at++)
        room[at] = 0;
    predict(room, size, hashes, &names);
    for (size_t at = HEAD; at < size; at++)
        hashes[at] ^= room[at];
}
