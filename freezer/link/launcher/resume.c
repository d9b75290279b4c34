/* Becomes the application by mapping a snapshot of it.

   All that the snapshot has is mapped at its old addresses (mapping.c), beside the launcher's own memory, which stays: the
   application's arguments and variables are in it. If an address is in use, as the kernel has put a part of the launcher
   there, the snapshot cannot be restored this time. Until machine_resume() nothing is lost: a plain start follows, whose
   execve() removes all mappings. Only the kernel's own code (vdso), which the launcher's C library may call, has to stay
   where it is until nothing can fail any more. */
#include "snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
enum {
    SET_MEMORY_MAP = 14,      /* PR_SET_MM_MAP, of prctl(2) */
    RSEQ_UNREGISTER = 1,      /* of rseq(2) */
    RSEQ_FAILED = -2,         /* what the C library goes by if rseq(2) has failed */
    RSEQ_CPU = 4,             /* where in its area that is */
    SIGNAL_SET_SIZE = 8,
    FIRST_OWN = 32, LAST_OWN = 33, /* the C library's own signals */
};

/* As linked; they bound the launcher's code and data. */
extern char __executable_start, etext, edata;

/* glibc's, if the launcher has that. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

static bool move(uint64_t from, uint64_t to, uint64_t size)
{
    return syscall(SYS_mremap, from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == (long)to;
}

/* Moves the kernel's own mappings to where they were in the process that was saved. Returns why that is not possible;
   then they are where they were. */
static const char *move_parts(const struct snapshot_head *head)
{
    uint64_t own = getauxval(AT_SYSINFO_EHDR), first = head->borders[0], size = head->borders[head->parts] - first;

    if (head->parts == 0 || own == 0)
        return own == head->vdso ? NULL : "the kernel gives no code of its own";
    uint64_t from = own - (head->vdso - first);
    if (from == first)
        return NULL;
    if (mmap((void *)first, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)first)
        return "the address of the kernel's code is in use";
    for (uint64_t index = 0; index < head->parts; index++) {
        uint64_t at = head->borders[index] - first, length = head->borders[index + 1] - head->borders[index];
        if (move(from + at, first + at, length))
            continue;
        while (index-- > 0) {
            at = head->borders[index] - first;
            (void)move(first + at, from + at, head->borders[index + 1] - head->borders[index]);
        }
        return "the kernel's code cannot be moved";
    }
    return NULL;
}

static const char *check_parts(const struct snapshot_head *head)
{
    uint64_t own = getauxval(AT_SYSINFO_EHDR);

    for (uint64_t index = 0; index < head->parts && own != 0; index++)
        if (head->borders[index] == head->vdso &&
            snapshot_hash((const void *)own, head->borders[index + 1] - head->vdso) != head->vdso_hash)
            return "the kernel's code is another";
    return NULL;
}

/* Has the kernel continue the heap where it was. Where that is not permitted, brk(2) fails, and the C library's
   allocator does without. */
static void set_break(const struct snapshot_head *head, char *arguments[], char *environment[])
{
    struct {
        uint64_t start_code, end_code, start_data, end_data, start_break, end_break, stack, arguments_start, arguments_end,
            environment_start, environment_end, auxiliary;
        uint32_t auxiliary_size, program;
    } map;
    char **last = arguments, **variable = environment;

    if (head->break_start == 0 || !*arguments)
        return;
    memset(&map, 0, sizeof map);
    while (last[1])
        last++;
    while (*variable && variable[1])
        variable++;
    map.start_code = (uint64_t)&__executable_start;
    map.end_code = map.start_data = (uint64_t)&etext;
    map.end_data = (uint64_t)&edata;
    map.start_break = head->break_start;
    map.end_break = head->break_end;
    map.stack = (uint64_t)arguments & ~(uint64_t)15;
    map.arguments_start = (uint64_t)arguments[0];
    map.arguments_end = map.environment_start = map.environment_end = (uint64_t)*last + strlen(*last) + 1;
    if (*environment) {
        map.environment_start = (uint64_t)environment[0];
        map.environment_end = (uint64_t)*variable + strlen(*variable) + 1;
    }
    map.program = (uint32_t)-1; /* as it is */
    (void)prctl(PR_SET_MM, SET_MEMORY_MAP, &map, sizeof map, 0);
}

static bool is_ignored(long number)
{
    struct snapshot_signal now_;

    return syscall(SYS_rt_sigaction, number, NULL, &now_, SIGNAL_SET_SIZE) == 0 && now_.handler == (uint64_t)SIG_IGN;
}

/* Has signals do what they did in the process that was saved, except that those which the caller ignores stay so: that
   process had none of these. Python takes SIGINT for itself only if it is not ignored. Returns the ignored ones. */
