"""Leave while daemon threads are alive: one asleep, one waking often, one busy.

Up to Python 3.13, a daemon thread that asks for the interpreter lock during
finalisation is ended by pthread_exit(), for which glibc loads libgcc_s.so.1; where
that library is missing, the process aborts with status 134.  `Linger` makes this
happen in every run: it gives the lock away in the middle of finalisation.
"""

import sys
import threading
import time


class Linger:
    """Sleeps when it is dropped."""

    def __del__(self, sleep=time.sleep):
        sleep(0.2)


def sleep_long(started):
    started.set()
    time.sleep(3600)


def wake_often(started):
    started.set()
    while True:
        time.sleep(0.001)


def stay_busy(started):
    started.set()
    while True:
        pass


def main():
    # The threads keep the globals of this module alive, so those are never cleared;
    # the attributes of sys are, late in finalisation.
    sys.linger = Linger()
    for work in (sleep_long, wake_often, stay_busy):
        started = threading.Event()
        threading.Thread(target=work, args=(started,), daemon=True).start()
        started.wait()
    print("daemon threads alive:", threading.active_count() - 1)


if __name__ == "__main__":
    main()
