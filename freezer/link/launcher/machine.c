/* What depends on the machine in making and restoring snapshots: a part for each, and one for all others. */
#include "machine.h"

#if defined(__x86_64__)

enum { ARCH_PRCTL = 158, GET_GS = 0x1004, SHADOW_STACK_STATUS = 0x5005 };

long machine_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long fourth __asm__("r10") = d, fifth __asm__("r8") = e, sixth __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

int machine_can(void)
{
    uint64_t value = 0;

    /* Kernels that do not know shadow stacks have none. */
    if (machine_call(ARCH_PRCTL, SHADOW_STACK_STATUS, (long)&value, 0, 0, 0, 0) == 0 && value != 0)
        return 0;
    return machine_call(ARCH_PRCTL, GET_GS, (long)&value, 0, 0, 0, 0) == 0 && value == 0;
}

uint64_t machine_thread(void)
{
    uint64_t value;

    __asm__("mov %%fs:0, %0" : "=r"(value));
    return value;
}

static void ask_processor(uint32_t leaf, uint32_t result[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(result[0]), "=b"(result[1]), "=c"(result[2]), "=d"(result[3])
                     : "a"(leaf), "c"(0));
}

void machine_features(uint32_t features[MACHINE_FEATURES])
{
    enum { SAVES_STATE = 1 << 27 };
    uint32_t upper = 0, most = 0;

    for (unsigned index = 0; index < MACHINE_FEATURES; index++)
        features[index] = 0;
    ask_processor(0, features + 4);
    most = features[4];
    ask_processor(1, features);
    features[1] &= 0xffffff; /* without the number of the processor that this code is on */
    if (most >= 7)
        ask_processor(7, features + 8);
    if (features[2] & SAVES_STATE)
        __asm__ volatile("xgetbv" : "=a"(features[12]), "=d"(upper) : "c"(0));
}

/* The words: rbx, rbp, r12 to r15, then the control words of SSE and of the x87. In assembly all the way, as the
   compiler may use the thread pointer in any function. */
__asm__(".text\n"
        ".globl machine_save\n"
        ".hidden machine_save\n"
        ".type machine_save, @function\n"
        "machine_save:\n"
        "    mov %rbx, 0(%rdi)\n"
        "    mov %rbp, 8(%rdi)\n"
        "    mov %r12, 16(%rdi)\n"
        "    mov %r13, 24(%rdi)\n"
        "    mov %r14, 32(%rdi)\n"
        "    mov %r15, 40(%rdi)\n"
        "    stmxcsr 48(%rdi)\n"
        "    fnstcw 56(%rdi)\n"
        "    lea 8(%rsp), %rax\n"
        "    mov %rax, 128(%rdi)\n" /* stack */
        "    mov (%rsp), %rax\n"
        "    mov %rax, 136(%rdi)\n" /* code */
        "    push %rdi\n"
        "    lea 144(%rdi), %rsi\n" /* thread */
        "    mov $0x1003, %edi\n"   /* ARCH_GET_FS */
        "    mov $158, %eax\n"
        "    syscall\n"
        "    pop %rdi\n"
        "    xor %eax, %eax\n"
        "    ret\n"
        ".size machine_save, . - machine_save\n"
        ".globl machine_resume\n"
        ".hidden machine_resume\n"
        ".type machine_resume, @function\n"
        "machine_resume:\n"
        "    mov %rdi, %rbx\n"
        "    mov 144(%rbx), %rsi\n"
        "    mov $0x1002, %edi\n" /* ARCH_SET_FS */
        "    mov $158, %eax\n"
        "    syscall\n"
        "    mov %rbx, %rdi\n"
        "    ldmxcsr 48(%rdi)\n"
        "    fldcw 56(%rdi)\n"
        "    mov 8(%rdi), %rbp\n"
        "    mov 16(%rdi), %r12\n"
        "    mov 24(%rdi), %r13\n"
        "    mov 32(%rdi), %r14\n"
        "    mov 40(%rdi), %r15\n"
        "    mov 128(%rdi), %rsp\n"
        "    mov 136(%rdi), %rcx\n"
        "    mov 0(%rdi), %rbx\n"
        "    mov $1, %eax\n"
        "    jmp *%rcx\n"
        ".size machine_resume, . - machine_resume\n"
        ".section .note.GNU-stack, \"\", @progbits\n"
        ".text\n");

#else /* no machine that snapshots are known to work on */

long machine_call(long number, long a, long b, long c, long d, long e, long f)
{
    (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return -38; /* ENOSYS */
}

int machine_can(void)
{
    return 0;
}

void machine_features(uint32_t features[MACHINE_FEATURES])
{
    for (unsigned index = 0; index < MACHINE_FEATURES; index++)
        features[index] = 0;
}

uint64_t machine_thread(void)
{
    return 0;
}

int machine_save(struct machine_context *context)
{
    (void)context;
    return 0;
}

void machine_resume(const struct machine_context *context)
{
    (void)context;
    for (;;)
        ;
}

#endif
