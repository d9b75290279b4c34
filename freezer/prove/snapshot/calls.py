"""The system calls of x86_64 (<asm/unistd_64.h>): those that are let pass unseen, and what the others are called.

A call passes unseen if it brings nothing into the process that another start could have differently, and leaves nothing
outside that the kernel would not take over with the memory. Everything else stops the process, and is judged.
"""

from __future__ import annotations

from freezer.base.isolation.seccomp import (
    ALLOW_ALL,
    ANY_BIT,
    AT_ARCH,
    AT_LEAST,
    AT_NUMBER,
    EQUAL,
    LOAD,
    MACHINES,
    RETURN,
    Step,
    argument,
)

MACHINE = "x86_64"
RETURN_TRACE, RETURN_KILL = 0x7FF00000, 0x80000000  # SECCOMP_RET_TRACE, SECCOMP_RET_KILL_PROCESS
CHANNEL, TRACES = 200, 201
"""The descriptors by which ``drivers`` report, and by which the interpreter's faulthandler writes stacks."""

UNSEEN = {
    "brk": 12,
    "clock_getres": 229,
    "clock_nanosleep": 230,
    "close": 3,
    "close_range": 436,
    "epoll_ctl": 233,
    "exit": 60,
    "exit_group": 231,
    "fadvise64": 221,
    "futex": 202,
    "getegid": 108,
    "geteuid": 107,
    "getgid": 104,
    "getgroups": 115,
    "getresgid": 120,
    "getresuid": 118,
    "getuid": 102,
    "madvise": 28,
    "mbind": 237,
    "membarrier": 324,
    "mincore": 27,
    "mprotect": 10,
    "mremap": 25,
    "munmap": 11,
    "nanosleep": 35,
    "restart_syscall": 219,
    "rseq": 334,
    "rt_sigprocmask": 14,
    "sched_get_priority_max": 146,
    "sched_get_priority_min": 147,
    "sched_yield": 24,
    "set_robust_list": 273,
    "set_tid_address": 218,
    "sigaltstack": 131,
}
"""What passes unseen. Maps, descriptors, masks and threads are looked at behind the imports; the user is in every
key."""

FILES = {"fstat": 5, "read": 0, "readv": 19, "pread64": 17, "lseek": 8, "write": 1, "writev": 20, "fcntl": 72}
"""What passes unseen for descriptors above those of the standard streams: how they were opened has been judged."""

