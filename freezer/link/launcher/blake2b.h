/* The interface of the digest, which uses neither the launcher nor a C library's headers, since freezer loads it, too: it
   takes up a digest where an earlier build has left it (freezer/link/payload/identity.py knows the structure). */
#ifndef BLAKE2B_H
#define BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32 };

struct blake2b {
    uint64_t state[8];
    uint64_t count;
    size_t used;
    uint8_t block[128];
};

void blake2b_start(struct blake2b *hash);
void blake2b_add(struct blake2b *hash, const void *data, size_t size);
void blake2b_end(struct blake2b *hash, uint8_t digest[DIGEST_SIZE]);

#endif
