/* Stands in for what of zstd reads the formats before version 0.8. The static libraries of distributions have it, 90 kB
   of code, and no payload needs it: the linker takes nothing out of a library that is defined here. Weak, so that a
   library which needs more of it, and so brings all of it, does not define anything twice.

   What a payload of such a format leads to is an error, as for any other that is not zstd's. */
#include <stddef.h>

#define ABSENT __attribute__((weak))

/* What zstd takes for an error are the highest numbers of size_t; and for want of memory is NULL. */
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
