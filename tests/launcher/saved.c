/* An application that can be saved as a memory snapshot, for the launcher's tests: it is linked with save.c, and with
   what that needs of Python. Says in the file $REPORT how it was started, as report.c does, and whether it is all there.

   How it behaves behind the point at which it is saved, BEHAVE says: "crash", "linger", "leave" (by _exit). Before that,
   BEFORE says it, which has to be in the key: "crash", "wait", "share", "fail", "map" (the file KEYED). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct python_object {
    const char *text;
    char *items[64];
    int count;
} object;

struct python_method {
    const char *name;
    object *(*function)(object *, object *);
    int flags;
    const char *text;
};

struct python_module {
    void *base[5];
    const char *name, *text;
    intptr_t size;
    struct python_method *methods;
};

extern char **environ;
object *PyInit__freezer_save(void);

static struct python_method *saver;
static unsigned long long ignored_by_caller;
static int is_test, on_trial;
static object *arguments, *variables;
static volatile int forks;
static unsigned char *heap;
enum { HEAP = 5 << 20 }; /* has a huge page in it, wherever it is */

/* What save.c needs of Python. */

object *PyModuleDef_Init(struct python_module *module)
{
    saver = module->methods;
    return NULL;
}

char *PyBytes_AsString(object *bytes)
{
    return (char *)(size_t)bytes->text;
}

object *PyBytes_FromString(const char *text)
{
    object *made = calloc(1, sizeof *made);
    made->text = text;
    return made;
}

object *PyUnicode_DecodeFSDefault(const char *text)
{
    return PyBytes_FromString(text);
}

object *PyList_New(intptr_t size)
{
    (void)size;
    return PyBytes_FromString("");
}

int PyList_Append(object *list, object *item)
{
    if (list->count == 63)
        return -1;
    list->items[list->count++] = (char *)(size_t)item->text;
    return 0;
}

void Py_IncRef(object *item)
{
    (void)item;
}

void PyObject_GC_UnTrack(void *item)
{
    (void)item;
}

void PyObject_GC_Track(void *item)
{
    (void)item;
}

void Py_DecRef(object *item)
{
    free(item);
}

void PyOS_BeforeFork(void)
{
    forks++;
}

void PyOS_AfterFork_Child(void)
{
    forks++;
}

object *Py_BuildValue(const char *format, ...)
{
    va_list values;

    if (!*format)
        return NULL;
    va_start(values, format);
    arguments = va_arg(values, object *);
    variables = va_arg(values, object *);
    (void)va_arg(values, object *);
    ignored_by_caller = va_arg(values, unsigned long long);
    is_test = va_arg(values, int);
    on_trial = va_arg(values, int);
    va_end(values);
    return NULL;
}

/* The application. */

static FILE *out;

static void say(const char *key, const char *value)
{
    fprintf(out, "%s ", key);
    for (; *value; value++)
        fprintf(out, "%02x", (unsigned char)*value);
    fputc('\n', out);
}

static int behaves(const char *variable, const char *word)
{
    const char *value = getenv(variable);
    return value && strcmp(value, word) == 0;
}

static void on_signal(int number)
{
    forks += 100 * (number == SIGUSR1);
}

static void *in_thread(void *argument)
{
    *(long *)argument = syscall(SYS_gettid);
    return argument;
}

static int deep(int depth)
{
    volatile char room[4096];

    room[0] = (char)depth;
    return depth == 0 ? 0 : deep(depth - 1) + (room[0] == (char)depth);
}

/* Uses what a restored process has to have: memory, the heap, the stack, the clock, signals, threads, children. */
static const char *check(void)
{
    struct timespec time;
    pthread_t thread;
    long number = 0;
    int status = 0;
    void *blocks[64];

    for (size_t index = 0; index < HEAP; index++)
        if (heap[index] != (unsigned char)(index * 7 >> 3))
            return "memory";
    for (size_t index = 0; index < 64; index++)
        if (!(blocks[index] = malloc(40000 + index)))
            return "heap";
        else
            memset(blocks[index], 1, 40000);
    for (size_t index = 0; index < 64; index++)
        free(blocks[index]);
    if (deep(1000) != 1000)
        return "stack";
    if (clock_gettime(CLOCK_MONOTONIC, &time) != 0 || time.tv_sec == 0)
        return "clock";
    int before = forks;
    raise(SIGUSR1);
    if (forks != before + 100)
        return "signal";
    if (pthread_create(&thread, NULL, in_thread, &number) != 0 || pthread_join(thread, NULL) != 0 || number == 0 ||
        number == getpid() || syscall(SYS_gettid) != getpid())
        return "thread";
    pid_t child = fork();
    if (child == 0)
        _exit(5);
    if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 5)
        return "child";
    return "good";
}

