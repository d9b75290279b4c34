/* The start: find the executable, unpack the application if necessary, and become it.

   The launcher first looks into each candidate directory for a complete cache entry, which is cheap. Only if there is
   none, it reads and hashes the executable, and unpacks it into the first candidate that can take it. It starts the
   application by execve, or by a snapshot of its memory (instant.c): there is one process, whose signals, terminal and
   status are the application's own. Process 1 is split before that (split.c): it stays as an init, and its child goes
   on.

   The application gets the state that the caller set: the umask and one signal's disposition are restored, and the only
   open descriptor is that of the lock, which _FREEZER_START names. If a standard stream is closed, the kernel gives its
   number to the next file that is opened, and a message would be written into that file. So the launcher keeps these
   numbers occupied until execve. */
#include "init.h"
#include "launcher.h"
#include "parts.h"
#include "snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

extern char **environ;

static struct app app;
static struct place places[PLACES];

static const char *const DAMAGED_HINT = "copy or download it again";

static _Noreturn void damage(const char *why)
{
    char what[PATH_ROOM + 64];

    (void)snprintf(what, sizeof what, "%s is damaged", app.path);
    says_error(what, why, DAMAGED_HINT);
}

/* Finds the path that the user called; /proc helps, but is not required. */
static void find_path(const char *called)
{
    struct stat stat_;
    int length = -1;

    if (called && called[0] == '/')
        length = snprintf(app.path, sizeof app.path, "%s", called);
    else if (called && called[0]) {
        char here[PATH_ROOM];
        while (strncmp(called, "./", 2) == 0)
            called += 2 + strspn(called + 2, "/");
        if (getcwd(here, sizeof here))
            length = snprintf(app.path, sizeof app.path, "%s/%s", strcmp(here, "/") ? here : "", called);
    }
    if (length > 0 && (size_t)length < sizeof app.path && stat(app.path, &stat_) == 0 &&
        stat_.st_dev == app.stat.st_dev && stat_.st_ino == app.stat.st_ino)
        return;
    char found[PATH_ROOM];
    static const char deleted[] = " (deleted)";
    ssize_t size = readlink("/proc/self/exe", found, sizeof found - 1);
    if (size > 0) {
        found[size] = 0;
        size_t tail = sizeof deleted - 1;
        if ((size_t)size > tail && strcmp(found + size - tail, deleted) == 0)
            found[(size_t)size - tail] = 0;
        strcpy(app.path, found);
    } else if (length <= 0 || (size_t)length >= sizeof app.path)
        (void)snprintf(app.path, sizeof app.path, "%s", called && *called ? called : "program");
}

/* Opens the executable, with a descriptor above the standard streams'. */
static void open_self(const char *called)
{
    static const char what[] = "the executable cannot read itself";
    char begin[2] = {0};
    int file;
    bool told;

    do {
        file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        told = file >= 0;
        if (!told && called && *called)
            file = open(called, O_RDONLY | O_CLOEXEC);
    } while (file >= 0 && file <= STDERR_FILENO); /* it stays there, in place of a stream that is closed */
    if (file < 0 || fstat(file, &app.stat) != 0)
        says_error(what, strerror(errno), says_hint(errno, "chmod a+r, or mount /proc"));
    app.fd = file;
    find_path(called);
    says_start(app.path);
    /* If a script names this executable as its interpreter, the kernel passes the script's name. */
    if (!told && pread(file, begin, sizeof begin, 0) == (ssize_t)sizeof begin && memcmp(begin, "#!", 2) == 0)
        says_error(what, "it runs a script, and without /proc it knows only the script's name", "mount /proc");
}

static _Noreturn void unreadable(void)
{
    says_error("the executable cannot be read", strerror(errno), says_hint(errno, DAMAGED_HINT));
}

static const char parts[] __attribute__((used)) = PARTS_MARK "zstd=" ZSTD_VERSION_STRING " " PARTS_LIBC;

