"""The command line of AWS, which says its version."""

import sys

from awscli.clidriver import main

if __name__ == "__main__":
    sys.argv[1:] = sys.argv[1:] or ["--version"]
    sys.exit(main())
