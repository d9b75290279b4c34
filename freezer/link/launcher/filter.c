/* The filter for machine code: makes code compress better, and restores it after decompression.

   A call states the distance to its target, so calls of one function have different bytes at each place. With the
   target's position instead, they have the same bytes, which a compressor finds again. The same holds for addresses of
   data, which x86-64 states relative to the instruction, too. Other programs filter calls only (xz's and 7-Zip's BCJ,
   LZX's translation of E8); with both kinds the bundle of a hello becomes 5 % smaller instead of 4 %.

   Nothing is disassembled. An operand is, by definition, the four bytes
   - behind E8 or E9 (CALL and JMP with a 32-bit displacement), or
   - behind a ModRM byte of an address relative to RIP (mod 0, r/m 5), if two bytes before it is a prefix REX.W (48 to
     4F) or the escape 0F (Intel SDM, volume 2, chapter 2),
   unless they, or these two bytes, are part of the operand before, or reach over the end of their block. The rules look
   only at bytes outside of operands, which the filter does not change; so they find the same operands when undoing. */
#include "filter.h"

enum { OPERAND = 4 };

/* Turns a displacement into the target's position, if that is in the file. Displacements that have the value of such a
   position get the freed values instead, so that each of the 2^32 values is the result of one other. "end" is the
   position behind the operand. */
static int32_t absolute(int32_t value, int64_t end, int64_t total)
{
    if (value >= -end && value < total - end)
        return (int32_t)(value + end);
    return value >= total - end && value < total ? (int32_t)(value - total) : value;
}

static int32_t relative(int32_t value, int64_t end, int64_t total)
{
    if (value >= 0 && value < total)
        return (int32_t)(value - end);
    return value < 0 && value >= -end ? (int32_t)(value + total) : value;
}

/* Returns whether an operand follows; "next" is the first byte behind the last operand. */
static bool has_operand(const uint8_t *code, size_t at, size_t next)
{
    if ((code[at] & 0xFE) == 0xE8)
        return true;
    return (code[at] & 0xC7) == 0x05 && at >= next + 2 && ((code[at - 2] & 0xF8) == 0x48 || code[at - 2] == 0x0F);
}

/* Returns the number of the first of eight bytes that may be before an operand, 8 if there is none: a byte is E8 or E9, or
   a ModRM byte for RIP, if one of the differences is 0 there. Below the first 0, the usual trick with borrows is exact. */
static size_t candidate(const uint8_t *code)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t bytes;

    __builtin_memcpy(&bytes, code, sizeof bytes);
    uint64_t call = (bytes & 0xFE * each) ^ 0xE8 * each, rip = (bytes & 0xC7 * each) ^ 0x05 * each;
    uint64_t zeros = (((call - each) & ~call) | ((rip - each) & ~rip)) & 0x80 * each;
    return zeros ? (size_t)__builtin_ctzll(zeros) / 8 : 8;
}

static void filter_block(uint8_t *code, size_t size, int64_t place, int64_t total, bool undo)
{
    size_t at = 0, next = 0;

    while (at + OPERAND < size) {
        int32_t value;
        if (at + 8 < size) {
            size_t skipped = candidate(code + at);
            at += skipped;
            if (skipped == 8 || at + OPERAND >= size)
                continue;
        }
        if (!has_operand(code, at, next)) {
            at++;
            continue;
        }
        int64_t end = place + (int64_t)at + 1 + OPERAND;
        __builtin_memcpy(&value, code + at + 1, sizeof value);
        value = undo ? relative(value, end, total) : absolute(value, end, total);
        __builtin_memcpy(code + at + 1, &value, sizeof value);
        at += 1 + OPERAND;
        next = at;
    }
}

void filter_code(uint8_t *code, size_t size, uint64_t place, uint64_t total, bool undo)
{
    for (size_t at = 0; at < size; at += FILTER_BLOCK)
        filter_block(code + at, size - at < FILTER_BLOCK ? size - at : FILTER_BLOCK, (int64_t)(place + at),
            (int64_t)total, undo);
}
