/*
 * The library that makes the bundled interpreter start the application.
 *
 * The program of an unpacked tree is the very interpreter that the application was built with, with two additions made
 * by freezer/link/start.py: it needs this library, before all others, and it finds the dynamic loader by an absolute
 * path, for which there is room. Not a program of our own that loads libpython: many interpreters have Python built
 * in, and are faster than their shared library by a tenth; and nothing in here depends on a version of Python.
 *
 * Every program enters its C library by __libc_start_main (glibc's; System V ABI, LSB). The one here is found first. It
 * hands over other arguments to the interpreter than those that the kernel and everybody else see, and before that
 * undoes in place what the launcher did to the environment, so that the application, its children and /proc show what
 * the caller gave.
 *
 * No C library is compiled in, and the few symbols used have no version, so that one file does for every one.
 */

#include <stddef.h>

#define ROOM 4096
#define PLACE __attribute__((used, aligned(16)))

/* Filled in: the interpreter's name in the tree, which is what Python derives its own places from; and Python's
   arguments, each ended by a NUL, the last by two. Volatile: the compiler must not believe what is here. */
static const volatile char python_name[ROOM] PLACE = "@freezer:python@";
static const volatile char arguments[ROOM] PLACE = "@freezer:arguments@";
/* The container: "1" if freezer's launcher starts this, "2" if staticx's start-up code does, "0" if the tree lies where
   it will be. What the others would say in the environment is not to be believed. */
static const volatile char container[16] PLACE = "@freezer:start@";
#define LAUNCHER '1'
#define STATICX '2'

