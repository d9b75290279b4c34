/* The key of a snapshot: a digest of all that the imports of the application depend on.

   The build has found out what that is, and has written it into the tree as "snapshot.key"; a start only fills in the
   values. Each line of that file is a kind, a tab, and a value. A kind, or a question, that is not known here means that
   there are no snapshots: an older launcher must not pass over what a newer build asks for. So does everything whose
   value cannot be found out. */
#include "snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { KEY_LIMIT = 1 << 20, CONTENT_LIMIT = 1 << 16 };

static const char VERSION[] = "1";

/* What the C library and the interpreter ask for by themselves, before the imports. */
static const char *const ALWAYS[] = {"LANG", "LANGUAGE", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY",
    "LC_NUMERIC", "LC_TIME", "LOCPATH", "NLSPATH", "GCONV_PATH", "TZ", "TZDIR", "MALLOC_ARENA_MAX", "MALLOC_ARENA_TEST",
    "MALLOC_CHECK_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_PERTURB_", "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_"};

struct making {
    struct key *key;
    struct blake2b hash;
    char **environment;
    const struct key *before;
    bool good;
};

const char *variable_of(char *const environment[], const char *name)
{
    size_t length = strlen(name);

    for (; *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

/* Adds some bytes, and how many they are, so that no two lists of values are the same bytes. */
static void add(struct making *making, const void *data, size_t size)
{
    uint64_t told = size;

    blake2b_add(&making->hash, &told, sizeof told);
    blake2b_add(&making->hash, data, size);
}

/* Notes that there can be no snapshot, for a reason of its own if it is the first. */
static void object(struct making *making, const char *format, const char *what)
{
    if (making->good)
        refuse(making->key->why, format, what);
    making->good = false;
}

static void add_text(struct making *making, const char *text)
{
    add(making, text, strlen(text));
}

static void add_number(struct making *making, uint64_t value)
{
    add(making, &value, sizeof value);
}

/* Adds a variable, and has the process that makes the snapshot get it. */
static void add_variable(struct making *making, const char *name)
{
    struct key *key = making->key;
    const char *value = variable_of(making->environment, name);

    add_text(making, name);
    add_number(making, value != NULL);
    if (!value)
        return;
    add_text(making, value);
    if (key->variables == KEY_VARIABLES) {
        making->good = false;
        return;
    }
    key->environment[key->variables++] = (char *)(size_t)(value - strlen(name) - 1);
}

/* Adds the variables of the interpreter's, all of which it looks at by itself (start.c hides some of them). */
static void add_interpreter_s(struct making *making)
{
    for (char **variable = making->environment; *variable; variable++)
        if (strncmp(*variable, "PYTHON", 6) == 0 && strchr(*variable, '=') && strcspn(*variable, "=") < NAME_LIMIT) {
            char name[NAME_LIMIT + 1];
            size_t length = strcspn(*variable, "=");
            memcpy(name, *variable, length);
            name[length] = 0;
            add_variable(making, name);
        }
}

/* Writes the path that a line names; "~" stands for the user's directory. Returns false if it is none. */
static bool path_of(const struct making *making, const char *value, char path[PATH_ROOM])
{
    const char *home = "";

    if (value[0] == '~') {
        home = variable_of(making->environment, "HOME");
        if (!home || !*home || *++value != '/')
            return false;
    } else if (value[0] != '/')
        return false;
    int length = snprintf(path, PATH_ROOM, "%s%s", home, value);
    return length > 0 && length < PATH_ROOM;
}

/* Adds which file has a path, or that there is none. With "absent", there must be none. */
static void add_file(struct making *making, const char *value, bool absent)
{
    char path[PATH_ROOM];
    struct stat stat_;

    if (!path_of(making, value, path)) {
        making->good = false;
        return;
    }
    add_text(making, path);
    if (stat(path, &stat_) == 0) {
        uint64_t identity[] = {stat_.st_dev, stat_.st_ino, (uint64_t)stat_.st_size, stat_.st_mode,
            (uint64_t)stat_.st_mtim.tv_sec, (uint64_t)stat_.st_mtim.tv_nsec, (uint64_t)stat_.st_ctim.tv_sec,
            (uint64_t)stat_.st_ctim.tv_nsec};
        add(making, identity, sizeof identity);
        if (absent)
            object(making, "there is a file %s, which its imports would use", path);
    } else if (errno == ENOENT || errno == ENOTDIR || (errno == EACCES && !absent))
        add_number(making, (uint64_t)errno);
    else
        making->good = false;
}

/* Adds what is in a file that has no identity, as those of /proc. */
static void add_content(struct making *making, const char *value)
{
    char path[PATH_ROOM];
    size_t used = 0;
    ssize_t size = 0;

    if (!path_of(making, value, path)) {
        making->good = false;
        return;
    }
    add_text(making, path);
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) {
        add_number(making, (uint64_t)errno);
        making->good &= errno == ENOENT || errno == ENOTDIR || errno == EACCES;
        return;
    }
    char *data = malloc(CONTENT_LIMIT);
    while (data && used < CONTENT_LIMIT && (size = read(file, data + used, CONTENT_LIMIT - used)) > 0)
        used += (size_t)size;
    if (size < 0 && errno == EISDIR) /* The imports go on to what is in it. */
        object(making, "%s is a directory here, into which its imports look", path);
    making->good &= data && size == 0 && used < CONTENT_LIMIT;
    if (data)
        add(making, data, used);
    free(data);
    close(file);
}

static void add_limit(struct making *making, const char *number_)
{
    struct rlimit limit;
    char *end;
    unsigned long which = strtoul(number_, &end, 10);

    making->good &= end != number_ && *end == 0 && which < 64 && getrlimit((int)which, &limit) == 0;
    if (making->good) {
        uint64_t values[] = {which, limit.rlim_cur, limit.rlim_max};
        add(making, values, sizeof values);
    }
}

static void add_groups(struct making *making)
{
    enum { MOST = 1024 };
    gid_t groups[MOST];
    int count = getgroups(MOST, groups);

    making->good &= count >= 0;
    if (count >= 0)
        add(making, groups, (size_t)count * sizeof *groups);
}

static void add_user(struct making *making)
{
    uint64_t users[] = {getuid(), geteuid(), getgid(), getegid()};

    add(making, users, sizeof users);
}

static void add_processors(struct making *making)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    making->good &= sched_getaffinity(0, sizeof set, &set) == 0;
    add(making, &set, sizeof set);
}

