/*
 * The library that makes the bundled interpreter start the application.
 *
 * The program of an unpacked tree is the interpreter that the application was built with, with two changes made by
 * freezer/link/start.py: it needs this library before all others, and it finds the dynamic loader by an absolute path,
 * for which there is room. It is not a program of our own that loads libpython, as many interpreters have Python built
 * in, and are faster than their shared library by a tenth; and nothing in here depends on a version of Python.
 *
 * Every program enters its C library by __libc_start_main (glibc's; System V ABI, LSB). The dynamic loader finds the
 * one here first. It undoes in place the launcher's changes to the environment, so that the application, its children
 * and /proc show the caller's environment; then it passes the interpreter other arguments than those that the kernel
 * and all others see.
 *
 * The program has a second name in the tree, bin/python3. Under this name it is the interpreter: its arguments are
 * Python's, and its modules are the application's. Only the application's own processes execute it
 * (freezer/freeze/runtime/_freezer_processes.py). The name is what the kernel says was executed, so that whoever
 * chooses no more than the arguments and the environment of an executable never gets an interpreter.
 *
 * No C library is compiled in, and the few symbols used have no version, so that one file works with every C library.
 */

#include "arenas.h"
#include "randomness.h"
#include "split.h"

#include <stddef.h>

#define ROOM 4096
#define PLACE __attribute__((used, aligned(16)))

/* Filled in when linking or unpacking: the interpreter's name in the tree, from which Python derives its directories;
   and Python's arguments, each ended by a NUL, the last by two; one that begins with "/" is a file of the tree, and one
   without "-" or "/" is a variable of Python's, with the value that it has unless the caller sets it. Volatile, as the
   compiler must not use these values. */
static const volatile char python_name[ROOM] PLACE = "@freezer:python@";
static const volatile char arguments[ROOM] PLACE = "@freezer:arguments@";
/* The container: "1" if freezer's launcher starts this, "2" if staticx's start-up code does, "0" if the tree is at its
   final place. Variables that another container would set are ignored. An "i" follows if the first process that staticx's
   start-up code starts as process 1 is to become an init; and a "c" if the tree has modules for charsets. */
static const volatile char container[16] PLACE = "@freezer:start@";
#define LAUNCHER '1'
#define STATICX '2'
#define WITH_INIT 'i'
#define WITH_CHARSETS 'c'

