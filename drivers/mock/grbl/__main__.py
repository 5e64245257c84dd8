"""`python -m drivers.mock.grbl --link PATH ...`"""

import sys

from drivers.mock.grbl.cli import main

sys.exit(main(sys.argv[1:]))
