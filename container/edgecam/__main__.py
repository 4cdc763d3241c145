"""`python -m edgecam`: the command line."""

import logging
import sys

from edgecam.cli.main import main

if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(main())