typedef int entry(int, char **, char **);
typedef int starter(entry *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

/* Functions of the C library, by the names that they have in all of them. */
extern void *malloc(size_t);
extern void free(void *);
extern void *mmap(void *, size_t, int, int, int, long);
extern int open(const char *, int, ...);
extern long read(int, void *, size_t);
extern int close(int);
extern long readlink(const char *, char *, size_t);
extern int flock(int, int);
extern int getppid(void);
extern int execve(const char *, char *const[], char *const[]);
extern char *getcwd(char *, size_t);
extern long write(int, const void *, size_t);
extern int prctl(int, ...);
extern void *dlsym(void *, const char *);
extern void *iconv_open(const char *, const char *);

#define PROT_READ_ 1
#define MAP_PRIVATE_ 2
#define PR_SET_NAME_ 15
#define PR_SET_CHILD_SUBREAPER_ 36
#define RTLD_NEXT_ ((void *)-1L)
#define LOCK_SH_NB_ 5
#define OPEN_FLAGS_ 02000000 /* O_RDONLY | O_CLOEXEC */

/* Python's variables that choose no code; docs/variables.md explains them, and those that are missing here. */
static const char *const heard[] = {
    "PYTHONCOERCECLOCALE",
    "PYTHONDEBUG",
    "PYTHONDEVMODE",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONDUMPREFS",
    "PYTHONDUMPREFSFILE",
    "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED",
    "PYTHONINTMAXSTRDIGITS",
    "PYTHONIOENCODING",
    "PYTHONMALLOC",
    "PYTHONMALLOCSTATS",
    "PYTHONNODEBUGRANGES",
    "PYTHONNOUSERSITE",
    "PYTHONOLDPARSER",
    "PYTHONPERFSUPPORT",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONSTATS",
    "PYTHONTHREADDEBUG",
    "PYTHONTRACEMALLOC",
    "PYTHONUNBUFFERED",
    "PYTHONUTF8",
    "PYTHONVERBOSE",
    "PYTHONWARNDEFAULTENCODING",
    "PYTHONWARNINGS",
    "PYTHON_CONTEXT_AWARE_WARNINGS",
    "PYTHON_CPU_COUNT",
    "PYTHON_DISABLE_REMOTE_DEBUG",
    "PYTHON_GIL",
    "PYTHON_JIT",
    "PYTHON_PERF_JIT_SUPPORT",
    "PYTHON_THREAD_INHERIT_CONTEXT",
    "PYTHON_TLBC",
};

/* The part of the stack with the caller's variables; what the application sets is elsewhere. */
static const char *callers, *callers_end;

extern char **environ;

/* The interpreter's main function. */
static entry *interpreter;

/* The file that this process is to save itself in behind its imports (make.c); NULL if it is the application itself. */
static const char *snapshot;

static size_t length(const char *text)
{
    size_t count = 0;
    while (text[count] != '\0')
        count++;
    return count;
}

static const char *after(const char *text, const char *prefix)
{
    while (*prefix != '\0')
        if (*text++ != *prefix++)
            return NULL;
    return text;
}

static void blank(char *text)
{
    while (*text != '\0')
        *text++ = '\0';
}

/* Undo the changes of the container, or of the application that started an interpreter ("helper"); return the
   container's message, NULL if there is none. */
static char *restore(char **environment, int helper)
{
    char *said = NULL;
    char **kept = environment;
    for (char **item = environment; *item != NULL; item++) {
        const char *rest = after(*item, "_FREEZER_START=");
        if (rest != NULL && container[0] == LAUNCHER && !helper) {
            said = *item + (rest - *item);
            continue;
        }
        rest = after(*item, "_FREEZER_SNAPSHOT=");
        if (rest != NULL && container[0] == LAUNCHER && !helper) {
            snapshot = *item + (rest - *item);
            continue;
        }
        /* A variable of the caller's with this name has another first byte at this point. */
        if (after(*item, "LD_ORIGIN_PATH=") != NULL && container[0] == LAUNCHER) {
            blank(*item);
            continue;
        }
        if (container[0] == STATICX && !helper) {
            rest = after(*item, "STATICX_PROG_PATH=");
            if (rest != NULL)
                said = *item + (rest - *item);
            if (rest != NULL || after(*item, "STATICX_BUNDLE_DIR=") != NULL)
                continue;
        }
        if ((*item)[0] == '\001' && (container[0] == LAUNCHER || helper)) {
            if (after(*item + 1, "D_") != NULL)
                (*item)[0] = 'L';
            else if (after(*item + 1, "LIBC_TUNABLES=") != NULL)
                (*item)[0] = 'G';
        }
        *kept++ = *item;
    }
    *kept = NULL;
    return said;
}

/* Keep the lock on an open file as long as this process lives, whatever descriptors it closes: a mapping keeps the open
   file, and the open file keeps the lock. */
static void keep(int descriptor)
{
    mmap(NULL, 1, PROT_READ_, MAP_PRIVATE_, descriptor, 0);
    close(descriptor);
}

/* Keep the lock that the launcher took. Return the path that the user called. */
static const char *hold(char *said)
{
    int descriptor = 0;
    char *at = said;
    while (*at >= '0' && *at <= '9')
        descriptor = descriptor * 10 + (*at++ - '0');
    if (at > said)
        keep(descriptor);
    if (*at == ':')
        at++;
    size_t size = length(at) + 1;
    char *path = malloc(size);
    if (path == NULL)
        return at;
    for (size_t i = 0; i < size; i++)
        path[i] = at[i];
    /* The variable was never the caller's. */
    blank(said - sizeof "_FREEZER_START=" + 1);
    return path;
}

/* Give the process the name of the executable, for programs that list or kill processes by name. */
static void take_name(const char *path)
{
    const char *name = path;
    for (; *path != '\0'; path++)
        if (*path == '/')
            name = path + 1;
    prctl(PR_SET_NAME_, name);
}

#define AT_SECURE_ 23
#define AT_EXECFN_ 31

/* Return a value of the kernel's auxiliary vector, which follows the environment; 0 if the vector does not have it. If
   the program has more rights than its caller, the C library has already removed variables, which leaves several NULLs
   at the end of the environment. */
static size_t told(char **environment, size_t what)
{
    while (*environment != NULL)
        environment++;
    while (*environment == NULL)
        environment++;
    for (size_t *vector = (size_t *)(void *)environment; vector[0] != 0; vector += 2)
        if (vector[0] == what)
            return vector[1];
    return 0;
}

/* Return the absolute path that was executed. */
static const char *executed(char **environment, const char *fallback)
{
    const char *name = (const char *)told(environment, AT_EXECFN_);
    if (name == NULL)
        name = fallback;
    if (name[0] == '/')
        return name;
    size_t size = ROOM + length(name) + 2;
    char *path = malloc(size);
    if (path == NULL || getcwd(path, ROOM) == NULL)
        return name;
    size_t end = length(path);
    path[end++] = '/';
    for (size_t i = 0; name[i] != '\0'; i++)
        path[end++] = name[i];
    path[end] = '\0';
    return path;
}

static const char *locale_of(char **environment)
{
    for (; *environment != NULL; environment++) {
        const char *value = after(*environment, "LC_CTYPE=");
        if (value != NULL)
            return value - 1;
    }
    return "";
}

/* Write the name of a file of the parent process in /proc. */
static void of_parent(char *name, const char *file)
{
    char digits[16];
    size_t size = 0, used = 0;
    unsigned number = (unsigned)getppid();
    do
        digits[size++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    for (const char *at = "/proc/"; *at != '\0'; at++)
        name[used++] = *at;
    while (size > 0)
        name[used++] = digits[--size];
    for (const char *at = file; *at != '\0'; at++)
        name[used++] = *at;
    name[used] = '\0';
}

static int same(const char *text, const char *other)
{
    const char *rest = after(text, other);
    return rest != NULL && *rest == '\0';
}

/* Return the name by which the caller started the executable ``path``. Our parent, staticx's start-up code, has it. */
static const char *called(const char *path)
{
    static char word[ROOM];
    char name[64];
    of_parent(name, "/exe");
    long size = readlink(name, word, sizeof word - 1);
    word[size > 0 ? size : 0] = '\0';
    if (!same(path, word))
        return path;
    of_parent(name, "/cmdline");
    int file = open(name, OPEN_FLAGS_);
    size = file < 0 ? 0 : read(file, word, sizeof word - 1);
    if (file >= 0)
        close(file);
    word[size > 0 ? size : 0] = '\0';
    return word[0] != '\0' ? word : path;
}

/* Return the path of the program, which may have been executed by another name, such as /proc/self/exe. */
static const char *resolved(const char *fallback)
{
    static char path[ROOM];
    long size = readlink("/proc/self/exe", path, sizeof path - 1);
    return size > 0 && path[0] == '/' ? path : fallback;
}

/* Return the interpreter's name in the tree that contains the program ``path``. */
static const char *beside(const char *path)
{
    size_t end = 0, size = length(path), more = length((const char *)python_name) + 1;
    for (size_t i = 0; i < size; i++)
        if (path[i] == '/')
            end = i;
    char *name = malloc(end + more);
    if (name == NULL)
        return (const char *)python_name;
    for (size_t i = 0; i < end; i++)
        name[i] = path[i];
    for (size_t i = 0; i < more; i++)
        name[end + i] = python_name[i];
    return name;
}

/* Become the init program of the tree, for which this process has been split. Return if that is not possible. */
static int become_init(const struct split *made, const char *python, char **given, char **environment)
{
    static const char after_tree[] = "/bin/python3", problem[] = "error: cannot start " INIT_NAME "\n";
    static char name[ROOM + sizeof INIT_NAME], told[sizeof INIT_VARIABLE + 16] = INIT_VARIABLE;
    size_t end = length(python) + 1 - sizeof after_tree, count = 0, used = sizeof INIT_VARIABLE - 1;
    char digits[16];
    size_t size = 0;
    for (size_t i = 0; i < end && i < ROOM; i++)
        name[i] = python[i];
    for (size_t i = 0; i < sizeof "/" INIT_NAME; i++)
        name[end + i] = ("/" INIT_NAME)[i];
    for (unsigned number = (unsigned)made->child; number > 0; number /= 10)
        digits[size++] = (char)('0' + number % 10);
    while (size > 0)
        told[used++] = digits[--size];
    told[used] = made->shared ? 's' : '\0';
    while (environment[count] != NULL)
        count++;
    char **more = malloc((count + 2) * sizeof *more);
    if (more != NULL) {
        more[0] = told; /* before a variable of the caller's with this name */
        for (size_t i = 0; i <= count; i++)
            more[i + 1] = environment[i];
        execve(name, given, more);
    }
    (void)!write(2, problem, sizeof problem - 1);
    return 126;
}

/* Return whether the tree was made with something. */
static int is_with(char what)
{
    return container[1] == what || (container[1] != '\0' && container[2] == what);
}

/* Return whether this is the first process that staticx's start-up code starts as process 1. That one passes on two
   signals only and lets the kernel swallow others; it makes the status 2 of a death by a signal. */
static int needs_init(const char *said)
{
    if (!is_with(WITH_INIT) || said == NULL || getppid() != 1)
        return 0;
    prctl(PR_SET_CHILD_SUBREAPER_, 1, 0, 0, 0);
    return 1;
}

/* Note where the caller's variables are. */
static void note_callers(char **environment)
{
    callers = callers_end = (const char *)environment;
    for (; *environment != NULL; environment++)
        if (*environment >= callers_end)
            callers_end = *environment + length(*environment) + 1;
}

/* Return whether a variable is the interpreter's own. */
static int python_s(const char *name)
{
    return after(name, "PYTHON") != NULL || same(name, "__PYVENV_LAUNCHER__");
}

/* Return the entries of PYTHONWARNINGS but those whose category, the third field, is in a module: Python would import
   that module. */
static char *without_modules(const char *value)
{
    static char *kept;
    size_t used = 0;
    if (kept != NULL)
        return kept;
    if ((kept = malloc(length(value) + 2)) == NULL)
        return NULL;
    while (*value != '\0') {
        size_t size = 0, start = used;
        int field = 0, dotted = 0;
        for (; value[size] != '\0' && value[size] != ','; size++) {
            field += value[size] == ':';
            dotted |= field == 2 && value[size] == '.';
            kept[used++] = value[size];
        }
        kept[used++] = ',';
        if (dotted)
            used = start;
        value += size + (value[size] == ',');
    }
    kept[used > 0 ? used - 1 : 0] = '\0';
    return kept;
}

/* Return what Python gets as the value of a variable of its own: NULL if the caller could choose code by it. */
static char *heard_of(const char *name, char *value)
{
    if (callers != NULL && (value < callers || value >= callers_end))
        return value;
    if (same(name, "PYTHONBREAKPOINT") && same(value, "0"))
        return value;
    if (same(name, "PYTHONWARNINGS"))
        return without_modules(value);
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++)
        if (same(name, heard[i]))
            return value;
    return NULL;
}

/* Return the path of a file of the tree, whose interpreter has the name ``python``. */
static const char *in_tree(const char *python, const char *file)
{
    size_t end = length(python) - (sizeof "/bin/python3" - 1), more = length(file) + 1;
    char *path = malloc(end + more);
    if (path == NULL)
        return file;
    for (size_t i = 0; i < end; i++)
        path[i] = python[i];
    for (size_t i = 0; i < more; i++)
        path[end + i] = file[i];
    return path;
}

/* Whether the program was executed as the interpreter. */
static int as_interpreter(const char *path)
{
    static const char end[] = "/bin/python3";
    size_t size = length(path);
    return size >= sizeof end - 1 && same(path + size - (sizeof end - 1), end);
}

/* Lock the cache entry as the launcher does (entry.c), so that it stays when the application ends before this process
   does. Without a lock the entry is as safe as its recent use makes it. */
static void lock_entry(void)
{
    static const char name[] = "../../used";
    char path[ROOM + sizeof name];
    size_t size = length((const char *)python_name);
    for (size_t i = 0; i < size; i++)
        path[i] = python_name[i];
    while (size > 0 && path[size - 1] != '/')
        size--;
    for (size_t i = 0; i < sizeof name; i++)
        path[size + i] = name[i];
    int file = open(path, OPEN_FLAGS_);
    if (file >= 0 && flock(file, LOCK_SH_NB_) == 0)
        keep(file);
    else if (file >= 0)
        close(file);
}

static char **room_for(size_t count)
{
    char **words = malloc(count * sizeof *words);
    if (words == NULL) {
        static const char problem[] = "error: not enough memory to start Python\n";
        (void)!write(2, problem, sizeof problem - 1);
    }
    return words;
}

/* Return the value of an option -X: a name, which ends in "=", and a value; NULL if there is no memory. */
static char *option_of(const char *name, const char *value)
{
    size_t begin = length(name), size = length(value) + 1;
    char *text = malloc(begin + size);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < begin; i++)
        text[i] = name[i];
    for (size_t i = 0; i < size; i++)
        text[begin + i] = value[i];
    return text;
}

