"""Run host tools as children and report what became of them.

Prints one JSON object:
  status         exit status of each command, null where the host lacks the tool
  child_environ  the environment that the child `env` saw, null where there is no env
  environ        the environment of this process

A correct frozen application shows its caller's environment in both, unchanged.
"""

import json
import os
import shutil
import subprocess

COMMANDS = {
    "sh": ("sh", "-c", "echo ok"),
    "env": ("env",),
    "openssl": ("openssl", "version"),
    "curl": ("curl", "--version"),
    "python3": ("python3", "-c", "import ssl"),
}


def status(command):
    """The exit status; what the child writes to standard error stays visible."""
    if shutil.which(command[0]) is None:
        return None
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=60).returncode


def child_environ():
    """What `env` saw; NUL between entries, as a value may hold a newline."""
    if shutil.which("env") is None:
        return None
    output = subprocess.run(("env", "-0"), stdout=subprocess.PIPE, check=True).stdout
    entries = os.fsdecode(output).split("\0")[:-1]
    return dict(entry.split("=", 1) for entry in entries)


def main():
    report = {
        "status": {name: status(command) for name, command in COMMANDS.items()},
        "child_environ": child_environ(),
        "environ": dict(os.environ),
    }
    print(json.dumps(report, sort_keys=True))


if __name__ == "__main__":
    main()
