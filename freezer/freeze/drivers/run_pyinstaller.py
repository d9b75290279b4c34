"""Runs PyInstaller under the Python of the build environment, and writes down what it collected.

A generated spec and one of the user's go the same way: the classes that a spec file calls are wrapped. Analysis gets
freezer's additions, and its result is made reproducible and quick to start; an EXE that was meant to be one file
becomes one directory, of which the tree is made.
"""

import json
import os
import struct
import subprocess
import sys

import collect
import collect_context
import installed
import own_sources

# The directory of this file, which the interpreter has put first, is nothing that applications may import from.
sys.path[:] = [place for place in sys.path if os.path.realpath(place) != os.path.dirname(os.path.realpath(__file__))]

DEFERRED = {
    "pyi_rth_inspect": "inspect",
    "pyi_rth_pkgutil": "pkgutil",
    "pyi_rth_multiprocessing": "multiprocessing",
    "pyi_rth_pkgres": "pkg_resources",
}
"""PyInstaller's run-time hooks that import the module they mend, 13 to 18 ms each at every start of an application
that may never use it; freezer runs each one once its module is first imported."""

BESIDE = frozenset(("BINARY", "EXTENSION", "DATA", "SYMLINK", "DEPENDENCY", "ZIPFILE"))
"""PyInstaller's types of entries that are beside the program of one directory."""

MAIN_SCRIPT = "_freezer_main_script"
"""The module that the main script's code is stored as; see freezer/runtime/_freezer_runner.py."""

HOOK = """\
import collect_context
_original = {original!r}
if _original:
    with open(_original, "rb") as _file:
        exec(compile(_file.read(), _original, "exec"))
_datas, _modules = collect_context.package({name!r}, hooked=bool(_original))
datas = list(globals().get("datas", [])) + _datas
hiddenimports = list(globals().get("hiddenimports", [])) + _modules
warn_on_missing_hiddenimports = False
"""


class NotAppended:
    """Stands for ``subprocess`` where PyInstaller has objcopy append its package to the program.

    Nothing starts that program: the code is read from the package. So the system of the build environment needs no
    binutils.
    """

    PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT
    package = None

    @classmethod
    def run(cls, command, **_options):
        program, option, section, _ = command
        if (program, option) != ("objcopy", "--add-section"):
            raise SystemExit("ERROR: PyInstaller runs %s, which is not known to freezer" % program)
        cls.package = section.partition("=")[2]
        return subprocess.CompletedProcess(command, 0, "")


class NothingMissing:
    """Stands for ``shutil`` where PyInstaller looks for the programs that it needs."""

    which = staticmethod(lambda name: name)


def classify(path):
    """Whether a file is a "BINARY" or "DATA", as PyInstaller asks objdump: whole ELF files are binaries."""
    try:
        with open(path, "rb") as file:
            header = file.read(64)
        size = os.path.getsize(path)
    except OSError:
        return None
    if header[:4] != b"\x7fELF" or len(header) < 52 or header[4] not in (1, 2) or header[5] not in (1, 2):
        return "DATA"
    order = "<" if header[5] == 1 else ">"
    wide = header[4] == 2
    place = struct.unpack_from(order + ("Q" if wide else "I"), header, 32 if wide else 28)[0]
    entry, count = struct.unpack_from(order + "HH", header, 54 if wide else 42)
    return "BINARY" if place + entry * count <= size else "DATA"


