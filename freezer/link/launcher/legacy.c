/* Replaces the part of zstd that reads the formats before version 0.8. The static libraries of distributions have this
   part, 90 kB of code, and no payload needs it: the linker takes no function from a library that is defined here. The
   symbols are weak, so that nothing is defined twice if a library needs more of that part, and so brings all of it.

   A payload of such a format leads to an error, as does any other that is not zstd's. */
#include <stddef.h>

#define ABSENT __attribute__((weak))

/* zstd takes the highest numbers of size_t for errors, and NULL for a lack of memory. */
#define REFUSES(name) size_t name(void); ABSENT size_t name(void) { return (size_t)-1; }
#define MAKES_NOTHING(name) void *name(void); ABSENT void *name(void) { return NULL; }

#define FORMAT(version) \
    MAKES_NOTHING(ZSTDv##version##_createDCtx) \
    REFUSES(ZSTDv##version##_decompress_usingDict) \
    REFUSES(ZSTDv##version##_findFrameSizeInfoLegacy) \
    REFUSES(ZSTDv##version##_freeDCtx) \
    REFUSES(ZSTDv##version##_getFrameParams) \
    MAKES_NOTHING(ZBUFFv##version##_createDCtx) \
    REFUSES(ZBUFFv##version##_decompressContinue) \
    REFUSES(ZBUFFv##version##_decompressInitDictionary) \
    REFUSES(ZBUFFv##version##_freeDCtx)

FORMAT(05)
FORMAT(06)
FORMAT(07)
