"""Exercise what an empty root lacks: locales, time zones, CAs, terminfo.

Prints one JSON object with a result per check; a check that fails gives its error,
and the exit status is then 1.  The check `environ` names the variables that this
process, and a child started from `sys.executable`, have without having been started
with them; it runs first, because libreadline puts LINES and COLUMNS into the C
environment.  A frozen application cannot know what its caller gave it, so a test says
so with --started-with.
"""

import argparse
import json
import os
import subprocess
import sys


def check_locale():
    import locale

    locale.setlocale(locale.LC_ALL, "")
    return locale.nl_langinfo(locale.CODESET)


def check_zoneinfo():
    from datetime import datetime
    from zoneinfo import ZoneInfo

    summer = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    return summer.strftime("%z %Z")


def check_ssl():
    import ssl

    return ssl.create_default_context().cert_store_stats()


def check_curses():
    import curses

    with open(os.devnull, "w") as terminal:
        curses.setupterm(term="xterm-256color", fd=terminal.fileno())
    return curses.tigetnum("colors")


def check_readline():
    import readline

    readline.add_history("one line")
    return readline.get_current_history_length()


def check_environ(started_with):
    script = [] if getattr(sys, "frozen", False) else [__file__]
    command = [sys.executable, *script, "env"]
    child = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return {
        "self": sorted(set(os.environ) - started_with),
        "child": sorted(set(json.loads(child)) - started_with),
    }


CHECKS = {
    "locale": check_locale,
    "zoneinfo": check_zoneinfo,
    "ssl": check_ssl,
    "curses": check_curses,
    "readline": check_readline,
}


def initial_names():
    """The variables given to this process by execve(), from proc(5)."""
    with open("/proc/self/environ", "rb") as file:
        entries = os.fsdecode(file.read()).split("\0")
    return ",".join(entry.partition("=")[0] for entry in entries if entry)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("environ", *CHECKS, "env"),
        help="the only check to run; env prints the names of all variables",
    )
    parser.add_argument(
        "--started-with",
        metavar="NAME,...",
        help="variables given by the caller (default: from /proc/self/environ)",
    )
    arguments = parser.parse_args()

    if arguments.what == "env":
        print(json.dumps(sorted(os.environ)))
        return 0

    report = {}
    failed = False
    for name in [arguments.what] if arguments.what else ("environ", *CHECKS):
        try:
            if name == "environ":
                names = arguments.started_with
                names = initial_names() if names is None else names
                report[name] = check_environ(set(names.split(",")))
            else:
                report[name] = CHECKS[name]()
        except Exception as error:
            report[name] = f"{type(error).__name__}: {error}"
            failed = True
    print(json.dumps(report))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
