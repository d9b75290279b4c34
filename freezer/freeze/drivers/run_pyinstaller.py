"""Runs PyInstaller under the Python of the build environment, and writes down what it collected; see
``start_with_toolchain``.

``additions`` are what its Analysis gets, by ``spec_classes``; what comes out of the Analysis is made reproducible and
quick to start here; ``freeze_report`` says what was made.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import additions
import bare_code
import boundary
import bundle_records
import collect
import collect_context
import content_memory
import distribution_files
import freeze_report
import installed
import library_lists
import modulegraph_internals
import own_runs
import own_sources
import pyinstaller_internals as internals
import run_time_hooks
import sources
import spec_classes
import stand_ins
import standard_modules
import start_with_toolchain

if TYPE_CHECKING:
    from freeze_messages import FreezeRequest

MAIN_SCRIPT = "_freezer_main_script"
"""The module that the main script's code is stored as; see freezer/freeze/runtime/_freezer_runner.py."""
START = "_freezer_run"
"""The script of the run-time modules' that takes its place."""


def finish_analysis(
    analysis: internals.Analysis,
    request: FreezeRequest,
    inventory: installed.Inventory,
    source_files: sources.SourceFiles,
    memory: content_memory.ContentMemory,
) -> None:
    """Put the sources and the run-time modules in, and all lists in an order that is always the same."""
    # In place: PyInstaller finds the compiled code of a list by the list's identity.
    analysis.datas[:] = [entry for entry in analysis.datas if not _is_dropped(entry[0])]
    stand_ins.leave_out(analysis)
    name, path, kind = analysis.scripts[-1]
    main_file = sources.main_file(analysis, path)
    _add_sources(analysis, source_files, main_file)
    runtime = {name: os.path.join(request["runtime"], name + ".py") for name in (START, *request["runtime_modules"])}
    scripts = []
    for name, path, kind in analysis.scripts:
        if name in run_time_hooks.REPLACED:
            continue
        if name in run_time_hooks.DEFERRED:
            analysis.pure.append(("_freezer_" + name, path, internals.PYTHON_MODULE))
        else:
            scripts.append((name, path, kind))
    analysis.pure.append((MAIN_SCRIPT, path, kind.replace(internals.PYTHON_SOURCE, internals.PYTHON_MODULE)))
    # Its name in the package is its file's, with the suffix, which __file__ has at run time.
    scripts[-1] = (main_file, runtime.pop(START), internals.PYTHON_SOURCE)
    analysis.scripts[:] = scripts
    analysis.pure.extend((name, path, internals.PYTHON_MODULE) for name, path in runtime.items())
    bare = {name: bare_code.compile_bare(path, memory) for name, path in runtime.items()}
    source = boundary.source_of(path, analysis.pure) if request["marked"] else None
    if source is not None:
        bare[boundary.MARKED] = boundary.marked(source, internals.level_of(kind))
        analysis.pure.append((boundary.MARKED, source, internals.PYTHON_MODULE))
    internals.provide_code(analysis, bare)
    bundle_records.add_records(analysis, inventory, os.path.join(request["work"], "records"))
    analysis.pure.sort()
    analysis.binaries.sort()
    analysis.datas.sort()


def _add_sources(analysis: internals.Analysis, source_files: sources.SourceFiles, main_file: str) -> None:
    """Add the sources of modules and of the main script to the data, except where there is a file already."""
    main_script = source_files.main_script(main_file, analysis.scripts[-1][1])
    found = {entry[0]: entry for entry in [*source_files.of(analysis), *main_script]}
    analysis.datas.extend(entry for place, entry in found.items() if place not in {item[0] for item in analysis.datas})


def _is_dropped(destination: str) -> bool:
    folder, name = os.path.split(destination)
    return name in distribution_files.DROPPED_METADATA - {"WHEEL"} and folder.endswith((".dist-info", ".egg-info"))


def run(request: FreezeRequest, collector: collect.Collector) -> tuple[spec_classes.Program, bool]:
    """Run PyInstaller for one request; return the program that its spec file has made, and whether symbols are not
    wanted."""
    internals.need_no_binutils()
    internals.rename_code(content_memory.renamed)
    library_lists.list_by_loader()
    internals.analyse_once()
    start = [os.path.abspath(start_with_toolchain.__file__), request["toolchain"]]
    internals.share_imports(start, start_with_toolchain.load_source)
    internals.keep_own_hooks(collector.inventory.offers_hooks)
    memory = content_memory.ContentMemory(request["analysis"], internals.version())
    modulegraph_internals.find_elsewhere(standard_modules.shadowed([*request["beside"], *request["search"]]))
    modulegraph_internals.list_base_packages()
    modulegraph_internals.remember_scans(memory)
    collect_context.collector = collector
    own_files = [path for package in collector.inventory.packages.values() if package.own for path in package.files]
    own_runs.watch([*request["own_files"], *own_files], request["work"])
    found = additions.find_additions(request, collector)
    additions.write_hooks(request["hooks"], collector.inventory)
    distribution = own_sources.of_distribution(collector.inventory, request["distribution"])
    own = own_sources.OwnSources(request, distribution)
    source_files = sources.SourceFiles(request, collector.inventory, own)
    spec = spec_classes.Spec(
        found,
        lambda analysis: finish_analysis(analysis, request, collector.inventory, source_files, memory),
        request["strip"],
        request["python_options"],
    )
    spec.install()
    internals.sort_base_library()
    arguments = ["--noconfirm", "--clean", "--distpath", request["dist"], "--workpath", request["work"]]
    if not request["spec"]:
        arguments += ["--onedir", "--name", request["name"], "--specpath", request["specpath"]]
    # The script comes first, since what is passed on may end with arguments of a spec file's own.
    internals.run([*arguments, request["script"], *request["pyinstaller_args"]])
    memory.sweep(time.time())
    return spec.chosen(request["name"]), spec.strip


def put_on_path(search: Sequence[str]) -> None:
    """Have modules be found in directories before those of the environment, but after Python's own: what runs here,
    and in the processes that it starts, must not import a module of the application's that is called like one of those.
    What the application finds is another matter: see ``standard_modules.shadowed``."""
    places = [number for number, place in enumerate(sys.path) if os.path.basename(place).endswith("-packages")]
    at = places[0] if places else len(sys.path)
    sys.path[at:at] = search


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        request: FreezeRequest = json.load(file)
    put_on_path(request["search"])
    inventory = installed.Inventory(sys.path, request["local_packages"].items(), request["search"])
    put_on_path(request["beside"])
    collector = collect.Collector(inventory)
    program, strip = run(request, collector)
    with open(request["report"], "w", encoding="utf-8") as file:
        json.dump(freeze_report.report(request, program, strip, collector), file)


if __name__ == "__main__":
    main()
