"""The memory that start.so gives Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE, compile_c, need_program

from freezer.link.launcher.build import SOURCE

DRIVER = r"""
#include "arenas.c"
#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

static struct arena_allocator given;
void PyObject_SetArenaAllocator(const struct arena_allocator *allocator) { given = *allocator; }

static int mapped(void *piece) { return msync(piece, 4096, MS_ASYNC) == 0; }

static void *use(void *unused)
{
    for (int i = 0; i < 20000; i++) {
        char *piece = given.allocate(given.context, 16384);
        memset(piece, i, 16384);
        for (int at = 0; at < 16384; at++)
            assert(piece[at] == (char)i);
        given.release(given.context, piece, 16384);
    }
    return unused;
}

int main(void)
{
    keep_stack_pieces();
    void *first = given.allocate(given.context, 16384), *second = given.allocate(given.context, 16384);
    assert(first != second);
    given.release(given.context, first, 16384);
    assert(given.allocate(given.context, 16384) == first);
    given.release(given.context, first, 16384);
    given.release(given.context, second, 16384);
    assert(!mapped(first) && mapped(second));  /* one is kept, not all */
    void *arena = given.allocate(given.context, 1 << 20);
    memset(arena, 1, 1 << 20);
    given.release(given.context, arena, 1 << 20);
    assert(!mapped(arena));
    assert(given.allocate(given.context, (size_t)1 << 60) == NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert(pthread_create(&threads[i], NULL, use, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
"""
PLACED = r"""
#include "arenas.c"
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static struct arena_allocator given;
void PyObject_SetArenaAllocator(const struct arena_allocator *allocator) { given = *allocator; }

static char *arena(size_t size) { return given.allocate(given.context, size); }

static void check(size_t size)
{
    char *first = arena(size), *last = first;
    for (int i = 0; i < 40; i++) {
        assert(first[0] == 0 && memcmp(last, last + 1, size - 1) == 0);  /* all are zeros */
        memset(last, 1, size);
        void *piece = arena(16384);
        char *behind = arena(size);
        assert(behind == last + size);
        first[0] = 0;
        last = behind;
        given.release(given.context, piece, 16384);
    }
    assert(size < 1 << 20 || ((uint64_t)first & (HUGE_PAGE - 1)) == 0);
    for (; first <= last; first += size)
        given.release(given.context, first, size);
}

int main(int count, char **words)
{
    keep_stack_pieces();
    place_arenas();
    assert(((uint64_t)sbrk(0) & (HUGE_PAGE - 1)) == 0);
    if (count > 1) {
        struct rlimit limit = {64 << 20, 64 << 20};
        assert(setrlimit(RLIMIT_AS, &limit) == 0);
        char *one = arena(1 << 20);
        assert(one != NULL && *one == 0);
        return 0;
    }
    char *taken = arena(HUGE_PAGE);
    assert(map((uint64_t)taken + HUGE_PAGE, 4096, PROT_READ, MAP_FIXED_NOREPLACE_) != 0);
    char *other = arena(HUGE_PAGE);
    assert(other != taken + HUGE_PAGE && ((uint64_t)other & (HUGE_PAGE - 1)) == 0);
    assert(arena(3 * 4096) != NULL);
    check(1 << 20);
    check(1 << 18);
    return words == NULL;
}
"""
HUGE = r"""
#include "arenas.c"
#include <assert.h>
#include <pthread.h>
#include <string.h>

static struct arena_allocator given;
void PyObject_SetArenaAllocator(const struct arena_allocator *allocator) { given = *allocator; }

static int asked, refuses;

/* Replaces the C library's. */
int madvise(void *place, size_t size, int advice)
{
    assert(advice == MADV_HUGEPAGE_ && size == HUGE_PAGE && ((uint64_t)place & (HUGE_PAGE - 1)) == 0);
    asked++;
    return refuses ? -1 : 0;
}

static void *use(void *number)
{
    static char *all[4][200];
    char **mine = all[(size_t)number];
    for (int i = 0; i < 200; i++) {
        mine[i] = given.allocate(given.context, 1 << 18);
        assert(mine[i] != NULL && mine[i][0] == 0 && mine[i][(1 << 18) - 1] == 0);
        memset(mine[i], (int)(size_t)number + 1, 1 << 18);
    }
    for (int i = 0; i < 200; i++) {
        assert(mine[i][0] == (char)(size_t)number + 1 && memcmp(mine[i], mine[i] + 1, (1 << 18) - 1) == 0);
        given.release(given.context, mine[i], 1 << 18);
    }
    return NULL;
}

int main(int count, char **words)
{
    pthread_t threads[4];
    keep_stack_pieces();
    refuses = count > 1 && strcmp(words[1], "refuses") == 0;
    if (count > 1 && strcmp(words[1], "saved") == 0)
        place_arenas();
    for (size_t i = 0; i < 4; i++)
        assert(pthread_create(&threads[i], NULL, use, (void *)i) == 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return asked;
}
"""
DEEP = """
def down(depth):
    if depth:
        down(depth - 1)

# A piece has room for about 150 of these frames.
for _ in range(200):
    down(220)
"""


def test_what_is_kept(tmp_path: Path) -> None:
    driver = compile_c(DRIVER, tmp_path / "driver", "-I", str(SOURCE), "-rdynamic", "-pthread")
    subprocess.run([driver], check=True, timeout=PATIENCE)


@pytest.mark.parametrize("less_room", [False, True])
def test_where_arenas_are_that_are_to_be_saved(tmp_path: Path, less_room: bool) -> None:
    driver = compile_c(PLACED, tmp_path / "driver", "-I", str(SOURCE), "-rdynamic")
    subprocess.run([driver, *(["less"] if less_room else [])], check=True, timeout=PATIENCE)


@pytest.mark.parametrize(("how", "asked"), [("", 16), ("refuses", 16), ("saved", 0)])
def test_the_first_arenas_are_in_huge_pages(tmp_path: Path, how: str, asked: int) -> None:
    """Those of the first 32 MB, and none of a process that is to be saved, however many interpreters ask at once."""
    driver = compile_c(HUGE, tmp_path / "driver", "-I", str(SOURCE), "-rdynamic", "-pthread")
    done = subprocess.run([driver, how], check=False, timeout=PATIENCE)
    assert done.returncode == asked


def test_a_program_that_is_not_python(tmp_path: Path) -> None:
    text = '#include "arenas.c"\nint main(void) { keep_stack_pieces(); return kept != NULL; }\n'
    driver = compile_c(text, tmp_path / "driver", "-I", str(SOURCE))
    subprocess.run([driver], check=True, timeout=PATIENCE)


def test_python_asks_for_pieces_of_that_size(tmp_path: Path) -> None:
    """Else nothing is kept, and nobody would notice. Before 3.11, frames are objects."""
    text = '#include "arenas.c"\n__attribute__((constructor)) static void at_start(void) { keep_stack_pieces(); }\n'
    library = compile_c(text, tmp_path / "arenas.so", "-I", str(SOURCE), "-shared", "-fPIC")
    counts = []
    for preloaded in ("", str(library)):
        log = tmp_path / "log"
        words = [need_program("strace"), "-o", str(log), "-e", "trace=mmap", "-E", f"LD_PRELOAD={preloaded}"]
        subprocess.run([*words, sys.executable, "-c", DEEP], check=True, timeout=PATIENCE)
        counts.append(log.read_text().count("NULL, 16384, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1"))
    plain, kept = counts
    assert plain >= 200 if sys.version_info >= (3, 11) else plain < 20
    assert kept < 20
