"""Start the program by its path: ``python -I -S`` has neither this package nor site-packages on sys.path.

The directory that holds ``freezer`` is added last, since it may be a site-packages with modules that would hide the
standard library's.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

    from freezer.sandbox.program import main

    sys.exit(main())
