/* The application of the launcher's tests: says in the file $REPORT, or on its output, how it was started. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static FILE *out;

static void say(const char *key, const char *value)
{
    fprintf(out, "%s ", key);
    for (; *value; value++)
        fprintf(out, "%02x", (unsigned char)*value);
    fputc('\n', out);
}

int main(int argc, char **argv)
{
    char fds[1024] = "", link[8192] = "", number[32], mask[65] = "", ignored[65] = "";
    struct sigaction action;
    sigset_t blocked;

    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            sprintf(fds + strlen(fds), "%d ", fd);
    out = getenv("REPORT") ? fopen(getenv("REPORT"), "w") : stdout;
    if (!out)
        return 8;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int number_ = 1; number_ < 65; number_++) {
        mask[number_ - 1] = sigismember(&blocked, number_) == 1 ? '1' : '0';
        ignored[number_ - 1] = sigaction(number_, NULL, &action) == 0 && action.sa_handler == SIG_IGN ? '1' : '0';
    }
    if (readlink("/proc/self/exe", link, sizeof link - 1) < 0)
        link[0] = 0;
    for (int index = 0; index < argc; index++)
        say("argv", argv[index]);
    for (char **variable = environ; *variable; variable++)
        say("env", *variable);
    sprintf(number, "%o", umask(0));
    say("umask", number);
    say("fds", fds);
    say("blocked", mask);
    say("ignored", ignored);
    say("exe", link);
    fflush(out);
    if (getenv("LINGER"))
        pause();
    return 7;
}