/* Adds the year, by universal time. Around its end it is another one in other zones, so there is no answer then. */
static void add_year(struct making *making)
{
    enum { DECEMBER = 11, LAST = 31 };
    time_t now_ = time(NULL);
    struct tm date;

    if (now_ == (time_t)-1 || !gmtime_r(&now_, &date)) {
        making->good = false;
        return;
    }
    if (date.tm_yday == 0 || (date.tm_mon == DECEMBER && date.tm_mday == LAST))
        object(making, "its imports ask for the year, which %s", "begins or ends");
    add_number(making, (uint64_t)date.tm_year);
}

/* Adds the answer to a question of the imports'. */
static void add_answer(struct making *making, const char *word)
{
    char text[PATH_ROOM];

    add_text(making, word);
    if (strcmp(word, "cwd") == 0) {
        making->key->here = true;
        if (getcwd(text, sizeof text))
            add_text(making, text);
        else
            making->good = false;
    } else if (strcmp(word, "terminal") == 0) {
        for (int stream = 0; stream <= 2 && !making->before; stream++)
            making->key->terminals |= isatty(stream) ? 1U << stream : 0;
        if (making->before)
            making->key->terminals = making->before->terminals;
        add_number(making, making->key->terminals);
        /* What makes the snapshot has none, and would be told so. */
        if (making->key->terminals != 0)
            object(making, "its imports ask whether there is a %s", "terminal");
    } else if (strcmp(word, "hostname") == 0) {
        struct utsname system;
        making->good &= uname(&system) == 0;
        add_text(making, system.nodename);
    } else if (strcmp(word, "cpus") == 0)
        add_processors(making);
    else if (strcmp(word, "umask") == 0) {
        mode_t mask = umask(0);
        (void)umask(mask);
        add_number(making, mask);
    } else if (strcmp(word, "user") == 0)
        add_groups(making); /* all else of the user is in every key */
    else if (strcmp(word, "year") == 0)
        add_year(making);
    else if (strncmp(word, "limit ", 6) == 0)
        add_limit(making, word + 6);
    else
        making->good = false;
}

/* Returns whether any variable has a name that begins so. */
static bool is_prefix(char *const environment[], const char *text)
{
    for (; *environment; environment++)
        if (strncmp(*environment, text, strlen(text)) == 0)
            return true;
    return false;
}

static void object_if(struct making *making, bool set, const char *name)
{
    if (set)
        object(making, "%s is set, which its imports ask for", name);
}

