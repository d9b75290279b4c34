/* Messages of the launcher: in the form of freezer's own, and without bytes that could garble a terminal.

   Names may contain any byte but NUL. Bytes that are not printable UTF-8 are shown as \xNN; control characters could
   otherwise move the cursor or forge another message. A message that fits into the buffer is one write. */
#include "launcher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char buffer[16384];
static size_t used, reasons;
static const char *name = "launcher";

static void flush(void)
{
    size_t done = 0;

    while (done < used) {
        ssize_t count = write(STDERR_FILENO, buffer + done, used - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break; /* stderr cannot be written */
        done += (size_t)count;
    }
    used = 0;
}

/* Returns the length of the printable character at the start of a text; 0 if there is none (Unicode, table 3-7). */
static size_t character(const unsigned char *text)
{
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    size_t length;

    if (first >= 0x20 && first < 0x7f)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        length = 2;
    else if (first >= 0xe0 && first <= 0xef)
        length = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        length = 4;
    else
        return 0;
    if (first == 0xc2 || first == 0xe0)
        low = 0xa0; /* U+0080 to U+009F are control characters; lower bytes after E0 would be overlong */
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t index = 2; index < length; index++)
        if (text[index] < 0x80 || text[index] > 0xbf)
            return 0;
    /* U+2028, U+2029 end lines; U+202A to U+202E and U+2066 to U+2069 turn the direction of what follows. */
    if (length == 3 && first == 0xe2 &&
        ((text[1] == 0x80 && text[2] >= 0xa8 && text[2] <= 0xae) ||
         (text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9)))
        return 0;
    return length;
}

static void says_add(const char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = (const unsigned char *)text;

    while (*from) {
        if (used + 4 > sizeof buffer)
            flush();
        size_t length = *from == '\n' ? 1 : character(from);
        if (length > 0) {
            memcpy(buffer + used, from, length);
            used += length;
            from += length;
        } else {
            buffer[used++] = '\\';
            buffer[used++] = 'x';
            buffer[used++] = digits[*from >> 4];
            buffer[used++] = digits[*from & 15];
            from++;
        }
    }
}

/* Adds a text that the launcher does not control, in which newlines are escaped, too. */
static void add_quoted(const char *text)
{
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        char part[256];
        while (text < end) {
            size_t size = (size_t)(end - text);
            if (size > sizeof part - 1)
                size = sizeof part - 1;
            memcpy(part, text, size);
            part[size] = 0;
            says_add(part);
            text += size;
        }
        says_add("\\x0a");
    }
    says_add(text);
}

void says_start(const char *program)
{
    const char *slash = strrchr(program, '/');

    name = slash ? slash + 1 : program;
}

/* An error message has parts: what failed, any number of reasons, and what to try, which ends the process. */
void says_begin(const char *what)
{
    used = reasons = 0;
    add_quoted(name);
    says_add(": error: ");
    add_quoted(what);
}

/* "which" may be NULL. */
void says_why(const char *which, const char *why)
{
    says_add(reasons++ ? "\n       " : "\n  why: ");
    if (which) {
        add_quoted(which);
        says_add(": ");
    }
    add_quoted(why);
}

/* Returns what to try if a resource of the system is short or broken; for any other error "otherwise". */
const char *says_hint(int error, const char *otherwise)
{
    switch (error) {
    case EMFILE:
        return "allow it more open files: ulimit -n 64";
    case ENFILE:
        return "allow the system more open files: sysctl fs.file-max";
    case ENOMEM:
        return "allow it more memory: ulimit -v, or the limit of its container";
    case EIO:
        return "look for errors of the disk in the system's log: dmesg";
    default:
        return otherwise;
    }
}

_Noreturn void says_try(const char *hint)
{
    says_add("\n  try: ");
    says_add(hint);
    says_add("\n");
    flush();
    _exit(CANNOT_RUN);
}

_Noreturn void says_error(const char *what, const char *why, const char *hint)
{
    says_begin(what);
    says_why(NULL, why);
    says_try(hint);
}

void says_notice(const char *text, const char *path)
{
    used = 0;
    add_quoted(name);
    says_add(": ");
    says_add(text);
    add_quoted(path);
    says_add("\n");
    flush();
}
