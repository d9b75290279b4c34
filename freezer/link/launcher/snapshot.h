/* The format of a memory snapshot, which save.c writes, and snapshot.c checks.

   A snapshot is the memory of a process of the application behind its imports. The file begins with a head, all of it
   in the machine's own byte order, as it is never used on another machine; behind the head are pages of memory. The head
   consists of the fixed part below, the areas, the files that areas are mapped from, and these files' names. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "machine.h"

#include <stdint.h>

#define SNAPSHOT_MAGIC "FRZRSNP1"

enum {
    PAGE_OF_MEMORY = 4096,
    SNAPSHOT_AREAS = 16384,            /* most areas of a snapshot */
    SNAPSHOT_FILES = 2048,             /* most files */
    SNAPSHOT_TEXT = 1 << 19,           /* most bytes of their names */
    SNAPSHOT_HEAD = 1 << 21,           /* most bytes of a head */
    SNAPSHOT_LIMIT = 1 << 30,          /* most bytes of a snapshot */
    SNAPSHOT_RUNS = 8192,              /* most runs of pages that are written to */
    SNAPSHOT_PARTS = 8,                /* most mappings of the kernel's own code and data (vdso) */
    SNAPSHOT_SIGNALS = 64,
};

/* The kinds of areas. A FILE_AREA shows a file, a MEMORY_AREA is anonymous memory, the STACK_AREA is the stack of the
   main thread. A PAGES_AREA lies in the area that is before it in the list, and has pages of the snapshot. */
enum { FILE_AREA = 1, MEMORY_AREA, STACK_AREA, PAGES_AREA };
/* Flags of areas: it is shared, it is wiped in a child of the process. */
enum { AREA_SHARED = 1, AREA_WIPED = 2 };

struct snapshot_area {
    uint64_t start, size;
    uint64_t offset; /* in the file that is mapped, or in the snapshot */
    uint64_t saved;  /* of the stack: how many of its last bytes are in the snapshot */
    uint32_t file;   /* its number, for a FILE_AREA */
    uint8_t kind, protection, flags, unused;
};

struct snapshot_file { /* what a file must be at a start; "name" is a place in the text */
    uint64_t inode, size; /* no device number, as the kernel's list of mappings may have another than stat() */
    int64_t modified, modified_nanoseconds, changed, changed_nanoseconds;
    uint64_t name;
};

struct snapshot_signal { /* as the kernel has it */
    uint64_t handler, flags, restorer, mask;
};

struct snapshot_head {
    char magic[8];
    uint64_t head_size, file_size, page_size;
    uint64_t areas, files, text_size;
    int64_t made; /* seconds of the calendar's clock */
    struct machine_context context;
    uint64_t thread_number;                        /* where the C library has the number of the main thread */
    uint64_t robust_list, robust_size;             /* set_robust_list(2) */
    uint64_t rseq, rseq_size, rseq_signature;      /* rseq(2); 0 if it is not registered */
    uint64_t break_start, break_end;               /* brk(2); 0 if there is none */
    uint64_t vdso, vdso_hash;                      /* its address, and a hash of its content; 0 if there is none */
    uint64_t parts, borders[SNAPSHOT_PARTS + 1];   /* of the kernel's own mappings, which are adjacent */
    uint64_t signal_stack, signal_stack_size, signal_stack_flags;
    uint64_t mailbox;                              /* the address of a struct snapshot_mailbox */
    uint64_t process, parent;                      /* numbers of the process that was saved, and of its parent */
    struct snapshot_signal signals[SNAPSHOT_SIGNALS];
};

/* Pages that a process has written to, in a file beside the snapshot. */
struct snapshot_run {
    uint64_t start, size;
};

/* What a restored process is told, in its own memory. */
struct snapshot_mailbox {
    char **arguments, **environment;
    const char *path;    /* of the executable */
    const char *trial;   /* the file to remove once it is certain that the process has not crashed; NULL if none */
    uint64_t ignored;    /* signals that the caller ignores, a bit each */
    uint64_t process;    /* the number of the restored process */
    uint64_t test;       /* whether it only shows that it can be restored */
};

/* A hash of the kernel's code in this process; "size" is a multiple of 8. */
static inline uint64_t snapshot_hash(const void *data, uint64_t size)
{
    const uint64_t *words = data;
    uint64_t hash = 0xcbf29ce484222325u;

    for (uint64_t index = 0; index < size / sizeof *words; index++) {
        hash = (hash ^ words[index]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}

#endif
