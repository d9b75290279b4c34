"""Files of a project that are no part of its application: secrets, and what tools keep beside the sources."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

SECRETS = (
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pypirc", ".npmrc", ".htpasswd", ".git-credentials"),
    *(".pgpass", ".my.cnf", ".dockercfg", ".boto", ".s3cfg", ".vault-token", "id_rsa*", "id_dsa*", "id_ecdsa*"),
    *("id_ed25519*", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.ovpn", "*.agekey"),
    *("credentials", "credentials.*", "client_secret*.json", "service[-_]account*.json", "secrets.*", "secret.*"),
    *("*[-_.]secrets.*", "*[-_.]secret.*", "*.secret", "*.secrets", "terraform.tfstate*", "*.tfvars"),
)
"""Patterns of the names of files with passwords and keys."""
EXAMPLES = ("*.example", "*.sample", "*.template", "*.dist", "*.pub", "*example*", "*sample*")
"""Patterns of names that are like those of secrets, but say that there is none."""
SECRET_FOLDERS = frozenset((".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config", ".password-store"))
PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
SEARCHED = 64 << 10
"""Bytes of a file that are searched for a key."""

TOOLS = (
    *("pyproject.toml", "setup.cfg", "setup.py", "MANIFEST.in", "requirements*.txt", "requirements*.in", "Pipfile*"),
    *("poetry.lock", "uv.lock", "pdm.lock", "environment.yml", "tox.ini", "noxfile.py", "pytest.ini", "mypy.ini"),
    *("conftest.py", "Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.y*ml", "Procfile"),
    *("Dockerfile*", "*.dockerfile", "docker-compose*.y*ml", "compose*.y*ml", "Jenkinsfile", "Vagrantfile"),
    *("k8s.y*ml", "kubernetes.y*ml"),
    *(
        "README*",
        "CHANGELOG*",
        "CHANGES*",
        "CONTRIBUTING*",
        "CODE_OF_CONDUCT*",
        "AUTHORS*",
        "SECURITY.md",
        "CODEOWNERS",
    ),
    *("LICENSE*", "LICENCE*", "COPYING*", "package.json", "package-lock.json", "yarn.lock", "tsconfig*.json", "*.spec"),
    *("mkdocs.yml", "ruff.toml", "codecov.yml", "coverage.xml", "renovate.json", "freezer.learned.toml"),
)
"""Patterns of the names of files at the top of a project that people and tools read, not the application."""
LEFTOVERS = (
    *("*.log", "*.pid", "*.sock", "*.swp", "*.swo", "*~", "*.bak", "*.orig", "*.rej", "*.tmp", "*.part", "*.pyc"),
    *("*.pyo", "*.whl", "*.o", "*.a", "core.[0-9]*", "nohup.out", "Thumbs.db", "desktop.ini", "*-journal", "*-wal"),
    *("*.py[ix]", "*.pxd", "*.egg", "*.iml", "*.code-workspace"),
)
"""Patterns of the names of files that programs leave behind."""
TOOL_FOLDERS = frozenset(("node_modules", "__pypackages__", "htmlcov", "site-packages", "bower_components"))
TEST_FOLDERS = frozenset(("test", "tests", "testing"))
TEST_FILES = ("test_*.py", "*_test.py", "conftest.py", "tests.py")


def is_secret_name(name: str) -> bool:
    """Tell whether a file of this name has passwords or keys."""
    return _matches(name, SECRETS) and not _matches(name, EXAMPLES) and not name.endswith((".py", ".html"))


def has_private_key(path: Path) -> bool:
    """Tell whether a file has a private key in its first part. One that cannot be read counts as such."""
    try:
        with open(path, "rb") as file:
            return PRIVATE_KEY.search(file.read(SEARCHED)) is not None
    except OSError:
        return True


def is_for_tools(name: str) -> bool:
    """Tell whether a file at the top of a project is for people and tools."""
    return _matches(name, TOOLS)


def is_left_over(name: str) -> bool:
    """Tell whether a program has left a file behind."""
    return _matches(name, LEFTOVERS)


def holds_tests(folder: str, files: Iterable[str]) -> bool:
    """Tell whether a directory, with these files in it, has tests."""
    return folder in TEST_FOLDERS and any(_matches(name, TEST_FILES) for name in files)


def is_test(name: str) -> bool:
    """Tell whether a file at the top of a project is a test."""
    return _matches(name, TEST_FILES[:-1])


def _matches(name: str, patterns: Iterable[str]) -> bool:
    # To compile all patterns takes longer than a build in which nothing has changed may.
    return any(
        name.startswith(_ends(item)[0]) and name.endswith(_ends(item)[1]) and fnmatchcase(name, item)
        for item in patterns
    )


@functools.cache
def _ends(pattern: str) -> tuple[str, str]:
    """Return what a pattern begins and ends with, up to its first wildcard and from its last one."""
    special = [number for number, letter in enumerate(pattern) if letter in "*?[]"]
    return (pattern[: special[0]], pattern[special[-1] + 1 :]) if special else (pattern, pattern)