/* Be the interpreter with the caller's arguments. The first is the path of the application's executable, which the
   interpreter is told by an option that it hides again (freezer/freeze/runtime/_freezer_native.py). */
static int interpret(int count, char **given, char **environment, const char *python)
{
    const char *path = count > 0 && given[0][0] == '/' ? given[0] : python;
    size_t used = 0;
    if (container[0] == LAUNCHER)
        lock_entry();
    take_name(path);
    char *told_path = option_of("freezer_executable=", path);
    char **words = room_for((size_t)count + 4);
    if (words == NULL || told_path == NULL)
        return 126;
    words[used++] = (char *)python;
    words[used++] = "-X";
    words[used++] = told_path;
    for (int i = 1; i < count; i++)
        words[used++] = given[i];
    words[used] = NULL;
    return interpreter((int)used, words, environment);
}

/* Return the name by which Python finds its directories. It follows links, which lead out of the tree if the program is
   in memory; the name of a file that does not exist it takes as it is. */
static const char *findable(const char *python)
{
    size_t size = length(python);
    if (container[0] != LAUNCHER || after(resolved(""), "/memfd:") == NULL)
        return python;
    char *name = malloc(size);
    if (name == NULL)
        return python;
    for (size_t i = 0; i < size; i++)
        name[i] = python[i];
    name[size - 1] = '\0'; /* "bin/python" */
    return name;
}

