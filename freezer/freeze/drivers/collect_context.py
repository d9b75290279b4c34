"""Where the hooks that freezer generates find the collector of the running build.

PyInstaller runs each hook as a module of its own, which cannot be handed an argument.
"""

collector = None


def package(name, hooked):
    """The data files and modules of one package, as a PyInstaller hook states them."""
    found = collector.package(name, hooked)
    return [(source, folder or ".") for source, folder in found.datas], found.modules
