"""Start the program by its path: ``python -I -S`` has neither this package nor site-packages on sys.path.

The directory that holds ``freezer`` is added last, since it may be a site-packages with modules that would hide the
standard library's.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

    if sys.argv[1:2] == ["enter"]:
        from freezer.sandbox.enter import main as enter

        sys.exit(enter(sys.argv[2]))
    if sys.argv[1:2] == ["remove"]:
        from freezer.sandbox.enter import remove

        sys.exit(remove(sys.argv[2]))
    from freezer.sandbox.program import main

    sys.exit(main())
