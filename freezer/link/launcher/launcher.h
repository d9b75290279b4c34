/* The declarations that the parts of the launcher share.

   The launcher is the first part of every executable that freezer's native linker makes. It unpacks the application
   behind it once, into a private directory, and then becomes the application by execve. Each file has one task: main.c
   finds the executable and runs the steps, place.c finds a directory for cache entries, entry.c checks whether an entry
   is complete, fill.c fills an entry, reader.c and extract.c unpack, restore.c and the filters (filter.h) restore what
   was changed for the compression, remove.c removes, says.c writes the messages, and environment.c makes the environment
   of the application. memory.c starts from memory, if nothing else is possible. split.c and init.c are for process 1.
   instant.c starts by memory snapshots, of which snapshots.h tells. */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "blake2b.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    FORMAT = 3, /* of the payload */
    TRAILER_SIZE = 128,
    IDENTITY_SIZE = 2 * DIGEST_SIZE,
    NAME_MORE = 24, /* bytes that the name of an entry with files in memory has more */
    PATH_ROOM = 4096,     /* the kernel's limit, with the NUL */
    WHY_ROOM = 512,       /* bytes of a reason; a longer one is cut */
    NAME_LIMIT = 4095,    /* bytes of a record's name */
    FIXUP_LIMIT = 65536,  /* fixups per file */
    FILTER_LIMIT = 4096,  /* filters per file */
    TABLE_LIMIT = 1 << 24, /* bytes of a table that is restored as a whole */
    CANNOT_RUN = 126,     /* the exit status if the application cannot be started, as in shells */
    PLACES = 7
};

/* says.c */

void says_start(const char *program);
void says_begin(const char *what);
void says_why(const char *which, const char *why);
_Noreturn void says_try(const char *hint);
_Noreturn void says_error(const char *what, const char *why, const char *hint);
void says_notice(const char *text, const char *path);
const char *says_hint(int error, const char *otherwise);

/* main.c */

struct app { /* the executable that was started */
    int fd;
    struct stat stat;
    uint64_t payload_offset, payload_size, stream_size, disk_need;
    uint32_t records;
    bool compressed, verified;
    bool init;   /* whether process 1 is to become an init */
    bool memory; /* whether an entry with files in memory is meant */
    uint8_t digest[DIGEST_SIZE];
    char identity[IDENTITY_SIZE + 1 + NAME_MORE];
    char path[PATH_ROOM]; /* absolute, as the user called it */
};

/* environment.c */

struct entry;

/* Returns the environment of a program of the entry's tree, with one more variable unless that is NULL; NULL if there is
   no memory. Changes the variables that it hides. */
char **environment_of(const struct app *app, const struct entry *entry, char *const given[], char *more);

/* place.c */

struct place { /* a directory that may hold entries */
    char path[PATH_ROOM];   /* as given; if the variable's value is unusable, the variable's name */
    char real[PATH_ROOM];   /* without symbolic links, once it was opened */
    char why[WHY_ROOM];     /* the reason why it is not used, empty if there is none yet */
    unsigned makeable;      /* how many of its last components may be created */
    unsigned ours;          /* how many of its last components have freezer's names, so launchers created them */
    unsigned made;          /* how many of its last components are removed after a failure if they are empty */
    bool named, shared;     /* whether there is a path at all; whether other users can create files beside it */
    bool memory;            /* files in memory may help: it forbids execution, or has too little room */
    bool open;              /* it was refused because others can write to a directory of the path */
    bool gone;              /* another start removed a directory while this one created the next: try again */
};

