/* The environment of the application; start.c undoes the changes made here. Variables of the dynamic loader are hidden:
   they could load the host's libraries into the application, or run other code in its place. */
#include "launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char START[] = "_FREEZER_START=", SNAPSHOT[] = "_FREEZER_SNAPSHOT=", ORIGIN[] = "LD_ORIGIN_PATH=";

char **environment_of(const struct app *app, const struct entry *entry, char *const given[], char *more)
{
    static char start[sizeof START + 16 + PATH_ROOM], origin[sizeof ORIGIN + PATH_ROOM];
    size_t count = 0, kept = 0;

    while (given[count])
        count++;
    char **result = malloc((count + 4) * sizeof *result);
    if (!result)
        return NULL;
    for (size_t index = 0; index < count; index++) {
        char *variable = given[index];
        if (strncmp(variable, START, sizeof START - 1) == 0 || strncmp(variable, SNAPSHOT, sizeof SNAPSHOT - 1) == 0)
            continue;
        if (strncmp(variable, "LD_", 3) == 0 || strncmp(variable, "GLIBC_TUNABLES=", 15) == 0)
            variable[0] = 1;
        result[kept++] = variable;
    }
    (void)snprintf(start, sizeof start, "%s%d:%s", START, entry->used, app->path);
    result[kept++] = start;
    /* The dynamic loader's value of $ORIGIN where there is no /proc (ld.so(8)). */
    (void)snprintf(origin, sizeof origin, "%s%s", ORIGIN, entry->tree);
    result[kept++] = origin;
    if (more)
        result[kept++] = more;
    result[kept] = NULL;
    return result;
}
