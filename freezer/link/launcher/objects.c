/* The filter for the code of Python modules, as Python's marshal writes it: what is alike is stored together.

   A code object has instructions, tables of line numbers, names and numbers, all mixed. Each of these has a column here,
   so that the compressor finds it among its like, with frequencies of its own. A column of words has their first bytes
   first, as in rows.c. In front of the columns are their sizes.

   Only the types of objects are understood that code consists of (Python/marshal.c). The fields of a code object depend
   on Python's version: it begins with six numbers until 3.10, and with five since then. freezer does not filter what is
   not exactly that. */
#include "filter.h"

enum { WORD = 4, DEPTH = 1000, FIELDS = 8, SHORT = 32 };

enum column { TYPES, SMALL_SIZES, SIZES, NUMBERS, REFERENCES, VALUES, TABLES, TEXTS, INSTRUCTIONS, LINES, COLUMNS };

_Static_assert(OBJECTS_HEAD == COLUMNS * WORD, "the head has the size of each column");

enum way { COUNT, SPLIT, JOIN };

struct level { /* of nesting: the objects that are to come, and the fields of the code object that they are, if any */
    uint32_t left, fields;
};

struct walk {
    enum way way;
    uint8_t *objects;
    size_t size, at;
    uint8_t *columns[COLUMNS];
    size_t sizes[COLUMNS], used[COLUMNS];
    uint32_t numbers; /* with which a code object begins */
    size_t depth;
    struct level levels[DEPTH];
};

static void put_word(uint8_t *to, uint32_t value)
{
    __builtin_memcpy(to, &value, sizeof value);
}

