/* The filters for the tables by which exceptions and debuggers unwind the stack, which are a tenth of a library: System V
   ABI for x86-64, chapter 4.2.4; Linux Standard Base, "Exception Frames".

   .eh_frame is a list of entries: a length, the distance to the entry with what is common to several functions, and, for
   a function, the distance to its code, and the code's size; then instructions. Of both distances, which differ
   everywhere, the filter makes what is the same in most entries: the position of the common entry, and the distance of
   the code from the end of the code of the entry before. Each of the numbers has a column, byte by byte, as in rows.c;
   the instructions come last. What is no list of entries stays at the end.

   .eh_frame_hdr is an index of that: for each function the position of its code and of its entry, in the order of
   positions. It is predicted from the list, and only the difference is stored, which is zero in what linkers make.

   All arithmetic is modulo 2^32, so that every content can be restored, whether or not it is what it should be. */
#include "filter.h"

enum {
    WORD = 4,
    HEADS = 2 * WORD,     /* the length, and the distance to the common entry */
    FUNCTION = 3 * WORD,  /* the least length of an entry with the place and the size of code */
    ALIGNMENT = 16,       /* of the code of functions */
    INDEX_HEAD = 3 * WORD /* the version with the formats of what follows, the table's distance, and the count */
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

/* A column of "count" words, whose first bytes come first. */
struct column {
    uint8_t *bytes;
    size_t count, at;
};

static uint32_t take(struct column *column)
{
    uint32_t value = 0;

    for (size_t byte = 0; byte < WORD; byte++)
        value |= (uint32_t)column->bytes[byte * column->count + column->at] << 8 * byte;
    column->at++;
    return value;
}

static void put(struct column *column, uint32_t value)
{
    for (size_t byte = 0; byte < WORD; byte++)
        column->bytes[byte * column->count + column->at] = (uint8_t)(value >> 8 * byte);
    column->at++;
}

static bool has_entry(const uint8_t *table, size_t size, size_t at)
{
    return size - at >= HEADS && word(table + at) >= WORD && word(table + at) <= size - at - WORD;
}

static bool is_function(uint32_t length, uint32_t common)
{
    return common != 0 && length >= FUNCTION;
}

static uint32_t aligned(uint32_t place)
{
    return (place + ALIGNMENT - 1) & ~(uint32_t)(ALIGNMENT - 1);
}

/* Turns the distance from "place" back to a common entry into its position, counted from 1; 0, which says that the entry
   itself is a common one, stays. The position that would be 0 gets the number that is left. */
static uint32_t common_position(uint32_t distance, uint32_t place)
{
    uint32_t position = place - distance + 1;

    if (distance == 0)
        return 0;
    return position != 0 ? position : place + 1;
}

static uint32_t common_distance(uint32_t position, uint32_t place)
{
    if (position == 0)
        return 0;
    return position != place + 1 ? place + 1 - position : place + 1;
}

size_t unwinding_entries(const uint8_t *table, size_t size)
{
    size_t entries = 0;

    for (size_t at = 0; has_entry(table, size, at); at += WORD + word(table + at))
        entries++;
    return entries;
}

void unwinding_split(const uint8_t *table, uint8_t *to, size_t size, size_t entries)
{
    size_t functions = 0, at = 0;
    uint32_t end = 0;

    for (size_t entry = 0; entry < entries; entry++, at += WORD + word(table + at))
        functions += is_function(word(table + at), word(table + at + WORD));
    struct column lengths = {to, entries, 0}, commons = {to + WORD * entries, entries, 0},
                  places = {to + HEADS * entries, functions, 0},
                  sizes = {to + HEADS * entries + WORD * functions, functions, 0};
    uint8_t *rest = to + HEADS * (entries + functions);
    at = 0;
    for (size_t entry = 0; entry < entries; entry++) {
        uint32_t length = word(table + at), common = word(table + at + WORD);
        size_t from = at + HEADS, over = at + WORD + length;
        put(&lengths, length);
        put(&commons, common_position(common, (uint32_t)at + WORD));
        if (is_function(length, common)) {
            uint32_t place = word(table + from) + (uint32_t)from;
            put(&places, place - aligned(end));
            put(&sizes, word(table + from + WORD));
            end = place + word(table + from + WORD);
            from += HEADS;
        }
        for (; from < over; from++)
            *rest++ = table[from];
        at = over;
    }
    while (at < size)
        *rest++ = table[at++];
}

bool unwinding_join(const uint8_t *from, uint8_t *table, size_t size, size_t entries)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)from; /* which are only read */
    size_t functions = 0, at = 0;
    uint32_t end = 0;

    if (entries > size / HEADS)
        return false;
    struct column lengths = {bytes, entries, 0}, commons = {bytes + WORD * entries, entries, 0};
    for (size_t entry = 0; entry < entries; entry++) {
        uint32_t length = take(&lengths);
        if (size - at < HEADS || length < WORD || length > size - at - WORD)
            return false;
        functions += is_function(length, take(&commons));
        at += WORD + length;
    }
    struct column places = {bytes + HEADS * entries, functions, 0},
                  sizes = {bytes + HEADS * entries + WORD * functions, functions, 0};
    const uint8_t *rest = from + HEADS * (entries + functions);
    lengths.at = commons.at = at = 0;
    for (size_t entry = 0; entry < entries; entry++) {
        uint32_t length = take(&lengths), common = common_distance(take(&commons), (uint32_t)at + WORD);
        size_t to = at + HEADS, over = at + WORD + length;
        put_word(table + at, length);
        put_word(table + at + WORD, common);
        if (is_function(length, common)) {
            uint32_t place = take(&places) + aligned(end), code = take(&sizes);
            put_word(table + to, place - (uint32_t)to);
            put_word(table + to + WORD, code);
            end = place + code;
            to += HEADS;
        }
        for (; to < over; to++)
            table[to] = *rest++;
        at = over;
    }
    while (at < size)
        table[at++] = *rest++;
    return true;
}

