/* An application as process 1 may find it. Its last two arguments say what it does. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void got(int number)
{
    char text[32];
    int size = sprintf(text, "got %d\n", number);
    (void)!write(1, text, (size_t)size);
}

static void queued(int number, siginfo_t *info, void *context)
{
    (void)context;
    char text[48];
    int size = sprintf(text, "got %d with %d\n", number, info->si_value.sival_int);
    (void)!write(1, text, (size_t)size);
}

static void orphans(int count)
{
    int ends[2], left = 0;
    pid_t *all = calloc((size_t)count, sizeof *all);

    if (!all || pipe(ends) != 0)
        exit(99);
    for (int index = 0; index < count; index++) {
        pid_t child = fork();
        if (child == 0) {
            pid_t orphan = fork();
            if (orphan == 0) {
                close(ends[0]);
                usleep(50000);
                _exit(3);
            }
            (void)!write(ends[1], &orphan, sizeof orphan);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        (void)!read(ends[0], all + index, sizeof *all);
    }
    for (int attempt = 0; attempt < 500; attempt++, usleep(20000)) {
        left = 0;
        for (int index = 0; index < count; index++)
            left += kill(all[index], 0) == 0;
        if (left == 0)
            break;
    }
    printf("left %d\n", left);
}

/* Writes the numbers of the open files of process 1; returns whether there are others than the standard streams. */
static int files_of_init(char *files)
{
    char name[64];
    int more = 0;

    *files = 0;
    for (int file = 0; file < 1024; file++) {
        sprintf(name, "/proc/1/fd/%d", file);
        if (faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        sprintf(files + strlen(files), "%d ", file);
        more |= file > 2 && getpid() > 1;
    }
    return more;
}

int main(int argc, char **argv)
{
    const char *what = argv[argc - 2];
    int number = atoi(argv[argc - 1]);
    sigset_t blocked;

    if (strcmp(what, "exit") == 0)
        return number;
    if (strcmp(what, "kill") == 0) {
        kill(getpid(), number);
        sleep(5);
        return 98;
    }
    if (strcmp(what, "orphans") == 0) {
        orphans(number);
        return 0;
    }
    if (strcmp(what, "who") == 0) {
        char fds[8192] = "", files[8192] = "";
        struct sigaction children;
        sigprocmask(SIG_SETMASK, NULL, &blocked);
        sigaction(SIGCHLD, NULL, &children);
        for (int file = 0; file < 1024; file++)
            if (fcntl(file, F_GETFD) >= 0)
                sprintf(fds + strlen(fds), "%d ", file);
        /* The init closes them beside the application's start. */
        for (int attempt = 0; attempt < 100 && files_of_init(files); attempt++)
            usleep(20000);
        printf("pid %d parent %d leads %d terminal %d hup %d chld %d listen %s fds %s: %s\n", getpid(), getppid(),
            getsid(0) == getpid(), tcgetpgrp(0) == getpgrp(), sigismember(&blocked, SIGHUP),
            children.sa_handler == SIG_IGN, getenv("LISTEN_PID") ? getenv("LISTEN_PID") : "no", fds, files);
        return 0;
    }
    if (strcmp(what, "maps") == 0) {
        char line[4096];
        FILE *maps = fopen("/proc/self/maps", "r");
        while (maps && fgets(line, sizeof line, maps))
            fputs(line, stdout);
        return number;
    }
    struct sigaction action = {.sa_sigaction = queued, .sa_flags = SA_SIGINFO};
    for (int each = 1; each <= SIGRTMAX && strcmp(what, "catch") == 0; each++)
        if (each != SIGCHLD)
            signal(each, got);
    sigaction(SIGRTMIN + 6, &action, NULL);
    (void)!write(1, "ready\n", 6);
    for (;;)
        pause();
}