/* Returns how much memory is in huge pages, in kilobytes. */
static int huge(void)
{
    char line[256];
    int size = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");

    while (file && fgets(line, sizeof line, file))
        (void)sscanf(line, "AnonHugePages: %d", &size);
    if (file)
        fclose(file);
    return size;
}

static void report(int argc, char **argv, int restored)
{
    char fds[1024] = "", mask[65] = "", ignored[65] = "", number[32], name[32] = "";
    struct sigaction action;
    sigset_t blocked;

    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            sprintf(fds + strlen(fds), "%d ", fd);
    out = getenv("REPORT") ? fopen(getenv("REPORT"), "w") : stdout;
    if (!out)
        exit(8);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int index = 1; index < 65; index++) {
        mask[index - 1] = sigismember(&blocked, index) == 1 ? '1' : '0';
        ignored[index - 1] = sigaction(index, NULL, &action) == 0 && action.sa_handler == SIG_IGN ? '1' : '0';
    }
    for (int index = 0; index < argc; index++)
        say("argv", argv[index]);
    for (char **variable = environ; *variable; variable++)
        say("env", *variable);
    say("how", restored ? "restored" : "plain");
    say("check", check());
    sprintf(number, "%o", umask(0));
    say("umask", number);
    say("fds", fds);
    say("blocked", mask);
    say("ignored", ignored);
    sprintf(number, "%llx", ignored_by_caller);
    say("told", number);
    sprintf(number, "%d", getpid());
    say("pid", number);
    say("trial", on_trial ? "yes" : "no");
    sprintf(number, "%lx", (unsigned long)heap);
    say("heap", number);
    sprintf(number, "%d", huge());
    say("huge", number);
    int file = open("/proc/self/comm", O_RDONLY);
    if (file >= 0 && read(file, name, sizeof name - 1) > 0)
        name[strcspn(name, "\n")] = 0;
    close(file);
    say("name", name);
    fflush(out);
}

/* Does as start.so and _freezer_snapshot.py do: saves this process; comes back in a restored one. */
static void save(const char *path)
{
    static char names[8192];
    object told = {names};

    const char *end = strstr(path, "/snapshots/");
    sprintf(names, "%s%c%.*s/used", path, 0, (int)(end - path), path);
    PyInit__freezer_save();
    (void)saver->function(NULL, &told);
    if (is_test)
        _exit(0);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    char **kept = environ, *snapshot = NULL;
    int restored = 0;

    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "_FREEZER_START=", 15) == 0)
            close(atoi(*variable + 15));
        else if (strncmp(*variable, "_FREEZER_SNAPSHOT=", 18) == 0)
            snapshot = *variable + 18;
        else if (strncmp(*variable, "LD_ORIGIN_PATH=", 15) != 0)
            *kept++ = *variable;
    *kept = NULL;
    heap = malloc(HEAP);
    for (size_t index = 0; index < HEAP; index++)
        heap[index] = (unsigned char)(index * 7 >> 3);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (snapshot) {
        if (behaves("BEFORE", "crash"))
            abort();
        if (behaves("BEFORE", "wait"))
            pause();
        if (behaves("BEFORE", "fail"))
            exit(3);
        if (behaves("BEFORE", "share"))
            (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (behaves("BEFORE", "map")) {
            int file = open(getenv("KEYED"), O_RDONLY);
            (void)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
            close(file);
        }
        save(snapshot);
        restored = 1;
        argc = arguments->count;
        argv = arguments->items;
        for (int index = 0; index < variables->count; index++)
            if (environ[index] != variables->items[index])
                return 9;
    }
    if (restored && behaves("BEHAVE", "crash"))
        abort();
    if (behaves("BEHAVE", "linger"))
        pause();
    report(argc, argv, restored);
    if (on_trial)
        (void)saver[1].function(NULL, NULL);
    if (behaves("BEHAVE", "leave"))
        _exit(7);
    return 7;
}
