"""What imports should not do, one thing on each line: the end of a line says what the probe is to find there.

``wrong`` is a reason against a snapshot, ``key`` a line of its key. A reason that has no line is one of the module.
"""

import asyncio
import ctypes
import datetime
import fcntl
import getpass
import mmap
import multiprocessing
import os
import platform
import pwd
import random
import resource
import secrets
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import uuid
from contextlib import suppress

C = ctypes.CDLL(None)
PLACE = "/etc/sample-at-import"

# Random numbers: all starts would have the same ones.
GENERATOR = random.Random()  # wrong: draws random numbers
SEEDED = random.Random(7)  # wrong 0: SEEDED is a generator
random.seed(0)  # wrong: random numbers that all use (random.seed)
ROLLED = random.randint(1, 6)  # wrong: random numbers that all use (random.randint)
random._inst.random()  # wrong 0: seeded or used
TOKEN = secrets.token_hex()  # wrong: draws random numbers
NUMBER = uuid.uuid4()  # wrong: draws random numbers
BYTES = os.urandom(8)  # wrong: draws random numbers
with suppress(AttributeError):
    MORE = os.getrandom(8)  # wrong: draws random numbers
KEY = ssl.RAND_bytes(16)  # wrong: draws random numbers
with open("/dev/urandom", "rb") as _file:  # wrong: reads /dev/urandom
    DEVICE = _file.read(4)
SYSTEM = random.SystemRandom().random()  # wrong: draws random numbers

# Files outside of the tree.
CONTENT = os.path.exists(PLACE + "/read")  # key: absent /etc/sample-at-import/read
with suppress(OSError):
    open(PLACE + "/opened").close()  # key: absent /etc/sample-at-import/opened
with suppress(OSError):
    os.listdir(PLACE + "/listed")  # key: absent /etc/sample-at-import/listed
with suppress(OSError):
    os.readlink(PLACE + "/link")  # key: absent /etc/sample-at-import/link
LISTING = os.listdir("/app")  # key: listing /app
ACCESS = os.access(PLACE + "/access", os.R_OK)  # key: absent /etc/sample-at-import/access
AT_HOME = os.path.exists(os.path.expanduser("~/.config/sample"))  # key: absent ~/.config/sample
HERE = os.path.exists("settings.toml")  # wrong: looks into the current directory for settings.toml
WHICH = shutil.which("git")  # wrong: looks for the program git
ACCOUNT = "nobody" in str(pwd.getpwall())  # key: file /etc/passwd
VARIABLES = open("/proc/self/environ", "rb").read()  # wrong: reads /proc/self/environ
LOAD = open("/proc/loadavg").read()  # wrong: reads /proc/loadavg
STATUS = open("/proc/self/status").read()  # wrong: reads /proc/self/status
PROCESSORS = os.path.exists("/sys/devices/system/cpu/online")  # key: content /sys/devices/system/cpu/online
BESIDE = os.path.exists(os.path.dirname(sys.executable) + "/sample.ini")  # wrong: looks for sample.ini beside
ROOM = os.statvfs("/")  # wrong: not known to be harmless: statfs

# Files that it changes.
FOLDER = tempfile.mkdtemp()  # wrong: changes files
TEMPORARY = tempfile.gettempdir()
os.mkdir("/tmp/sample")  # wrong: changes files: mkdir
with open("/tmp/sample/x", "w") as _file:  # wrong: changes files: open
    _file.write("x")
os.rename("/tmp/sample/x", "/tmp/sample/y")  # wrong: changes files: rename
os.chmod("/tmp/sample/y", 0o600)  # wrong: changes files
os.remove("/tmp/sample/y")  # wrong: changes files: unlink

# The environment.
MODE = os.environ.get("SAMPLE_MODE")  # key: unset SAMPLE_MODE
RAW = os.environb.get(b"SAMPLE_RAW")  # key: unset SAMPLE_RAW
COLOR = "NO_COLOR" in os.environ  # key: variable NO_COLOR
SECRET = os.getenv("SAMPLE_API_TOKEN")  # key: unset SAMPLE_API_TOKEN
WHOLE = dict(os.environ)  # wrong: looks through the whole environment
IN_C = C.getenv(b"SAMPLE_IN_C")  # key: unset SAMPLE_IN_C
C.setenv(b"SAMPLE_SET_IN_C", b"1", 1)  # wrong: changes the variable SAMPLE_SET_IN_C
os.putenv("SAMPLE_PUT", "1")  # wrong: changes the variable SAMPLE_PUT, but not in os.environ
WALKED = ctypes.POINTER(ctypes.c_char_p).in_dll(C, "environ")[0]  # wrong: looks through the whole environment

