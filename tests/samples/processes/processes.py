"""Libraries that start processes of this program as interpreters, and libraries that read its source."""

import concurrent.futures
import doctest
import inspect
import io
import multiprocessing
import os
import pdb
import runpy
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings

import typeguard

with typeguard.install_import_hook("shapes"):
    import shapes

FACTOR = 3


def triple(number):
    """
    >>> triple(2)
    6
    """
    return FACTOR * number


def pools():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
            print("futures", method, list(executor.map(triple, range(3))))
    import joblib

    print("joblib", joblib.Parallel(n_jobs=2)(joblib.delayed(triple)(number) for number in range(3)))
    with tempfile.TemporaryDirectory() as folder:
        remembered = joblib.Memory(folder, verbose=0).cache(triple)
        print("joblib's memory", remembered(4), remembered(4))
    import multiprocess

    with multiprocess.get_context("spawn").Pool(2) as pool:
        print("multiprocess", pool.map(lambda number: number + FACTOR, range(3)))
    import pathos.pools

    with pathos.pools.ProcessPool(2) as pool:
        print("pathos", pool.map(lambda number: number + FACTOR, range(3)))
    import billiard

    # Its server of forks fails on a worker that a signal has ended, as workers of a pool are.
    for method in ("fork", "spawn"):
        with billiard.get_context(method).Pool(2) as pool:
            print("billiard", method, pool.map(triple, range(3)))
    import celery
    import celery.concurrency.prefork

    application = celery.Celery()
    application.finalize()
    workers = celery.concurrency.prefork.TaskPool(2, app=application, initargs=(application, "here"))
    workers.start()
    print("celery", [workers.apply_async(triple, (number,)).get() for number in range(3)])
    workers.stop()


def gateways():
    import execnet

    for place in ("popen", "popen//python=" + sys.executable):
        gateway = execnet.makegateway(place)
        print("execnet", gateway.remote_exec(shapes).receive())
        gateway.exit()


def interpreters():
    def run(*arguments, **options):
        done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=True, **options)
        return done.stdout.strip()

    print("-c", run("-c", "import json, sys; print(json.dumps(sys.argv))", "x"))
    print("-m", run("-m", "json.tool", "--compact", input='{"a":  1}'))
    print("-", run("-", "x", input="import sys; print(sys.argv, __name__)"))
    print("nothing", run(input="print(__name__)"))
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "script.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write("import beside, sys\nprint(beside.value, sys.path[0] == %r)\n" % folder)
        with open(os.path.join(folder, "beside.py"), "w", encoding="utf-8") as file:
            file.write("value = 5\n")
        print("script", run(script))
        print("runpy", runpy.run_path(os.path.join(folder, "beside.py"))["value"])
    print("itself", run(__file__, "again"))


def sources():
    import beartype
    import dill.source
    import icecream

    try:
        shapes.area("2", 3)
    except typeguard.TypeCheckError:
        print("typeguard's hook")
    for check in (typeguard.typechecked, beartype.beartype):

        @check
        def half(number: int) -> int:
            return number // 2

        try:
            half("2")
        except Exception as error:
            print(type(error).__module__.partition(".")[0])
    icecream.ic.configureOutput(outputFunction=print, includeContext=False)
    icecream.ic(FACTOR + 1)
    print(inspect.getsource(shapes.area).splitlines()[1].strip())
    print(dill.source.getsource(triple).splitlines()[-1].strip(), dill.loads(dill.dumps(lambda: FACTOR))())
    print(doctest.testmod())
    print(__loader__.get_source("__main__").splitlines()[0][:20], __loader__.get_code("__main__").co_name, __spec__)
    output = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("list\ncontinue\n"), stdout=output)
    debugger.set_trace()
    print("pdb", "debugger.set_trace()" in output.getvalue())


def frames():
    """What looks for its callers finds this program's code alone."""
    print("stack", [item.function for item in inspect.stack(0)], [item.name for item in traceback.extract_stack()])
    names = []
    thread = threading.Thread(target=lambda: names.extend(item.function for item in inspect.stack(0)))
    thread.start()
    thread.join()
    print("thread", names[-1], [type(inspect.getmodule(sys._getframe())).__name__, __spec__])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import old
    print("warned of", old.__name__, [item.filename == __file__ for item in caught])
    try:
        import older
    except ImportError as error:
        print("failed", [frame.name for frame in traceback.extract_tb(error.__traceback__)])


def main():
    if sys.argv[1:] == ["again"]:
        print("again")
        return
    for part in (pools, gateways, interpreters, sources, frames):
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            part()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