/* Sorts pairs by their upper halves, one byte after the other; each pass keeps the order of equal ones. */
static void sort(uint64_t *pairs, uint64_t *other, size_t count)
{
    for (unsigned shift = 32; shift < 64; shift += 8) {
        size_t starts[257] = {0};
        for (size_t index = 0; index < count; index++)
            starts[(pairs[index] >> shift & 255) + 1]++;
        for (size_t value = 0; value < 256; value++)
            starts[value + 1] += starts[value];
        for (size_t index = 0; index < count; index++)
            other[starts[pairs[index] >> shift & 255]++] = pairs[index];
        uint64_t *swapped = pairs;
        pairs = other;
        other = swapped;
    }
}

void filter_unwinding_index(
    uint8_t *index, size_t index_size, const uint8_t *table, size_t size, size_t entries, uint64_t *room, bool undo)
{
    static const uint8_t FORMATS[WORD] = {1, 0x1B, 0x03, 0x3B}; /* version 1; the formats of all linkers */
    size_t count = 0, at = 0;

    if (index_size < INDEX_HEAD)
        return;
    for (size_t byte = 0; byte < WORD; byte++)
        if (index[byte] != FORMATS[byte])
            return;
    /* Positions in the index are relative to itself. */
    uint32_t distance = word(index + WORD) + WORD;
    for (size_t entry = 0; entry < entries && has_entry(table, size, at); entry++, at += WORD + word(table + at))
        if (is_function(word(table + at), word(table + at + WORD))) {
            uint32_t place = word(table + at + HEADS) + (uint32_t)at + HEADS + distance;
            /* Positions are signed: the negative ones come first. */
            room[count++] = (uint64_t)(place ^ 0x80000000U) << 32 | (uint32_t)(distance + at);
        }
    sort(room, room + count, count);
    for (size_t row = 0; row < count && row < (index_size - INDEX_HEAD) / (2 * WORD); row++) {
        uint8_t *to = index + INDEX_HEAD + row * 2 * WORD;
        uint32_t code = (uint32_t)(room[row] >> 32) ^ 0x80000000U, entry = (uint32_t)room[row];
        put_word(to, undo ? word(to) + code : word(to) - code);
        put_word(to + WORD, undo ? word(to + WORD) + entry : word(to + WORD) - entry);
    }
}
