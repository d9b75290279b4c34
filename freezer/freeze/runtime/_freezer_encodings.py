# Stands in for the package ``encodings``, the first that an interpreter imports from files; nothing else is a file
# there. It puts the archive of modules in place, from which then all come, ``encodings`` itself included.


TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


def _start() -> "CodeType":
    import gc
    import marshal
    import posix
    import sys

    # None of what is made here is garbage.
    gc.disable()
    # TREE/lib/pythonX.Y/encodings/__init__.pyc
    tree = __file__.rsplit("/", 4)[0]
    descriptor = posix.open(tree + "/modules", posix.O_RDONLY | posix.O_CLOEXEC)
    size = int.from_bytes(posix.pread(descriptor, 8, 8), "little")
    contents = marshal.loads(posix.pread(descriptor, size, 16))
    offset, length, _ = contents["modules"]["_freezer_archive"]
    module = type(sys)("_freezer_archive")
    sys.modules["_freezer_archive"] = module
    exec(marshal.loads(posix.pread(descriptor, length, 16 + size + offset)), module.__dict__)
    module.bundle = tree + "/_internal"  # type: ignore[attr-defined]
    if descriptor > 2:
        module.open_all(tree, descriptor, contents)
    else:
        # The number of a standard stream that is closed, which must stay so.
        module.open_all(tree, None, contents)
        posix.close(descriptor)
    finders = module.load("_freezer_finders")
    finders.install()
    finders.prepare_site()
    code: CodeType = finders.adopt(sys.modules["encodings"])
    gc.enable()
    return code


exec(_start(), globals())
del _start