static uint64_t set_signals(const struct snapshot_head *head)
{
    uint64_t ignored = 0;

    for (long number_ = 1; number_ <= SNAPSHOT_SIGNALS; number_++) {
        const struct snapshot_signal *saved = &head->signals[number_ - 1];
        /* posix_spawn(3) leaves those of the C library ignored. */
        if (number_ >= FIRST_OWN && number_ <= LAST_OWN)
            continue;
        bool left = saved->handler == (uint64_t)SIG_DFL || number_ == SIGINT;
        if (left && is_ignored(number_))
            ignored |= (uint64_t)1 << (number_ - 1);
        else if (saved->handler != (uint64_t)SIG_DFL)
            (void)syscall(SYS_rt_sigaction, number_, saved, NULL, SIGNAL_SET_SIZE);
    }
    if (!(head->signal_stack_flags & SS_DISABLE)) {
        stack_t stack = {.ss_sp = (void *)head->signal_stack, .ss_size = head->signal_stack_size};
        (void)sigaltstack(&stack, NULL);
    }
    return ignored;
}

/* Keeps the lock on an open file as long as this process lives, whatever it closes. */
static void keep_mapped(int file)
{
    if (file >= 0)
        (void)mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, 0);
}

/* Closes all descriptors of the launcher's, and those that it has put in the places of closed standard streams. */
static void close_own(const struct restoring *how, const struct snapshot *snapshot)
{
    const int own[] = {how->entry->used, how->entry->dir, how->entry->home, how->app->fd, how->trial_lock, how->directory,
        snapshot->file};

    keep_mapped(how->entry->used);
    keep_mapped(how->trial_lock);
    for (size_t index = 0; index < sizeof own / sizeof *own; index++)
        if (own[index] >= 0)
            close(own[index]);
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        int flags = fcntl(stream, F_GETFD);
        if (flags > 0 && (flags & FD_CLOEXEC))
            close(stream);
    }
}

/* Makes this thread the one that was saved. Nothing of the C library may be used from here on. */
static _Noreturn void resume(const struct snapshot_head *head)
{
    if (&__rseq_offset && &__rseq_size && __rseq_size > 0)
        (void)machine_call(SYS_rseq, (long)machine_thread() + __rseq_offset,
            __rseq_size > 32 ? __rseq_size : 32, RSEQ_UNREGISTER, (long)head->rseq_signature, 0, 0);
    *(int *)head->thread_number = (int)machine_call(SYS_set_tid_address, (long)head->thread_number, 0, 0, 0, 0, 0);
    if (head->robust_list != 0)
        (void)machine_call(SYS_set_robust_list, (long)head->robust_list, (long)head->robust_size, 0, 0, 0, 0);
    if (head->rseq != 0) {
        /* As in a new thread: not registered yet, and with no critical section. */
        int32_t *words = (int32_t *)head->rseq;
        words[0] = 0;
        words[1] = -1;
        words[2] = words[3] = 0;
        if (machine_call(SYS_rseq, (long)head->rseq, (long)head->rseq_size, 0, (long)head->rseq_signature, 0, 0) != 0)
            words[1] = RSEQ_FAILED;
    }
    machine_resume(&head->context);
}

const char *snapshot_restore(const struct snapshot *snapshot, const struct restoring *how)
{
    const struct snapshot_head *head = snapshot->head;
    const char *base = strrchr(how->app->path, '/');

    /* Who goes by the number of the process to see that it is another one than before would be wrong. */
    if (head->process == (uint64_t)getpid() || head->parent == (uint64_t)getpid())
        return "this process has the number of the one that made it";
    if (!machine_can() || (uint64_t)sysconf(_SC_PAGESIZE) != PAGE_OF_MEMORY)
        return "this machine, or this process, cannot";
    const char *why = check_parts(head);
    if (!why)
        why = snapshot_map(snapshot, how);
    if (!why)
        why = move_parts(head);
    if (why)
        return why;
    set_break(head, how->arguments, how->environment);
    struct snapshot_mailbox *mailbox = (void *)head->mailbox;
    mailbox->arguments = how->arguments;
    mailbox->environment = how->environment;
    mailbox->path = how->app->path;
    mailbox->trial = how->trial;
    mailbox->test = how->test;
    mailbox->process = (uint64_t)getpid();
    mailbox->ignored = set_signals(head);
    if (how->tells)
        (void)dprintf(STDERR_FILENO, "%s: started by a snapshot\n", how->app->path);
    close_own(how, snapshot);
    (void)prctl(PR_SET_NAME, base ? base + 1 : how->app->path);
    resume(head);
}
