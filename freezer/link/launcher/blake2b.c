/* BLAKE2b with 32 bytes of output and no key, after RFC 7693.

   The whole executable is hashed before its first extraction, so speed counts: the rounds are unrolled by macros with
   constant message indices, for which compilers keep all of the state in registers or on the stack's top. */
#include "blake2b.h"

#include <stdbool.h>

static const uint64_t START[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

#define ROTATE(value, count) ((value) >> (count) | (value) << (64 - (count)))

#define MIX(a, b, c, d, x, y) \
    do { \
        (a) += (b) + (x); \
        (d) = ROTATE((d) ^ (a), 32); \
        (c) += (d); \
        (b) = ROTATE((b) ^ (c), 24); \
        (a) += (b) + (y); \
        (d) = ROTATE((d) ^ (a), 16); \
        (c) += (d); \
        (b) = ROTATE((b) ^ (c), 63); \
    } while (0)

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf) \
    do { \
        MIX(v0, v4, v8, vc, m[s0], m[s1]); \
        MIX(v1, v5, v9, vd, m[s2], m[s3]); \
        MIX(v2, v6, va, ve, m[s4], m[s5]); \
        MIX(v3, v7, vb, vf, m[s6], m[s7]); \
        MIX(v0, v5, va, vf, m[s8], m[s9]); \
        MIX(v1, v6, vb, vc, m[sa], m[sb]); \
        MIX(v2, v7, v8, vd, m[sc], m[sd]); \
        MIX(v3, v4, v9, ve, m[se], m[sf]); \
    } while (0)

static void compress(uint64_t state[8], const uint8_t *block, uint64_t count, bool last)
{
    uint64_t m[16];
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    __builtin_memcpy(m, block, sizeof m);
#else
#error "only little-endian machines are supported"
#endif
    uint64_t v0 = state[0], v1 = state[1], v2 = state[2], v3 = state[3];
    uint64_t v4 = state[4], v5 = state[5], v6 = state[6], v7 = state[7];
    uint64_t v8 = START[0], v9 = START[1], va = START[2], vb = START[3];
    /* The high half of the counter stays zero: nothing has 2^64 bytes. */
    uint64_t vc = START[4] ^ count, vd = START[5], ve = last ? ~START[6] : START[6], vf = START[7];

    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);

    state[0] ^= v0 ^ v8;
    state[1] ^= v1 ^ v9;
    state[2] ^= v2 ^ va;
    state[3] ^= v3 ^ vb;
    state[4] ^= v4 ^ vc;
    state[5] ^= v5 ^ vd;
    state[6] ^= v6 ^ ve;
    state[7] ^= v7 ^ vf;
}

void blake2b_start(struct blake2b *hash)
{
    __builtin_memset(hash, 0, sizeof *hash);
    __builtin_memcpy(hash->state, START, sizeof START);
    hash->state[0] ^= 0x01010000 ^ DIGEST_SIZE; /* fanout 1, depth 1, no key */
}

void blake2b_add(struct blake2b *hash, const void *data, size_t size)
{
    const uint8_t *from = data;

    while (size > 0) {
        /* The last block is compressed differently, so a full one waits until more comes. */
        if (hash->used == sizeof hash->block) {
            hash->count += sizeof hash->block;
            compress(hash->state, hash->block, hash->count, false);
            hash->used = 0;
        }
        if (hash->used == 0) {
            while (size > sizeof hash->block) {
                hash->count += sizeof hash->block;
                compress(hash->state, from, hash->count, false);
                from += sizeof hash->block;
                size -= sizeof hash->block;
            }
        }
        size_t part = sizeof hash->block - hash->used;
        if (part > size)
            part = size;
        __builtin_memcpy(hash->block + hash->used, from, part);
        hash->used += part;
        from += part;
        size -= part;
    }
}

void blake2b_end(struct blake2b *hash, uint8_t digest[DIGEST_SIZE])
{
    hash->count += hash->used;
    __builtin_memset(hash->block + hash->used, 0, sizeof hash->block - hash->used);
    compress(hash->state, hash->block, hash->count, true);
    __builtin_memcpy(digest, hash->state, DIGEST_SIZE);
}