class Driver:
    """One run of PyInstaller for one request."""

    def __init__(self, request):
        self.request = request
        self.inventory = installed.Inventory(sys.path, request["local_packages"].items())
        self.collector = collect.Collector(self.inventory)
        self.strip = request["strip"]
        self.analyses = []
        self.executables = []
        self.collections = []

    # What the spec's Analysis gets besides what it asks for

    def additions(self):
        from PyInstaller.utils.hooks import collect_all, copy_metadata

        request = self.request
        datas = [tuple(pair) for pair in request["add_data"]]
        binaries = [tuple(pair) for pair in request["add_binary"]]
        hidden = list(request["hidden_imports"])
        for name in request["collect_all"]:
            found = collect_all(name, include_py_files=False)
            if not any(found):
                raise SystemExit("ERROR: --collect-all %s: there is no such package in the build environment" % name)
            datas += found[0]
            binaries += found[1]
            hidden += found[2]
        for name in request["copy_metadata"]:
            try:
                datas += copy_metadata(name)
            except Exception as error:
                raise SystemExit("ERROR: --copy-metadata %s: %s" % (name, error)) from None
        if request["distribution"]:
            distribution = self.inventory.distributions[installed.canonical(request["distribution"])]
            self._take(self.collector.whole_distribution(distribution), datas, hidden)
        text = b"\n".join(_read(path) for path in request["own_files"])
        found = self.collector.plugins(text)
        self.collector.opened |= collect.opened_libraries(text)
        for match in collect.ASKS_METADATA.finditer(text):
            asked = self.inventory.distributions.get(installed.canonical(match.group(1).decode()))
            if asked is not None:
                found.datas += self.collector._metadata(asked)
        self._take(found, datas, hidden)
        return datas, binaries, hidden

    @staticmethod
    def _take(found, datas, hidden):
        datas += [(source, folder or ".") for source, folder in found.datas]
        hidden += found.modules

    def write_hooks(self, folder):
        """One hook for each top-level package, which asks the collector; the hook it displaces is run inside it."""
        import PyInstaller
        from PyInstaller.building.build_main import discover_hook_directories

        standard = os.path.join(os.path.dirname(PyInstaller.__file__), "hooks")
        known = {}
        for place in [standard] + [place for place, _ in sorted(discover_hook_directories(), key=lambda item: item[1])]:
            for entry in sorted(os.listdir(place)):
                if entry.startswith("hook-") and entry.endswith(".py"):
                    known[entry[5:-3]] = os.path.join(place, entry)
        for name in self.inventory.packages:
            if name.split(".")[0] in ("PyInstaller", "_pyinstaller_hooks_contrib", "altgraph"):
                continue
            with open(os.path.join(folder, "hook-%s.py" % name), "w", encoding="utf-8") as file:
                file.write(HOOK.format(name=name, original=known.get(name)))
        return folder

    # What comes out of the Analysis

    def finish_analysis(self, analysis):
        # In place: PyInstaller finds the compiled code of a list by the list's identity.
        analysis.datas[:] = [entry for entry in analysis.datas if not self._dropped(entry[0])]
        runtime = self.request["runtime"]
        scripts, moved = [], []
        for name, path, kind in analysis.scripts:
            if name in DEFERRED:
                moved.append(("_freezer_" + name, path, "PYMODULE"))
            else:
                scripts.append((name, path, kind))
        name, path, kind = scripts[-1]
        moved.append((MAIN_SCRIPT, path, kind.replace("PYSOURCE", "PYMODULE")))
        scripts[-1] = (name, os.path.join(runtime, "_freezer_run.py"), "PYSOURCE")
        analysis.scripts[:] = scripts
        moved += [(name, os.path.join(runtime, name + ".py"), "PYMODULE") for name in self.request["runtime_modules"]]
        analysis.pure.extend(moved)
        analysis.pure.sort()
        analysis.binaries.sort()
        analysis.datas.sort()
        self.analyses.append(analysis)

    @staticmethod
    def _dropped(destination):
        folder, name = os.path.split(destination)
        return name in collect.DROPPED_METADATA - {"WHEEL"} and folder.endswith((".dist-info", ".egg-info"))

    def install(self):
        """Put the wrapped classes where PyInstaller's build looks them up for spec files."""
        from PyInstaller.building import api, build_main
        from PyInstaller.depend import bindepend

        api.subprocess = NotAppended
        bindepend._classify_binary_vs_data = classify
        driver = self
        datas, binaries, hidden = self.additions()
        hooks = self.write_hooks(self.request["hooks"])
        collect_context.collector = self.collector

        class Analysis(build_main.Analysis):
            def __init__(self, scripts, pathex=None, **options):
                options["datas"] = list(options.get("datas") or []) + datas
                options["binaries"] = list(options.get("binaries") or []) + binaries
                options["hiddenimports"] = list(options.get("hiddenimports") or []) + hidden
                # The first directory wins, so that the user's own hooks come before freezer's.
                options["hookspath"] = list(options.get("hookspath") or []) + [hooks]
                options["excludes"] = list(options.get("excludes") or []) + driver.request["exclude"]
                super().__init__(scripts, pathex=list(pathex or []) + driver.request["search"], **options)
                driver.finish_analysis(self)

        class EXE(build_main.EXE):
            def __init__(self, *parts, **options):
                alone = not options.get("exclude_binaries", False)
                beside = []
                if alone:
                    # Not left to exclude_binaries, which leaves links in the program: they make one file of it.
                    beside = [entry for part in parts if isinstance(part, list) for entry in part if entry[2] in BESIDE]
                    parts = [
                        [entry for entry in part if entry[2] not in BESIDE] if isinstance(part, list) else part
                        for part in parts
                    ]
                driver.strip = driver.strip or bool(options.get("strip"))
                options.update(exclude_binaries=True, upx=False, append_pkg=True, strip=False)
                options["contents_directory"] = "_internal"
                super().__init__(*parts, **options)
                driver.executables.append(self)
                if alone:
                    COLLECT(self, beside, name=os.path.basename(self.name))

        class COLLECT(build_main.COLLECT):
            def __init__(self, *parts, **options):
                driver.strip = driver.strip or bool(options.get("strip"))
                options.update(upx=False, strip=False)
                super().__init__(*parts, **options)
                driver.collections.append(self)

        write_zip = build_main.create_base_library_zip

        def create_base_library_zip(path, modules, *options):
            # The modules come in the order of a set of objects, which differs with their addresses.
            write_zip(path, sorted(modules), *options)

        build_main.create_base_library_zip = create_base_library_zip
        build_main.Analysis, build_main.EXE, build_main.COLLECT = Analysis, EXE, COLLECT

    def run(self):
        from PyInstaller import compat

        # It wants objdump to be there before anything else, for what classify() does here.
        compat.shutil = NothingMissing
        from PyInstaller import __main__ as command

        request = self.request
        self.install()
        arguments = ["--noconfirm", "--clean", "--distpath", request["dist"], "--workpath", request["work"]]
        arguments += request["pyinstaller_args"]
        if not request["spec"]:
            arguments += ["--onedir", "--name", request["name"], "--specpath", request["specpath"]]
        command.run(arguments + [request["script"]])
        if len(self.executables) != 1 or len(self.collections) != 1:
            raise SystemExit(
                "ERROR: the spec file must make exactly one executable, it makes %d" % len(self.executables)
            )

    def report(self):
        from PyInstaller.config import CONF

        analysis, executable, collection = self.analyses[0], self.executables[0], self.collections[0]
        sources = {path for _, path, _ in analysis.pure + analysis.scripts + analysis.datas + analysis.binaries}
        extensions = [
            installed.module_name(_module_parts(dest)) for dest, _, kind in analysis.binaries if kind == "EXTENSION"
        ]
        base = [node.identifier for node in analysis.graph._base_modules]
        modules = {name for name, _, _ in analysis.pure} | set(base) | {name for name in extensions if name}
        distribution = own_sources.of_distribution(self.inventory, self.request["distribution"])
        return {
            "tree": collection.name,
            "program": os.path.basename(executable.name),
            "package": NotAppended.package,
            "modules": sorted(modules),
            "origins": {dest: os.path.dirname(src) for dest, src, kind in analysis.binaries if kind != "SYMLINK"},
            "sources": sorted(path for path in sources if os.path.isabs(path or "")),
            "warnings": CONF["warnfile"],
            "opened": sorted(self.collector.opened),
            "strip": self.strip,
            "own": own_sources.OwnSources(self.request, distribution).of(analysis),
            "added": [
                {
                    "distribution": name,
                    "files": len(files),
                    "bytes": sum(os.path.getsize(path) for path in files),
                    "modules": len(modules),
                }
                for name, (files, modules) in sorted(self.collector.given.items())
            ],
        }


def _module_parts(destination):
    parts = destination.split(os.sep)
    if "lib-dynload" in parts:
        parts = parts[parts.index("lib-dynload") + 1 :]
    return parts


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    sys.path[:0] = request["search"]
    driver = Driver(request)
    driver.run()
    with open(request["report"], "w", encoding="utf-8") as file:
        json.dump(driver.report(), file)


if __name__ == "__main__":
    main()