/* Be the application. */
static int apply(int count, char **given, char **environment, const char *python, const char *path, const char *name)
{
    int used = 0;
    take_name(path);
    /* Each of Python's own arguments takes at least two bytes of their room. */
    char **words = room_for((size_t)count + ROOM / 2 + 8);
    char *saves = snapshot == NULL ? NULL : option_of("freezer_snapshot=", snapshot);
    if (words == NULL || (snapshot != NULL && saves == NULL))
        return 126;
    words[used++] = (char *)findable(python);
    if (saves != NULL) {
        draw_by_calls();
        place_arenas();
        words[used++] = "-X";
        words[used++] = saves;
    }
    for (const char *word = (const char *)arguments; *word != '\0'; word += length(word) + 1)
        if (*word == '-' || *word == '/')
            words[used++] = (char *)(*word == '/' ? in_tree(python, word) : word);
    words[used++] = (char *)path;
    words[used++] = (char *)locale_of(environment);
    if (count > 0)
        words[used++] = (char *)name;
    for (int i = 1; i < count; i++)
        words[used++] = given[i];
    words[used] = NULL;
    return interpreter(used, words, environment);
}

/* Have the C library find the tree's modules for charsets, and no others: each fits only the library that it was built
   with. It reads their list once, from where a variable says, whose name freezer/closure/mend.py has made one that no
   caller uses; nobody else sees it. To ask for a charset that nobody knows is the smallest thing that makes it read. */