SEEN = {
    "accept": 43,
    "accept4": 288,
    "access": 21,
    "alarm": 37,
    "arch_prctl": 158,
    "bind": 49,
    "chdir": 80,
    "chmod": 90,
    "chown": 92,
    "clock_gettime": 228,
    "clone": 56,
    "clone3": 435,
    "connect": 42,
    "creat": 85,
    "dup": 32,
    "dup2": 33,
    "dup3": 292,
    "epoll_create": 213,
    "epoll_create1": 291,
    "epoll_pwait": 281,
    "epoll_wait": 232,
    "eventfd": 284,
    "eventfd2": 290,
    "execve": 59,
    "execveat": 322,
    "faccessat": 269,
    "faccessat2": 439,
    "fallocate": 285,
    "fchdir": 81,
    "fchmod": 91,
    "fchmodat": 268,
    "flock": 73,
    "fork": 57,
    "fstatfs": 138,
    "fsync": 74,
    "ftruncate": 77,
    "getcpu": 309,
    "getcwd": 79,
    "getdents": 78,
    "getdents64": 217,
    "getitimer": 36,
    "getpeername": 52,
    "getpgid": 121,
    "getpgrp": 111,
    "getpid": 39,
    "getppid": 110,
    "getpriority": 140,
    "getrandom": 318,
    "getrlimit": 97,
    "getrusage": 98,
    "getsid": 124,
    "getsockname": 51,
    "getsockopt": 55,
    "gettid": 186,
    "gettimeofday": 96,
    "getxattr": 191,
    "inotify_init": 253,
    "inotify_init1": 294,
    "io_uring_setup": 425,
    "ioctl": 16,
    "kill": 62,
    "link": 86,
    "listen": 50,
    "lstat": 6,
    "memfd_create": 319,
    "mkdir": 83,
    "mkdirat": 258,
    "mlock": 149,
    "mlock2": 325,
    "mlockall": 151,
    "msgget": 68,
    "munlock": 150,
    "munlockall": 152,
    "newfstatat": 262,
    "open": 2,
    "openat": 257,
    "openat2": 437,
    "perf_event_open": 298,
    "personality": 135,
    "pipe": 22,
    "pipe2": 293,
    "pkey_alloc": 330,
    "poll": 7,
    "ppoll": 271,
    "prctl": 157,
    "prlimit64": 302,
    "process_vm_readv": 310,
    "pselect6": 270,
    "ptrace": 101,
    "readlink": 89,
    "readlinkat": 267,
    "recvfrom": 45,
    "recvmsg": 47,
    "rename": 82,
    "renameat": 264,
    "renameat2": 316,
    "rmdir": 84,
    "rt_sigaction": 13,
    "rt_sigreturn": 15,
    "sched_getaffinity": 204,
    "sched_setaffinity": 203,
    "sched_setscheduler": 144,
    "seccomp": 317,
    "select": 23,
    "semget": 64,
    "sendmsg": 46,
    "sendto": 44,
    "setgid": 106,
    "setgroups": 116,
    "setitimer": 38,
    "setpgid": 109,
    "setpriority": 141,
    "setrlimit": 160,
    "setsid": 112,
    "setsockopt": 54,
    "setuid": 105,
    "shmat": 30,
    "shmctl": 31,
    "shmget": 29,
    "socket": 41,
    "socketpair": 53,
    "stat": 4,
    "statfs": 137,
    "statmount": 457,
    "statx": 332,
    "symlink": 88,
    "sync": 162,
    "sysinfo": 99,
    "tgkill": 234,
    "time": 201,
    "timer_create": 222,
    "timerfd_create": 283,
    "times": 100,
    "truncate": 76,
    "umask": 95,
    "uname": 63,
    "unlink": 87,
    "unlinkat": 263,
    "userfaultfd": 323,
    "utimensat": 280,
    "vfork": 58,
    "wait4": 61,
    "waitid": 247,
}
"""Calls that have a rule of their own, or a name for the report; others are reported by their numbers."""

MMAP, PROT_EXEC = 9, 4
NAMES = {number: name for table in (UNSEEN, FILES, SEEN) for name, number in table.items()}
NAMES[MMAP] = "mmap"
X32 = 0x40000000
"""The first number of the calls of x86_64's other interface."""


def tracing_filter() -> list[Step]:
    """Return the filter that stops a process at each call that is to be judged."""
    seen = Step(RETURN, 0, 0, RETURN_TRACE)
    # Calls of 32 bits have other numbers.
    steps = [Step(LOAD, 0, 0, AT_ARCH), Step(EQUAL, 1, 0, MACHINES[MACHINE].arch), Step(RETURN, 0, 0, RETURN_KILL)]
    steps += [Step(LOAD, 0, 0, AT_NUMBER), Step(AT_LEAST, 0, 1, X32), seen]
    for number in UNSEEN.values():
        steps += [Step(EQUAL, 0, 1, number), ALLOW_ALL]
    for number in FILES.values():
        reported = [Step(EQUAL, 0, 1, CHANNEL), seen] if number == FILES["write"] else []
        body = [Step(LOAD, 0, 0, argument(0)), *reported, Step(AT_LEAST, 0, 1, 3), ALLOW_ALL, seen]
        steps += [Step(EQUAL, 0, len(body), number), *body]
    # Libraries are mapped so; then the tracer must look again where they are.
    body = [Step(LOAD, 0, 0, argument(2)), Step(ANY_BIT, 1, 0, PROT_EXEC), ALLOW_ALL, seen]
    steps += [Step(EQUAL, 0, len(body), MMAP), *body]
    return [*steps, seen]
