/* The init program, which process 1 becomes where no launcher is in front of the tree.

   In an unpacked image it is the interpreter of the program, in front of the dynamic loader (loader.c): the kernel starts
   it in place of that one. As process 1 it splits the process and stays as the init; every other process goes on with
   the dynamic loader. Below staticx's start-up code, start.so splits the process, and executes this program with a
   variable that says which process is the application. */
#include "bare.h"
#include "init.h"
#include "loader.h"

#include <stddef.h>

enum { FIRST = 1, CANNOT_START = 126 };

static _Noreturn void fail(const char *problem, const char *name)
{
    static const char prefix[] = INIT_NAME ": error: ";

    (void)!write(2, prefix, sizeof prefix - 1);
    (void)!write(2, problem, strlen(problem));
    (void)!write(2, name, strlen(name));
    (void)!write(2, "\n", 1);
    _exit(CANNOT_START);
}

/* Serves as the init of a process that start.so has split. */
static _Noreturn void serve(char **environment)
{
    static const char variable[] = INIT_VARIABLE;
    struct split split = {0, 0};

    for (; *environment != NULL && split.child == 0; environment++) {
        const char *text = *environment;
        size_t same = 0;
        while (variable[same] != '\0' && text[same] == variable[same])
            same++;
        if (variable[same] != '\0')
            continue;
        for (text += same; *text >= '0' && *text <= '9'; text++)
            split.child = 10 * split.child + (*text - '0');
        split.shared = *text == 's';
    }
    if (split.child <= 0)
        fail("it is started by an application that is process 1 only", "");
    init_stay(&split);
}

unsigned long begin(unsigned long *given)
{
    char **environment = (char **)(given + 1) + *given + 1, **end = environment;
    struct split made;

    while (*end != NULL)
        end++;
    struct auxiliary *vector = (struct auxiliary *)(void *)(end + 1);
    const char *name = loader_name(vector);
    if (name == NULL)
        serve(environment);
    if (getpid() == FIRST && split(&made, environment) == INIT)
        init_stay(&made);
    unsigned long start = loader_load(name, vector);
    if (start == 0)
        fail("it cannot load the application's dynamic loader, ", name);
    return start;
}
