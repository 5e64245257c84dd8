"""`python -m drivers.mock.marlin --link PATH ...`"""

import sys

from drivers.mock.marlin.cli import main

sys.exit(main(sys.argv[1:]))