size_t places_find(struct place places[PLACES], char *const environment[]);
int place_open(struct place *place, const struct app *app, bool make);
void place_leave(struct place *place);
bool trusted(const struct stat *stat, bool own);
void refuse(char why[WHY_ROOM], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* entry.c */

struct entry { /* a cache entry: one unpacked application */
    int home, dir, used;
    bool bare; /* it had no tree when this start took its lock, so nobody can be using it */
    bool memory; /* its files to execute are in memory */
    const char *identity;
    uint8_t manifest[DIGEST_SIZE]; /* the digest of its manifest, once it was found whole */
    char tree[PATH_ROOM];
};

/* The state of an entry. BROKEN: it is absent or damaged, and may be unpacked again. UNKNOWN: a system call failed, so
   the entry may be complete and in use, and must not be changed. */
enum found { WHOLE, BROKEN, UNKNOWN };

bool entry_find(struct entry *entry, struct place *place, const struct app *app, int home);
bool entry_open(struct entry *entry, struct place *place, const struct app *app, int home, bool make);
bool entry_is_current(const struct entry *entry);
enum found entry_look(struct entry *entry, char why[WHY_ROOM]);
bool entry_hold(struct entry *entry, bool make);
bool entry_knows(const struct entry *entry, const struct app *app);
void entry_remember(const struct entry *entry, const struct app *app);
void entry_close(struct entry *entry);

struct names { /* the names in the tree, each ended by a NUL */
    char *text;
    size_t used, room;
    uint32_t count;
};

bool names_add(struct names *names, const char *name);
void names_drop(struct names *names);
bool manifest_write(const struct entry *entry, const struct names *names, char why[WHY_ROOM]);

/* reader.c */

struct reader;

/* Returns NULL, and sets "why", if there is not enough memory. */
struct reader *reader_open(const struct app *app, char why[WHY_ROOM]);
void reader_close(struct reader *reader);
/* Returns the next bytes of the stream, at most "most" (above 0), which stay valid until the next call. Returns NULL at
   the end of the stream and after an error; "why" is set if the error has another cause than damage. */
const uint8_t *reader_take(struct reader *reader, uint64_t most, size_t *count);
bool reader_take_all(struct reader *reader, void *to, size_t size);
/* Returns whether the stream has ended, and it and the payload have the sizes that the trailer states. */
bool reader_at_end(struct reader *reader);

/* fill.c */

enum outcome { DONE, REFUSED, DAMAGED, GONE };

struct watch { /* shows progress, to waiting starts and to the user */
    int lock;
    bool said, waits, unpacked;
    int64_t started, touched; /* nanoseconds of the monotonic clock */
    const struct app *app;
    const char *home;
};

int64_t now(void);
void watch_tell(struct watch *watch);
enum outcome entry_fill(struct entry *entry, struct place *place, const struct app *app, struct watch *watch);

/* extract.c */

uint64_t number(const uint8_t *from, unsigned size);
bool write_at(int file, const void *data, size_t size, uint64_t offset);
enum outcome extract_stream(
    const struct app *app, int directory, const char *tree, struct names *names, struct watch *watch, char *why);

/* restore.c */

struct filter { /* of a part of a file; its kind is one of filter.h */
    uint32_t kind;
    uint32_t entries; /* the width of rows, or the number of entries of a table */
    uint64_t offset, size;
};

struct room { /* memory in which something is restored, then something else */
    uint8_t *bytes;
    size_t size;
};

bool is_table(const struct filter *filter);
uint8_t *room_for(struct room *room, size_t size);
bool restore_tables(int file, const struct filter *filters, uint32_t count, struct room *room, const char **problem);

/* memory.c */

bool memory_name(struct app *app, char why[WHY_ROOM]);
void memory_forget(struct app *app);
bool memory_is_kept(const struct entry *entry);
bool memory_begin(const struct entry *entry, char why[WHY_ROOM]);
bool memory_record(char why[WHY_ROOM]);
bool memory_takes(const char *name, char type);
int memory_create(void);
bool memory_link(int file, int directory, const char *name);
bool memory_search(int directory, struct names *names);
enum outcome memory_unpack(struct place *place, const struct app *app, struct watch *watch, int *waits);

/* remove.c */

bool remove_tree(int parent, const char *name);
void remove_named(int parent, const char *top, struct names *names);
void remove_unfinished(const struct entry *entry);
void remove_unstarted(struct entry *entry);
void keep_house(int home, const char *identity);

#endif
