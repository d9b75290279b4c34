"""Runs under the Python of the build environment, before anything slow: which function starts the application, and
which files of its own it is made of.

Reads a request on stdin, prints one JSON object. The application's own sources are parsed, never run, so that a
syntax error is named here, with its file and line, and so that a module missing later can be traced to its import.
"""

import ast
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import sys
import warnings


def console_scripts():
    """Every console script of the environment: name -> [(value, distribution), ...]."""
    found = {}
    for distribution in importlib.metadata.distributions():
        for entry in distribution.entry_points:
            if entry.group in ("console_scripts", "gui_scripts"):
                offers = found.setdefault(entry.name, [])
                offer = (entry.value.split("[")[0].strip(), distribution.metadata["Name"])
                if offer not in offers:
                    offers.append(offer)
    return found


def owner_of(module):
    """The distribution that installed a module, or None."""
    path = module.replace(".", "/")
    for distribution in importlib.metadata.distributions():
        for entry in distribution.files or ():
            text = str(entry)
            if text.startswith(path + "/") or (text.startswith(path + ".") and "/" not in text[len(path) :]):
                return distribution.metadata["Name"]
    return None


def locate(module, roots):
    """The file of a module below one of ``roots``, or None. Nothing is imported."""
    for root in roots:
        stem = os.path.join(root, *module.split("."))
        for candidate in (os.path.join(stem, "__init__.py"), stem + ".py"):
            if os.path.isfile(candidate):
                return candidate
    return None


def exists(module, roots=()):
    """Whether a module of that name can be found, below ``roots`` too, without importing its parents."""
    path = [*roots, *sys.path]
    parts = module.split(".")
    for depth in range(len(parts)):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[: depth + 1]), path)
        if spec is None and depth == 0:
            # Built in, frozen, or known to a finder that an editable installation has brought.
            spec = importlib.util.find_spec(parts[0])
        if spec is None:
            return False
        path = spec.submodule_search_locations
        if path is None and depth + 1 < len(parts):
            return False
    return True


class Imports(ast.NodeVisitor):
    """Collects (module, line, certain) of a file; ``certain`` means executed whenever the file is."""

    def __init__(self, package):
        self.package = package
        self.found = []
        self.depth = 0

    def nested(self, node):
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = nested
    visit_If = visit_Try = visit_TryStar = visit_For = visit_While = visit_With = visit_Match = nested

    def visit_Import(self, node):
        for alias in node.names:
            self.found.append((alias.name, node.lineno, not self.depth, False))

    def visit_ImportFrom(self, node):
        base = node.module or ""
        if node.level:
            parents = self.package.split(".") if self.package else []
            parents = parents[: len(parents) - (node.level - 1)]
            base = ".".join(parents + ([base] if base else []))
        if base:
            self.found.append((base, node.lineno, not self.depth, False))
            for alias in node.names:
                self.found.append((base + "." + alias.name, node.lineno, not self.depth, True))


def own_sources(start, roots):
    """Parse ``start`` and, through its imports, every file below ``roots`` that it reaches.

    Returns the files as {path: certain} and the imports as [module, file, line], only those executed for certain.
    """
    queue = [(path, name, True) for path, name in start]
    files, certain_imports, packages = {}, [], {}
    while queue:
        path, name, certain = queue.pop(0)
        if path in files and (files[path] or not certain):
            continue
        files[path] = certain
        with open(path, "rb") as file:
            text = file.read()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text, path)
        except (SyntaxError, ValueError):
            if certain:
                raise
            continue
        package = name if os.path.basename(path) == "__init__.py" else name.rpartition(".")[0]
        visitor = Imports(package)
        visitor.visit(tree)
        for module, line, always, maybe_attribute in visitor.found:
            if certain and always and not maybe_attribute:
                certain_imports.append([module, path, line])
            parts = module.split(".")
            for depth in range(1, len(parts) + 1):
                prefix = ".".join(parts[:depth])
                found = locate(prefix, roots)
                if found is not None:
                    queue.append((found, prefix, certain and always))
                    top = locate(parts[0], roots)
                    if top and os.path.basename(top) == "__init__.py":
                        packages[parts[0]] = os.path.dirname(top)
    return files, certain_imports, packages


def answer(request):
    sys.path[:0] = request["search"]
    roots = request["own"]
    result = {"module": None, "attribute": None, "distribution": None, "files": {}, "imports": [], "packages": {}}
    module = attribute = None
    start = []
    if request["console_script"]:
        offers = console_scripts().get(request["console_script"], [])
        if request["distribution"]:
            offers = [offer for offer in offers if offer[1] == request["distribution"]] or offers
        if not offers:
            return {"error": "no console script", "known": sorted(console_scripts())}
        value, result["distribution"] = offers[0]
        module, _, attribute = value.partition(":")
    elif request["function"]:
        module, _, attribute = request["function"].partition(":")
        result["distribution"] = request["distribution"] or owner_of(module)
    if result["distribution"]:
        result["metadata"] = importlib.metadata.distribution(result["distribution"]).read_text("METADATA")
    if module is not None:
        module, attribute = module.strip(), attribute.strip()
        if not exists(module):
            return {"error": "no module", "module": module}
        result["module"], result["attribute"] = module, attribute
        found = locate(module, roots)
        if found is not None:
            start = [(found, module)]
    else:
        start = [(request["script"], "__main__")]
    try:
        files, result["imports"], result["packages"] = own_sources(start, roots)
    except SyntaxError as error:
        # A null byte is a syntax error without a place in newer versions of Python.
        file, line = error.filename or start[0][0], error.lineno or 1
        return {"error": "syntax", "file": file, "line": line, "message": error.msg}
    except ValueError as error:
        return {"error": "syntax", "file": start[0][0], "line": 1, "message": str(error)}
    result["files"] = sorted(files)
    tops = {module.split(".")[0] for module, _, _ in result["imports"]}
    result["missing"] = sorted(top for top in tops if not exists(top, roots))
    return result


def main():
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


main()
