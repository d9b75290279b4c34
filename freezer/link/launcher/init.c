/* The init: passes signals on to the application, reaps processes whose parents have ended, and ends with the
   application's status.

   It has no state but the application's number, and runs no code of the application. It keeps the standard streams
   open, as others write to a container's output by /proc/1/fd/1; it closes all other descriptors, as it would keep
   sockets and locks alive that the application closes. */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BY_SIGNAL = 128 /* what shells add to a signal's number in an exit status */ };

void close_files(int from, int to)
{
    struct rlimit limit;

    if (to >= 0 && to < from)
        return;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)from, (unsigned)to, 0U) == 0)
        return;
#endif
    /* The kernel is older than 5.9, or a filter does not know the call. */
    if (to < 0)
        to = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20 ? (int)limit.rlim_cur : 1 << 20;
    for (int file = from; file <= to; file++)
        (void)close(file);
}

/* Reaps all processes that have ended. If the application is one of them, ends as it did. */
static void reap(pid_t application)
{
    int status;
    pid_t process;

    while ((process = waitpid(-1, &status, WNOHANG)) > 0)
        if (process == application)
            _exit(WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status));
    if (process < 0 && errno == ECHILD)
        _exit(EXIT_FAILURE); /* unreachable: the application is a child */
}

static void pass_on(pid_t application, const siginfo_t *signal)
{
    if (signal->si_code == SI_QUEUE)
        (void)sigqueue(application, signal->si_signo, signal->si_value);
    else
        (void)kill(application, signal->si_signo);
}

_Noreturn void init_stay(const struct split *split)
{
    siginfo_t signal;
    sigset_t all;

    /* By another name than the application's, so that signals by name go to the application once. */
    (void)prctl(PR_SET_NAME, INIT_NAME);
    close_files(STDERR_FILENO + 1, -1);
    (void)sigfillset(&all);
    for (;;) {
        reap(split->child);
        if (sigwaitinfo(&all, &signal) <= 0 || signal.si_signo == SIGCHLD)
            continue;
        /* The terminal's signals, and those that the application sends to its group, have reached it already. */
        if (!split->shared || (signal.si_code != SI_KERNEL && signal.si_pid != split->child))
            pass_on(split->child, &signal);
    }
}
