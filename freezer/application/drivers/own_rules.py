"""What an application's own code names without importing it: a table of small rules.

Each rule is a function that looks at one ``Source`` and yields what it finds as ``Named``. It need not know whether
there is such a module or file: ``own_parts`` takes what is there. A rule for a framework is one more function, in the
table ``RULES``, with a test in tests/unit/application/test_own_rules.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Optional

from parsed_source import IMPORTS_BY_NAME, Named, Source, argument, called, dotted

LONGEST = 300
"""Characters of the longest string that may name something."""
OBJECT = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)(?::[\w.]+(?:\(\))?)?")
READERS = frozenset(
    "get_data PackageLoader files open_text read_text open_binary resource_filename resource_string".split()
)
"""Functions that read files of the package that they are given."""
APPLICATIONS = frozenset(("Flask", "Quart", "Blueprint", "APIFlask", "Dash", "Eel"))
"""Classes that look for templates and static files beside the module whose name they are given."""
LISTING = frozenset(("listdir", "scandir", "glob", "iglob", "rglob", "iterdir", "walk"))
FIRST_LETTERS, FIXED = re.compile(r"[^\W\d][\w.]*[._]"), re.compile(r"[\w.]*")

Rule = Callable[[Source], Iterator[Named]]


def modules_named_by_strings(source: Source) -> Iterator[Named]:
    """``"plugins.csv"``, ``"wsgi:application"``, ``"blog.apps.BlogConfig"``, ``"python -m worker"``."""
    for text, line in source.strings():
        if len(text) > LONGEST:
            continue
        whole = OBJECT.fullmatch(text)
        if whole is not None:
            yield Named("object" if ":" in text else "module", whole.group(1), line)
            continue
        words = re.split(r"[\s,;]+", text)
        for before, word in zip(["", *words], words):
            found = OBJECT.fullmatch(word)
            if found is not None and (":" in word or before == "-m"):
                yield Named("object", found.group(1), line)


def modules_imported_by_name(source: Source) -> Iterator[Named]:
    """``importlib.import_module("x")``, ``__import__("x")``: whoever's module it is."""
    for node in source.calls:
        first = node.args[0] if node.args else None
        if called(node) in IMPORTS_BY_NAME and isinstance(first, ast.Constant) and isinstance(first.value, str):
            found = OBJECT.fullmatch(first.value)
            if found is not None:
                yield Named("module", found.group(1), node.lineno, sure=True)


def modules_with_computed_names(source: Source) -> Iterator[Named]:
    """``f"backend_{kind}"``, ``"plugins." + name``, ``"%s_backend" % name``, ``"plugins.{}".format(name)``."""
    imported = {id(node.args[0]) for node in source.calls if called(node) in IMPORTS_BY_NAME and node.args}
    for node in source.nodes:
        parts = computed(node, source) if isinstance(node, ast.expr) else None
        if parts is None or None not in parts:
            continue
        fixed = [part for part in parts if part is not None]
        if not all(FIXED.fullmatch(part) for part in fixed) or not re.search(r"\w\w", "".join(fixed)):
            continue
        begins = parts[0] is not None and FIRST_LETTERS.fullmatch(parts[0])
        ends = parts[-1] is not None and re.fullmatch(r"[._]\w{2,}", parts[-1])
        if begins or ends or id(node) in imported:
            pattern = "".join(r"[\w.]+" if part is None else re.escape(part) for part in parts)
            yield Named("pattern", pattern, getattr(node, "lineno", 0))