static void read_trailer(void)
{
    static const uint8_t magic[8] = {'F', 'R', 'Z', 'R', 0, 0, 0, 1}, end[8] = "FREEZER\n";
    uint8_t trailer[TRAILER_SIZE];
    uint64_t size = app.stat.st_size > 0 ? (uint64_t)app.stat.st_size : 0;
    ssize_t got = 0;

    if (size >= TRAILER_SIZE)
        got = pread(app.fd, trailer, sizeof trailer, (off_t)(size - TRAILER_SIZE));
    if (got < 0)
        unreadable();
    if (got != (ssize_t)sizeof trailer ||
        memcmp(trailer + 120, end, sizeof end) != 0)
        damage("it was cut off, or has no application in it");
    if (memcmp(trailer, magic, sizeof magic) != 0 || number(trailer + 8, 4) != FORMAT || number(trailer + 12, 4) > 1 ||
        number(trailer + 52, 4) > 1)
        damage("its trailer is corrupt");
    app.init = number(trailer + 52, 4) == 1;
    app.compressed = number(trailer + 12, 4) == 1;
    app.payload_offset = number(trailer + 16, 8);
    app.payload_size = number(trailer + 24, 8);
    app.stream_size = number(trailer + 32, 8);
    app.disk_need = number(trailer + 40, 8);
    app.records = (uint32_t)number(trailer + 48, 4);
    if (app.payload_offset > size - TRAILER_SIZE || app.payload_size != size - TRAILER_SIZE - app.payload_offset ||
        app.stream_size > INT64_MAX || app.disk_need > INT64_MAX)
        damage("its size differs from the one in its trailer");
    for (unsigned index = 0; index < DIGEST_SIZE; index++)
        (void)snprintf(app.identity + 2 * index, 3, "%02x", trailer[56 + index]);
    memcpy(app.digest, trailer + 88, DIGEST_SIZE);
}

