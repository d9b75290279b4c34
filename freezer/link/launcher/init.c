/* The init: passes signals on to the application, reaps processes whose parents have ended, and ends with the
   application's status.

   It has no state but the application's number, and runs no code of the application. It keeps the standard streams
   open, as others write to a container's output by /proc/1/fd/1; it closes all other descriptors, as it would keep
   sockets and locks alive that the application closes. */
#include "init.h"

#include <stddef.h>

extern int waitpid(int, int *, int);
extern int kill(int, int);
extern int sigqueue(int, int, void *);
extern int sigwaitinfo(const void *, void *);
extern int prctl(int, ...);
extern int getrlimit(int, void *);
extern int close(int);
extern long syscall(long, ...);
extern _Noreturn void _exit(int);

enum { CLOSE_RANGE = 436, FILE_LIMIT = 7 /* RLIMIT_NOFILE */, MOST_FILES = 1 << 20 };
enum { DO_NOT_WAIT = 1 /* WNOHANG */, SET_NAME = 15 /* PR_SET_NAME */, CHILD_ENDS = 17 /* SIGCHLD */ };
enum { BY_KERNEL = 0x80 /* SI_KERNEL */, BY_QUEUE = -1 /* SI_QUEUE */ };
enum { BY_SIGNAL = 128 /* what shells add to a signal's number in an exit status */ };

/* What the kernel tells of a signal (siginfo_t of 64-bit machines). */
struct told {
    int number, error, reason, none, process, user;
    void *value;
    char rest[128 - 32];
};

void close_files(int from, int to)
{
    unsigned long limit[2];

    if (to >= 0 && to < from)
        return;
    if (syscall(CLOSE_RANGE, (long)from, to < 0 ? (long)~0U : (long)to, 0L) == 0)
        return;
    /* The kernel is older than 5.9, or a filter does not know the call. */
    if (to < 0)
        to = getrlimit(FILE_LIMIT, limit) == 0 && limit[0] < MOST_FILES ? (int)limit[0] : MOST_FILES;
    for (int file = from; file <= to; file++)
        (void)close(file);
}

/* Reaps all processes that have ended. If the application is one of them, ends as it did. */
static void reap(int application)
{
    int status, process;

    while ((process = waitpid(-1, &status, DO_NOT_WAIT)) > 0)
        if (process == application) {
            int number = status & 0x7f;
            _exit(number != 0 ? BY_SIGNAL + number : (status >> 8) & 0xff);
        }
    if (process < 0)
        _exit(1); /* unreachable: the application is a child */
}

static void pass_on(int application, const struct told *signal)
{
    if (signal->reason == BY_QUEUE)
        (void)sigqueue(application, signal->number, signal->value);
    else
        (void)kill(application, signal->number);
}

_Noreturn void init_stay(const struct split *split)
{
    struct told signal;
    _Alignas(16) char all[SET_SIZE];

    /* By another name than the application's, so that signals by name go to the application once. */
    (void)prctl(SET_NAME, INIT_NAME);
    close_files(3, -1);
    fill_set(all);
    for (;;) {
        reap(split->child);
        if (sigwaitinfo(all, &signal) <= 0 || signal.number == CHILD_ENDS)
            continue;
        /* The terminal's signals, and those that the application sends to its group, have reached it already. */
        if (!split->shared || (signal.reason != BY_KERNEL && signal.process != split->child))
            pass_on(split->child, &signal);
    }
}
