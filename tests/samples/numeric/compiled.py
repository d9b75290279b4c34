"""Compile a function, and find the compiled code again at the next start."""

import os
import subprocess
import sys
import tempfile


def work() -> None:
    from numba import njit

    @njit(cache=True)
    def total(count):  # type: ignore[no-untyped-def]
        result = 0.0
        for number in range(count):
            result += number
        return result

    value = total(10)
    print(value, "cached" if sum(total.stats.cache_hits.values()) else "compiled")


def main() -> None:
    # Places for compiled code: numba's own variable, and the user's cache, which holds it if the source cannot.
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(2):
                environment = {**os.environ, variable: folder}
                subprocess.run([sys.executable, __file__, "sum"], env=environment, check=True)


if __name__ == "__main__":
    work() if sys.argv[1:] == ["sum"] else main()
