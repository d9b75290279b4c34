/* Splits process 1 into an init and the application.

   The kernel treats process 1 in a way that no application expects: signals that it does not handle do nothing, not even
   those for its own faults, and processes whose parents have ended become its children, and stay as zombies. So process
   1 stays as an init (init.c), and its child becomes the application.

   The application gets what process 1 was given: it leads the session and the terminal's foreground, so that the
   terminal's signals come to it alone. A process 1 that leads no session, as one started by unshare from a shell, shares
   the shell's job; there both stay in the job, so that the shell can stop and continue it, and the init ignores what
   comes from the terminal.

   The library start.so has this code, too, and is made without the headers of a C library. The numbers are those of
   Linux for all machines but alpha, mips and sparc. */
#include "split.h"

#include <stddef.h>

typedef void handler(int);

extern int fork(void);
extern int getpid(void);
extern int getsid(int);
extern int setsid(void);
extern int setpgid(int, int);
extern int tcgetpgrp(int);
extern int ioctl(int, unsigned long, ...);
extern int open(const char *, int, ...);
extern int close(int);
extern int sigprocmask(int, const void *, void *);
extern handler *signal(int, handler *);

enum { HANGUP = 1, CHILD = 17, CONTINUE = 18, SET_MASK = 2, TAKE_TERMINAL = 0x540E, LEAVE_TERMINAL = 0x5422 };
#define DEFAULT ((handler *)0)
#define IGNORE ((handler *)1)

/* Returns a descriptor of the terminal that controls this process; -1 if there is none. */
static int find_terminal(void)
{
    for (int file = 0; file < 3; file++)
        if (tcgetpgrp(file) >= 0)
            return file;
    return open("/dev/tty", 02002402); /* O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC */
}

/* Setting a signal to be ignored discards one that waits. */
static void discard(int number)
{
    handler *before = signal(number, IGNORE);

    (void)signal(number, before);
}

/* Sockets that were passed to process 1 (sd_listen_fds(3)) are the application's. */
static void adopt_sockets(char **environment)
{
    static const char passed[] = "LISTEN_PID=1";
    static char number[sizeof passed + 16] = "LISTEN_PID=";

    for (; *environment != NULL; environment++) {
        size_t same = 0, used = sizeof passed - 2, digits = 0;
        while (same < sizeof passed && (*environment)[same] == passed[same])
            same++;
        if (same < sizeof passed)
            continue;
        char reversed[16];
        for (unsigned rest = (unsigned)getpid(); rest > 0; rest /= 10)
            reversed[digits++] = (char)('0' + rest % 10);
        while (digits > 0)
            number[used++] = reversed[--digits];
        number[used] = '\0';
        *environment = number;
    }
}

static void become_application(int leads, int terminal, int shared)
{
    if (leads) {
        (void)setsid();
        if (terminal >= 0)
            (void)ioctl(terminal, TAKE_TERMINAL, 0);
    } else if (!shared)
        (void)setpgid(0, 0);
}

enum split_role split(struct split *made, char **environment)
{
    _Alignas(16) char all[SET_SIZE], before[SET_SIZE];
    int leads = getsid(0) == getpid(), terminal = find_terminal();

    fill_set(all);
    (void)sigprocmask(SET_MASK, all, before);
    handler *children = signal(CHILD, DEFAULT); /* if they were ignored, they would end without a status */
    made->shared = !leads && terminal >= 0;
    if (leads && terminal >= 0) {
        (void)ioctl(terminal, LEAVE_TERMINAL);
        /* That sends both to this process (tty_ioctl(4)), which as the init would pass them on. */
        discard(HANGUP);
        discard(CONTINUE);
    }
    made->child = fork();
    if (made->child <= 0) {
        if (made->child == 0) {
            become_application(leads, terminal, made->shared);
            adopt_sockets(environment);
        } else if (leads && terminal >= 0)
            (void)ioctl(terminal, TAKE_TERMINAL, 0);
        (void)signal(CHILD, children);
        (void)sigprocmask(SET_MASK, before, NULL);
    }
    if (terminal > 2)
        (void)close(terminal);
    return made->child < 0 ? ALONE : made->child == 0 ? APPLICATION : INIT;
}