# Time.
NOW = time.time()  # wrong: reads the clock
STARTED = time.monotonic()  # wrong: reads the clock
COUNTED = time.perf_counter()  # wrong: reads the clock
USED = time.process_time()  # wrong: reads the clock
TODAY = datetime.datetime.now()  # wrong: reads the clock
DATE = datetime.date.today()  # wrong: reads the clock
LOCAL_TIME = time.localtime()  # wrong: reads the clock
IN_C_TIME = C.time(None)  # wrong: reads the clock
TIMES = os.times()  # wrong: reads the clock
USAGE = resource.getrusage(resource.RUSAGE_SELF)  # wrong: reads the clock
COUNTER_CODE = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
COUNTER_CODE.write(b"\x0f\x31\xc3")
COUNTER = ctypes.CFUNCTYPE(ctypes.c_uint)(ctypes.addressof(ctypes.c_char.from_buffer(COUNTER_CODE)))()  # wrong: rdtsc

# Who and where it is.
PROCESS = os.getpid()  # wrong: id of its process
PARENT = os.getppid()  # wrong: id of its parent
SESSION = os.getsid(0)  # wrong: id of its session
GROUP = os.getpgrp()  # wrong: id of its group
THREAD = threading.get_native_id()  # wrong: id of its thread
MACHINE = socket.gethostname()  # key: ask hostname
NODE = platform.node()  # key: ask hostname
FOLDER_NOW = os.getcwd()  # key: ask cwd
PROCESSORS_ALLOWED = os.sched_getaffinity(0)  # key: ask cpus
ARGUMENTS = list(sys.argv)  # wrong: reads the arguments
with suppress(KeyError, OSError):
    NAME = getpass.getuser()  # key: variable LOGNAME

# The terminal and the standard streams.
TERMINAL = os.isatty(1)  # key: ask terminal
SAME = sys.stdout.isatty()  # key: ask terminal
with suppress(OSError):
    SIZE = os.get_terminal_size(1)  # key: ask terminal
with suppress(OSError):
    fcntl.ioctl(0, termios.FIONREAD, b"1234")  # wrong: not known to be harmless: ioctl
print("printed")  # wrong: writes to standard output
sys.stderr.write("warned\n")  # wrong: writes to standard error
IN = sys.stdin.read()  # wrong: standard stream 0
sys.stdout.reconfigure(errors="replace")  # wrong 0: how sys.stdout works
sys.stderr = sys.__stderr__.__class__(sys.stderr.buffer)  # wrong 0: how sys.stderr works
os.lseek(1, 0, os.SEEK_CUR)  # wrong: standard stream 1
KIND = os.fstat(1).st_mode  # wrong: standard stream 1
READY = select.select([0], [], [], 0)  # wrong: not known to be harmless

# What the kernel has of the process.
os.umask(os.umask(0o77))  # key: ask umask
SOFT = resource.getrlimit(resource.RLIMIT_NOFILE)  # key: ask limit 7
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # wrong: setrlimit
os.nice(1)  # wrong: not known to be harmless
signal.alarm(1000)  # wrong: not known to be harmless: alarm
signal.setitimer(signal.ITIMER_VIRTUAL, 1000)  # wrong: not known to be harmless: setitimer
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # wrong 0: the signals that it blocks
signal.signal(signal.SIGTERM, lambda number, frame: None)  # wrong: what a signal does
C.mlockall(2)  # wrong: not known to be harmless: mlockall
C.munlockall()  # wrong: not known to be harmless: munlockall
C.prctl(15, b"sample", 0, 0, 0)  # wrong: prctl 15
C.prctl(4, 0, 0, 0, 0)  # wrong: prctl 4
C.prctl(4, 1, 0, 0, 0)  # wrong: prctl 4
C.prctl(38, 1, 0, 0, 0)  # wrong: prctl 38
C.prctl(1, 0, 0, 0, 0)  # wrong: prctl 1
os.sched_setaffinity(0, os.sched_getaffinity(0))  # wrong: sched_setaffinity
os.chdir("/")  # wrong: not known to be harmless: chdir
C.personality(0xFFFFFFFF)  # wrong: personality

# What it starts, or leaves.
OPENED = open("/etc/passwd-of-sample" if os.path.exists(PLACE) else __file__.replace("behaviours.py", "data.txt"))  # wrong: leaves a file open
READING, WRITING = os.pipe()  # wrong: leaves a file open
os.close(os.dup(READING))
WAKER = socket.socketpair()  # wrong: leaves a file open
SOCKET = socket.socket()  # wrong: makes a socket
LOOP = asyncio.new_event_loop()  # wrong: leaves a file open
CHILD = subprocess.call(["/nowhere"]) if os.path.exists(PLACE) else os.fork()  # wrong: starts a process
if CHILD == 0:
    os._exit(0)
os.waitpid(CHILD, 0)  # wrong: wait4
STOP = threading.Event()
WORKER = threading.Thread(target=STOP.wait, daemon=True)
WORKER.start()  # wrong 0: starts a thread
SHARED = mmap.mmap(-1, 4096)  # wrong 0: memory is shared
with suppress(OSError):
    SEMAPHORE = multiprocessing.Lock()  # wrong: draws random numbers
C.puts(b"in a buffer")  # wrong: standard
PACKED = struct.pack("i", 1)
