"""What imports may do: no line of this module is a reason against a snapshot."""

import collections
import configparser
import contextlib
import decimal
import email.message
import enum
import functools
import hashlib
import json
import locale
import logging
import os
import re
import select
import selectors
import socket
import ssl
import sys
import threading
import uuid

PATTERN = re.compile("a+b")
LOGGER = logging.getLogger(__name__)
LOGGER.addHandler(logging.NullHandler())
LOCK = threading.RLock()
LOCAL = threading.local()
with LOCK:
    CONTEXT = decimal.getcontext().prec
DIGEST = hashlib.sha256(b"x").hexdigest()
sys.setrecursionlimit(2000)
os.environ["SAMPLE_SET"] = "1"
os.environ.pop("SAMPLE_SET")
SEPARATOR = locale.localeconv()["decimal_point"]
NUMBER = uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")
CHOICE = getattr(select, "epoll", None)
HERE = os.path.join(os.path.dirname(__file__), "data.txt")
USER = os.getuid(), os.geteuid()


@functools.lru_cache(maxsize=None)
def cached(value: int) -> int:
    return value + 1


class Color(enum.Enum):
    RED = cached(0)


with contextlib.suppress(OSError):
    os.stat(__file__)
PARSER = configparser.ConfigParser()
MESSAGE = email.message.EmailMessage()
TABLE = collections.OrderedDict(json.loads('{"a": 1}'))
OLDER = socket.AF_INET, selectors.EVENT_READ, ssl.PROTOCOL_TLS_CLIENT
