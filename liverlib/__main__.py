"""``python -m liverlib``."""

import sys

from liverlib.cli.main import main

if __name__ == "__main__":  # new processes import this module again
    sys.exit(main())
