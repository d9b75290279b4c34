# The first script of every application that freezer builds. It puts the environment back to what the caller gave,
# and arranges for the rest (PyInstaller's own hooks, what an empty root lacks) to happen when it is first needed.
# It runs at every start, so it imports only what the interpreter has loaded already.


def _start():
    import os
    import sys

    bundle = sys._MEIPASS
    environment = os.environ
    if environment.get("LD_LIBRARY_PATH", "").startswith(bundle):
        # The bootloader set it for this process, which has read it already; children must not see it.
        original = environment.pop("LD_LIBRARY_PATH_ORIG", None)
        if original is None:
            del environment["LD_LIBRARY_PATH"]
        else:
            environment["LD_LIBRARY_PATH"] = original
    for name in list(environment):
        if name.startswith(("_PYI_", "STATICX_")):
            del environment[name]

    import _freezer_deferred
    import pyimod02_importers

    _freezer_deferred.install(bundle, pyimod02_importers.pyz_archive.toc)


_start()
del _start
