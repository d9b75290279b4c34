"""Multiprocessing by every start method, and an executor, without freeze_support().

Every wait has a limit: a pool whose workers cannot start replaces them for ever.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

TIMEOUT = 30  # seconds
START_METHODS = ("fork", "spawn", "forkserver")


def square(number):
    return number * number


def count(queue, total, number):
    with total.get_lock():
        total.value += number
    queue.put(number)


def run_start_method(method):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        squares = pool.map_async(square, range(5)).get(TIMEOUT)

    queue = context.Queue()
    total = context.Value("i", 0)
    workers = [context.Process(target=count, args=(queue, total, n)) for n in (1, 2)]
    for worker in workers:
        worker.start()
    received = sorted(queue.get(timeout=TIMEOUT) for _ in workers)
    for worker in workers:
        worker.join()
    print(f"{method}: pool {squares} queue {received} value {total.value}", flush=True)


def run_executor():
    with ProcessPoolExecutor(2) as executor:
        squares = list(executor.map(square, range(5), timeout=TIMEOUT))
    print(f"executor: map {squares}", flush=True)


def main():
    methods = (*START_METHODS, "executor")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", nargs="?", choices=methods, help="default: all")
    chosen = parser.parse_args().method
    for method in [chosen] if chosen else methods:
        if method == "executor":
            run_executor()
        else:
            run_start_method(method)


if __name__ == "__main__":
    main()
