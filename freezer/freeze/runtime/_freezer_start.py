# The script that the interpreter runs. Python has put its directory, which has no modules, first in the search path. It
# leaves no name in ``__main__``, which becomes the application's.

__import__("sys").path.pop(0)
__import__("_freezer_native").start()