typedef int entry(int, char **, char **);
typedef int starter(entry *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

/* The C library's, by the names that they have everywhere. */
extern void *malloc(size_t);
extern void *mmap(void *, size_t, int, int, int, long);
extern int open(const char *, int, ...);
extern long read(int, void *, size_t);
extern int close(int);
extern long readlink(const char *, char *, size_t);
extern int getppid(void);
extern char *getcwd(char *, size_t);
extern long write(int, const void *, size_t);
extern int prctl(int, ...);
extern void *dlsym(void *, const char *);

#define PROT_READ_ 1
#define MAP_PRIVATE_ 2
#define PR_SET_NAME_ 15
#define RTLD_NEXT_ ((void *)-1L)

/* Variables that say where the interpreter is, which it believes even when it is told to ignore its environment. */
static const char *const unheard[] = {"PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"};

extern char **environ;

/* What the interpreter gave for its own main function. */
static entry *interpreter;

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

/* Undo what the container did; returns what it said, NULL if there is none. */
static char *restore(char **environment)
{
    char *said = NULL;
    char **kept = environment;
    for (char **item = environment; *item != NULL; item++) {
        const char *rest = after(*item, "_FREEZER_START=");
        if (rest != NULL && container[0] == LAUNCHER) {
            said = *item + (rest - *item);
            continue;
        }
        /* The caller's own begins otherwise at this point. */
        if (after(*item, "LD_ORIGIN_PATH=") != NULL && container[0] == LAUNCHER) {
            blank(*item);
            continue;
        }
        if (container[0] == STATICX) {
            rest = after(*item, "STATICX_PROG_PATH=");
            if (rest != NULL)
                said = *item + (rest - *item);
            if (rest != NULL || after(*item, "STATICX_BUNDLE_DIR=") != NULL)
                continue;
        }
        if ((*item)[0] == '\001' && container[0] == LAUNCHER) {
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

/* Keep the lock that the launcher took, as long as this process lives and whatever it closes: a mapping holds the open
   file, and that the lock. Returns the path that the user called. */
static const char *hold(char *said)
{
    int descriptor = 0;
    char *at = said;
    while (*at >= '0' && *at <= '9')
        descriptor = descriptor * 10 + (*at++ - '0');
    if (at > said) {
        mmap(NULL, 1, PROT_READ_, MAP_PRIVATE_, descriptor, 0);
        close(descriptor);
    }
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

/* Be called what the caller has started, where processes are listed and killed by name. */
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

/* What the kernel tells in the auxiliary vector, which follows the environment; 0 if it does not. For a program with more
   rights the C library has taken variables out by then, which leaves more than one NULL at the end. */
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

/* The path that was executed, absolute. */
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

/* The name of a file of the parent process in /proc. */
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

/* By what name the caller started the executable ``path``: staticx's start-up code, our parent, was told. */
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
    int file = open(name, 02000000); /* O_RDONLY | O_CLOEXEC */
    size = file < 0 ? 0 : read(file, word, sizeof word - 1);
    if (file >= 0)
        close(file);
    word[size > 0 ? size : 0] = '\0';
    return word[0] != '\0' ? word : path;
}

/* The program itself, which may have been executed by another name, such as /proc/self/exe. */
static const char *resolved(const char *fallback)
{
    static char path[ROOM];
    long size = readlink("/proc/self/exe", path, sizeof path - 1);
    return size > 0 && path[0] == '/' ? path : fallback;
}

/* The interpreter's name in the tree that the program ``path`` is in. */
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

static int run(int count, char **given, char **environment)
{
    /* Before the environment is put back: what follows it is found by its end. */
    const char *path = executed(environment, count > 0 ? given[0] : "");
    const char *python = (const char *)python_name, *helper = "", *name = count > 0 ? given[0] : path;
    int secure = told(environment, AT_SECURE_) != 0;
    char *said = restore(environment);
    if (container[0] == STATICX) {
        helper = resolved(path);
        python = beside(helper);
        /* As freezer's launcher does; staticx's start-up code does not look. The application's own processes may have
           given up rights. */
        if (said != NULL && secure) {
            static const char problem[] =
                "error: it would run with more rights than its caller has\n"
                "  why: it is setuid or setgid, and applications like this one are not safe then\n"
                "  try: take that from the file, and use sudo or a service instead\n";
            (void)!write(2, problem, sizeof problem - 1);
            return 126;
        }
        if (said != NULL)
            name = called(path = said);
        else
            /* A process of the application: helpers are started by the program's path and the executable's name. */
            path = name[0] == '/' && !same(name, path) ? name : helper;
    } else if (said != NULL)
        path = hold(said);
    take_name(path);
    /* Python's own arguments are at most one for two bytes of their room. */
    char **words = malloc(((size_t)count + ROOM / 2 + 8) * sizeof *words);
    if (words == NULL) {
        static const char problem[] = "error: there is no memory to start Python with\n";
        (void)!write(2, problem, sizeof problem - 1);
        return 126;
    }
    int used = 0;
    words[used++] = (char *)python;
    for (const char *word = (const char *)arguments; *word != '\0'; word += length(word) + 1)
        words[used++] = (char *)word;
    words[used++] = (char *)path;
    words[used++] = (char *)locale_of(environment);
    words[used++] = (char *)helper;
    if (count > 0)
        words[used++] = (char *)name;
    for (int i = 1; i < count; i++)
        words[used++] = given[i];
    words[used] = NULL;
    return interpreter(used, words, environment);
}

char *getenv(const char *name);

/* Found before the C library's, by the interpreter and all others. */
char *getenv(const char *name)
{
    for (size_t i = 0; i < sizeof unheard / sizeof *unheard; i++) {
        const char *rest = after(name, unheard[i]);
        if (rest != NULL && *rest == '\0')
            return NULL;
    }
    for (char **item = environ; item != NULL && *item != NULL; item++) {
        const char *rest = after(*item, name);
        if (rest != NULL && *rest == '=')
            return *item + (rest - *item) + 1;
    }
    return NULL;
}

starter __libc_start_main;

int __libc_start_main(entry *program, int count, char **given, void (*first)(void), void (*last)(void),
                      void (*finish)(void), void *stack)
{
    /* Two casts, since ISO C knows none from an object's pointer to a function's. */
    starter *real = (starter *)(size_t)dlsym(RTLD_NEXT_, "__libc_start_main");
    interpreter = program;
    return real(run, count, given, first, last, finish, stack);
}