static uint32_t word(const uint8_t *from)
{
    uint32_t value;

    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

/* Copies bytes; most are names, for which calls of a C library take longer. */
static void copy(uint8_t *to, const uint8_t *from, size_t count)
{
    if (count > SHORT)
        __builtin_memcpy(to, from, count);
    else
        while (count-- > 0)
            *to++ = *from++;
}

/* Moves bytes between the objects and a column. Returns false if one of them has fewer. */
static bool move(struct walk *walk, enum column column, size_t count)
{
    size_t used = walk->used[column];

    if (count > walk->size - walk->at || (walk->way != COUNT && count > walk->sizes[column] - used))
        return false;
    uint8_t *object = walk->objects + walk->at, *there = walk->way == COUNT ? NULL : walk->columns[column] + used;
    if (walk->way == SPLIT)
        copy(there, object, count);
    else if (walk->way == JOIN)
        copy(object, there, count);
    walk->used[column] += count;
    walk->at += count;
    return true;
}

static bool move_byte(struct walk *walk, enum column column, uint8_t *value)
{
    size_t used = walk->used[column]++;

    if (walk->at == walk->size || (walk->way != COUNT && used == walk->sizes[column]))
        return false;
    uint8_t *object = walk->objects + walk->at++;
    if (walk->way == SPLIT)
        walk->columns[column][used] = *object;
    else if (walk->way == JOIN)
        *object = walk->columns[column][used];
    *value = *object;
    return true;
}

static bool move_word(struct walk *walk, enum column column, uint32_t *value)
{
    size_t used = walk->used[column], count = walk->sizes[column] / WORD;

    if (WORD > walk->size - walk->at || (walk->way != COUNT && WORD > walk->sizes[column] - used))
        return false;
    uint8_t *object = walk->objects + walk->at, *there = walk->columns[column] + used / WORD;
    if (walk->way == JOIN) {
        *value = there[0] | (uint32_t)there[count] << 8 | (uint32_t)there[2 * count] << 16 |
            (uint32_t)there[3 * count] << 24;
        put_word(object, *value);
    } else {
        *value = word(object);
        for (size_t byte = 0; walk->way == SPLIT && byte < WORD; byte++)
            there[byte * count] = object[byte];
    }
    walk->used[column] += WORD;
    walk->at += WORD;
    return true;
}

/* Moves a size of one byte or of four. */
static bool move_size(struct walk *walk, bool small, uint32_t *size)
{
    uint8_t byte = 0;

    if (!small)
        return move_word(walk, SIZES, size);
    bool moved = move_byte(walk, SMALL_SIZES, &byte);
    *size = byte;
    return moved;
}

static bool push(struct walk *walk, uint32_t left, uint32_t fields)
{
    if (walk->depth == DEPTH)
        return false;
    walk->levels[walk->depth++] = (struct level){left, fields};
    return true;
}

static bool move_bytes(struct walk *walk, bool small, enum column column)
{
    uint32_t size;

    return move_size(walk, small, &size) && move(walk, column, size);
}

static bool move_items(struct walk *walk, bool small)
{
    uint32_t count;

    return move_size(walk, small, &count) && push(walk, count, 0);
}

static bool move_integer(struct walk *walk)
{
    uint32_t digits;

    if (!move_word(walk, SIZES, &digits))
        return false;
    return move(walk, VALUES, 2 * (size_t)(digits >> 31 ? 0 - digits : digits));
}

static bool move_code(struct walk *walk)
{
    uint32_t value, fields = FIELDS + (walk->numbers == 5 ? 2 : 1);

    for (uint32_t number = 0; number < walk->numbers; number++)
        if (!move_word(walk, NUMBERS, &value))
            return false;
    return push(walk, fields, fields);
}

/* Moves an object up to the objects in it; its bytes are stored in a column, if it is a string of them. */
static bool move_object(struct walk *walk, enum column column)
{
    uint32_t value;
    uint8_t type;

    if (!move_byte(walk, TYPES, &type))
        return false;
    switch (type & 0x7F) { /* the highest bit is for references */
    case '0': case 'N': case 'F': case 'T': case 'S': case '.':
        return true;
    case 'i':
        return move(walk, VALUES, 4);
    case 'g':
        return move(walk, VALUES, 8);
    case 'y':
        return move(walk, VALUES, 16);
    case 'l':
        return move_integer(walk);
    case 's':
        return move_bytes(walk, false, column);
    case 'u': case 't': case 'a': case 'A':
        return move_bytes(walk, false, TEXTS);
    case 'z': case 'Z':
        return move_bytes(walk, true, TEXTS);
    case 'r':
        return move_word(walk, REFERENCES, &value);
    case ')':
        return move_items(walk, true);
    case '(': case '[': case '<': case '>':
        return move_items(walk, false);
    case ':':
        return push(walk, 3, 0);
    case 'c':
        return move_code(walk);
    default:
        return false;
    }
}

/* Returns the column for the bytes of a field of a code object. */
static enum column column_of(const struct walk *walk, uint32_t field)
{
    if (field == 0)
        return INSTRUCTIONS;
    if (field == FIELDS)
        return LINES;
    return field > FIELDS || (field == 4 && walk->numbers == 5) ? TABLES : TEXTS;
}

/* Moves all objects. Returns false if they are others than this file knows, or do not end with the bytes. */
static bool move_all(struct walk *walk)
{
    while (walk->at < walk->size || walk->depth > 0) {
        enum column column = TEXTS;
        struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
        uint32_t line;
        if (level && level->left == 0) {
            walk->depth--;
            continue;
        }
        if (level) {
            uint32_t field = level->fields - level->left--;
            if (level->fields > 0)
                column = column_of(walk, field);
            /* The number of the first line is between the fields. */
            if (level->fields > 0 && field == FIELDS && !move_word(walk, NUMBERS, &line))
                return false;
        }
        if (!move_object(walk, column))
            return false;
    }
    return true;
}

static void place_columns(struct walk *walk, uint8_t *from)
{
    for (size_t column = 0; column < COLUMNS; column++) {
        walk->columns[column] = from;
        from += walk->sizes[column];
    }
}

bool objects_split(const uint8_t *from, uint8_t *to, size_t size, uint32_t numbers)
{
    struct walk walk;

    /* Field by field, as a C library would clear the whole. */
    walk.way = COUNT;
    walk.objects = (uint8_t *)(uintptr_t)from; /* which are only read */
    walk.size = size;
    walk.numbers = numbers;
    walk.at = walk.depth = 0;
    for (size_t column = 0; column < COLUMNS; column++)
        walk.sizes[column] = walk.used[column] = 0;
    place_columns(&walk, to + OBJECTS_HEAD);
    if (!move_all(&walk))
        return false;
    for (size_t column = 0; column < COLUMNS; column++) {
        put_word(to + column * WORD, (uint32_t)walk.used[column]);
        walk.sizes[column] = walk.used[column];
        walk.used[column] = 0;
    }
    place_columns(&walk, to + OBJECTS_HEAD);
    walk.way = SPLIT;
    walk.at = 0;
    return move_all(&walk);
}

bool objects_join(const uint8_t *from, uint8_t *to, size_t size, uint32_t numbers)
{
    struct walk walk;
    size_t sum = 0;

    walk.way = JOIN;
    walk.objects = to;
    walk.size = size;
    walk.numbers = numbers;
    walk.at = walk.depth = 0;
    for (size_t column = 0; column < COLUMNS; column++) {
        walk.sizes[column] = word(from + column * WORD);
        walk.used[column] = 0;
        if (walk.sizes[column] > size - sum)
            return false;
        sum += walk.sizes[column];
    }
    place_columns(&walk, (uint8_t *)(uintptr_t)from + OBJECTS_HEAD);
    return sum == size && move_all(&walk);
}
