/* A module of Python's that saves the process as a snapshot, in its forked child, and comes back in each process that a
   snapshot is restored in (resume.c).

   The child of a fork is what is saved, not the process itself: whatever must not be the same in two processes has been
   reset, as the C library and others have to do at a fork anyway. Other threads are gone, and memory that is wiped in
   children is. So what survives fork(2) survives this.

   What is saved: the pages that are neither zero nor those of a mapped file, the registers, and what the kernel knows of
   the process by its addresses. Memory that two processes share, and mapped devices, are reasons not to save.

   No C library is compiled in, and the module has no version of Python: it is declared here what the stable interface of
   Python has (PEP 384). */
#include "calls.h"
#include "snapshot.h"

#include <stddef.h>

typedef struct python_object object;
struct python_method {
    const char *name;
    object *(*function)(object *, object *);
    int flags;
    const char *text;
};
struct python_module {
    struct { /* PyModuleDef_Base */
        intptr_t references;
        void *type;
        object *(*initialize)(void);
        intptr_t index;
        object *copy;
    } base;
    const char *name, *text;
    intptr_t size;
    struct python_method *methods;
    void *slots, *traverse, *clear, *free;
};

extern object *PyModuleDef_Init(struct python_module *);
extern char *PyBytes_AsString(object *);
extern object *PyBytes_FromString(const char *);
extern object *PyUnicode_DecodeFSDefault(const char *);
extern object *PyList_New(intptr_t);
extern int PyList_Append(object *, object *);
extern object *Py_BuildValue(const char *, ...);
extern void Py_IncRef(object *);
extern void PyObject_GC_UnTrack(void *);
extern void PyObject_GC_Track(void *);
extern void Py_DecRef(object *);
extern void PyOS_BeforeFork(void);
extern void PyOS_AfterFork_Child(void);

/* Of the C library. */
extern int fork(void);
extern int fflush(void *);
extern int unlink(const char *);
extern void *memcpy(void *, const void *, size_t);
extern int memcmp(const void *, const void *, size_t);
extern size_t strlen(const char *);
extern char *strstr(const char *, const char *);
extern char **environ;
extern char *program_invocation_name __attribute__((weak));
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

enum {
    PAGE = 4096, HUGE_PAGE = 1 << 21, TEXT_ROOM = 32 << 20, MAP_ROOM = 1 << 16, WHY_ROOM = 512,
    TAKES_NOTHING = 4, TAKES_ONE = 8,                                 /* METH_NOARGS, METH_O */
    DIE_WITH_PARENT = 1, GET_THREAD_NUMBER = 40, KILL = 9,            /* of prctl(2) */
    PRESENT = 63, SWAPPED = 62, OF_FILE = 61,                         /* bits of /proc/self/pagemap */
    RSEQ_SIGNATURE = 0x53053053,                                      /* glibc's on x86 */
};

struct work { /* outside of what is saved */
    struct snapshot_head head;
    struct snapshot_area areas[SNAPSHOT_AREAS];
    struct snapshot_file files[SNAPSHOT_FILES];
    char text[SNAPSHOT_TEXT];
    char maps[TEXT_ROOM];
    uint64_t pages[MAP_ROOM];
    char why[WHY_ROOM];
};

struct mapping { /* a mapping of this process, as the kernel describes it */
    uint64_t start, end, offset, inode;
    const char *rights, *name, *flags;
    int protection;
};

static struct snapshot_mailbox mailbox;
static struct work *work;

static int refuse(const char *why, const char *name)
{
    size_t used = 0;

    for (const char *at = why; *at != '\0' && used < WHY_ROOM - 2; at++)
        work->why[used++] = *at;
    for (const char *at = name; *at != '\0' && used < WHY_ROOM - 2; at++)
        work->why[used++] = *at;
    work->why[used++] = '\n';
    return -1;
}

