"""`python -m tempclr` is `tempclr`."""

import sys

from tempclr.cli import main

if __name__ == "__main__":
    sys.exit(main())
