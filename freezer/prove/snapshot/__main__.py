"""Start the program by its path: ``python -I -S`` has neither this package nor site-packages on sys.path.

The directory of ``freezer`` is added last, since it may be a site-packages with modules that would hide the standard
library's.
"""

import os
import sys

if __name__ == "__main__":
    top = os.path.abspath(__file__)
    for _ in range(4):
        top = os.path.dirname(top)
    sys.path.append(top)

    from freezer.prove.snapshot.program import main

    sys.exit(main())
