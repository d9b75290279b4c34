/* What the init has in place of a C library, as it also runs in front of one (loader.c).

   The numbers of the calls are those of Linux: arch/x86/entry/syscalls/syscall_64.tbl for x86_64, and for aarch64 the
   table of all newer machines, include/uapi/asm-generic/unistd.h. */
#include "bare.h"

#include <stdarg.h>
#include <stddef.h>

#if defined __x86_64__
enum {
    WRITE = 1, CLOSE = 3, MAP = 9, SET_ACTION = 13, SET_MASK = 14, IOCTL = 16, READ_AT = 17, PID = 39, CLONE = 56,
    WAIT = 61, KILL = 62, USER = 102, SET_GROUP = 109, SET_SESSION = 112, SESSION = 124, TAKE_SIGNAL = 128,
    QUEUE_SIGNAL = 129, PROCESS = 157, EXIT = 231, OPEN = 257, LIMIT = 302,
};

__asm__(".text\n.globl _start\n.hidden _start\n.type _start, @function\n_start:\n"
        "    xor %ebp, %ebp\n    mov %rsp, %rbx\n    mov %rsp, %rdi\n    and $-16, %rsp\n    call begin\n"
        "    mov %rbx, %rsp\n    xor %edx, %edx\n    jmp *%rax\n");

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long result __asm__("rax") = number;
    register long first __asm__("rdi") = a;
    register long second __asm__("rsi") = b;
    register long third __asm__("rdx") = c;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "+r"(result)
                     : "r"(first), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined __aarch64__
enum {
    IOCTL = 29, OPEN = 56, CLOSE = 57, WRITE = 64, READ_AT = 67, EXIT = 94, KILL = 129, SET_ACTION = 134,
    SET_MASK = 135, TAKE_SIGNAL = 137, QUEUE_SIGNAL = 138, SET_GROUP = 154, SESSION = 156, SET_SESSION = 157,
    PROCESS = 167, PID = 172, USER = 174, CLONE = 220, MAP = 222, WAIT = 260, LIMIT = 261,
};

__asm__(".text\n.globl _start\n.hidden _start\n.type _start, %function\n_start:\n"
        "    mov x29, #0\n    mov x30, #0\n    mov x19, sp\n    mov x0, sp\n    bl begin\n"
        "    mov sp, x19\n    mov x16, x0\n    mov x0, #0\n    br x16\n");

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long what __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    register long fifth __asm__("x4") = e;
    register long sixth __asm__("x5") = f;

    __asm__ volatile("svc 0"
                     : "+r"(first)
                     : "r"(what), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory");
    return first;
}
#else
#error "the init is not ported to this machine"
#endif

enum { HERE = -100 /* AT_FDCWD */, BY_QUEUE = -1 /* SI_QUEUE */, SIGNALS = 8 /* bytes of the kernel's sigset_t */ };
enum { FOREGROUND = 0x540F /* TIOCGPGRP */, CHILD_ENDS = 17 /* SIGCHLD, which a forked process sends at its end */ };
enum { LAST_ERROR = 4095 /* results of calls from -4095 to -1 are errors */ };

/* Returns the result of a call as a C library does. */
static int result_of(long result)
{
    return result < 0 ? -1 : (int)result;
}

/* The compiler calls these two for what it copies. */
void *memcpy(void *to, const void *from, size_t size)
{
    volatile unsigned char *at = to;

    for (const unsigned char *byte = from; size > 0; size--)
        *at++ = *byte++;
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (volatile unsigned char *at = to; size > 0; size--)
        *at++ = (unsigned char)value;
    return to;
}

size_t strlen(const char *text)
{
    size_t size = 0;

    while (((const volatile char *)text)[size] != '\0')
        size++;
    return size;
}

long write(int file, const void *data, size_t size)
{
    return call(WRITE, file, (long)data, (long)size, 0, 0, 0);
}

