"""Multiprocessing by every start method, and an executor, without freeze_support().

Every wait has a limit: a pool whose workers cannot start replaces them for ever.
"""

import argparse
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor

TIMEOUT = 30  # seconds
START_METHODS = ("fork", "spawn", "forkserver")


def square(number):
    return number * number


def count(queue, total, number):
    with total.get_lock():
        total.value += number
    queue.put(number)


def hand_on(method, queue, depth):
    if depth > 0:
        worker = multiprocessing.get_context(method).Process(target=hand_on, args=(method, queue, depth - 1))
        worker.start()
        worker.join()
    queue.put(depth)


def pass_gate(gate, queue, number):
    with gate:
        queue.put(number)


def run_nested(method, context):
    queue = context.Queue()
    worker = context.Process(target=hand_on, args=(method, queue, 2))
    worker.start()
    received = [queue.get(timeout=TIMEOUT) for _ in range(3)]
    worker.join()
    return received


def run_from_threads(context):
    """Start processes from several threads at once; none passes the gate before all have been started."""
    queue, gate = context.Queue(), context.Semaphore(0)
    workers = [context.Process(target=pass_gate, args=(gate, queue, number)) for number in range(3)]
    threads = [threading.Thread(target=worker.start) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gate.release()
    received = sorted(queue.get(timeout=TIMEOUT) for _ in workers)
    for worker in workers:
        worker.join()
    return received


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
    more = f"nested {run_nested(method, context)} threads {run_from_threads(context)}"
    print(f"{method}: pool {squares} queue {received} value {total.value} {more}", flush=True)


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