/* Checks the digest in the trailer, which covers all bytes before it; does so only once. */
static void verify(void)
{
    enum { PIECE = 1 << 18 };
    struct blake2b hash;
    uint8_t digest[DIGEST_SIZE];
    uint64_t at = 0, end = (uint64_t)app.stat.st_size - TRAILER_SIZE + 88;

    if (app.verified)
        return;
    uint8_t *piece = malloc(PIECE);
    if (!piece)
        says_error("the executable cannot be checked", strerror(ENOMEM), says_hint(ENOMEM, NULL));
    blake2b_start(&hash);
    while (at < end) {
        ssize_t count = pread(app.fd, piece, end - at < PIECE ? (size_t)(end - at) : PIECE, (off_t)at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            unreadable();
        if (count == 0)
            damage("it became shorter while it was read");
        blake2b_add(&hash, piece, (size_t)count);
        at += (uint64_t)count;
    }
    free(piece);
    blake2b_end(&hash, digest);
    if (memcmp(digest, app.digest, DIGEST_SIZE) != 0)
        damage("its content does not match its digest");
    app.verified = true;
}

/* The caller's settings before an extraction. */
struct caller {
    mode_t mask;
    struct sigaction excess;
    bool changed;
};

static void change(struct caller *caller)
{
    struct sigaction ignore;

    if (caller->changed)
        return;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    caller->mask = umask(0);
    /* To exceed the limit of a file's size is then an error of write(), as a full disk is. */
    (void)sigaction(SIGXFSZ, &ignore, &caller->excess);
    caller->changed = true;
}

static void restore(struct caller *caller)
{
    if (!caller->changed)
        return;
    (void)sigaction(SIGXFSZ, &caller->excess, NULL);
    (void)umask(caller->mask);
    caller->changed = false;
}

/* Becomes the application. Returns only if that fails, with place->why. */
static void start(struct entry *entry, struct place *place, char *arguments[])
{
    static char program[PATH_ROOM + 16];
    char *only[] = {app.path, NULL};

    (void)snprintf(program, sizeof program, "%s/program", entry->tree);
    char **environment = environment_of(&app, entry, environ, NULL);
    if (environment && fcntl(entry->used, F_SETFD, 0) == 0)
        execve(program, arguments[0] ? arguments : only, environment);
    if (environment && errno == E2BIG)
        says_error("the application cannot be started", strerror(errno),
            "give it fewer or shorter arguments, or a smaller environment");
    refuse(place->why, "cannot start %s: %s", program, strerror(environment ? errno : ENOMEM));
    (void)fcntl(entry->used, F_SETFD, FD_CLOEXEC);
    free(environment);
}

/* Starts the application from a complete entry, if there is one. */
static void look(struct place *place, char *arguments[])
{
    struct entry entry;
    int home = place_open(place, &app, false);

    if (home < 0)
        return;
    if (entry_find(&entry, place, &app, home)) {
        if (!entry_knows(&entry, &app)) {
            verify();
            entry_remember(&entry, &app);
        }
        snapshot_start(&entry, &app, arguments, environ);
        start(&entry, place, arguments);
        entry_close(&entry);
    }
    close(home);
}

/* Unpacks the application into a directory of entries, and starts it. Returns only if that fails. */
static enum outcome unpack_into(
    int home, struct place *place, char *arguments[], struct watch *watch, struct caller *caller)
{
    struct entry entry;

    if (!entry_open(&entry, place, &app, home, true))
        return place->why[0] ? REFUSED : GONE;
    watch->unpacked = false;
    enum outcome outcome = entry_fill(&entry, place, &app, watch);
    if (outcome == DONE) {
        if (!entry_knows(&entry, &app))
            entry_remember(&entry, &app);
        if (watch->unpacked)
            keep_house(home, app.identity);
        restore(caller);
        start(&entry, place, arguments);
        /* An entry that was there before may be of use to others. */
        if (watch->unpacked)
            remove_unstarted(&entry);
        outcome = REFUSED;
    }
    entry_close(&entry);
    return outcome;
}

/* Unpacks the application at a candidate, and starts it. A failure leaves nothing there but what other starts use. */
static void unpack(struct place *place, char *arguments[], struct watch *watch, struct caller *caller)
{
    enum { ATTEMPTS = 100 };
    enum outcome outcome = GONE;

    watch->home = place->real;
    for (unsigned attempt = 0; attempt < ATTEMPTS && outcome == GONE; attempt++) {
        change(caller);
        int home = place_open(place, &app, true);
        if (home >= 0) {
            outcome = unpack_into(home, place, arguments, watch, caller);
            close(home);
        } else if (!place->gone)
            outcome = REFUSED;
    }
    place_leave(place);
    if (outcome == DAMAGED)
        damage(place->why);
}

/* Starts the application from memory: from an entry that another start has made, or with "make" from a new one in a
   directory that forbids execution, or has too little room for all. Returns only if that fails, with "why". */
static void start_from_memory(size_t count, char *arguments[], struct watch *watch, bool make, char why[WHY_ROOM])
{
    if (!memory_name(&app, why))
        return;
    refuse(why, "it takes a directory that can be written to, even if that forbids execution");
    for (size_t index = 0; index < count; index++) {
        struct place place = places[index]; /* its reason is that of an entry on disk */
        int waits = -1;
        if (!make)
            look(&place, arguments);
        else if (place.memory) {
            enum outcome outcome = memory_unpack(&place, &app, watch, &waits);
            if (outcome == DAMAGED)
                damage(place.why);
            if (outcome == DONE)
                look(&place, arguments);
            if (waits >= 0)
                close(waits);
            (void)snprintf(why, WHY_ROOM, "%s", place.why[0] ? place.why : "the files in memory are gone");
        }
    }
    memory_forget(&app);
}

/* Exits with the list of the candidates, and the reason why each cannot be used. If the system is short of something,
   another directory would not help, so the hint is another one. */
static _Noreturn void give_up(size_t count, const char *memory)
{
    static const int shortages[] = {EMFILE, ENFILE, ENOMEM, EIO};

    says_begin("the application cannot be unpacked anywhere");
    for (size_t index = 0; index < count; index++)
        says_why(places[index].path, places[index].why[0] ? places[index].why : "does not exist");
    says_why("memory", memory);
    for (size_t index = 0; index < sizeof shortages / sizeof *shortages; index++)
        for (size_t at = 0; at <= count; at++)
            if (strstr(at < count ? places[at].why : memory, strerror(shortages[index])))
                says_try(says_hint(shortages[index], NULL));
    for (size_t at = 0; at < count; at++)
        if (places[at].open)
            says_try("FREEZER_CACHE=DIRECTORY, with one that others cannot replace. A directory that everybody can write\n"
                     "       to, like Kubernetes' emptyDir, must be sticky for that: chmod +t. Or build an image with\n"
                     "       --image-layout unpacked, which unpacks nothing");
    says_try("FREEZER_CACHE=DIRECTORY, on a file system that allows execution and has room; for images whose\n"
             "       containers are read-only, build with --image-layout unpacked");
}

int main(int argc, char *argv[])
{
    const char *called = (const char *)getauxval(AT_EXECFN);
    struct caller caller = {.changed = false};
    char *none[] = {NULL};

    says_start(argc > 0 && argv[0][0] ? argv[0] : called ? called : "program");
    if (getauxval(AT_SECURE))
        says_error("it would run with more rights than its caller has",
            "it is setuid, setgid or has capabilities, which are not safe for a frozen application",
            "remove these from the file, and use sudo or a service instead");
    open_self(called);
    read_trailer();
    struct split made;
    if (app.init && getpid() == 1 && split(&made, environ) == INIT)
        init_stay(&made);
    char **arguments = argc > 0 ? argv : none;
    size_t count = places_find(places, environ);
    struct watch watch = {.lock = -1, .started = now(), .app = &app};
    char memory[WHY_ROOM];
    for (size_t index = 0; index < count; index++)
        look(&places[index], arguments);
    start_from_memory(count, arguments, &watch, false, memory);
    verify();
    for (size_t index = 0; index < count; index++)
        unpack(&places[index], arguments, &watch, &caller);
    restore(&caller);
    start_from_memory(count, arguments, &watch, true, memory);
    give_up(count, memory);
}