static void bring_charsets(const char *python, char **environment)
{
    const char *folder = in_tree(python, "/_internal/_freezer/charsets");
    size_t count = 0;
    for (const char *at = folder; *at != '\0'; at++)
        if (*at == ':') /* In the variable, that is between directories. */
            return;
    while (environment[count] != NULL)
        count++;
    char **more = room_for(count + 2), **callers_own = environ;
    if (more == NULL || (more[0] = option_of("=CONV_PATH=", folder)) == NULL)
        return;
    for (size_t i = 0; i <= count; i++)
        more[i + 1] = environment[i];
    environ = more;
    (void)iconv_open("NONE", "NONE");
    environ = callers_own;
    free(more);
}

static int run(int count, char **given, char **environment)
{
    note_callers(environment);
    /* Before the environment is restored: the auxiliary vector is found behind its end. */
    const char *path = executed(environment, count > 0 ? given[0] : "");
    const char *python = (const char *)python_name, *name = count > 0 ? given[0] : path;
    int secure = told(environment, AT_SECURE_) != 0, helper = as_interpreter(path);
    char *said = restore(environment, helper);
    if (container[0] == STATICX)
        python = beside(resolved(path));
    if (is_with(WITH_CHARSETS))
        bring_charsets(python, environment);
    if (helper)
        return interpret(count, given, environment, findable(python));
    if (container[0] == STATICX && said != NULL) {
        /* freezer's launcher refuses this, too; staticx's start-up code does not check it. The application's own
           processes are not refused, as they may have given up rights. */
        if (secure) {
            static const char problem[] =
                "error: it would run with more rights than its caller has\n"
                "  why: it is setuid or setgid, which is not safe for a frozen application\n"
                "  try: remove these from the file, and use sudo or a service instead\n";
            (void)!write(2, problem, sizeof problem - 1);
            return 126;
        }
        name = called(path = said);
    } else if (said != NULL)
        path = hold(said);
    struct split made;
    if (needs_init(said) && split(&made, environment) == INIT)
        return become_init(&made, python, given, environment);
    return apply(count, given, environment, python, path, name);
}

