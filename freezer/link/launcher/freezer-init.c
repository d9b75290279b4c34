/* The init program, which process 1 becomes where no launcher is in front of the tree: start.so has split it, and says
   in a variable which process is the application. */
#include "init.h"
#include "parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char parts[] __attribute__((used)) = PARTS_MARK PARTS_LIBC;

int main(void)
{
    static const char name[] = INIT_VARIABLE;
    static const char problem[] = INIT_NAME ": error: it is started by an application that is process 1 only\n";
    char variable[sizeof name];
    char *end;

    memcpy(variable, name, sizeof name);
    variable[sizeof name - 2] = 0; /* without the "=" */
    const char *told = getenv(variable);
    long child = told ? strtol(told, &end, 10) : 0;
    if (child <= 0) {
        (void)!write(STDERR_FILENO, problem, sizeof problem - 1);
        return 126;
    }
    struct split split = {.child = (int)child, .shared = *end == 's'};
    init_stay(&split);
}
