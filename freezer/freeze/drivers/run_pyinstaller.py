"""Runs PyInstaller under the Python of the build environment, and writes down what it collected.

A generated spec and one of the user's go the same way: the classes that a spec file calls are wrapped. Analysis gets
freezer's additions, and its result is made reproducible and quick to start; an EXE that was meant to be one file
becomes one directory, of which the tree is made.
"""

import json
import os
import sys

import collect
import collect_context
import installed
import own_sources
import pyinstaller_internals as internals

# The directory of this file, which the interpreter has put first, is nothing that applications may import from.
sys.path[:] = [place for place in sys.path if os.path.realpath(place) != os.path.dirname(os.path.realpath(__file__))]

MAIN_SCRIPT = "_freezer_main_script"
"""The module that the main script's code is stored as; see freezer/freeze/runtime/_freezer_runner.py."""

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
        known = {}
        for place in internals.hook_directories():
            for entry in sorted(os.listdir(place)):
                if entry.startswith("hook-") and entry.endswith(".py"):
                    known[entry[5:-3]] = os.path.join(place, entry)
        for name in self.inventory.packages:
            if name.split(".")[0] in internals.OWN_PACKAGES:
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
            if name in internals.DEFERRED:
                moved.append(("_freezer_" + name, path, internals.PYTHON_MODULE))
            else:
                scripts.append((name, path, kind))
        name, path, kind = scripts[-1]
        moved.append((MAIN_SCRIPT, path, kind.replace(internals.PYTHON_SOURCE, internals.PYTHON_MODULE)))
        scripts[-1] = (name, os.path.join(runtime, "_freezer_run.py"), internals.PYTHON_SOURCE)
        analysis.scripts[:] = scripts
        moved += [
            (name, os.path.join(runtime, name + ".py"), internals.PYTHON_MODULE)
            for name in self.request["runtime_modules"]
        ]
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
        base = internals.spec_classes()
        driver = self
        datas, binaries, hidden = self.additions()
        hooks = self.write_hooks(self.request["hooks"])
        collect_context.collector = self.collector

        class Analysis(base[0]):
            def __init__(self, scripts, pathex=None, **options):
                options["datas"] = list(options.get("datas") or []) + datas
                options["binaries"] = list(options.get("binaries") or []) + binaries
                options["hiddenimports"] = list(options.get("hiddenimports") or []) + hidden
                # The first directory wins, so that the user's own hooks come before freezer's.
                options["hookspath"] = list(options.get("hookspath") or []) + [hooks]
                options["excludes"] = list(options.get("excludes") or []) + driver.request["exclude"]
                super().__init__(scripts, pathex=list(pathex or []) + driver.request["search"], **options)
                driver.finish_analysis(self)

        class EXE(base[1]):
            def __init__(self, *parts, **options):
                alone = not options.get("exclude_binaries", False)
                beside = []
                if alone:
                    # Not left to exclude_binaries, which leaves links in the program: they make one file of it.
                    beside = [
                        entry
                        for part in parts
                        if isinstance(part, list)
                        for entry in part
                        if entry[2] in internals.BESIDE
                    ]
                    parts = [
                        [entry for entry in part if entry[2] not in internals.BESIDE]
                        if isinstance(part, list)
                        else part
                        for part in parts
                    ]
                driver.strip = driver.strip or bool(options.get("strip"))
                options.update(exclude_binaries=True, upx=False, append_pkg=True, strip=False)
                options["contents_directory"] = internals.CONTENTS
                super().__init__(*parts, **options)
                driver.executables.append(self)
                if alone:
                    COLLECT(self, beside, name=os.path.basename(self.name))

        class COLLECT(base[2]):
            def __init__(self, *parts, **options):
                driver.strip = driver.strip or bool(options.get("strip"))
                options.update(upx=False, strip=False)
                super().__init__(*parts, **options)
                driver.collections.append(self)

        internals.sort_base_library()
        internals.replace_spec_classes(Analysis, EXE, COLLECT)

    def run(self):
        internals.need_no_binutils()
        request = self.request
        self.install()
        arguments = ["--noconfirm", "--clean", "--distpath", request["dist"], "--workpath", request["work"]]
        arguments += request["pyinstaller_args"]
        if not request["spec"]:
            arguments += ["--onedir", "--name", request["name"], "--specpath", request["specpath"]]
        internals.run(arguments + [request["script"]])
        if len(self.executables) != 1 or len(self.collections) != 1:
            raise SystemExit(
                "ERROR: the spec file must make exactly one executable, it makes %d" % len(self.executables)
            )

    def report(self):
        analysis, executable, collection = self.analyses[0], self.executables[0], self.collections[0]
        sources = {path for _, path, _ in analysis.pure + analysis.scripts + analysis.datas + analysis.binaries}
        extensions = [
            installed.module_name(_module_parts(dest)) for dest, _, kind in analysis.binaries if kind == "EXTENSION"
        ]
        base = internals.base_modules(analysis)
        modules = {name for name, _, _ in analysis.pure} | set(base) | {name for name in extensions if name}
        distribution = own_sources.of_distribution(self.inventory, self.request["distribution"])
        return {
            "tree": collection.name,
            "program": os.path.basename(executable.name),
            "package": internals.NotAppended.package,
            "modules": sorted(modules),
            "origins": {dest: os.path.dirname(src) for dest, src, kind in analysis.binaries if kind != "SYMLINK"},
            "sources": sorted(path for path in sources if os.path.isabs(path or "")),
            "warnings": internals.warnings_file(),
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