def computed(node: ast.expr, source: Source) -> Optional[list[Optional[str]]]:
    """The parts of a string that is put together, each fixed or None for what is only known at run time."""
    if isinstance(node, ast.JoinedStr):
        return [part for item in node.values for part in _parts(item, source)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _parts(node.left, source) + _parts(node.right, source)
    template: Optional[ast.expr] = None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        template, hole = node.left, r"%\w"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        template, hole = node.func.value, r"\{[^{}]*\}"
    if isinstance(template, ast.Constant) and isinstance(template.value, str):
        pieces = re.split(hole, template.value)
        joined: list[Optional[str]] = []
        for number, piece in enumerate(pieces):
            joined += [None] if number else []
            joined += [piece] if piece else []
        return joined
    return None


def _parts(node: ast.expr, source: Source) -> list[Optional[str]]:
    inner = node.value if isinstance(node, ast.FormattedValue) else node
    if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
        return [inner.value] if inner.value else []
    if isinstance(inner, ast.Name) and inner.id in ("__name__", "__package__") and source.package:
        return [source.name if inner.id == "__name__" else source.package]
    return computed(inner, source) or [None]


def directories_searched(source: Source) -> Iterator[Named]:
    """``sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))`` and its like."""
    for node in source.nodes:
        for item in _searched(node):
            place = source.paths.directory(item)
            if place is not None:
                yield Named("search", place, getattr(node, "lineno", 0))


def _searched(node: ast.AST) -> list[ast.expr]:
    """The expressions of the directories that a statement or call adds to ``sys.path``."""
    if isinstance(node, ast.Call):
        name = dotted(node.func)
        if name in ("sys.path.insert", "sys.path.append", "site.addsitedir", "addsitedir"):
            return node.args[-1:]
        return _items(node.args[0]) if name == "sys.path.extend" and node.args else []
    if isinstance(node, ast.AugAssign) and dotted(node.target) == "sys.path":
        return _items(node.value)
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        name = dotted(target.value if isinstance(target, ast.Subscript) else target)
        return _items(node.value) if name == "sys.path" else []
    return []


def _items(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return _items(node.left) + _items(node.right)
    return list(node.elts) if isinstance(node, (ast.List, ast.Tuple)) else []


def asks_for_its_place(source: Source) -> Iterator[Named]:
    """``__file__``, ``pkgutil.get_data(__package__, x)``, ``sys.path[0]``: files beside the code are read."""
    other = {id(inner) for node in source.nodes for item in _searched(node) for inner in ast.walk(item)}
    for node in source.nodes:
        # What only makes the program's name of it asks for no place.
        if isinstance(node, ast.Call) and called(node) in ("basename", "getsource"):
            other |= {id(inner) for inner in ast.walk(node)}
        if isinstance(node, ast.Attribute) and node.attr in ("name", "stem") and isinstance(node.value, ast.Call):
            other |= {id(inner) for inner in ast.walk(node.value)}
    for node in source.nodes:
        if id(node) in other:
            continue
        if isinstance(node, ast.Name) and node.id in ("__file__", "__path__"):
            yield Named("place", node.id, node.lineno)
        elif isinstance(node, ast.Attribute) and node.attr in ("__file__", "__path__"):
            yield Named("place", node.attr, node.lineno)
        elif isinstance(node, ast.Subscript) and dotted(node.value) in ("sys.path", "sys.argv"):
            index = node.slice
            if isinstance(index, ast.Constant) and index.value == 0 and dotted(node.value) == "sys.path":
                yield Named("place", "sys.path[0]", node.lineno)
        elif isinstance(node, ast.Call):
            own = any(dotted(item) in ("__name__", "__package__") for item in node.args[:1])
            if (own and called(node) in READERS) or dotted(node.func) == "inspect.getfile":
                yield Named("place", called(node), node.lineno)


def resources_of_packages(source: Source) -> Iterator[Named]:
    """``importlib.resources.files("texts")``, ``pkgutil.get_data("texts", x)``: the files of a package, or of a mere
    directory."""
    for node in source.calls:
        first = node.args[0] if node.args and called(node) in READERS else None
        name = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        if ":" not in name and OBJECT.fullmatch(name):
            yield Named("module", name, node.lineno, sure=True)
            yield Named("file", name.replace(".", "/") + "/", node.lineno)


def web_applications(source: Source) -> Iterator[Named]:
    """``Flask(__name__)`` reads templates/ and static/ beside its module."""
    for node in source.calls:
        if called(node) in APPLICATIONS and any(dotted(item) == "__name__" for item in node.args):
            yield Named("place", "%s(__name__)" % called(node), node.lineno)
            yield from (Named("file", name, node.lineno) for name in ("templates/", "static/", "assets/"))
        elif called(node) == "PackageLoader":
            yield Named("file", "templates/", node.lineno)


def files_named_by_strings(source: Source) -> Iterator[Named]:
    """``"settings.json"``, ``"templates/base.html"``, ``CSS_PATH = "app.tcss"``, ``config_path="conf"``."""
    for text, line in source.strings():
        if text and len(text) <= LONGEST and not text.startswith("/") and text.isprintable():
            yield Named("files" if "*" in text else "file", text, line)


def files_behind_other_text(source: Source) -> Iterator[Named]:
    """``here + "/plugins"``, ``f"{here}/data/{name}.json"``, ``"%s/plugins" % here``, ``here + os.sep + "plugins"``:
    what is fixed of a path, behind a part that is only known at run time."""
    for node in source.nodes:
        parts = computed(node, source) if isinstance(node, ast.expr) else None
        for text in _fixed_paths(parts or []):
            yield Named("files" if "*" in text else "file", text, getattr(node, "lineno", 0))


def _fixed_paths(parts: list[Optional[str]]) -> Iterator[str]:
    """Yield what follows each part that is unknown, if it begins with a slash: up to the last slash in front of the
    next such part, or with a star for that part if its directory is unknown, too."""
    joined = "".join("\0" if part is None else part for part in parts)
    for piece in re.finditer(r"\0/+([^\0]*)(\0?)(?=([^\0/]*))", joined):
        text, hole, ending = piece.groups()
        folder, slash, start = text.rpartition("/")
        if hole and not slash:
            text = f"{start}*{ending}" if start and ending else ""
        elif hole:
            text = folder
        if len(text) <= LONGEST and text.strip("/") and text.isprintable():
            yield text.strip("/")


def own_directories_listed(source: Source) -> Iterator[Named]:
    """A source that lists directories may look for modules by their files."""
    for node in source.calls:
        if called(node) in LISTING:
            yield Named("listing", called(node), node.lineno)
            return


def django_settings(source: Source) -> Iterator[Named]:
    """``INSTALLED_APPS`` names packages, of which Django looks for commands, template tags, migrations and files."""
    for node in source.nodes:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) or node.value is None:
            continue
        if any(dotted(target) == "INSTALLED_APPS" for target in targets):
            for item in ast.walk(node.value):
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield Named("package", item.value, item.lineno, sure=True)


def hydra_configurations(source: Source) -> Iterator[Named]:
    """``@hydra.main(config_path="conf")``: a directory beside the source."""
    for node in source.calls:
        path = argument(node, 0, "config_path")
        if dotted(node.func) in ("hydra.main", "hydra.initialize", "initialize") and isinstance(path, ast.Constant):
            yield Named("place", "hydra's config_path", node.lineno)


RULES: tuple[Rule, ...] = (
    modules_named_by_strings,
    modules_imported_by_name,
    modules_with_computed_names,
    directories_searched,
    asks_for_its_place,
    resources_of_packages,
    web_applications,
    files_named_by_strings,
    files_behind_other_text,
    own_directories_listed,
    django_settings,
    hydra_configurations,
)
"""All rules, the general ones first."""


def named_in(source: Source) -> Iterator[Named]:
    """What all rules find in a source."""
    for rule in RULES:
        yield from rule(source)