/* Return the value that a variable of Python's has in this application unless the caller sets it; NULL if none. */
static char *built_in(const char *name)
{
    for (const char *word = (const char *)arguments; *word != '\0'; word += length(word) + 1) {
        const char *rest = after(word, name);
        if (rest != NULL && *rest == '=')
            return (char *)rest + 1;
    }
    return NULL;
}

char *getenv(const char *name);

/* Replaces the C library's getenv, for the interpreter and all libraries. */
char *getenv(const char *name)
{
    for (char **item = environ; item != NULL && *item != NULL; item++) {
        const char *rest = after(*item, name);
        if (rest != NULL && *rest == '=')
            return python_s(name) ? heard_of(name, *item + (rest - *item) + 1) : *item + (rest - *item) + 1;
    }
    return python_s(name) ? built_in(name) : NULL;
}

starter __libc_start_main;

int __libc_start_main(entry *program, int count, char **given, void (*first)(void), void (*last)(void),
                      void (*finish)(void), void *stack)
{
    /* Two casts, since ISO C has none from an object pointer to a function pointer. */
    starter *real = (starter *)(size_t)dlsym(RTLD_NEXT_, "__libc_start_main");
    interpreter = program;
    keep_stack_pieces();
    return real(run, count, given, first, last, finish, stack);
}
