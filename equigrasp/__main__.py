"""`python -m equigrasp COMMAND` does what `equigrasp COMMAND` does."""

import sys

from equigrasp.cli import main

if __name__ == "__main__":
    sys.exit(main())