static uint64_t number_at(const char **at, unsigned base)
{
    uint64_t value = 0;

    for (;; (*at)++) {
        char sign = **at;
        unsigned digit = base;
        if (sign >= '0' && sign <= '9')
            digit = (unsigned)(sign - '0');
        else if (sign >= 'a' && sign <= 'f')
            digit = (unsigned)(sign - 'a') + 10;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

static int begins(const char *text, const char *with)
{
    return memcmp(text, with, strlen(with)) == 0;
}

/* Reads a line of /proc/self/smaps, and the lines with details behind it, into "found"; returns what is behind. The
   line: 7f00-7f10 r-xp 00001000 fd:01 1234      /name */
static char *next_mapping(char *line, struct mapping *found)
{
    const char *at = line;

    found->start = number_at(&at, 16);
    at++;
    found->end = number_at(&at, 16);
    found->rights = ++at;
    at += 5;
    found->offset = number_at(&at, 16);
    at++;
    (void)number_at(&at, 16);
    at++;
    (void)number_at(&at, 16);
    at++;
    found->inode = number_at(&at, 10);
    while (*at == ' ')
        at++;
    found->name = at;
    found->flags = "";
    found->protection = (found->rights[0] == 'r' ? CAN_READ : 0) | (found->rights[1] == 'w' ? CAN_WRITE : 0) |
                        (found->rights[2] == 'x' ? CAN_EXECUTE : 0);
    for (int first = 1; *line != '\0'; first = 0) {
        char *end = line;
        int last = begins(line, "VmFlags:");
        while (*end != '\0' && *end != '\n')
            end++;
        if (first == 0 && last)
            found->flags = line + sizeof "VmFlags:" - 1;
        if (*end == '\n')
            *end++ = '\0';
        line = end;
        if (last)
            break;
    }
    return line;
}

static struct snapshot_area *add_area(uint64_t start, uint64_t size, int protection, int kind)
{
    struct snapshot_area *area = &work->areas[work->head.areas++];

    *area = (struct snapshot_area){.start = start, .size = size, .protection = (uint8_t)protection, .kind = (uint8_t)kind};
    return area;
}

/* Enters a file that is mapped; returns its number, -1 if it cannot be part of a snapshot. */
static int add_file(const struct mapping *mapping)
{
    struct snapshot_file *files = work->files;
    struct told_file told;
    size_t size = strlen(mapping->name) + 1;

    for (uint64_t index = 0; index < work->head.files; index++)
        if (files[index].inode == mapping->inode && begins(work->text + files[index].name, mapping->name))
            return (int)index;
    if (machine_call(CALL_STATX, AT_HERE, (long)mapping->name, 0, STATX_BASIC, (long)&told, 0) == 0 &&
        told.inode == mapping->inode && (told.mode & 0170000) == 0100000) {
        if (work->head.files == SNAPSHOT_FILES || work->head.text_size + size > SNAPSHOT_TEXT)
            return refuse("too many files are mapped: ", mapping->name);
        struct snapshot_file *file = &files[work->head.files];
        *file = (struct snapshot_file){.inode = told.inode, .size = told.size, .name = work->head.text_size,
            .modified = told.modified.seconds, .modified_nanoseconds = told.modified.nanoseconds,
            .changed = told.changed.seconds, .changed_nanoseconds = told.changed.nanoseconds};
        memcpy(work->text + work->head.text_size, mapping->name, size);
        work->head.text_size += size;
        return (int)work->head.files++;
    }
    return refuse("a file that is mapped is gone, or is none: ", mapping->name);
}

static int is_zero(uint64_t address)
{
    const uint64_t *words = (const uint64_t *)address;

    for (unsigned index = 0; index < PAGE / sizeof *words; index++)
        if (words[index] != 0)
            return 0;
    return 1;
}

/* Adds the pages of a mapping that the snapshot has to have, in runs; few pages between two are taken along, as each run
   costs a call at each start. */
static int add_pages(const struct mapping *mapping, int pagemap, int of_file)
{
    uint64_t gap = (of_file ? 2 : 16) * PAGE, from = 0, to = 0;

    for (uint64_t at = mapping->start; at < mapping->end;) {
        uint64_t count = (mapping->end - at) / PAGE;
        count = count < MAP_ROOM ? count : MAP_ROOM;
        if (call4(CALL_READ_AT, pagemap, (long)work->pages, (long)(count * 8), (long)(at / PAGE * 8)) != (long)(count * 8))
            return refuse("the pages of a mapping are unknown: ", mapping->name);
        for (uint64_t index = 0; index < count; index++, at += PAGE) {
            uint64_t page = work->pages[index];
            int held = (page >> PRESENT & 1) || (page >> SWAPPED & 1);
            if (!held || (of_file ? !(page >> SWAPPED & 1) && (page >> OF_FILE & 1) : is_zero(at)))
                continue;
            if (!(mapping->protection & CAN_READ))
                return refuse("memory that cannot be read has content: ", mapping->name);
            if (to != 0 && at - to <= gap) {
                to = at + PAGE;
                continue;
            }
            if (to != 0)
                add_area(from, to - from, mapping->protection, PAGES_AREA);
            if (work->head.areas > SNAPSHOT_AREAS - 4)
                return refuse("there are too many mappings", "");
            from = at;
            to = at + PAGE;
        }
    }
    if (to != 0)
        add_area(from, to - from, mapping->protection, PAGES_AREA);
    return 0;
}

/* Notes a mapping of the kernel's own, which a restored process has from its own kernel. */
static int add_part(const struct mapping *mapping)
{
    struct snapshot_head *head = &work->head;

    if (head->parts > 0 && head->borders[head->parts] != mapping->start)
        return refuse("the kernel's mappings are apart", "");
    if (head->parts == SNAPSHOT_PARTS)
        return refuse("the kernel has too many mappings", "");
    if (strstr(mapping->flags, " sl") != NULL)
        return refuse("the kernel's mappings are sealed", "");
    head->borders[head->parts++] = mapping->start;
    head->borders[head->parts] = mapping->end;
    if (begins(mapping->name, "[vdso]")) {
        head->vdso = mapping->start;
        head->vdso_hash = snapshot_hash((const void *)mapping->start, mapping->end - mapping->start);
    }
    return 0;
}

/* Returns why a mapping cannot be saved; NULL if it can. */
static const char *unfit(const struct mapping *mapping)
{
    static const struct {
        const char *flag, *why;
    } refused[] = {
        {" io", "a device is mapped: "}, {" lo", "memory is locked: "}, {" ss", "a shadow stack is in use: "},
        {" ht", "huge pages are mapped: "}, {" dp", "memory that the kernel may drop is mapped: "},
        {" sl", "a mapping is sealed: "}, {" um", "userfaultfd is in use: "}, {" uw", "userfaultfd is in use: "},
    };
    const char *name = mapping->name;

    for (unsigned index = 0; index < sizeof refused / sizeof *refused; index++)
        if (strstr(mapping->flags, refused[index].flag) != NULL)
            return refused[index].why;
    if (name[0] != '\0' && name[0] != '/' && !begins(name, "[heap]") && !begins(name, "[anon") &&
        !begins(name, "[stack"))
        return "it is unknown what is mapped: ";
    if (mapping->rights[3] == 's' && (name[0] != '/' || (mapping->protection & CAN_WRITE)))
        return "memory is shared with other processes: ";
    if (name[0] == '/' && (strstr(name, " (deleted)") != NULL || begins(name, "/dev/") || begins(name, "/memfd:") ||
                              begins(name, "/SYSV") || strstr(name, "\\012") != NULL))
        return "a file without a name is mapped: ";
    return NULL;
}

static int add_mapping(const struct mapping *mapping, int pagemap)
{
    struct snapshot_head *head = &work->head;
    uint64_t size = mapping->end - mapping->start, stack = head->context.stack;
    int of_file = mapping->name[0] == '/', file = 0;
    const char *why = unfit(mapping);

    if (why != NULL)
        return refuse(why, mapping->name);
    if (work->head.areas > SNAPSHOT_AREAS - 4)
        return refuse("there are too many mappings", "");
    if (mapping->start <= stack && stack < mapping->end) {
        struct snapshot_area *area = add_area(mapping->start, size, mapping->protection, STACK_AREA);
        area->saved = mapping->end - stack / PAGE * PAGE;
        return 0;
    }
    if (begins(mapping->name, "[heap]")) {
        head->break_start = head->break_start == 0 ? mapping->start : head->break_start;
        head->break_end = mapping->end;
    }
    if (of_file && (file = add_file(mapping)) < 0)
        return -1;
    struct snapshot_area *area = add_area(mapping->start, size, mapping->protection, of_file ? FILE_AREA : MEMORY_AREA);
    area->file = (uint32_t)file;
    area->offset = of_file ? mapping->offset : 0;
    if (mapping->rights[3] == 's')
        area->flags |= AREA_SHARED;
    if (strstr(mapping->flags, " wf") != NULL)
        area->flags |= AREA_WIPED;
    if (area->flags != 0)
        return 0;
    return add_pages(mapping, pagemap, of_file);
}

/* Lists all that is mapped, except what only the making needs: its own memory, and the lock of the cache entry, which a
   restored process holds by itself. */
static int list_mappings(const char *lock)
{
    long file = call4(CALL_OPEN, AT_HERE, (long)"/proc/self/smaps", TO_READ, 0);
    long pagemap = call4(CALL_OPEN, AT_HERE, (long)"/proc/self/pagemap", TO_READ, 0), size;
    size_t used = 0;

    if (file < 0 || pagemap < 0)
        return refuse("there is no /proc/self/smaps or pagemap", "");
    while ((size = call4(CALL_READ_AT, file, (long)(work->maps + used), (long)(TEXT_ROOM - 1 - used), (long)used)) > 0)
        used += (size_t)size;
    (void)call1(CALL_CLOSE, file);
    if (size < 0 || used == TEXT_ROOM - 1)
        return refuse("/proc/self/smaps cannot be read", "");
    for (char *line = work->maps; *line != '\0';) {
        struct mapping mapping;
        line = next_mapping(line, &mapping);
        if (mapping.flags[0] == '\0')
            return refuse("/proc/self/smaps does not say how memory is mapped", "");
        if (mapping.start <= (uint64_t)work && (uint64_t)work < mapping.end) {
            if (mapping.start != (uint64_t)work || mapping.end - mapping.start != (sizeof *work + PAGE - 1) / PAGE * PAGE)
                return refuse("memory is adjacent to what is needed to save it", "");
            continue;
        }
        if (begins(mapping.name, "[vsyscall]") || (memcmp(mapping.name, lock, strlen(lock)) == 0))
            continue;
        int failed = begins(mapping.name, "[vvar") || begins(mapping.name, "[vdso]") ? add_part(&mapping)
                                                                                     : add_mapping(&mapping, (int)pagemap);
        if (failed)
            return -1;
    }
    (void)call1(CALL_CLOSE, pagemap);
    return 0;
}

/* Notes what the kernel knows of this process, or of its only thread, by addresses. */
static int note_kernel_s(void)
{
    struct snapshot_head *head = &work->head;
    struct { uint64_t address; int flags, unused; uint64_t size; } stack;
    uint64_t mask = 0;
    int64_t time[2] = {0, 0};

    if (call4(CALL_PRCTL, GET_THREAD_NUMBER, (long)&head->thread_number, 0, 0) != 0 ||
        *(int *)head->thread_number != (int)call0(CALL_THREAD))
        return refuse("it is unknown where the C library has the number of the thread", "");
    (void)call4(CALL_ROBUST_LIST, 0, (long)&head->robust_list, (long)&head->robust_size, 0);
    if (&__rseq_offset != NULL && &__rseq_size != NULL && __rseq_size != 0) {
        head->rseq = head->context.thread + (uint64_t)__rseq_offset;
        head->rseq_size = __rseq_size > 32 ? __rseq_size : 32;
        head->rseq_signature = RSEQ_SIGNATURE;
    }
    for (long number = 1; number <= SNAPSHOT_SIGNALS; number++)
        (void)call4(CALL_SIGNAL_ACTION, number, 0, (long)&head->signals[number - 1], 8);
    if (call4(CALL_SIGNAL_MASK, 0, 0, (long)&mask, 8) != 0 || mask != 0)
        return refuse("signals are blocked", "");
    (void)call4(CALL_SIGNAL_STACK, 0, (long)&stack, 0, 0);
    head->signal_stack = stack.address;
    head->signal_stack_size = stack.size;
    head->signal_stack_flags = (uint64_t)stack.flags;
    (void)call4(CALL_CLOCK, 0, (long)time, 0, 0);
    head->made = time[0];
    head->process = (uint64_t)call0(CALL_PROCESS);
    head->parent = (uint64_t)call0(CALL_PARENT);
    head->mailbox = (uint64_t)&mailbox;
    head->page_size = PAGE;
    return 0;
}

static int write_at(long file, const void *data, uint64_t size, uint64_t offset)
{
    for (const char *at = data; size > 0;) {
        long count = call4(CALL_WRITE_AT, file, (long)at, (long)(size < 1 << 30 ? size : 1 << 30), (long)offset);
        if (count <= 0)
            return refuse("the snapshot cannot be written", "");
        at += count;
        size -= (uint64_t)count;
        offset += (uint64_t)count;
    }
    return 0;
}

/* Gives each area its place in the snapshot. Returns -1 if that becomes too large. */
static int lay_out(void)
{
    struct snapshot_head *head = &work->head;
    uint64_t at = sizeof *head;

    memcpy(head->magic, SNAPSHOT_MAGIC, sizeof head->magic);
    at += head->areas * sizeof *work->areas + head->files * sizeof *work->files + head->text_size;
    head->head_size = at;
    at = (at + PAGE - 1) / PAGE * PAGE;
    for (uint64_t index = 0; index < head->areas; index++) {
        struct snapshot_area *area = &work->areas[index];
        if (area->kind != PAGES_AREA && area->kind != STACK_AREA)
            continue;
        area->offset = at;
        at += area->kind == PAGES_AREA ? area->size : area->saved;
    }
    head->file_size = at;
    return at > SNAPSHOT_LIMIT ? refuse("the snapshot would be larger than a gigabyte", "") : 0;
}

static int write_snapshot(long file)
{
    const struct snapshot_head *head = &work->head;
    uint64_t at = sizeof *head, sizes[2] = {head->areas * sizeof *work->areas, head->files * sizeof *work->files};

    for (uint64_t index = 0; index < head->areas; index++) {
        const struct snapshot_area *area = &work->areas[index];
        uint64_t size = area->kind == PAGES_AREA ? area->size : area->kind == STACK_AREA ? area->saved : 0;
        if (size > 0 && write_at(file, (const void *)(area->start + area->size - size), size, area->offset) != 0)
            return -1;
    }
    if (write_at(file, work->areas, sizes[0], at) != 0 || write_at(file, work->files, sizes[1], at + sizes[0]) != 0 ||
        write_at(file, work->text, head->text_size, at + sizes[0] + sizes[1]) != 0)
        return -1;
    return write_at(file, head, sizeof *head, 0);
}

/* Writes the snapshot, or the reason why there is none, and ends. */
static void save_and_end(const char *path, const char *lock, const struct machine_context *context)
{
    int status = 1;

    work = new_memory(sizeof *work);
    if (work != NULL) {
        long file = call4(CALL_OPEN, AT_HERE, (long)path, TO_REPLACE, 0600);
        work->head.context = *context;
        if (file >= 0 && list_mappings(lock) == 0 && note_kernel_s() == 0 && lay_out() == 0 && write_snapshot(file) == 0)
            status = 0;
        else if (file >= 0 && call4(CALL_TRUNCATE, file, 0, 0, 0) == 0)
            (void)write_at(file, work->why, strlen(work->why), 0);
    }
    (void)call1(CALL_EXIT, status);
}

static object *list_of(char **words)
{
    object *list = PyList_New(0);

    for (; list != NULL && *words != NULL; words++) {
        object *word = PyBytes_FromString(*words);
        if (word == NULL || PyList_Append(list, word) != 0)
            return NULL;
        Py_DecRef(word);
    }
    return list;
}

/* Has the heap end where a huge page does. The C library goes on from where it was: to ask for less than there is gives
   the rest back. Before the fork, as a child's mapping would not grow. */
static void fill_heap(void)
{
    long heap = call1(CALL_BREAK, 0);

    if (heap > 0)
        (void)call1(CALL_BREAK, (heap + HUGE_PAGE - 1) & ~(long)(HUGE_PAGE - 1));
}

/* save(b"FILE\0LOCK"): writes a snapshot of this process to FILE, and ends the process. LOCK is the file of the cache
   entry's lock. In a restored process: returns its arguments, its environment, the path of its executable, which signals
   its caller ignores, whether it is only a test, and whether it is on trial. */
static object *save(object *module, object *names)
{
    struct machine_context context;
    const char *path = PyBytes_AsString(names), *lock = path + strlen(path) + 1;

    (void)module;
    (void)fflush(NULL);
    fill_heap();
    PyOS_BeforeFork();
    int process = fork();
    if (process != 0) {
        int status = -1;
        if (process > 0)
            (void)call4(CALL_WAIT, process, (long)&status, 0, 0);
        (void)call1(CALL_EXIT, status == 0 ? 0 : 1);
    }
    (void)call4(CALL_PRCTL, DIE_WITH_PARENT, KILL, 0, 0);
    if (machine_save(&context) == 0)
        save_and_end(path, lock, &context);
    environ = mailbox.environment;
    if (&program_invocation_name != NULL && mailbox.arguments[0] != NULL)
        program_invocation_name = mailbox.arguments[0];
    PyOS_AfterFork_Child();
    return Py_BuildValue("(NNNKii)", list_of(mailbox.arguments), list_of(mailbox.environment),
        PyUnicode_DecodeFSDefault(mailbox.path), (unsigned long long)mailbox.ignored, (int)mailbox.test,
        mailbox.trial != NULL);
}

/* keep(object): has an object stay as it is, whatever becomes of the interpreter. */
static object *keep(object *module, object *kept)
{
    (void)module;
    Py_IncRef(kept);
    return Py_BuildValue("");
}

/* thaw(object): has the collector of garbage look at an object again that was frozen (gc.freeze). */
static object *thaw(object *module, object *frozen)
{
    (void)module;
    PyObject_GC_UnTrack(frozen);
    PyObject_GC_Track(frozen);
    return Py_BuildValue("");
}

/* end(): tells that the process begins to end by itself. */
static object *end(object *module, object *nothing)
{
    const int to_append = 02000000 | 02000 | 1; /* O_CLOEXEC | O_APPEND | O_WRONLY */
    static const char ends = 'e';

    (void)module, (void)nothing;
    if (mailbox.trial != NULL && mailbox.process == (uint64_t)call0(CALL_PROCESS)) {
        long file = call4(CALL_OPEN, AT_HERE, (long)mailbox.trial, to_append, 0);
        if (file >= 0) {
            (void)call4(CALL_WRITE, file, (long)&ends, 1, 0);
            (void)call1(CALL_CLOSE, file);
        }
    }
    return Py_BuildValue("");
}

/* Adds the pages of a mapping that have been copied for this process, in runs; returns how many there are then. */
static size_t add_written(const struct mapping *mapping, long pagemap, struct snapshot_run *runs, size_t count)
{
    uint64_t size = (mapping->end - mapping->start) / PAGE;

    for (uint64_t first = 0; first < size; first += MAP_ROOM) {
        uint64_t part = size - first < MAP_ROOM ? size - first : MAP_ROOM, start = mapping->start + first * PAGE;
        if (call4(CALL_READ_AT, pagemap, (long)work->pages, (long)(part * 8), (long)(start / PAGE * 8)) != (long)(part * 8))
            return count;
        for (uint64_t index = 0; index < part; index++) {
            uint64_t page = work->pages[index], at = start + index * PAGE;
            if (!(page >> PRESENT & 1) || (page >> OF_FILE & 1))
                continue;
            struct snapshot_run *last = count == 0 ? NULL : &runs[count - 1];
            if (last != NULL && last->start >= mapping->start && at - last->start - last->size <= PAGE)
                last->size = at + PAGE - last->start;
            else if (count < SNAPSHOT_RUNS)
                runs[count++] = (struct snapshot_run){at, PAGE};
        }
    }
    return count;
}

/* Writes down which pages this process has written to, for later ones: to have them copied at once is faster. */
static void note_written(void)
{
    char path[PAGE];
    size_t used = strlen(mailbox.trial), count = 0;
    long file = call4(CALL_OPEN, AT_HERE, (long)"/proc/self/smaps", TO_READ, 0), size = 0, text = 0;
    long pagemap = call4(CALL_OPEN, AT_HERE, (long)"/proc/self/pagemap", TO_READ, 0);
    struct snapshot_run *runs = new_memory(SNAPSHOT_RUNS * sizeof *runs);

    work = new_memory(sizeof *work);
    if (file < 0 || pagemap < 0 || work == NULL || runs == NULL || used + 8 > sizeof path)
        return;
    while ((size = call4(CALL_READ_AT, file, (long)(work->maps + text), TEXT_ROOM - 1 - text, text)) > 0)
        text += size;
    for (char *line = work->maps; *line != '\0';) {
        struct mapping mapping;
        line = next_mapping(line, &mapping);
        if ((mapping.protection & CAN_WRITE) && mapping.rights[3] == 'p')
            count = add_written(&mapping, pagemap, runs, count);
    }
    memcpy(path, mailbox.trial, used);
    memcpy(path + used - (sizeof "trial" - 1), "written", sizeof "written");
    long to = call4(CALL_OPEN, AT_HERE, (long)path, TO_REPLACE, 0600);
    if (to >= 0) {
        (void)write_at(to, runs, count * sizeof *runs, 0);
        (void)call1(CALL_CLOSE, to);
    }
    (void)call1(CALL_CLOSE, file);
    (void)call1(CALL_CLOSE, pagemap);
}

/* Tells that the process has not crashed, when it ends. A child of it knows nothing of that. */
__attribute__((destructor)) static void end_trial(void)
{
    if (mailbox.trial == NULL || mailbox.process != (uint64_t)call0(CALL_PROCESS))
        return;
    note_written();
    (void)unlink(mailbox.trial);
}

static struct python_method methods[] = {{"save", save, TAKES_ONE, NULL}, {"end", end, TAKES_NOTHING, NULL},
    {"keep", keep, TAKES_ONE, NULL}, {"thaw", thaw, TAKES_ONE, NULL},
    {NULL, NULL, 0, NULL}};
static struct python_module module = {.base.references = 1, .name = "_freezer_save", .methods = methods};

object *PyInit__freezer_save(void);

object *PyInit__freezer_save(void)
{
    return PyModuleDef_Init(&module);
}
