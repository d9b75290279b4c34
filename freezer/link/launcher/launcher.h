/* What the parts of the launcher share.

   The launcher is the first part of every executable that freezer's native linker makes. It unpacks the application
   behind it once, into a private directory, and then becomes the application by execve. Each file of it answers one
   question: who am I (main.c), where may things be (place.c), is what is there whole (entry.c), how does it get there
   (reader.c, extract.c with filter.c, remove.c), and how is that said (says.c). */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    DIGEST_SIZE = 32,
    TRAILER_SIZE = 128,
    IDENTITY_SIZE = 2 * DIGEST_SIZE,
    PATH_ROOM = 4096,     /* the kernel's limit, with the NUL */
    WHY_ROOM = 512,       /* a reason; a longer one is cut */
    NAME_LIMIT = 4095,    /* of a record's name */
    FIXUP_LIMIT = 65536,  /* of a file */
    CANNOT_RUN = 126,     /* the exit status when the application did not get to run, as shells have it */
    PLACES = 7
};

/* blake2b.c */

struct blake2b {
    uint64_t state[8];
    uint64_t count;
    size_t used;
    uint8_t block[128];
};

void blake2b_start(struct blake2b *hash);
void blake2b_add(struct blake2b *hash, const void *data, size_t size);
void blake2b_end(struct blake2b *hash, uint8_t digest[DIGEST_SIZE]);

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
    uint8_t digest[DIGEST_SIZE];
    char identity[IDENTITY_SIZE + 1];
    char path[PATH_ROOM]; /* absolute, as the user called it */
};

/* place.c */

struct place { /* a directory that may hold entries */
    char path[PATH_ROOM];   /* as told; for an unusable variable its name */
    char real[PATH_ROOM];   /* without symbolic links, once it was opened */
    char why[WHY_ROOM];     /* the reason why it is not used, empty if there is none yet */
    unsigned makeable;      /* how many of its last components may be made */
    unsigned ours;          /* how many of its last components have names of freezer's, so that launchers made them */
    unsigned made;          /* how many of them are removed if nothing is in them in the end */
    bool named, shared;     /* whether there is a path at all; whether others can make things beside it */
    bool gone;              /* another start removed what it had made here, while this one made more: try again */
};

size_t places_find(struct place places[PLACES], char *const environment[]);
int place_open(struct place *place, const struct app *app, bool make);
void place_leave(struct place *place);
bool trusted(const struct stat *stat, bool own);
void refuse(char why[WHY_ROOM], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* entry.c */

struct entry { /* one unpacked application */
    int home, dir, used;
    bool bare; /* it had no tree when this start took its lock, so that nobody can be using it */
    const char *identity;
    char tree[PATH_ROOM];
};

/* BROKEN: absent or damaged, so that it may be unpacked again. UNKNOWN: the system did not let us look, which says
   nothing of the entry, so that nobody may change it. */
enum found { WHOLE, BROKEN, UNKNOWN };

bool entry_find(struct entry *entry, struct place *place, const struct app *app, int home);
bool entry_open(struct entry *entry, struct place *place, const struct app *app, int home, bool make);
bool entry_is_current(const struct entry *entry);
enum found entry_look(const struct entry *entry, char why[WHY_ROOM]);
bool entry_hold(struct entry *entry, bool make);
bool entry_knows(const struct entry *entry, const struct app *app);
void entry_remember(const struct entry *entry, const struct app *app);
void entry_close(struct entry *entry);

struct names { /* the names in the tree, each after a byte for nothing, NUL-terminated */
    char *text;
    size_t used, room;
    uint32_t count;
};

bool names_add(struct names *names, const char *name);
void names_drop(struct names *names);
bool manifest_write(const struct entry *entry, const struct names *names, char why[WHY_ROOM]);

/* reader.c */

struct reader;

/* NULL if there is not enough memory, for which "why" is set. */
struct reader *reader_open(const struct app *app, char why[WHY_ROOM]);
void reader_close(struct reader *reader);
/* The next bytes of the stream, at most "most" of them (which is above 0); they stay until the next call. NULL at the
   end, and where it cannot be read: then "why" is set if that is no damage. */
const uint8_t *reader_take(struct reader *reader, uint64_t most, size_t *count);
bool reader_take_all(struct reader *reader, void *to, size_t size);
/* Whether nothing is left, and all of the payload was what it should be. */
bool reader_at_end(struct reader *reader);

/* extract.c */

enum outcome { DONE, REFUSED, DAMAGED, GONE };

struct watch { /* tells those who wait, and the user, that something happens */
    int lock;
    bool said, waits, unpacked;
    int64_t started, touched; /* nanoseconds of the monotonic clock */
    const struct app *app;
    const char *home;
};

uint64_t number(const uint8_t *from, unsigned size);
int64_t now(void);
void watch_tell(struct watch *watch);
enum outcome extract_stream(
    const struct app *app, int directory, const char *tree, struct names *names, struct watch *watch, char *why);
enum outcome extract(struct entry *entry, struct place *place, const struct app *app, struct watch *watch);

/* remove.c */

bool remove_tree(int parent, const char *name);
void remove_named(int parent, const char *top, struct names *names);
void remove_unfinished(const struct entry *entry);
void remove_unstarted(struct entry *entry);
void keep_house(int home, const char *identity);

#endif
