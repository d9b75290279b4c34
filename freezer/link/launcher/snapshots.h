/* What the launcher's parts for memory snapshots share.

   An application that was built for it has the file "snapshot.key" in its tree, which lists what its imports depend on:
   variables, files, facts of the process. key.c makes a digest of their values, by which a snapshot is named. snapshot.c
   finds and checks a snapshot, resume.c and mapping.c become the application by it, make.c has one made. All of them are
   in the directory "snapshots" of the cache entry:

       lock           is locked while one is made
       NAME.new       one that is being made
       NAME.memory    a snapshot (save.c)
       NAME.seal      the proof that it is whole; there is none without
       NAME.trial     is there until a process that was started by it has ended well (instant.c)
       NAME.written   pages that the first process has written to, which are copied at once (save.c, mapping.c)
       NAME.bad       a reason why there is none, which keeps it from being made again for some time */
#ifndef SNAPSHOTS_H
#define SNAPSHOTS_H

#include "launcher.h"
#include "snapshot.h"

enum {
    KEY_VARIABLES = 512,                   /* most variables of a key that are set */
    SNAPSHOT_NAME = IDENTITY_SIZE + 9,     /* room for the name of a file */
    SNAPSHOT_DAYS = 7,                     /* how long a snapshot is used */
    SNAPSHOTS_KEPT = 8,                    /* per entry */
};

/* key.c */

struct key {
    char name[IDENTITY_SIZE + 1];           /* of the snapshots that fit: the digest */
    char *environment[KEY_VARIABLES + 1];   /* NULL at the end: the variables that it has, as the caller set them */
    size_t variables;
    bool here;          /* whether the working directory is part of it */
    unsigned terminals; /* which standard streams are terminals, a bit each, if that is part of it */
    char why[WHY_ROOM]; /* the reason why there can be no snapshot */
};

/* With "before", the standard streams are not looked at, as they are not the caller's any more. */
bool key_make(
    struct key *key, const struct entry *entry, const struct app *app, char *environment[], const struct key *before);
const char *variable_of(char *const environment[], const char *name);

/* snapshot.c */

struct snapshot { /* an open one, or none: then the file is -1 */
    int file;
    const struct snapshot_head *head;
    const struct snapshot_area *areas;
    const struct snapshot_file *files;
    const char *text;
    size_t room; /* bytes at "head" */
};

/* Returns why a head is none, for which "size" bytes have been read of a file of so many bytes; NULL if it is one. */
const char *snapshot_check(const void *head, size_t size, uint64_t file_size);
/* Reads and checks a snapshot without a seal. Returns why it cannot be used, NULL if it can. */
const char *snapshot_read(struct snapshot *snapshot, int directory, const char *name, struct stat *stat);
/* Opens a sealed snapshot of this name; returns why there is none, NULL if there is one. */
const char *snapshot_open(struct snapshot *snapshot, int directory, const char *name);
bool snapshot_seal(const struct snapshot *snapshot, int directory, const char *name);
void snapshot_close(struct snapshot *snapshot);
void snapshot_name(char to[SNAPSHOT_NAME], const char *name, const char *kind);

/* resume.c */

struct restoring {
    const struct entry *entry;
    const struct app *app;
    char **arguments, **environment;
    const char *trial;        /* see struct snapshot_mailbox */
    const struct snapshot_run *written; /* pages to copy at once */
    size_t runs;
    int trial_lock, directory; /* descriptors to close, -1 if there is none; the first is that of a lock to keep */
    bool test;  /* see struct snapshot_mailbox */
    bool tells; /* whether the user wants to know how it was started */
};

/* Becomes the application. Returns only if that is not possible, with the reason; the memory of this process may have
   changed then, but for what the launcher itself needs. */
const char *snapshot_restore(const struct snapshot *snapshot, const struct restoring *how);

/* mapping.c */

/* The reason why a snapshot cannot be restored if it never can be again. */
extern const char SNAPSHOT_STALE[];

/* Maps all of its memory; returns why that is not possible, NULL if it is. */
const char *snapshot_map(const struct snapshot *snapshot, const struct restoring *how);

/* make.c */

/* Has a process of its own make the snapshot of this key, while this one starts the application; with "now", this one
   waits for it. */
void snapshot_make(const struct entry *entry, const struct app *app, const struct key *key, bool now);

/* instant.c */

/* Removes a snapshot; tells whether there is a recent note that it must not be made; removes it and notes why that is,
   for an hour if that is for want of something. */
void snapshot_remove(int directory, const char *name);
bool snapshot_is_bad(int directory, const char *name);
void snapshot_forbid(int directory, const char *name, const char *why, bool briefly);

/* Starts the application by a snapshot, or returns, and has one made if there is none. */
void snapshot_start(const struct entry *entry, const struct app *app, char *arguments[], char *environment[]);

#endif