int open(const char *name, int flags, ...)
{
    return result_of(call(OPEN, HERE, (long)name, flags, 0, 0, 0));
}

long pread(int file, void *data, size_t size, long offset)
{
    return call(READ_AT, file, (long)data, (long)size, offset, 0, 0);
}

int close(int file)
{
    return result_of(call(CLOSE, file, 0, 0, 0, 0, 0));
}

void *mmap(void *place, size_t size, int protection, int flags, int file, long offset)
{
    long result = call(MAP, (long)place, (long)size, protection, flags, file, offset);

    return (void *)(result < 0 && result >= -LAST_ERROR ? -1 : result);
}

/* Without an argument, or with 0. */
int ioctl(int file, unsigned long what, ...)
{
    return result_of(call(IOCTL, file, (long)what, 0, 0, 0, 0));
}

int tcgetpgrp(int file)
{
    int group = -1;

    return call(IOCTL, file, FOREGROUND, (long)&group, 0, 0, 0) < 0 ? -1 : group;
}

int getpid(void)
{
    return (int)call(PID, 0, 0, 0, 0, 0, 0);
}

int getsid(int process)
{
    return result_of(call(SESSION, process, 0, 0, 0, 0, 0));
}

int setsid(void)
{
    return result_of(call(SET_SESSION, 0, 0, 0, 0, 0, 0));
}

int setpgid(int process, int group)
{
    return result_of(call(SET_GROUP, process, group, 0, 0, 0, 0));
}

int fork(void)
{
    return result_of(call(CLONE, CHILD_ENDS, 0, 0, 0, 0, 0));
}

int waitpid(int process, int *status, int options)
{
    return result_of(call(WAIT, process, (long)status, options, 0, 0, 0));
}

int kill(int process, int number)
{
    return result_of(call(KILL, process, number, 0, 0, 0, 0));
}

/* The sets have the size that they have in C libraries; the kernel uses the first part. */
int sigprocmask(int how, const void *set, void *before)
{
    return result_of(call(SET_MASK, how, (long)set, (long)before, SIGNALS, 0, 0));
}

int sigwaitinfo(const void *set, void *told)
{
    return result_of(call(TAKE_SIGNAL, (long)set, (long)told, 0, SIGNALS, 0, 0));
}

typedef void handler(int);

/* Only for what needs no code to return from a handler: SIG_DFL and SIG_IGN. */
handler *signal(int number, handler *wanted)
{
    struct {
        handler *called;
        unsigned long flags, restorer, mask;
    } action = {wanted, 0, 0, 0}, before = {NULL, 0, 0, 0};

    (void)call(SET_ACTION, number, (long)&action, (long)&before, SIGNALS, 0, 0);
    return before.called;
}

int sigqueue(int process, int number, void *value)
{
    struct {
        int number, error, reason, none, process, user;
        void *value;
        char rest[128 - 32];
    } told = {number, 0, BY_QUEUE, 0, getpid(), (int)call(USER, 0, 0, 0, 0, 0, 0), value, {0}};

    return result_of(call(QUEUE_SIGNAL, process, number, (long)&told, 0, 0, 0));
}

int prctl(int what, ...)
{
    va_list more;

    va_start(more, what);
    long argument = (long)va_arg(more, void *);
    va_end(more);
    return result_of(call(PROCESS, what, argument, 0, 0, 0, 0));
}

int getrlimit(int what, void *limit)
{
    return result_of(call(LIMIT, 0, what, 0, (long)limit, 0, 0));
}

long syscall(long number, ...)
{
    va_list more;

    va_start(more, number);
    long first = va_arg(more, long), second = va_arg(more, long), third = va_arg(more, long);
    va_end(more);
    return result_of(call(number, first, second, third, 0, 0, 0));
}

_Noreturn void _exit(int status)
{
    for (;;)
        (void)call(EXIT, status, 0, 0, 0, 0, 0);
}