/* Adds a line. Returns false at the last one. */
static bool add_line(struct making *making, const char *kind, const char *value)
{
    static const char *const passed_over[] = {"reason", "ignored", "boundary", "before", "import", "limit"};

    for (size_t index = 0; index < sizeof passed_over / sizeof *passed_over; index++)
        if (strcmp(kind, passed_over[index]) == 0)
            return true;
    if (strcmp(kind, "end") == 0)
        return false;
    add_text(making, kind);
    if (strcmp(kind, "variable") == 0)
        add_variable(making, value);
    else if (strcmp(kind, "unset") == 0)
        object_if(making, variable_of(making->environment, value) != NULL, value);
    else if (strcmp(kind, "prefix") == 0)
        object_if(making, is_prefix(making->environment, value), value);
    else if (strcmp(kind, "file") == 0 || strcmp(kind, "listing") == 0)
        add_file(making, value, false);
    else if (strcmp(kind, "absent") == 0)
        add_file(making, value, true);
    else if (strcmp(kind, "content") == 0)
        add_content(making, value);
    else if (strcmp(kind, "ask") == 0)
        add_answer(making, value);
    else
        making->good = false;
    return making->good;
}

/* Adds all lines of the file. */
static bool add_lines(struct making *making, char *text)
{
    static const char *const first[] = {"snapshot", VERSION, "verdict", "yes"};
    unsigned number_ = 0;
    bool more = true;

    for (char *line = text, *end; more && (end = strchr(line, '\n')) != NULL; line = end + 1, number_++) {
        *end = 0;
        char *value = strchr(line, '\t');
        if (!value)
            return false;
        *value++ = 0;
        if (number_ < 2) {
            if (strcmp(line, first[2 * number_]) != 0 || strcmp(value, first[2 * number_ + 1]) != 0)
                return false;
        } else
            more = add_line(making, line, value);
    }
    return making->good && !more; /* there was a last line */
}

/* Reads a whole file of at most "limit" bytes; NULL if that is not possible. To be freed. */
static char *read_text(int directory, const char *name, size_t limit)
{
    struct stat stat;
    char *text = NULL;
    size_t used = 0;
    ssize_t size = 0;
    int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file >= 0 && fstat(file, &stat) == 0 && stat.st_size > 0 && (uint64_t)stat.st_size <= limit)
        text = malloc((size_t)stat.st_size + 1);
    while (text && used < (size_t)stat.st_size && (size = read(file, text + used, (size_t)stat.st_size - used)) > 0)
        used += (size_t)size;
    if (text && (used < (size_t)stat.st_size || strlen("snapshot") > used)) {
        free(text);
        text = NULL;
    }
    if (text)
        text[used] = 0;
    if (file >= 0)
        close(file);
    return text;
}

/* Adds what the memory of a process depends on whatever it imports: the machine, the kernel, and this application. */
static void add_system(struct making *making, const struct entry *entry, const struct app *app)
{
    struct utsname system;
    uint32_t features[MACHINE_FEATURES];
    char boot[64];
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, boot, sizeof boot);

    if (file >= 0)
        close(file);
    making->good &= size > 0 && uname(&system) == 0;
    if (!making->good)
        return;
    add_text(making, app->identity);
    add_text(making, app->path);
    add_text(making, entry->tree);
    add(making, entry->manifest, sizeof entry->manifest);
    add(making, boot, (size_t)size);
    add_text(making, system.release);
    add_text(making, system.version);
    add_text(making, system.machine);
    machine_features(features);
    add(making, features, sizeof features);
    add_user(making);
    add_processors(making);
    add_limit(making, "3"); /* RLIMIT_STACK, from which the C library takes the size of threads' stacks */
    add_number(making, (uint64_t)(unsigned)personality(0xffffffff));
}

/* Finds out the key that snapshots must have now. Returns false if there can be none. */
bool key_make(
    struct key *key, const struct entry *entry, const struct app *app, char *environment[], const struct key *before)
{
    struct making making = {.key = key, .environment = environment, .before = before, .good = true};
    uint8_t digest[DIGEST_SIZE];
    char *text = read_text(entry->dir, "tree/snapshot.key", KEY_LIMIT);

    refuse(key->why, "its build does not permit it%s", "");
    key->variables = 0;
    key->here = false;
    key->terminals = 0;
    if (!text)
        return false;
    blake2b_start(&making.hash);
    add_system(&making, entry, app);
    for (size_t index = 0; index < sizeof ALWAYS / sizeof *ALWAYS; index++)
        add_variable(&making, ALWAYS[index]);
    add_interpreter_s(&making);
    bool good = making.good && add_lines(&making, text);
    free(text);
    key->environment[key->variables] = NULL;
    blake2b_end(&making.hash, digest);
    for (unsigned index = 0; index < DIGEST_SIZE; index++)
        (void)snprintf(key->name + 2 * index, 3, "%02x", digest[index]);
    return good;
}
